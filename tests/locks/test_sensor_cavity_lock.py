"""Sensor cavities locked over the wire of a cold table: on the top of a fringe by truth, and held there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from cavity_table import CavityTable

from labctl.errors import LockError
from labctl.locks.sensor_cavity import CavityLock
from labctl.locks.states import LockState, Reach
from labctl.locks.supervisor import Supervisor

NM = 1e-9
SETTLING_S = 20.0  # of what creeps after an acquisition


@pytest.fixture(scope="module")
def shared() -> Iterator[CavityTable]:
    table = CavityTable(11)
    table.go(table.locks[0].acquisition())
    yield table
    table.close()


@pytest.fixture
def lit(shared: CavityTable) -> CavityTable:
    """Return the shared table, lit and its first cavity locked, whatever the test before did to it."""
    shared.light(1.0)
    shared.station.shutters["signal"].open()
    lock = shared.locks[0]
    if not lock.confirm().locked:
        shared.go(lock.acquisition())
    shared.hold([lock], 5.0)
    return shared


@pytest.fixture
def lock(lit: CavityTable) -> CavityLock:
    return lit.locks[0]


def cavity1(table: CavityTable, *, rest_v: float = 75.0, seed: str | None = "seed_power") -> CavityLock:
    """Return one more lock of the first cavity."""
    station = table.station
    return CavityLock(
        "cavity1", station.cavity_piezos["cavity1"], station.monitors["cavity1"],
        None if seed is None else station.monitors[seed],
        table.clock, rest_v=rest_v, wavelength_m=1550e-9, amplitude_m=4e-9, period_s=1.0,
    )  # fmt: skip


# ---- from cold ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 3, 7])  # one acquisition in a hundred refuses its own scan
def test_cold_cavities_lock_at_the_top_of_a_fringe_and_stay_there(seed: int) -> None:
    table = CavityTable(seed)
    for lock in table.locks:
        states = table.go(lock.acquisition())
        assert states == [LockState.PRECHECK, LockState.SCAN, LockState.FIT, LockState.APPROACH, LockState.ENGAGE]
        assert abs(table.off_m(lock)) < 10 * NM
        assert 40.0 < lock.actuator().output_v < 110.0  # room for drift to either side
        assert lock.calibration is not None
        assert lock.calibration.finesse == pytest.approx(5.0, rel=0.15)
        assert lock.calibration.top_v == pytest.approx(0.5, rel=0.02)
    table.hold(table.locks, SETTLING_S)
    off = table.hold(table.locks, 60.0)
    assert (np.sqrt(np.mean(off**2, axis=0)) < 5 * NM).all()  # the dither of 4 nm with it
    assert (np.abs(np.mean(off, axis=0)) < 1 * NM).all()
    for sensor in table.table.sensors:
        assert sensor.cavity.transduction > 0.985
    assert all(lock.verify().locked for lock in table.locks)
    table.close()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [4, 5, 6])
def test_cold_cavities_hold_for_half_an_hour_while_they_drift(seed: int) -> None:
    table = CavityTable(seed)
    for lock in table.locks:
        table.go(lock.acquisition())
        assert abs(table.off_m(lock)) < 10 * NM
    off = table.hold(table.locks, 1800.0)
    assert (np.sqrt(np.mean(off**2, axis=0)) < 5 * NM).all()
    assert (np.abs(off) < 15 * NM).all()
    table.close()


def test_what_a_look_gives_is_where_the_cavity_is_now(lit: CavityTable, lock: CavityLock) -> None:
    told, true = [], []
    for _ in range(40):
        told.append(lock.read().error * lock.linewidth_m / NM)
        true.append(lit.off_m(lock) / NM)
        lit.hold([lock], 0.5)
    assert np.std(np.subtract(told, true)) < 1.0
    assert float(np.sqrt(np.mean(np.square(told)))) == pytest.approx(4.0, abs=1.0)


def test_the_error_that_it_reports_is_the_truth(lit: CavityTable, lock: CavityLock) -> None:
    for push_nm in (20.0, -40.0, 20.0):
        lit.push(lock, push_nm * NM)
        centre_nm = np.mean([lit.off_m(lock) / NM, _other_side_nm(lit, lock)])
        lock.confirm()
        assert lock.error_m / NM == pytest.approx(centre_nm, abs=0.08 * abs(centre_nm) + 2.5)
        lit.hold([lock], 15.0)
        assert abs(lock.error_m) < 3 * NM


def _other_side_nm(table: CavityTable, lock: CavityLock) -> float:
    lock.confirm()
    return table.off_m(lock) / NM


# ---- lost, held, let go ---------------------------------------------------------------------------------------------


def test_it_is_closed_again_where_it_is(lit: CavityTable, lock: CavityLock) -> None:
    lock.hold()
    assert not lock.actuator().closed and abs(lit.off_m(lock)) < 3 * NM  # at the centre of the dither
    lit.push(lock, 35 * NM)
    began_at = lit.clock.now()
    assert lit.go(lock.acquisition(Reach.HERE)) == [LockState.PRECHECK, LockState.ENGAGE]
    assert lit.clock.now() - began_at < 1.0
    lit.hold([lock], 10.0)
    assert abs(lit.off_m(lock)) < 10 * NM and lock.verify().locked


@pytest.mark.parametrize("push_m", [200 * NM, -250 * NM, 387 * NM])
def test_a_cavity_that_jumped_is_found_nearby(lit: CavityTable, lock: CavityLock, push_m: float) -> None:
    lit.push(lock, push_m)
    lit.hold([lock], 1.0)
    assert not lock.confirm().locked
    lock.hold()
    with pytest.raises(LockError, match="cavity1: "):
        lit.go(lock.acquisition(Reach.HERE))
    states = lit.go(lock.acquisition(Reach.NEARBY))
    assert states == [LockState.PRECHECK, LockState.APPROACH, LockState.ENGAGE]
    lit.hold([lock], 10.0)
    assert abs(lit.off_m(lock)) < 10 * NM and lock.verify().locked


def test_unwinding_leads_to_the_next_resonance_towards_the_middle(lit: CavityTable, lock: CavityLock) -> None:
    lit.go(lock.acquisition())
    for _ in range(2):
        before_v = lock.actuator().output_v
        began_at = lit.clock.now()
        assert lit.go(lock.unwinding(before_v)) == [LockState.UNWIND]
        assert lit.clock.now() - began_at < 10.0
        lit.hold([lock], SETTLING_S)
        after_v = lock.actuator().output_v
        assert 10.0 < abs(after_v - before_v) < 50.0
        assert abs(lit.off_m(lock)) < 10 * NM and lock.verify().locked


def test_release_lets_the_piezo_go_to_rest_and_holding_twice_moves_nothing(lit: CavityTable, lock: CavityLock) -> None:
    lock.hold()
    where_v = lock.piezo.commanded_v
    lock.hold()
    lock.step()
    assert lock.piezo.commanded_v == where_v
    lock.release()
    assert lock.piezo.commanded_v == pytest.approx(75.0, abs=1e-3)
    lock.coast(80.0)
    assert lock.piezo.commanded_v == pytest.approx(80.0, abs=1e-3)
    lock.coast(1000.0)
    assert lock.piezo.commanded_v == lock.piezo.high_v


# ---- light ----------------------------------------------------------------------------------------------------------


def test_less_light_is_no_length(lit: CavityTable, lock: CavityLock) -> None:
    lit.light(0.6)
    lit.clock.sleep(0.1)
    assert lock.read().witness == pytest.approx(0.6, abs=0.02)  # until the seed is looked at
    off = lit.hold([lock], 10.0)
    assert np.abs(off).max() < 10 * NM
    assert lock.read().witness == pytest.approx(1.0, abs=0.03)  # over the seed of now
    assert lock.confirm().locked
    lit.light(1.0)
    assert np.abs(lit.hold([lock], 10.0)).max() < 10 * NM
    assert lock.read().witness == pytest.approx(1.0, abs=0.03)


def test_without_a_seed_monitor_a_closer_look_tells_light_from_length(lit: CavityTable) -> None:
    known, blind = lit.locks[0], cavity1(lit, seed=None)
    blind.recall(dict(known.remembered()) | {"seed_v": 0.0})
    known.hold()
    assert blind.adopt()
    lit.light(0.6)
    lit.hold([blind], 3.0)
    assert blind.read().witness < blind.tolerance.least_witness
    assert blind.confirm().locked
    assert blind.read().witness == pytest.approx(1.0, abs=0.03)
    blind.hold()


def test_in_the_dark_it_stays_and_is_not_locked(lit: CavityTable, lock: CavityLock) -> None:
    before_v = lock.actuator().output_v
    lit.station.shutters["signal"].close()
    lit.hold([lock], 10.0)
    assert lock.actuator().output_v == pytest.approx(before_v, abs=0.1)
    assert lock.read().witness < 0.02 and not lock.confirm().locked
    lit.station.shutters["signal"].open()
    lit.hold([lock], 10.0)
    assert lock.verify().locked


def test_what_cannot_be_locked_is_refused_with_its_reason(lit: CavityTable, lock: CavityLock) -> None:
    lit.station.shutters["signal"].close()
    with pytest.raises(LockError, match=r"cavity1: there is no light behind the cavity.* Open the signal shutter"):
        lit.go(lock.acquisition())
    lit.station.shutters["signal"].open()
    cavity = lit.table.sensors[0].cavity
    transmitted = cavity._transmitted
    cavity._transmitted = lambda gap_m, laser_m: 0.6 + 0.4 * transmitted(gap_m, laser_m)  # type: ignore[method-assign]
    try:
        with pytest.raises(LockError, match=r"cavity1: the light changes by a contrast of 0\.\d\d .*stray light"):
            lit.go(lock.acquisition())
    finally:
        cavity._transmitted = transmitted  # type: ignore[method-assign]
    displacement = cavity._displacement_m
    cavity._displacement_m = lambda motion_v: 0.2 * displacement(motion_v)  # type: ignore[method-assign]
    try:
        with pytest.raises(LockError, match="cavity1: "):
            lit.go(lock.acquisition())
    finally:
        cavity._displacement_m = displacement  # type: ignore[method-assign]


# ---- taken over -----------------------------------------------------------------------------------------------------


def test_a_later_start_takes_it_over_without_moving_it(lit: CavityTable, lock: CavityLock) -> None:
    remembered = dict(lock.remembered())
    assert all(isinstance(value, float) for value in remembered.values())
    piezo = lit.station.cavity_piezos["cavity1"]
    piezo.forget()  # as after the program ended
    moved: list[float] = []
    channel = lit.table.sensors[0].cavity._piezo
    drive = channel.drive
    channel.drive = lambda volts: (moved.append(volts), drive(volts))[1]  # type: ignore[method-assign, assignment]
    later = cavity1(lit)
    assert not later.adopt()  # it remembers nothing
    later.recall(remembered)
    assert later.adopt()
    channel.drive = drive  # type: ignore[method-assign]
    assert moved and max(moved) - min(moved) < 1.0
    lit.hold([later], 10.0)
    assert abs(lit.off_m(later)) < 10 * NM and later.verify().locked
    later.hold()
    lit.push(lock, 200 * NM)
    assert not later.adopt() and not later.actuator().closed


# ---- under the supervisor -------------------------------------------------------------------------------------------


def test_the_supervisor_steps_it_and_brings_it_back(lit: CavityTable, lock: CavityLock) -> None:
    lock.hold()
    supervisor = Supervisor({lock.name: lock}, {}, lit.clock)
    supervisor.bring_up([lock.name], lit.clock.sleep)
    machine = supervisor.machines[lock.name]
    lit.clock.sleep(SETTLING_S)
    assert machine.carries_data and abs(lit.off_m(lock)) < 10 * NM
    lit.push(lock, 200 * NM)
    lit.clock.sleep(1.0)
    assert not machine.carries_data
    lit.clock.sleep(30.0)
    assert machine.carries_data and abs(lit.off_m(lock)) < 10 * NM
    assert len(supervisor.losses) == 1
    supervisor.release([lock.name])
    supervisor.stop()


@pytest.mark.slow
def test_a_drift_is_followed_to_the_rail_and_unwound(lit: CavityTable, lock: CavityLock) -> None:
    lock.hold()
    high = cavity1(lit, rest_v=115.0)
    supervisor = Supervisor({high.name: high}, {}, lit.clock)
    supervisor.bring_up([high.name], lit.clock.sleep)
    lit.push(high, 0.0)
    machine = supervisor.machines[high.name]
    locked, looks, after = 0, 0, 600
    while after and looks < 15000:
        looks += 1
        after -= machine.unwinds
        lit.table.room.cavity_drift_m[0] -= 0.15 * NM  # 1.5 nm/s: thirty times what it does
        lit.clock.sleep(0.1)
        locked += machine.carries_data
    assert machine.unwinds == 1
    assert supervisor.losses == []
    assert locked > 0.9 * looks
    supervisor.stop()
    high.hold()


def test_a_look_is_one_question_and_steps_are_one_a_second(lit: CavityTable, lock: CavityLock) -> None:
    asked, sent = [], []
    link = lit.station.driver("monitors"), lit.station.driver("piezo_c")
    with pytest.MonkeyPatch.context() as patch:
        for driver, kept in zip(link, (asked, sent), strict=True):
            write = driver.write

            def noted(command: str, *rest: object, write=write, kept=kept) -> object:  # type: ignore[no-untyped-def]
                kept.append(command)
                return write(command, *rest)

            patch.setattr(driver, "write", noted)
        lock.read()
        assert (len(asked), sent) == (1, [])
        asked.clear()
        for _ in range(100):
            lock.read()
            lock.step()
            lit.clock.sleep(0.1)
        assert len(asked) in (100, 101)  # what `read` saw is enough for a step, but for the first
        assert len(sent) in (10, 11)
