"""A wall clock that runs faster: for a simulated table that another process serves at this speed."""

from __future__ import annotations

import threading
import time

import pytest

from labctl.configuration.station_file import VisaBackend
from labctl.configuration.templates import template_directory
from labctl.configuration.toml_reading import load_station
from labctl.station.bring_up import link_to
from labctl.station.clock import WallClock

SPEED = 50.0
SOON_S = 10.0  # real time that is never needed


def test_lab_time_runs_at_the_speed() -> None:
    clock = WallClock(SPEED)
    began, wall_began = clock.now(), time.monotonic()
    assert abs(began - time.time()) < 60.0  # near the time of day when it starts
    threading.Event().wait(0.1)
    least = time.monotonic() - wall_began
    elapsed = clock.now() - began
    most = time.monotonic() - wall_began
    assert SPEED * least - 1e-3 <= elapsed <= SPEED * most + 1e-3


@pytest.mark.parametrize("speed", [0.5, 1.0, SPEED])
def test_sleep_takes_its_lab_time_and_so_less_wall_time(speed: float) -> None:
    clock = WallClock(speed)
    lab_s = 0.05 * speed
    began, wall_began = clock.now(), time.monotonic()
    clock.sleep(lab_s)
    assert clock.now() - began >= lab_s - 2e-3 * speed
    assert 0.05 - 2e-3 <= time.monotonic() - wall_began < 1.0


def test_periodic_tasks_run_at_their_lab_period() -> None:
    clock = WallClock(SPEED)
    ran_at: list[float] = []
    done = threading.Event()

    def note() -> None:
        ran_at.append(clock.now())
        if len(ran_at) == 5:
            done.set()

    began, wall_began = clock.now(), time.monotonic()
    task = clock.every(1.0, note, "note")
    assert done.wait(SOON_S)
    task.cancel()
    assert time.monotonic() - wall_began < 5.0 / SPEED + 1.0
    for number, at in enumerate(ran_at[:5], start=1):
        assert at - began >= number - 0.1


def test_an_interrupt_wakes_it() -> None:
    clock = WallClock(SPEED)
    threading.Timer(0.02, clock.interrupt).start()
    wall_began = time.monotonic()
    clock.sleep(1000.0 * SPEED)
    assert time.monotonic() - wall_began < SOON_S


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_a_speed_that_cannot_be_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed of a clock"):
        WallClock(speed)


@pytest.mark.parametrize(("written", "speed"), [({}, 1.0), ({"speed": 60.0}, 60.0)])
def test_the_station_file_gives_the_speed(written: dict[str, float], speed: float) -> None:
    backend = VisaBackend.model_validate({"kind": "visa", **written})
    station = load_station(template_directory() / "table.toml").model_copy(update={"backend": backend})
    clock = link_to(station).clock
    began, wall_began = clock.now(), time.monotonic()
    threading.Event().wait(0.1)
    elapsed, wall = clock.now() - began, time.monotonic() - wall_began
    assert elapsed == pytest.approx(speed * wall, rel=0.1)
