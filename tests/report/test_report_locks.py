"""The section on locks: losses with their causes, and the time locked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from report_page import parse
from report_runs import manifest

from labctl.commands.listings import print_run
from labctl.locks.causes import Cause, CauseKind
from labctl.locks.first_movers import Mover
from labctl.locks.locked_time import LoopTime
from labctl.locks.losses import Evidence, Loss
from labctl.report.contents import read_run
from labctl.report.html import render
from labctl.report.locks import locks
from labctl.store import LossRecord, RunState, RunWriter

SENTENCE = "02:13:07: opa_length was knocked & <came> back."


def loss(kind: CauseKind = CauseKind.KNOCK, at: float = 7387.0) -> LossRecord:
    signals = np.zeros((1, 3))
    evidence = Evidence(
        Loss("opa_length", at, at + 0.1, "gone"),
        ("opa_length",),
        at + np.arange(3.0),
        signals,
        signals,
        signals,
        (("locked",) * 3,),
    )
    order = (Mover("opa_length", at, "witness", -1.0, 0.1), Mover("lo1", at + 0.1, "error", 1.0, 0.1))
    return LossRecord(evidence, Cause(kind, SENTENCE, 0.95, "opa_length", order))


def run_with(folder: Path, losses: list[LossRecord], times: list[LoopTime]) -> Path:
    writer = RunWriter.create(folder, manifest("night", "Locks"))
    for one in losses:
        writer.add_loss(one)
    writer.keep_loop_times(times)
    writer.finish(RunState.COMPLETE, "", "")
    return writer.path


def test_losses_and_time_locked_are_on_the_page(tmp_path: Path) -> None:
    path = run_with(tmp_path, [loss(), loss(CauseKind.RAIL, 8000.0)], [LoopTime("opa_length", 7200.0, 7100.0)])
    page = parse(render(read_run(path)))
    assert any(tag == "section" and attributes.get("id") == "locks" for tag, attributes in page.tags)
    cells = [cell.text for cell in page.cells]
    assert SENTENCE in cells
    assert "98.61 %" in cells
    assert "opa_length, lo1 +100 ms" in cells
    assert "2 locks lost: 1 by knock, 1 by rail." in page.text


def test_a_run_without_locks_has_no_such_section(tmp_path: Path) -> None:
    page = parse(render(read_run(run_with(tmp_path, [], []))))
    assert not any(attributes.get("id") == "locks" for _, attributes in page.tags)


def test_a_loop_that_was_lost_without_a_count_of_its_time_is_named(tmp_path: Path) -> None:
    section = locks(read_run(run_with(tmp_path, [loss()], [])))
    assert [(one.loop, one.share, one.losses) for one in section.loops] == [("opa_length", "not recorded", 1)]
    assert section.lost[0].how_sure == "sure"


def test_very_many_losses_are_not_all_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labctl.report.locks.MOST_LISTED", 2)
    section = locks(read_run(run_with(tmp_path, [loss()] * 3, [])))
    assert len(section.lost) == 2
    assert section.summary == "3 locks lost: 3 by knock. The first 2 are listed; the others are in run.db."


def test_show_lists_the_losses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run_with(tmp_path, [loss()], [])
    print_run(path.name, tmp_path)
    shown = " ".join(capsys.readouterr().out.split())
    assert "lost lock" in shown
    assert "7387.0" in shown
    assert "opa_length was knocked" in shown
