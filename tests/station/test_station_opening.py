"""Opening a station: every instrument that fails is named at once, with what was expected where; nothing hangs, and
nothing stays open."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from station_bench import station_file

from drivers.base import Driver
from drivers.newport.picomotor_8742 import Newport8742
from labctl.configuration.station_file import StationFile
from labctl.errors import ConnectionLost, LabError, StationNotOpened, WrongInstrument
from labctl.station import opening
from labctl.station.bring_up import Link, ask_instruments, link_to, open_station
from labctl.station.driver_registry import REGISTRY, DriverEntry
from labctl.station.opening import open_instruments, require_all

KINDS = ("missing", "silent", "garbage", "wrong_model")
MODELS = ("analyzer", "picomotors", "servos", "piezo_a", "oven", "digitizer", "scan")  # one of each driver


def fault(instrument: str, kind: str) -> dict[str, Any]:
    return {"instrument": instrument, "kind": kind}


def failure_of(file: StationFile) -> tuple[StationNotOpened, Link]:
    """Return the error that opening a station ends in, within a second of real time and an hour of lab time."""
    link = link_to(file)
    started = time.perf_counter()
    with pytest.raises(StationNotOpened) as failure:
        open_station(file, link)
    assert time.perf_counter() - started < 2.0
    assert link.clock.now() < 60.0
    return failure.value, link


def open_sessions(link: Link) -> int:
    return len(link.visa_library._sessions)  # type: ignore[attr-defined]


def test_a_station_without_faults_opens_with_every_identity() -> None:
    file = station_file()
    link = link_to(file)
    answers = ask_instruments(file, link)
    assert list(answers) == list(file.instruments)
    for name, answer in answers.items():
        assert answer.error is None
        assert answer.driver is not None
        assert answer.identity is not None
        assert file.instruments[name].model in answer.identity.model
        assert 0.0 < answer.latency_s < 2.0
    assert open_sessions(link) == len(file.instruments)
    assert set(require_all(answers)) == set(file.instruments)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MODELS)
def test_one_broken_instrument_is_named_with_address_model_and_remedy(name: str, kind: str) -> None:
    file = station_file([fault(name, kind)])
    error, link = failure_of(file)
    assert isinstance(error, ConnectionLost)
    heading, line = str(error).split("\n")
    assert heading == "1 of 18 instruments did not open; nothing was moved."
    assert line.startswith(f"  {name}: ")
    assert file.instruments[name].address in line
    assert kind == "missing" or file.instruments[name].model in line
    assert list(error.failures) == [name]
    assert error.failures[name].remedy
    assert open_sessions(link) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_all_broken_instruments_are_in_one_error(kind: str) -> None:
    file = station_file()
    file = station_file([fault(name, kind) for name in file.instruments])
    error, link = failure_of(file)
    assert list(error.failures) == list(file.instruments)
    lines = str(error).split("\n")
    assert lines[0] == "18 of 18 instruments did not open; nothing was moved."
    assert [line.split(":")[0].strip() for line in lines[1:]] == list(file.instruments)
    assert all(entry.address in line for entry, line in zip(file.instruments.values(), lines[1:], strict=True))
    assert open_sessions(link) == 0


def test_different_faults_are_told_apart() -> None:
    kinds = dict(zip(("analyzer", "picomotors", "scan", "servos"), KINDS, strict=True))
    error, _ = failure_of(station_file([fault(name, kind) for name, kind in kinds.items()]))
    assert set(error.failures) == set(kinds)
    assert "cannot be reached" in str(error.failures["analyzer"])
    assert "did not answer in time" in str(error.failures["picomotors"])
    assert "answered bytes that are no text" in str(error.failures["scan"])
    assert isinstance(error.failures["servos"], WrongInstrument)
    assert "found ACME, Frequency Counter 7" in str(error.failures["servos"])


@pytest.mark.parametrize("seed", range(12))
def test_garbage_of_any_kind_is_an_error_of_the_family(seed: int) -> None:
    names = list(station_file().instruments)
    error, _ = failure_of(station_file([fault(name, "garbage") for name in names], backend={"seed": seed}))
    assert list(error.failures) == names
    assert all(isinstance(failure, LabError) for failure in error.failures.values())


def test_a_good_instrument_of_another_model_is_refused() -> None:
    error, _ = failure_of(station_file(instruments={"oven": {"model": "1161"}}))
    failure = error.failures["oven"]
    assert isinstance(failure, WrongInstrument)
    assert "expected a 1161 at ASRL/dev/ttyUSB1::INSTR, found Meerstetter, 1091" in str(failure)


def test_a_board_of_the_wrong_kind_is_refused() -> None:
    boards = station_file().instruments
    swapped = {
        "digitizer": {"address": boards["scan"].address},
        "scan": {"address": boards["digitizer"].address},
    }
    file = station_file()
    link = link_to(file)  # the table stays as it is; only the file that is opened has the addresses swapped
    with pytest.raises(StationNotOpened) as failure:
        open_station(station_file(instruments=swapped), link)
    assert list(failure.value.failures) == ["digitizer", "scan"]
    assert all(isinstance(error, WrongInstrument) for error in failure.value.failures.values())


def test_a_fault_that_begins_later_lets_the_station_open() -> None:
    file = station_file([fault("analyzer", "silent") | {"after": 1000.0}])
    station = open_station(file, link_to(file))
    assert [health.answers for health in station.health()] == [True] * len(file.instruments)
    station.clock.sleep(1000.0)
    assert [health.name for health in station.health() if not health.answers] == ["analyzer"]


def test_drivers_that_will_not_close_hide_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def will_not_close(driver: Driver) -> None:
        raise ConnectionLost(driver.name, "the link broke")

    monkeypatch.setattr(Newport8742, "close", will_not_close)
    error, _ = failure_of(station_file([fault("oven", "missing")]))
    assert list(error.failures) == ["oven"]


def test_instruments_are_opened_side_by_side_where_time_is_real(monkeypatch: pytest.MonkeyPatch) -> None:
    file = station_file()
    together = threading.Barrier(len(file.instruments), timeout=10.0)

    def unreachable(address: str, **keywords: Any) -> Driver:
        together.wait()  # breaks where one waits for the other
        raise OSError(f"no such port: {address}")

    entry = DriverEntry(unreachable)
    monkeypatch.setattr(opening, "REGISTRY", dict.fromkeys(REGISTRY, entry))
    answers = open_instruments(file, "@py", concurrent=True)
    assert list(answers) == list(file.instruments)
    for name, answer in answers.items():
        assert isinstance(answer.error, ConnectionLost)
        assert f"no such port: {file.instruments[name].address}" in str(answer.error)
