"""The sections of sentences and tables: what each concludes from the results of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report_page import Page, parse
from report_runs import Night, steps, write_night
from whole_paper import Changes, after, whole_night, with_results

from labctl.locks.causes import Cause, CauseKind
from labctl.locks.locked_time import LoopTime
from labctl.locks.losses import Evidence, Loss
from labctl.report import told_sections as told
from labctl.report.calibration import sensor_blocks, windows_summary
from labctl.report.changed import changed_since
from labctl.report.contents import RunContents, read_run
from labctl.report.efficiency import efficiency_budget
from labctl.report.html import render
from labctl.report.jitter import jitter_split
from labctl.report.lost_time import lost_time, out_by_cause, steps_lost
from labctl.report.missing_decibels import missing_decibels
from labctl.report.needs_hands import needs_hands
from labctl.report.past_nights import TABLE_RESULTS, past_nights, placed
from labctl.report.readouts import readouts
from labctl.report.sections import Section
from labctl.store.losses import LossRecord
from labctl.store.records import EventRecord, InstrumentSnapshot, SettingValue, StepRecord, StepState


def said(section: Section) -> str:
    return " ".join(f"{one.mark.word}: {one.text}" for one in section.findings)


def cells(section: Section) -> list[list[str]]:
    return [[cell.text for cell in row] for table in section.tables for row in table.rows]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunContents:
    return read_run(write_night(tmp_path_factory.mktemp("whole") / "runs", "tonight", whole_night()))


def test_readouts_set_alone_beside_conditional(whole: RunContents) -> None:
    section = readouts(whole)
    assert "read at −1.67\u00a0dB on average, 0.90\u00a0dB better than alone (−0.77\u00a0dB)" in said(section)
    assert "would allow −1.648\u00a0±\u00a00.016\u00a0dB" in said(section)  # 1 / (1 + (1 - V) / 4V), V = -4.543 dB
    assert "19\u00a0% of its noise power was not loss" in said(section)  # 0.902 dB
    assert [row[i] for row in cells(section)[-1:] for i in (0, 3)] == ["Re-phased sum", "35.1\u00a0%"]


def test_delays_are_named_with_their_cables(whole: RunContents) -> None:
    text = said(missing_decibels(whole))
    assert "lacks 0.96\u00a0±\u00a00.05\u00a0dB of the −4.71\u00a0±\u00a00.05\u00a0dB" in text
    assert "cause: Cable delays" in text and "detector 1 18.10\u00a0±\u00a00.30\u00a0ns early" in text
    assert "The cable of detector 4 is about 7.1\u00a0m longer than that of detector 1" in text  # 36.1 ns
    assert "hase noise takes" not in text and "Loss:" not in text


def quiet_delays(**lost: tuple[float, float]) -> Changes:
    return {"joint.lost_to_delays_db": (0.0, 0.02)} | {f"joint.lost_to_{key}_db": value for key, value in lost.items()}


def test_phase_noise_is_common_or_private(whole: RunContents) -> None:
    jitter = quiet_delays(jitter=(0.9, 0.1)) | {"joint.common_jitter_rad": (0.1, 0.01)}
    assert "cause: Common phase noise: all detectors shake together by 100\u00a0±\u00a010\u00a0mrad" in said(
        missing_decibels(with_results(whole, jitter))
    )
    private = jitter | {"joint.common_jitter_rad": (0.01, 0.01), "joint.private_jitter_rad": (0.06, 0.01)}
    assert "cause: Private phase noise: each detector shakes by 60" in said(
        missing_decibels(with_results(whole, private))
    )


def test_loss_and_nothing_and_no_cause(whole: RunContents) -> None:
    assert "cause: Loss: 0.80" in said(missing_decibels(with_results(whole, quiet_delays(loss=(0.8, 0.06)))))
    assert "No cause stands out" in said(missing_decibels(with_results(whole, quiet_delays())))
    fine = quiet_delays() | {"joint.missing_db": (0.03, 0.05)}
    assert "nothing missing: The hardware sum reaches" in said(missing_decibels(with_results(whole, fine)))


def test_without_a_diagnosis_nothing_is_claimed(tmp_path: Path) -> None:
    run = read_run(write_night(tmp_path / "runs", "plain", Night(traces=False)))
    assert "not looked for" in said(missing_decibels(run)) and not missing_decibels(run).tables


def test_the_efficiency_budget_multiplies(whole: RunContents) -> None:
    good: Changes = {f"sensor{n}.visibility": (0.95, 0.004) for n in range(1, 5)}
    section = efficiency_budget(with_results(whole, good))
    product = 0.92 * 0.99 * 0.95**2 * 0.998
    assert f"agrees: The product is {product:.3f}" in said(section)
    poor = good | {"network.channel_efficiency": (0.71, 0.01)}
    assert "differs" in said(efficiency_budget(with_results(whole, poor)))
    assert "0.8203" not in said(section) and cells(section)[0][3].startswith("0.902")  # visibility squared


def test_the_jitter_is_split(whole: RunContents) -> None:
    section = jitter_split(whole)  # 21 mrad common, 14 private, M = 4: sqrt(21^2 + 7^2) = 22
    assert "shakes by 22\u00a0±\u00a06\u00a0mrad rms; the common part" in said(section)
    assert [row[2] for row in cells(section)[:2]] == ["90\u00a0%", "10\u00a0%"]
    loud = with_results(whole, {"joint.private_jitter_rad": (0.08, 0.005)})
    assert "more than seen" in said(jitter_split(loud)) and "the local oscillators come first" in said(
        jitter_split(loud)
    )


def test_lost_time_adds_up_by_cause() -> None:
    journal = steps(1)[:3]  # 600 s each, one after the other
    failed = replace(journal[1], state=StepState.FAILED, reason="No light.", ended_at=900.0)
    again = replace(journal[1], attempt=2, started_at=930.0, ended_at=1200.0)
    later = replace(journal[2], started_at=1300.0, ended_at=1900.0)
    lost = {(one.kind, one.cause): one for one in steps_lost([journal[0], failed, again, later])}
    assert {key: one.seconds for key, one in lost.items()} == {
        ("tries that gave nothing", "noise_floor"): 300.0,
        ("instruments brought back", "before noise_floor again"): 30.0,
        ("no step ran", "queue paused or waiting"): 100.0,
    }
    assert lost["tries that gave nothing", "noise_floor"].last_reason == "No light."
    assert steps_lost(steps(4)) == []


def loss(loop: str, kind: CauseKind, volts: float = 0.1) -> LossRecord:
    signals = np.full((1, 3), volts)
    evidence = Evidence(
        Loss(loop, 100.0, 100.1, "gone"), (loop,), np.arange(3.0), signals, signals, signals, (("locked",) * 3,)
    )
    return LossRecord(evidence, Cause(kind, "It went.", 0.9, loop, ()))


def test_time_out_of_lock_goes_to_the_causes(whole: RunContents) -> None:
    losses = [loss("lo1", CauseKind.KNOCK), loss("lo1", CauseKind.KNOCK), loss("lo1", CauseKind.RAIL)]
    times = [LoopTime("lo1", 1000.0, 970.0), LoopTime("lo2", 1000.0, 995.0)]
    run = replace(whole, losses=losses, loop_times=times)
    assert out_by_cause(run) == pytest.approx(
        {"knock": 20.0, "rail": 10.0, "no loss recorded: opened and closed on purpose": 5.0}
    )
    assert any("lo1 30" in cell for row in cells(lost_time(run)) for cell in row)


def test_tonight_is_placed_among_earlier_nights(whole: RunContents) -> None:
    nights: list[Changes] = [{"joint.raw_db": (-3.65 + 0.01 * (-1) ** day, 0.011)} for day in range(6)]
    run = with_results(after(whole, nights), {"joint.raw_db": (-3.4, 0.011)})
    raw = placed(run, TABLE_RESULTS)[0]
    spread = np.std([-3.64, -3.66] * 3, ddof=1)
    assert raw.mean == pytest.approx(-3.65) and raw.spread == pytest.approx(spread)
    assert raw.spreads == pytest.approx(0.25 / (max(spread, 0.011) * np.sqrt(1 + 1 / 6)))
    section = past_nights(run)
    assert "unlike before: 1 of" in said(section) and "hardware sum" in said(section)
    row = section.tables[0].rows[0]
    assert "highest of all" in row[4].text and row[5].points[-1] == 1.0 and len(row[5].points) == 7
    page = parse(render(run))
    assert any(
        tag == "svg" and (attributes["aria-label"] or "").startswith("7 nights") for tag, attributes in page.tags
    )
    each_section_begins_with_a_sentence(page, run)


def each_section_begins_with_a_sentence(page: Page, run: RunContents) -> None:
    sections = sum(tag == "section" for tag, _ in page.tags)
    leads = sum(tag == "p" and attributes.get("class") == "lead" for tag, attributes in page.tags)
    assert leads == sections >= 16
    links = {(attributes["href"] or "")[1:] for tag, attributes in page.tags if tag == "a"}
    assert {one.key for place in told.told_sections(run).values() for one in place} <= links


def test_without_earlier_nights_nothing_is_compared(whole: RunContents) -> None:
    assert whole.earlier == []
    assert "no earlier complete night" in said(past_nights(whole)) and "unknown" in said(changed_since(whole))


def test_what_changed_is_named_with_how_it_was_obtained(whole: RunContents) -> None:
    found = {"rbw_hz": SettingValue(30.0, 1.5, "read"), "gain": SettingValue(None, 2.0, "failed")}
    found["mode"] = SettingValue("SA", 0.0, "cached")
    analyzer = InstrumentSnapshot("analyzer", "drivers.keysight.x_series", "TCPIP::1", "Keysight,N9020A,MY0002", found)
    run = after(whole, [{}])
    told_now = replace(run.manifest, instruments=[analyzer], git_commit="ffff")
    section = changed_since(replace(run, manifest=told_now, instruments=[analyzer]))
    assert "changed: Changed: 1 of 2 settings found" in said(section)
    assert "failed: Of 3 settings found: 1 read, 1 cached, 1 failed." in said(section)
    rows = {row[0].text: row for row in section.tables[0].rows}
    assert [cell.text for cell in rows["analyzer.rbw_hz"][1:3]] == ["10", "30"]
    assert {name: str(row[3].mark) for name, row in rows.items()} == {
        "analyzer.gain": "✖ failed",
        "analyzer.mode": "~ cached",
        "analyzer.rbw_hz": "✔ read",
    }
    assert rows["analyzer.mode"][4].text == "2\u00a0h 20\u00a0min"  # old at the end of the night
    names = [row[0] for row in cells(section)]
    assert {"identity.analyzer", "program.git_commit"} <= set(names) and "program.numpy" not in names


def test_hands_are_told_what_to_turn(whole: RunContents) -> None:
    changed: Changes = {"sensor2.visibility": (0.91, 0.004), "sensor1.visibility": (0.8, 0.01)}
    outside = EventRecord(5.0, "error", "cavity1", "piezo cavity1: -1.2 V is outside 0 to 150 V; nothing was sent.")
    advice = EventRecord(8.0, "warning", "uniformity", "sensor4: its imprecision is off by +5 %. Give it light.")
    run = replace(
        with_results(after(whole, [{}] * 4), changed),
        events=[outside, outside, advice],
        steps=[*steps(4), StepRecord("uniformity", "uniformity", StepState.DONE, 1, 8400.0, 8401.0)],
        losses=[
            loss("lo3", CauseKind.RAIL, 4.5),
            loss("lo4", CauseKind.KNOCK, 4.2),
            loss("lo1", CauseKind.KNOCK),
        ],
    )
    rows = [(str(row[0].mark), row[1].text, row[2].text, row[3].text) for row in needs_hands(run).tables[0].rows]
    told = {where.replace("\u00a0", " "): (when, seen, turn) for when, where, seen, turn in rows}
    assert told["Sensor 1"][0] == "✖ now" and "36\u00a0% of the light" in told["Sensor 1"][1]
    assert told["Sensor 2"][0] == "▲ soon" and "0.933 on average before" in told["Sensor 2"][1]
    assert "light spot" in told["Sensor 3"][2] and "3.60" in told["Sensor 3"][1]
    assert told["Sensor 4"][2] == "Its imprecision is off by +5 %. Give it light."
    assert "ran into its end (4.5 of 4.5 V)" in told["lo3"][1] and told["lo4"][0] == "▲ soon"
    assert "outside 0 to 150 V (2 ×)" in told["piezo cavity1"][1]
    assert "lo1" not in told
    assert [when for when, *_ in rows] == sorted((when for when, *_ in rows), key=lambda when: "now" not in when)


def test_visibility_that_falls_night_by_night_is_told(whole: RunContents) -> None:
    falling: list[Changes] = [{"sensor3.visibility": (0.95 - 0.006 * day, 0.008)} for day in range(3)]
    alike = {f"sensor{n}.inconsistency": (0.01, 0.002) for n in range(1, 5)}
    run = with_results(after(whole, falling), alike | {"sensor3.visibility": (0.932, 0.008)})
    (row,) = needs_hands(run).tables[0].rows
    assert row[2].text.startswith("Visibility falls night by night: 0.950 → 0.944 → 0.938 → 0.932.")


def test_windows_are_judged_in_words(whole: RunContents) -> None:
    def marks(run: RunContents) -> dict[str, list[str]]:
        (block,) = sensor_blocks(run)
        rows = [row for group in block.groups for row in group.rows]
        return {row.quantity: [cell.mark.word for cell in row.cells if cell.mark] for row in rows}

    found = marks(whole)
    assert found["Coupling g₀/2π"] == ["inside"] * 3 + ["at the edge"]  # 21.7 +- 0.1 of 21 +- 3 %
    assert found["by all, on resonance"] == ["inside", "inside", "outside", "outside"]
    assert found["Linewidth κ, FWHM"] == ["inside"] * 4 and found["Homodyne visibility"] == []
    off: Changes = {"sensor1.gamma_hz": (44.0, 0.3), "sensor2.gamma_hz": (43.0, 0.3), "sensor3.kappa_hz": (57e9, 5e7)}
    found = marks(with_results(whole, off))
    assert found["Damping rate Γ, spectrum, FWHM"][:2] == ["outside", "inside"]  # 41 Hz +- 6 %: up to 43.46
    assert found["Linewidth κ, FWHM"][2] == "outside"
    assert windows_summary(sensor_blocks(whole)) == "Of 32 numbers with a window: 29 inside, 1 at the edge, 2 outside."


def test_without_a_design_there_are_no_windows(whole: RunContents) -> None:
    run = replace(whole, manifest=replace(whole.manifest, station_file="no [ file"))
    marks = [
        c.mark
        for b in sensor_blocks(run)
        for g in b.groups
        for row in g.rows
        if "Γ, spec" in row.quantity
        for c in row.cells
    ]
    assert marks == [None] * 4


def test_a_section_that_breaks_costs_no_other(whole: RunContents, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(run: RunContents) -> Section:
        raise ValueError("a <damaged> number")

    monkeypatch.setitem(told._PLACES, "of_the_light", (broken, readouts))
    first, second = told.told_sections(whole)["of_the_light"]
    assert "could not be made (ValueError: a <damaged> number)" in first.lead
    assert second.title == "Readouts: alone, conditional, re-phased" and second.tables
