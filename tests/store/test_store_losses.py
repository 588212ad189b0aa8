"""Lost locks are kept with their signals and causes, outlive a crash, and stand in data.nc."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from store_samples import manifest

from labctl.errors import StoreError
from labctl.locks.causes import Cause, CauseKind
from labctl.locks.first_movers import Mover
from labctl.locks.locked_time import LoopTime
from labctl.locks.losses import Evidence, Loss
from labctl.store import LossRecord, RunReader, RunState, RunWriter
from labctl.store.losses import enter_digests
from labctl.store.recover import recover

TICKS = 20


def loss(loop: str = "opa_length", at: float = 100.0) -> LossRecord:
    rng = np.random.default_rng(3)
    error, witness, output_v = rng.standard_normal((3, 2, TICKS))
    error[0] = np.nan
    evidence = Evidence(
        loss=Loss(loop, at, at + 0.1, f"{loop}: its light is at 2 % of that at lock."),
        loops=("opa_length", "lo1"),
        time_s=at - 1.0 + 0.1 * np.arange(TICKS),
        error=error,
        witness=witness,
        output_v=output_v,
        states=(("locked",) * 10 + ("relock",) * 10, ("locked",) * TICKS),
    )
    order = (Mover("opa_length", at, "witness", -0.98, 0.1), Mover("lo1", at + 0.05, "error", 0.4, 0.1))
    cause = Cause(CauseKind.KNOCK, f"{loop} was knocked; 30 µm \0 away.", 0.95, "opa_length", order)
    return LossRecord(evidence, cause)


def same(a: LossRecord, b: LossRecord) -> bool:
    signals = ("time_s", "error", "witness", "output_v")
    return (
        a.cause == b.cause
        and (a.loss, a.evidence.loops, a.evidence.states) == (b.loss, b.evidence.loops, b.evidence.states)
        and all(getattr(a.evidence, name).tobytes() == getattr(b.evidence, name).tobytes() for name in signals)
    )


def test_losses_are_read_back_bit_by_bit_in_their_order(writer: RunWriter) -> None:
    given = [loss(), loss("lo1", 50.0)]
    for one in given:
        writer.add_loss(one)
    found = RunReader(writer.path).losses()
    assert len(found) == 2
    assert all(same(a, b) for a, b in zip(given, found, strict=True))


def test_the_time_locked_is_what_was_said_last(writer: RunWriter) -> None:
    writer.keep_loop_times([LoopTime("opa_length", 10.0, 9.0), LoopTime("lo1", 8.0, 8.0)])
    writer.keep_loop_times([LoopTime("opa_length", 20.0, 18.5)])
    writer.keep_loop_times([])
    assert RunReader(writer.path).loop_times() == [LoopTime("opa_length", 20.0, 18.5), LoopTime("lo1", 8.0, 8.0)]


def test_a_crashed_run_has_them_and_so_has_its_data_file(runs: Path) -> None:
    writer = RunWriter.create(runs, manifest())
    writer.add_loss(loss())
    writer.close()  # as when the process is gone: no end.json
    (found,) = recover(writer.path).losses()
    assert same(found, loss())
    with h5py.File(writer.path / "data.nc") as file:
        variable = file["loss_1"]
        evidence = loss().evidence
        expected = np.stack([evidence.error, evidence.witness, evidence.output_v])
        np.testing.assert_array_equal(variable[...], expected)
        np.testing.assert_array_equal(file["loss_1_time"][...], evidence.time_s)
        assert variable.attrs["cause"] == "knock"
        assert variable.attrs["sentence"] == "opa_length was knocked; 30 µm \\x00 away."
        assert variable.attrs["loops"] == "opa_length, lo1"
        assert variable.attrs["order"] == "opa_length 100.000 s, lo1 100.050 s"


def test_a_run_without_losses_has_none_in_its_data_file(writer: RunWriter) -> None:
    writer.finish(RunState.COMPLETE, "", "")
    with h5py.File(writer.path / "data.nc") as file:
        assert not [name for name in file if name.startswith("loss")]


def test_a_run_made_before_losses_were_kept_is_read_and_recovered(runs: Path) -> None:
    writer = RunWriter.create(runs, manifest())
    writer.close()
    with closing(sqlite3.connect(writer.path / "run.db")) as connection:
        connection.execute("DROP TABLE losses")
        connection.execute("DROP TABLE loop_times")
        connection.commit()
    run = recover(writer.path)
    assert (run.losses(), run.loop_times()) == ([], [])
    assert run.end is not None
    assert run.end.problems == ()


def test_a_cause_of_a_later_labctl_is_unknown_here(writer: RunWriter) -> None:
    writer.add_loss(loss())
    with closing(sqlite3.connect(writer.path / "run.db")) as connection:
        connection.execute("UPDATE losses SET kind = 'gremlins'")
        enter_digests(connection)
        connection.commit()
    (found,) = RunReader(writer.path).losses()
    assert found.cause.kind is CauseKind.UNKNOWN
    assert found.cause.sentence == loss().cause.sentence


@pytest.mark.parametrize(
    "spoiled",
    [
        {"error": np.zeros((2, TICKS - 1))},
        {"states": (("locked",) * TICKS,)},
        {"loops": ("opa_length",)},
        {"time_s": np.empty(0), "error": np.empty((2, 0)), "witness": np.empty((2, 0)), "output_v": np.empty((2, 0))},
    ],
)
def test_signals_that_do_not_fit_are_refused(writer: RunWriter, spoiled: dict[str, object]) -> None:
    record = loss()
    with pytest.raises(StoreError, match="the loss of opa_length are not"):
        writer.add_loss(LossRecord(replace(record.evidence, **spoiled), record.cause))  # type: ignore[arg-type]
    assert RunReader(writer.path).losses() == []


def test_a_loss_at_no_time_is_refused(writer: RunWriter) -> None:
    with pytest.raises(StoreError, match="A time of the loss of opa_length is no number"):
        writer.add_loss(loss(at=float("nan")))


@pytest.mark.parametrize("column", ["data = x'00'", "shape = '[1, 2]'", "movers = '{}'", "states = 'x'"])
def test_a_damaged_loss_is_said_to_be_damaged(writer: RunWriter, column: str) -> None:
    writer.add_loss(loss())
    with closing(sqlite3.connect(writer.path / "run.db")) as connection:
        connection.execute(f"UPDATE losses SET {column}")
        connection.commit()
    with pytest.raises(StoreError, match=r"Lost lock number 1 \(opa_length\) is not what was written"):
        RunReader(writer.path).losses()
