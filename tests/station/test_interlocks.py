"""Interlocks on the simulated table: when they trip, what each action does to it, and who may reset them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from station_bench import Bench, open_bench, station_file

from labctl.configuration.interlocks import Action
from labctl.errors import InterlockOpen, LabError
from labctl.simulation.surroundings import Chamber
from labctl.station.interlock_states import Phase, Standing
from labctl.station.interlocks import PERIOD_S, Interlocks

GOOD_PA, BAD_PA = 3e-5, 5e-3
GRACE_S = 20.0
VACUUM = {"kind": "vacuum", "gauge": "chamber", "above": "1e-3 Pa", "grace": GRACE_S}
OUTPUTS_V = {"opa_length": 1.6, "pump_phase": -0.8, "lo1": 2.0, "lo2": -0.8, "lo3": 0.5, "lo4": -0.5}
BARELY_PER_S = 0.01
LATE_S = GRACE_S + 3 * PERIOD_S  # longer than until a trip, and until it is over


@dataclass
class Guarded:
    """A station with interlocks that look, and what they told."""

    bench: Bench
    trips: list[tuple[str, str]] = field(default_factory=list)
    cleared: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.interlocks.on_trip.append(lambda *told: self.trips.append(told))
        self.interlocks.on_clear.append(lambda *told: self.cleared.append(told))
        self.interlocks.start()

    @property
    def interlocks(self) -> Interlocks:
        return self.bench.station.interlocks

    def wait(self, seconds: float = LATE_S) -> None:
        self.bench.clock.sleep(seconds)

    def in_use(self) -> Guarded:
        """Put light, piezos, closed servos, a warm oven, a tone and the laser on the table."""
        station = self.bench.station
        station.raise_piezos()
        for shutter in station.shutters.values():
            shutter.open()
        for name, volts in OUTPUTS_V.items():
            station.servos[name].set_output(volts)
            station.servos[name].close_loop(0.0, BARELY_PER_S)
        station.oven.set_target(26.0, 0.02)
        station.tones["phase_calibration"].set_tone(4e6, 0.1)
        station.tones["phase_calibration"].switch_on()
        station.laser.tune(1550e-9)
        station.laser.set_power(1e-3)
        station.laser.switch_on()
        return self

    def true_state(self) -> dict[str, bool]:
        """Return what is so on glass: whether there is light, loops are closed, voltage, heat, a tone and a laser."""
        bench, station = self.bench, self.bench.station
        return {
            "light": any(bench.table.shutters.values()),
            "closed": any(bench.servo(name).settings.closed for name in OUTPUTS_V),
            "voltage": any(bench.piezo(name).volts_now() > 1.0 for name in bench.file.loops),
            "heat": station.oven.regulating(),
            "tone": station.tones["phase_calibration"].is_on(),
            "laser": station.laser.is_on(),
        }


def guarded(faults: list[dict[str, Any]] | None = None, **interlocks: dict[str, Any]) -> Guarded:
    """Return the shipped table with these interlocks only."""
    file = station_file(faults)
    content = file.model_dump(mode="json", exclude_unset=True) | {"interlocks": interlocks}
    return Guarded(open_bench(type(file).model_validate(content)))


@pytest.fixture
def pressure(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Set the pressure in the chamber, in Pa."""
    now = [GOOD_PA]
    monkeypatch.setattr(Chamber, "pressure_pa", lambda chamber: now[0])
    return lambda pascal: now.__setitem__(0, pascal)


# ---- what each action does ------------------------------------------------------------------------------------------

ALL = {"light", "closed", "voltage", "heat", "tone", "laser"}


@pytest.mark.parametrize(
    ("action", "left"),
    [
        ("alarm", ALL),
        ("pause", ALL),
        ("hold", ALL - {"closed"}),
        ("dark", {"voltage", "heat"}),
        ("heater_off", ALL - {"heat"}),
        ("safe", {"heat"}),  # at_shutdown = "hold"
    ],
)
def test_an_action_is_taken_on_the_true_table_and_latches_as_it_should(
    action: str, left: set[str], pressure: Callable[[float], None]
) -> None:
    table = guarded(vacuum=VACUUM | {"action": action}).in_use()
    interlocks, way = table.interlocks, table.bench.station.way
    outputs_v = {name: table.bench.servo(name).output_volts() for name in OUTPUTS_V}
    pressure(BAD_PA)
    table.wait()
    assert {what for what, is_so in table.true_state().items() if is_so} == left
    if action == "hold":
        for name, volts in outputs_v.items():
            assert table.bench.servo(name).output_volts() == pytest.approx(volts, abs=0.05)
    ((name, sentence),) = table.trips
    assert name == "vacuum"
    assert re.match(r"Interlock vacuum: the gauge chamber reads 0\.00\d+ Pa, above 0\.001 Pa, for 2\d s ", sentence)
    assert bool(interlocks.why()) is Action(action).pauses
    if not Action(action).latches:
        assert way.begin() >= 0
        pressure(GOOD_PA)
        table.wait()
        assert interlocks.why() == "" and table.cleared == [("vacuum", "Interlock vacuum: all is well again.")]
        return
    for move in (
        table.bench.station.shutters["pump"].open,
        lambda: table.bench.station.piezos["lo1"].ramp_to(10.0),
        lambda: table.bench.station.servos["lo1"].set_output(0.1),
        lambda: table.bench.station.oven.set_target(27.0, 0.02),
        lambda: table.bench.station.mirrors["sensor1"].move("pitch", 10),
        lambda: table.bench.station.rotators["pump_power"].move_to(10.0),
        table.bench.station.laser.switch_on,
        table.bench.station.tones["phase_calibration"].switch_on,
    ):
        with pytest.raises(InterlockOpen, match="Interlock vacuum: the gauge chamber reads"):
            move()
    with pytest.raises(LabError, match=r"vacuum cannot be reset by Ann: the gauge chamber reads 0\.00"):
        interlocks.reset("vacuum", "Ann")
    pressure(GOOD_PA)
    table.wait()
    assert interlocks.latched() == ["vacuum"] and table.cleared == []  # by itself it stays
    before = table.true_state()
    interlocks.reset("vacuum", "Ann")
    assert table.true_state() == before  # nothing comes back by itself
    assert table.cleared == [("vacuum", "Interlock vacuum was reset by Ann; nothing was switched on again.")]
    table.bench.station.shutters["pump"].open()
    table.bench.station.oven.set_target(26.0, 0.02)


