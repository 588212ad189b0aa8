"""Making a table safe while other threads use it: on a table that is served, with a thread for each instrument."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from station_bench import station_file

sys.path.insert(0, str(Path(__file__).parents[1] / "simulation"))

from server_bench import serving

from labctl.configuration.station_file import StationFile, VisaBackend
from labctl.errors import Stopped
from labctl.station.bring_up import link_to, open_station
from labctl.station.safe_state import PATIENCE_S
from labctl.station.station import Station

SPEED = 5.0
SILENT_AFTER_S = 16.0
WAIT_S = 30.0  # wall time that is never needed
LATE_S = 0.3  # lab time that other threads of a busy machine may cost


@contextmanager
def served(file: StationFile) -> Iterator[Station]:
    """Open a station whose table a thread serves."""
    with serving(file, speed=SPEED) as server:
        entries = {
            name: entry.model_copy(update={"address": server.addresses[name]})
            for name, entry in file.instruments.items()
        }
        backend = VisaBackend(kind="visa", library="@py", speed=SPEED)
        at_ports = file.model_copy(update={"instruments": entries, "backend": backend})
        station = open_station(at_ports, link_to(at_ports))
        assert station.clock.concurrent
        try:
            yield station
        finally:
            station.close()


class Other:
    """Another thread that does something, and what it ended with."""

    def __init__(self, action: Callable[[], Any]) -> None:
        self.error: BaseException | None = None
        self.result: Any = None
        self._action = action
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.result = self._action()
        except BaseException as error:
            self.error = error

    def end(self) -> Any:
        self.thread.join(WAIT_S)
        assert not self.thread.is_alive()
        return self.result


def wait_for(is_so: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(int(WAIT_S / 2e-3)):
        if is_so():
            return
        waiting.wait(2e-3)
    raise AssertionError("it never came")


def test_ramps_in_other_threads_end_and_the_table_is_safe() -> None:
    with served(station_file()) as station:
        piezos, servo = station.piezos, station.servos["lo1"]
        servo.set_output(0.0)
        ramps = [
            Other(lambda: piezos["cavity1"].ramp_to(150.0)),
            Other(lambda: piezos["lo1"].ramp_to(100.0)),
            Other(lambda: [servo.set_output(volts) for volts in 10 * (4.5, -4.5)]),
        ]
        wait_for(lambda: min(piezos[name].commanded_v or 0.0 for name in ("cavity1", "lo1")) > 10.0)
        both = [Other(station.make_safe), Other(station.make_safe)]
        assert [one.end() for one in both] == [[], []]
        for ramp in ramps:
            ramp.end()
            assert isinstance(ramp.error, Stopped)
        assert all(piezo.commanded_v == 0.0 for piezo in piezos.values())
        assert all(piezo.missing_v() < 2.0 for piezo in piezos.values())
        assert servo.output_v() == 0.0 and not servo.state().closed
        piezos["cavity1"].ramp_to(5.0)  # who comes later goes again


def test_a_silent_instrument_keeps_nobody_waiting_who_is_behind_another() -> None:
    fault = {"instrument": "servos", "kind": "silent", "after": SILENT_AFTER_S}
    file = station_file([fault], instruments={"servos": {"timeout": "0.3 s"}})
    with served(file) as station:
        names = ["lo1", "lo2", "cavity1", "cavity4"]
        began_at = station.clock.now()
        for servo in station.servos.values():
            servo.hold()
        for piezo in station.piezos.values():
            piezo.ramp_to(0.0)  # known from now on
        raising = [Other(lambda name=name: station.piezos[name].ramp_to(75.0)) for name in names]
        for other in raising:
            other.end()
        station.clock.sleep(SILENT_AFTER_S - (station.clock.now() - began_at))
        began_at = station.clock.now()
        making_safe = Other(station.make_safe)
        wait_for(lambda: all(piezo.commanded_v == 0.0 for piezo in station.piezos.values()))
        assert station.clock.now() - began_at < PATIENCE_S + 0.4 + LATE_S
        assert making_safe.thread.is_alive()
        problems = making_safe.end()
        assert [problem.split(" could")[0] for problem in problems] == [
            f"servo {name}" for name in ("lo4", "lo3", "lo2", "lo1", "pump_phase", "opa_length")
        ]
        assert all(": servos: did not answer" in problem for problem in problems[:1])


def test_what_is_wrong_with_the_locks_is_told_and_stops_nothing() -> None:
    def fail() -> None:
        raise RuntimeError("no locks")

    with served(station_file()) as station:
        station.shutters["pump"].open()
        station.before_safe.append(fail)
        assert station.make_safe() == ["the locks could not be made safe: no locks"]
        assert not station.shutters["pump"].is_open()
        with pytest.raises(Stopped), station.way.taken():
            station.shutters["pump"].open()
