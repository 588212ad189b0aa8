"""A core that holds a table: runs from its queue, live spectra in between, the stop, and its end."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from served_core import Served, served_core, wait_until

from labctl.bus.client import CommandRefused
from labctl.bus.messages import EventRow, QueueRow, ResultRow
from labctl.core import serving
from labctl.store.catalogue import Catalogue
from procedures.live_spectra import LiveSpectra

LOOPS = ("opa_length", "pump_phase", "lo1", "lo2")


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        with served_core(tmp_path_factory.mktemp("runs")) as served:
            yield served


@pytest.fixture
def served(module: Served) -> Served:
    """A served table on which nothing goes on; what a test before left is stopped."""
    module.take_control()
    module.ask("reset", reason="the next test")
    module.ask("change_setting", setting="live.on", value=0.0)
    for loop in LOOPS:
        module.ask("lock_loop", loop=loop)
    machines = module.core.bench.supervisor.machines
    wait_until(lambda: all(machine.is_locked for machine in machines.values()))
    module.ask("change_setting", setting="live.on", value=1.0)
    return module


def start(served: Served, procedure: str, title: str = "", **parameters: object) -> str:
    """Run one step, and return the id of its run."""
    before = served.core.run.run_id
    served.ask("add_step", procedure=procedure, parameters=json.dumps(parameters))
    served.ask("start_queue", title=title)
    wait_until(lambda: served.core.run.run_id != before and served.core.queue.waiting == [])
    return served.core.run.run_id


def ended(served: Served) -> None:
    wait_until(lambda: served.core.run.stop is None)


def shown(served: Served, kind: str = "psd") -> dict[str, float]:
    """Return when each spectrum of a kind was taken."""
    return {s.channel: s.taken_at for s in served.client.latest.spectra() if s.kind == kind}


# ---- runs -----------------------------------------------------------------------------------------------------------


def test_a_run_from_the_queue_is_a_folder_and_its_results_are_known_to_the_next(served: Served) -> None:
    run_id = start(served, "individual_spectrum", "first light", averages=20, sensor=1)
    ended(served)
    assert served.core.run.state == "complete", served.core.run.reason
    folder = served.runs / run_id
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["title"], json.loads((folder / "end.json").read_text(encoding="utf-8"))["state"]) == (
        "first light",
        "complete",
    )
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert served.core.bench.known["sensor1.f0_hz"].value == results["sensor1.f0_hz"]["value"]
    wait_until(lambda: "sensor1.f0_hz" in {row.name for row in served.client.latest.rows(ResultRow)})
    assert served.is_lit  # every step was done: the table is left as it is
    second = start(served, "joint_spectrum_digitizer", records=50)
    ended(served)
    assert second != run_id
    assert served.core.run.state == "complete", served.core.run.reason
    listed = served.client.command("list_runs").rows
    assert {row.run_id for row in listed} == {run_id, second}  # type: ignore[union-attr]
    wait_until(lambda: served.client.latest.run is not None and served.client.latest.run.run_id == second)
    run = served.client.latest.run
    assert run is not None
    assert (run.step_number, run.steps) == (1, 1)  # of this run, not of the queue


def test_a_run_that_cannot_be_kept_is_told_and_the_core_goes_on(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_disk(*arguments: object) -> None:
        raise OSError("the disk is gone")

    served.ask("add_step", procedure="live_spectra", parameters='{"duration": 1.0}')
    with monkeypatch.context() as patched:
        patched.setattr(serving, "run_on", no_disk)
        served.ask("start_queue")
        alarms = served.core.board.alarms
        wait_until(lambda: any("the disk is gone" in row.text for row in alarms.rows(time.time())))
    served.ask("remove_step", identity=served.core.queue.waiting[0].identity)
    start(served, "live_spectra", duration=1.0, reference=False)
    ended(served)
    assert served.core.run.state == "complete"


# ---- live spectra ---------------------------------------------------------------------------------------------------


def test_live_spectra_begin_when_the_table_is_locked_and_end_when_a_run_starts(served: Served) -> None:
    began_at = time.time()
    channels = {"bhd1", "bhd2", "joint", "rephased"}
    wait_until(lambda: {c for c, at in shown(served).items() if at > began_at} == channels)
    assert served.core.run.stop is None
    start(served, "lock_source")
    last = max(shown(served).values())
    ended(served)
    assert served.core.run.state == "complete", served.core.run.reason
    wait_until(lambda: max(shown(served).values()) > last)  # and begin again


def test_other_averages_begin_anew_without_blocking_the_light(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    wait_until(lambda: served.core.bench.shot_and_dark is not None and "rephased" in shown(served))
    taken: list[str] = []
    monkeypatch.setattr(LiveSpectra, "_take_reference", lambda procedure: taken.append("reference"))
    served.ask("change_setting", setting="live.averages", value=7.0)
    changed_at = time.time()

    def is_shown() -> bool:
        spectrum = served.client.latest.spectrum("rephased")
        return spectrum is not None and spectrum.averages_asked == 7 and spectrum.taken_at > changed_at

    wait_until(is_shown)
    assert taken == []
    served.ask("change_setting", setting="live.averages", value=50.0)


def test_live_spectra_can_be_switched_off_and_a_held_loop_ends_them(served: Served) -> None:
    def last() -> float:
        return max(shown(served).values(), default=0.0)

    def is_quiet() -> bool:
        before, clock = last(), served.core.bench.clock
        idle_until = clock.now() + 60.0  # a table that shows nothing is there at once
        pause = threading.Event()
        while clock.now() < idle_until and last() == before:
            pause.wait(0.005)
        return last() == before

    served.ask("change_setting", setting="live.on", value=0.0)
    wait_until(is_quiet)
    before = last()
    served.ask("change_setting", setting="live.on", value=1.0)
    wait_until(lambda: last() > before)
    served.ask("hold_loop", loop="lo2")
    wait_until(is_quiet)
    assert served.core.bench.supervisor.machines["lo2"].state == "hold"


def time_passes(served: Served, seconds: float) -> None:
    """Let lab time pass on a table that shows nothing."""
    clock = served.core.bench.clock
    end = clock.now() + seconds
    wait_until(lambda: clock.now() >= end)


def test_a_defect_in_what_is_only_shown_ends_no_core(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(procedure: LiveSpectra, *arguments: object) -> None:
        raise ZeroDivisionError("what a pity")

    with monkeypatch.context() as patched:
        patched.setattr(LiveSpectra, "_one_average", defect)
        served.ask("change_setting", setting="live.averages", value=8.0)
        events = served.core.board.events
        wait_until(lambda: any(row.text == "unexpected ZeroDivisionError: what a pity" for row in events.rows()))
    assert served.thread.is_alive()


# ---- the stop -------------------------------------------------------------------------------------------------------


def test_the_stop_ends_a_run_as_stopped_and_the_table_is_safe(served: Served) -> None:
    run_id = start(served, "live_spectra", "long", duration=1e5, reference=False)
    wait_until(lambda: any(row.state == "running" for row in served.client.latest.rows(QueueRow)))
    assert served.is_lit
    stranger = served.client.command("stop", reason="smoke")  # no lease
    assert stranger.text == "Stopping: the table is being made safe."
    ended(served)
    end = json.loads((served.runs / run_id / "end.json").read_text(encoding="utf-8"))
    assert (end["state"], end["reason"]) == ("stopped", "stopped by the operator")
    wait_until(lambda: any("The table is safe" in row.text for row in served.client.latest.rows(EventRow)))
    assert not any(shutter.is_open() for shutter in served.core.bench.station.shutters.values())
    assert not any(machine.wanted for machine in served.core.bench.supervisor.machines.values())
    with pytest.raises(CommandRefused, match=r"The table was stopped by test \(127\.0\.0\.1\)"):
        served.ask("start_queue")
    before = shown(served)
    time_passes(served, 30.0)
    assert shown(served) == before  # nothing is shown, nothing moves


def test_steps_that_waited_at_a_stop_run_when_somebody_says_so(served: Served) -> None:
    start(served, "live_spectra", duration=1e5, reference=False)
    served.ask("add_step", procedure="lock_source")
    served.ask("stop")
    ended(served)
    served.ask("reset", reason="looked")
    time_passes(served, 10.0)
    assert len(served.core.queue.waiting) == 1
    assert served.ask("start_queue") == "1 steps will run."
    wait_until(lambda: not served.core.queue.waiting)
    ended(served)
    assert served.core.run.state == "complete", served.core.run.reason


# ---- the end --------------------------------------------------------------------------------------------------------


def test_at_its_end_the_table_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with served_core(tmp_path / "runs") as served:
        served.take_control()
        served.ask("lock_loop", loop="pump_phase")
        wait_until(lambda: served.core.bench.supervisor.machines["pump_phase"].is_locked)
        piezo = served.core.bench.station.piezos["opa_length"].commanded_v
        assert piezo > 10.0
    table = served.simulation.table
    assert table.source.length_servo.settings.integral_on
    assert table.shutters["pump"]
    assert Catalogue(tmp_path / "runs").list() == []