def test_a_trip_is_acted_upon_once(pressure: Callable[[float], None]) -> None:
    table = guarded(vacuum=VACUUM | {"action": "hold"}).in_use()
    pressure(BAD_PA)
    table.wait()
    table.bench.forget()
    table.bench.station.servos["lo1"].close_loop(0.0, BARELY_PER_S)  # a person who knows better
    table.wait(2 * LATE_S)
    assert table.bench.servo("lo1").settings.closed and len(table.trips) == 1


def test_what_is_under_way_ends_when_an_interlock_trips(pressure: Callable[[float], None]) -> None:
    table = guarded(vacuum=VACUUM | {"action": "dark", "grace": 0})
    piezo = table.bench.station.piezos["cavity1"]
    piezo.ramp_to(1.0)
    pressure(BAD_PA)
    table.wait(PERIOD_S - 1.0)
    with pytest.raises(InterlockOpen, match="Nothing moves until it is reset"):
        piezo.ramp_to(150.0)
    assert 1.0 < table.bench.piezo("cavity1").volts_now() < 149.0


# ---- when it trips --------------------------------------------------------------------------------------------------


def test_a_quiet_table_trips_nothing() -> None:
    table = Guarded(open_bench(station_file()))
    assert len(table.interlocks.states()) == 5
    table.wait(300.0)
    assert table.trips == [] and table.interlocks.look() == ""
    assert {state.phase for state in table.interlocks.states()} == {Phase.OK}
    assert {state.name: math.isfinite(state.value) for state in table.interlocks.states()}["vacuum"]


def fault(instrument: str, kind: str, lasting: float = 1e4, after: float = 30.0) -> dict[str, Any]:
    return {"instrument": instrument, "kind": kind, "after": after, "lasting": lasting}


OVEN = {"kind": "oven", "low": 10.0, "high": 50.0, "grace": GRACE_S, "action": "alarm"}
REPLY = {"kind": "no_reply", "instrument": "analyzer", "grace": GRACE_S, "action": "alarm"}


@pytest.mark.parametrize(
    ("entry", "instrument", "kind", "words"),
    [
        (VACUUM | {"action": "alarm"}, "vacuum", "open_sensor", "the gauge chamber says"),
        (VACUUM | {"action": "alarm"}, "vacuum", "silent", "its reading fails: vacuum:"),
        (OVEN, "oven", "open_sensor", "its reading fails: oven: is in its error state"),
        (OVEN, "oven", "garbage", "its reading fails: oven:"),
        (REPLY, "analyzer", "silent", "analyzer does not answer"),
        (REPLY, "analyzer", "dropped", "analyzer does not answer"),
    ],
)
def test_a_reading_that_is_none_trips_after_its_grace_and_not_before(
    entry: dict[str, Any], instrument: str, kind: str, words: str
) -> None:
    table = guarded([fault(instrument, kind)], watched=entry)
    table.wait(30.0 + GRACE_S - 1.0)
    assert table.trips == []
    table.wait(1.5 * GRACE_S + 3 * PERIOD_S)
    ((_, sentence),) = table.trips
    assert words in sentence and f"({GRACE_S:g} s allowed)" in sentence


def test_a_reply_that_is_missing_for_a_moment_trips_nothing() -> None:
    table = guarded([fault("vacuum", "silent", lasting=GRACE_S - 5.0)], watched=VACUUM | {"action": "safe"})
    table.wait(300.0)
    assert table.trips == []


