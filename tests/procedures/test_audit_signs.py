"""Every pattern of wrong signs is found over the wire, and what is not wrong with a sign is called by its name."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from ideal_table import open_table, station_at
from procedure_bench import LockedTable, Ran
from signed_table import SignedTable, one_turned_at_a_time

from labctl.errors import AnalysisRefused, BadReply, ConfigurationError, LockError
from labctl.station.station import Station
from procedures.audit_signs import TONE, AuditSigns
from procedures.bench import Bench, MemoryRecord

ALL_RIGHT = (1, 1, 1, 1)
SCENARIOS = ("ideal", "delays", "jitter", "loss")
SIGMAS = 4.0
FEW = 2
LOSE_S = 3.0  # lab time in which a loop that is off its point is seen to be


@pytest.fixture(scope="module")
def table() -> Iterator[SignedTable]:
    table = SignedTable.make()
    yield table
    table.opened.station.close()


@pytest.fixture
def right(table: SignedTable) -> SignedTable:
    table.turn(ALL_RIGHT)
    return table


@pytest.fixture
def station(right: SignedTable) -> Station:
    return right.opened.station


def tone_is_on(table: LockedTable) -> bool:
    return table.opened.table.tones[TONE].waveform.on


def blamed(table: LockedTable, **parameters: object) -> tuple[str, MemoryRecord]:
    """Return the verdict on wrong signs, empty where there are none, and the record; the tone is off afterwards."""
    bench = table.fresh_bench()
    verdict = ""
    try:
        table.run(AuditSigns, bench, **parameters)
    except LockError as error:
        verdict = str(error)
    assert not tone_is_on(table)
    record = bench.record
    assert isinstance(record, MemoryRecord)
    return verdict, record


def found_signs(record: MemoryRecord) -> list[float]:
    return [record.named[f"audit.sensor{n}_sign"].value for n in range(1, 5) if f"audit.sensor{n}_sign" in record.named]


def texts(record: MemoryRecord, level: str) -> str:
    return " ".join(event.text for event in record.events if event.level == level)


def check_pattern(table: SignedTable, signs: tuple[int, ...]) -> None:
    table.turn(signs)
    verdict, record = blamed(table, records=FEW)
    assert table.signs == signs  # looked at, and not touched
    assert found_signs(record) == list(signs)
    wrong = [n for n, sign in enumerate(signs, 1) if sign < 0]
    for n in range(1, 5):
        assert (f"lo{n} is at -pi/2 where +pi/2 is intended" in verdict) == (n in wrong)
        assert 0.0 < record.named[f"audit.sensor{n}_sign"].sigma < 0.01
    assert bool(verdict) == bool(wrong)


def test_each_of_the_sixteen_patterns_is_named(table: SignedTable) -> None:
    patterns = list(one_turned_at_a_time(4))
    assert len(set(patterns)) == 16
    for signs in patterns:
        check_pattern(table, signs)


@pytest.mark.parametrize("scenario", [scenario for scenario in SCENARIOS if scenario != "delays"])
def test_two_patterns_in_the_other_scenarios(scenario: str) -> None:
    table = SignedTable.make(scenario=scenario)
    check_pattern(table, (1, -1, 1, -1))
    check_pattern(table, ALL_RIGHT)
    table.opened.station.close()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [6, 7])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_sixteen_patterns_on_many_tables(scenario: str, seed: int) -> None:
    table = SignedTable.make(seed, scenario)
    for signs in one_turned_at_a_time(4):
        check_pattern(table, signs)
    table.opened.station.close()


def test_what_is_kept(right: SignedTable) -> None:
    ran: Ran = right.run(AuditSigns)
    record = ran.record
    delays = {name for name in record.named if name.endswith("_delay_s")}
    assert len(delays) == 3
    expected = {f"audit.sensor{n}_{what}" for n in range(1, 5) for what in ("sign", "tone_rad")}
    assert set(record.named) == expected | delays
    truth = right.opened.table.truth
    (reference,) = set(range(1, 5)) - {int(name.removeprefix("audit.sensor")[0]) for name in delays}
    for name in delays:
        late = (
            truth.sensors[int(name.removeprefix("audit.sensor")[0]) - 1].delay_s - truth.sensors[reference - 1].delay_s
        )
        assert abs(record.named[name].value - late) < SIGMAS * record.named[name].sigma
    depth_rad = math.pi * 0.3e-3 / truth.modulator_volts_per_pi
    for n in range(1, 5):
        found = record.named[f"audit.sensor{n}_tone_rad"]
        # One detector's squeezing takes 9 % of the noise that the depth is told by.
        assert found.value == pytest.approx(depth_rad / math.sqrt(10.0**-0.078), abs=SIGMAS * found.sigma)
        assert found.sigma < 0.1 * found.value
    for result in record.named.values():
        assert math.isfinite(result.value) and 0.0 < result.sigma < math.inf
        assert result.convention and result.source
    assert [row["Sign"] for row in ran.rows] == [1.0] * 4
    for n, row in enumerate(ran.rows, start=1):  # each over the noise of its own detector, which the depth is told by
        depth = record.named[f"audit.sensor{n}_tone_rad"]
        assert row["Tone share"] == pytest.approx(1.0, abs=SIGMAS * depth.sigma / depth.value)
    assert "dB or more above the noise" in texts(record, "info") and "chance" in texts(record, "info")
    assert texts(record, "warning") == ""


def test_loops_that_were_really_locked_are_held_against_the_file_and_against_the_signs_that_are_meant() -> None:
    opened = open_table(station_at(5, "delays", lo3="-pi/2"))
    table = LockedTable(opened, Bench.of(opened.station, MemoryRecord()))
    assert blamed(table)[0] == ""
    verdict, record = blamed(table, signs="++++")
    assert verdict.startswith("lo3 is at -pi/2 where +pi/2 is intended.")
    assert found_signs(record) == [1, 1, -1, 1]
    opened.station.close()


# ---- what else may be wrong -----------------------------------------------------------------------------------------


@pytest.fixture
def gains(right: SignedTable) -> Iterator[list[float]]:
    """The gains of the detectors; what a test makes of them is undone."""
    detectors = right.opened.table.detectors
    before = detectors._gain.copy()
    yield detectors._gain
    detectors._gain[:] = before


def test_a_dark_detector_is_named(right: SignedTable, gains: list[float]) -> None:
    gains[1] = 0.0
    verdict, record = blamed(right)
    assert verdict.startswith("lo2 sees no tone (noise alone gives as much with a chance of 0.")
    assert "lo1" not in verdict and "lo3" not in verdict
    assert found_signs(record) == [1, 1, 1] and "audit.sensor2_sign" not in record.named


def test_a_reversed_output_is_told_from_a_wrong_lock(right: SignedTable, gains: list[float]) -> None:
    gains[2] *= -1.0
    verdict, record = blamed(right)
    assert verdict.startswith(
        "lo3 has the sign of -pi/2 where +pi/2 is intended, although its servo holds the slope of +pi/2"
    )
    assert found_signs(record) == [1, 1, -1, 1]
    right.turn((1, 1, -1, 1))  # its quadrature makes up for it
    verdict, record = blamed(right, signs="++++")
    assert verdict == ""
    assert "lo3 has the intended sign, and its servo holds the slope of -pi/2" in texts(record, "warning")


def test_a_detector_that_sees_less_of_the_tone_is_told(right: SignedTable) -> None:
    sensor = right.opened.table.sensors[3]
    visibility = sensor.visibility
    sensor.visibility = lambda: 0.6 * visibility()  # type: ignore[method-assign]
    verdict, record = blamed(right)
    sensor.visibility = visibility  # type: ignore[method-assign]
    assert verdict == ""
    assert "lo4 sees 6" in texts(record, "warning") and "% of the tone that the others see" in texts(record, "warning")


# ---- without an overall sign ----------------------------------------------------------------------------------------


@pytest.fixture
def silent(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    """Servos that do not say which slope they hold, as those that labctl closes itself."""
    for name in ("lo1", "lo2", "lo3", "lo4"):
        monkeypatch.setattr(station.servos[name], "setting", lambda: None)


@pytest.mark.usefixtures("silent")
def test_without_slopes_only_the_overall_sign_is_missing(right: SignedTable) -> None:
    right.turn((-1, -1, -1, -1))
    verdict, record = blamed(right)
    assert verdict == ""
    assert "overall sign is not known: no servo says" in texts(record, "warning")
    assert "overall sign unknown" in record.named["audit.sensor1_sign"].convention
    right.turn((-1, -1, 1, -1))
    verdict, record = blamed(right)
    assert "lo3 has the sign of" in verdict and "against the other detectors" in verdict
    assert "lo1 has" not in verdict
    right.turn((-1, 1, 1, -1))
    verdict, record = blamed(right)
    assert "contradict" in verdict and "nothing absolute tells" in verdict
    signs = found_signs(record)
    assert signs in ([-1, 1, 1, -1], [1, -1, -1, 1])


# ---- refusals, stops and failures: the tone is off afterwards --------------------------------------------------------


def test_a_weak_tone_is_refused(right: SignedTable) -> None:
    with pytest.raises(AnalysisRefused, match=r"too weak: where it is strongest.* dB .*noise alone gives as much"):
        right.run(AuditSigns, amplitude=0.01)
    assert not tone_is_on(right)


@pytest.mark.usefixtures("right")
def test_a_station_without_a_tone_is_told_so(right: SignedTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(right.opened.station.tones, TONE)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"no \[tones\.phase_calibration\]"):
        right.run(AuditSigns)


@pytest.mark.parametrize("signs", ["+++", "++++-", "++x+"])
def test_signs_that_are_none_are_refused(right: SignedTable, signs: str) -> None:
    with pytest.raises(ConfigurationError, match="one \\+ or - for each of 4"):
        right.run(AuditSigns, signs=signs)


def test_a_tone_on_a_resonance_is_refused(right: SignedTable) -> None:
    with pytest.raises(ConfigurationError, match="from the resonance"):
        right.run(AuditSigns, frequency=4.3011e6)


def test_a_failing_digitizer_leaves_the_tone_off(
    right: SignedTable, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def fail() -> None:
        seen.append(tone_is_on(right))
        raise BadReply("digitizer", "never filled its buffer")

    monkeypatch.setattr(station.digitizer, "record", fail)
    with pytest.raises(BadReply, match="never filled"):
        right.run(AuditSigns)
    assert seen == [True] and not tone_is_on(right)


def test_a_stop_leaves_the_tone_off(right: SignedTable) -> None:
    bound = AuditSigns.bind(right.fresh_bench())()
    bound.set_parameters({})
    seen: list[bool] = []

    def stop_once_the_tone_is_on() -> bool:
        seen.append(tone_is_on(right))
        return seen[-1]

    bound.should_stop = stop_once_the_tone_is_on
    bound.emit = lambda topic, what: None
    bound.startup()
    bound.execute()
    bound.shutdown()
    assert bound.was_stopped and seen[-1] and not tone_is_on(right)


def test_records_during_which_a_loop_was_lost_are_taken_again(
    right: SignedTable, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, servo = station.digitizer.record, station.servos["lo2"]
    tries: list[float] = []

    def lose_it_once() -> object:
        if not tries:
            servo.set_output(servo.output_v() + 0.5)  # half of V_pi
            station.clock.sleep(LOSE_S)
        tries.append(station.clock.now())
        return record()

    monkeypatch.setattr(station.digitizer, "record", lose_it_once)
    _, kept = blamed(right, records=FEW)
    assert "The records of try 1 are of no use: lo2" in texts(kept, "warning")
    assert len(tries) == 2 * 2 * FEW
    assert found_signs(kept) == [1, 1, 1, 1]