def test_light_that_is_missing_counts_while_its_shutter_is_open() -> None:
    light = {"kind": "laser_off", "monitor": "opa_transmission", "shutter": "pump", "below": "20 mV"}
    table = guarded(light=light | {"grace": GRACE_S, "action": "alarm"})
    table.wait()
    assert table.trips == []  # it is closed
    table.bench.station.shutters["pump"].open()
    table.wait()
    ((_, sentence),) = table.trips  # nobody holds its cavity
    assert "V, below 0.02 V, although the shutter pump is open" in sentence


def test_power_counts_once_the_meter_knows_its_light() -> None:
    table = guarded(power={"kind": "power", "meter": "pump", "above": "1 mW", "grace": 0, "action": "alarm"})
    table.bench.station.driver("pump_meter").wavelength = 1550e-9
    table.wait()
    assert table.trips == []
    table.bench.station.driver("pump_meter").wavelength = 775e-9
    table.wait()
    ((_, sentence),) = table.trips
    assert "the power meter pump reads 0.0" in sentence and "above 0.001 W" in sentence


def test_a_lost_lock_is_what_whoever_knows_the_loops_says() -> None:
    table = guarded(lock={"kind": "lock_lost", "loop": "lo2", "grace": GRACE_S, "action": "alarm"})
    table.wait()
    assert table.trips == []  # nobody knows
    asked: list[str] = []

    def is_lost(loop: str) -> bool:
        asked.append(loop)
        return False

    table.interlocks.loop_state = is_lost
    table.wait()
    assert set(asked) == {"lo2"}
    ((_, sentence),) = table.trips
    assert "the loop lo2 is lost or faulty" in sentence


def test_what_fails_in_who_listens_keeps_no_shutter_open(pressure: Callable[[float], None]) -> None:
    table = guarded(vacuum=VACUUM | {"action": "dark"}).in_use()

    def fail(name: str, sentence: str) -> None:
        raise OSError("The disk is full.")

    table.interlocks.on_trip.insert(0, fail)
    table.interlocks.hold_locks.append(lambda why: fail("", why))
    pressure(BAD_PA)
    table.wait()
    assert not table.true_state()["light"] and not table.true_state()["closed"]
    assert len(table.trips) == 2 and "the locks could not be reached: The disk is full." in table.trips[1][1]


def test_a_device_that_cannot_be_reached_does_not_protect_the_others(pressure: Callable[[float], None]) -> None:
    table = guarded([fault("servos", "silent", after=45.0)], vacuum=VACUUM | {"action": "dark"}).in_use()
    pressure(BAD_PA)
    table.wait(100.0)
    assert not any(table.bench.table.shutters.values())
    assert any("servo lo1 could not be reached" in sentence for _, sentence in table.trips)


def test_one_look_is_enough_for_a_process_that_does_nothing_else(pressure: Callable[[float], None]) -> None:
    table = guarded(vacuum=VACUUM | {"action": "dark"}).in_use()
    table.interlocks.stop()
    pressure(BAD_PA)
    assert table.interlocks.look() == "" and table.true_state()["light"]
    table.wait(GRACE_S + 1.0)
    assert table.interlocks.look().startswith("Interlock vacuum: ")
    assert not table.true_state()["light"]


def test_an_interlock_that_is_not_there_cannot_be_reset() -> None:
    table = guarded(vacuum=VACUUM | {"action": "dark"})
    table.interlocks.reset("vacuum", "Ann")  # it is not latched
    with pytest.raises(LabError, match=r"There is no interlock vaccum\. There are vacuum"):
        table.interlocks.reset("vaccum", "Ann")


# ---- the states alone -----------------------------------------------------------------------------------------------

LOOKS = st.lists(st.tuples(st.booleans(), st.floats(0.1, 20.0)), max_size=30)


@settings(max_examples=200, deadline=None)
@given(looks=LOOKS, grace_s=st.sampled_from([0.0, 5.0, 30.0]), latches=st.booleans())
def test_it_trips_when_bad_outlasts_the_grace_and_never_else(
    looks: list[tuple[bool, float]], grace_s: float, latches: bool
) -> None:
    standing, now = Standing(), 0.0
    bad_since = well_since = math.nan  # of the stretch of equal looks that goes on
    for is_bad, wait_s in looks:
        now += wait_s
        bad_since = (now if math.isnan(bad_since) else bad_since) if is_bad else math.nan
        well_since = math.nan if is_bad else (now if math.isnan(well_since) else well_since)
        before, standing = standing, standing.after(is_bad=is_bad, now=now, grace_s=grace_s, latches=latches)
        was, phase = before.phase is Phase.TRIPPED, standing.phase
        outlasted = is_bad and (now - bad_since > grace_s or not grace_s)
        if was:
            is_over = not is_bad and not latches and now - well_since >= grace_s
            assert phase is (Phase.OK if is_over else Phase.TRIPPED)
            assert phase is Phase.OK or (standing.is_gone is not is_bad and standing.tripped_at == before.tripped_at)
        elif outlasted:
            assert phase is Phase.TRIPPED and standing.tripped_at == now and standing.bad_since == bad_since
        else:
            assert phase is (Phase.DOUBTFUL if is_bad else Phase.OK)
