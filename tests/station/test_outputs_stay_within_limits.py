"""Whatever is asked, sent and broken, in any order: the true outputs of the table stay within its station file.

Three machines: one for each small table (hardware servos and a controller that ramps; a servo that is this program, and
a controller that does not ramp), and a core with the commands of its bus, whose supervisor locks and loses loops while
roles and lines are used as well. Somebody at a front panel is left out: the table is held to what goes over its wires.
`LABCTL_STATEFUL_EXAMPLES=5000 LABCTL_STATEFUL_SEED=1 pytest -m slow` on this file draws so many for each table,
with waits of up to an hour; CI draws a few dozen.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, note, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from limits_bench import BENCH_OVEN_TEXTS, HOSTILE, SmallCore, SmallTable, around, is_within, small_station

from labctl.configuration.fault_kinds import FaultKind, kinds_of
from labctl.errors import InterlockOpen, LabError
from labctl.station.bindings.dithered_piezo import DitheredPiezo
from labctl.station.clock import wait_out
from labctl.station.parking import park
from labctl.station.revival import revive

EXAMPLES_ENV, SEED_ENV = "LABCTL_STATEFUL_EXAMPLES", "LABCTL_STATEFUL_SEED"
FEW, FEW_COMMANDED, FEW_STEPS = 25, 12, 15
MANY, MANY_STEPS = 300, 25
PIEZOS = ("opa_length", "pump_phase", "lo1", "cavity1", "arm")
SERVOS = ("opa_length", "pump_phase", "lo1")
SLOW_WAITS_S = (0.01, 0.05, 0.3, 1.0, 10.0, 60.0)
HOUR_S = 3600.0
DROPPING = (FaultKind.DROPPED, FaultKind.POWER_CYCLE)

servos = st.sampled_from(SERVOS)
piezos = st.sampled_from(PIEZOS)


class Outputs(RuleBasedStateMachine):
    """The table with hardware servos."""

    software = False
    waits_s = SLOW_WAITS_S

    def __init__(self) -> None:
        super().__init__()
        self.table = SmallTable(small_station(software=self.software))
        self.station = self.table.station
        self.station.interlocks.start()
        self.untouched = True  # no fault so far, and nobody but the roles
        self.has_settled = True  # every link is whole
        self.closed: set[str] = set()  # loops that somebody closed once

    def teardown(self) -> None:
        """Whatever happened: once it is over, the table comes back and can be made safe."""
        try:
            self.table.end_faults()
            wait_out(self.station.clock, 10.0)  # what comes late has come
            revive(self.station)
            found = revive(self.station)
            assert found.away == (), found.sentences
            if self.station.make_safe():  # the first exchange after a fault may still meet what it left
                problems = self.station.make_safe()
                assert problems == [], problems
            wait_out(self.station.clock, 5.0)
            assert (moving := self.table.not_at_rest()) == {}, moving
            assert (beyond := self.table.beyond()) == [], beyond
        finally:
            self.table.close()

    def ask(self, what: str, act: Callable[[], object], *, allowed: bool) -> None:
        """Do one thing; what may be had is had while nothing is wrong, what may not is refused in our own words."""
        try:
            act()
        except LabError as error:
            note(f"{what}: {type(error).__name__}: {error}")
            assert str(error).strip()
            fine = isinstance(error, InterlockOpen) or "in the last hour" in str(error)
            if allowed and self.untouched and not fine:
                raise AssertionError(f"{what} was refused: {error}") from error
        else:
            note(f"{what}: done")
            assert allowed, f"{what} was not refused"

    @invariant()
    def outputs_are_within_limits(self) -> None:
        assert (beyond := self.table.beyond()) == [], beyond

    # ---- roles ------------------------------------------------------------------------------------------------------

    @rule(name=piezos, volts=around(0.0, 150.0))
    def ramp_piezo(self, name: str, volts: float) -> None:
        piezo = self.station.piezos[name]
        self.ask(f"ramp {name} to {volts}", lambda: piezo.ramp_to(volts), allowed=is_within(volts, 0.0, 150.0))

    @rule(step_v=around(-5.0, 5.0))
    def step_cavity(self, step_v: float) -> None:
        piezo = self.station.piezos["cavity1"]
        assert isinstance(piezo, DitheredPiezo)
        here = piezo.commanded_v
        volts = (here or 0.0) + step_v
        allowed = here is not None and is_within(volts, 0.0, 150.0) and abs(volts - here) <= 5.0
        assume(allowed or not math.isclose(abs(step_v), 5.0, rel_tol=1e-5))
        self.ask(f"step cavity1 to {volts}", lambda: piezo.step_to(volts), allowed=allowed)

    @rule(name=servos, volts=around(-4.5, 4.5))
    def put_out(self, name: str, volts: float) -> None:
        servo = self.station.servos[name]
        self.ask(f"{name} puts out {volts}", lambda: servo.set_output(volts), allowed=is_within(volts, -4.5, 4.5))

    @rule(
        name=servos, gain=st.sampled_from([-5e3, -30.0, 20.0, 3e3, math.nan, 1e300, 0.0]), setpoint_v=around(-9.9, 9.9)
    )
    def close_loop(self, name: str, gain: float, setpoint_v: float) -> None:
        servo = self.station.servos[name]
        if name == "lo1" and self.software:
            allowed = math.isfinite(gain) and math.isfinite(setpoint_v)
        else:
            allowed = gain in (-5e3, -30.0, 20.0, 3e3) and is_within(setpoint_v, -10.0, 10.0)
        self.ask(f"close {name}", lambda: servo.close_loop(setpoint_v, gain), allowed=allowed)
        if allowed:
            self.closed.add(name)

    @rule(name=servos)
    def hold_loop(self, name: str) -> None:
        self.ask(f"hold {name}", self.station.servos[name].hold, allowed=True)

    @rule(name=servos, volts=around(-4.5, 4.5))
    def hop(self, name: str, volts: float) -> None:
        servo, allowed = self.station.servos[name], is_within(volts, -4.5, 4.5)
        assume(name in self.closed or not allowed)  # nobody hops with a loop that was never closed
        self.ask(f"hop {name} to {volts}", lambda: servo.hop(volts), allowed=allowed)

    @rule(name=servos, ends=st.tuples(around(-4.5, 4.5), around(-4.5, 4.5)), points=st.sampled_from([41, 200]))
    def sweep(self, name: str, ends: tuple[float, float], points: int) -> None:
        servo = self.station.servos[name]
        with np.errstate(all="ignore"):
            outputs_v = np.linspace(*ends, points)
        allowed = all(is_within(float(volts), -4.5, 4.5) for volts in (*outputs_v, *ends))
        assume(allowed or not all(is_within(end, -4.5, 4.5) for end in ends))
        self.ask(f"sweep {name} {ends}", lambda: servo.sweep(outputs_v, lambda: 0.0), allowed=allowed)

    @rule(celsius=around(15.0, 45.0), ramp=around(1e-4, 0.02))
    def heat(self, celsius: float, ramp: float) -> None:
        allowed = is_within(celsius, 15.0, 45.0) and is_within(ramp, 1e-4, 0.02)
        self.ask(f"oven to {celsius} at {ramp}", lambda: self.station.oven.set_target(celsius, ramp), allowed=allowed)

    @rule(what=st.sampled_from(["power", "wavelength", "on", "off"]), value=around(0.0, 1.0))
    def shine(self, what: str, value: float) -> None:
        laser, entry = self.station.laser, self.table.file.laser
        assert entry is not None
        limits = {
            "power": (entry.minimum_power, entry.maximum_power, laser.set_power),
            "wavelength": (entry.minimum_wavelength, entry.maximum_wavelength, laser.tune),
        }
        if what in limits:
            low, high, act = limits[what]
            scaled = low + value * (high - low)
            clear = is_within(value, 0.01, 0.99)
            assume(clear or not is_within(value, -0.01, 1.01))  # at the edge rounding of its unit decides
            self.ask(f"laser {what} {scaled}", lambda: act(scaled), allowed=clear)
        elif what == "on":
            with_limits = is_within(laser_setting(self), entry.minimum_power, entry.maximum_power)
            self.ask("laser on", laser.switch_on, allowed=True) if with_limits else None
        else:
            self.ask("laser off", laser.switch_off, allowed=True)

    @rule(frequency=around(1e6, 1e7), amplitude=around(1e-3, 1.0), on=st.booleans())
    def tone(self, frequency: float, amplitude: float, on: bool) -> None:
        tone = self.station.tones["phase_calibration"]
        allowed = is_within(frequency, 1e6, 1e7) and is_within(amplitude, 1e-3, 1.0)
        self.ask(f"tone {frequency} {amplitude}", lambda: tone.set_tone(frequency, amplitude), allowed=allowed)
        if allowed:
            self.ask(f"tone {on}", tone.switch_on if on else tone.switch_off, allowed=True)

    @rule(name=st.sampled_from(["signal", "local_oscillator", "pump"]), opened=st.booleans())
    def shutter(self, name: str, opened: bool) -> None:
        shutter = self.station.shutters[name]
        self.ask(f"shutter {name} {opened}", shutter.open if opened else shutter.close, allowed=True)

    @rule(
        axis=st.sampled_from(["pitch", "yaw"]),
        steps=st.integers(-2000, 2000) | st.sampled_from([2001, -9999, math.nan]),
    )
    def turn_mirror(self, axis: str, steps: Any) -> None:
        mirror = self.station.mirrors["sensor1"]
        allowed = math.isfinite(steps) and abs(steps) <= 2000
        self.ask(f"{axis} by {steps}", lambda: mirror.move(axis, steps), allowed=allowed)

    @rule(angle_deg=around(0.0, 360.0))
    def turn_plate(self, angle_deg: float) -> None:
        name, plate = next(iter(self.station.rotators.items()))
        allowed = is_within(angle_deg, 0.0, self.table.file.rotators[name].maximum_deg)
        self.ask(f"plate to {angle_deg}", lambda: plate.move_to(angle_deg), allowed=allowed)

    @rule(amplitude_v=around(0.0, 1.0))
    def scan_length(self, amplitude_v: float) -> None:
        allowed = is_within(amplitude_v, 0.0, 1.0)
        self.ask(f"scan {amplitude_v}", lambda: self.station.scan.sweep(amplitude_v), allowed=allowed)

    # ---- round the roles --------------------------------------------------------------------------------------------

    @rule(data=st.data(), count=st.integers(1, 6))
    def raw_lines(self, data: st.DataObject, count: int) -> None:
        self.untouched = False
        for _ in range(count):
            name = data.draw(st.sampled_from(sorted(HOSTILE)))
            text = data.draw(BENCH_OVEN_TEXTS if name == "oven" and self.software else HOSTILE[name])
            try:
                self.table.write(name, text)
            except LabError as error:
                note(f"{name} {text!r}: {type(error).__name__}: {error}")
                assert str(error).strip()
            else:
                note(f"{name} {text!r}: sent")

    # ---- faults -----------------------------------------------------------------------------------------------------

    @rule(
        data=st.data(), lasting=st.sampled_from([None, 0.02, 0.5, 5.0, 30.0]), after=st.sampled_from([0.0, 0.03, 2.0])
    )
    def break_something(self, data: st.DataObject, lasting: float | None, after: float) -> None:
        name = data.draw(st.sampled_from(sorted(self.table.file.instruments)))
        kinds = [kind for kind in kinds_of(self.table.file.instruments[name].driver) if kind is not FaultKind.MISSING]
        kind = data.draw(st.sampled_from(kinds))
        note(f"{name}: {kind}")
        self.table.faults.append(self.table.simulation.inject(name, kind, after=after, lasting=lasting))
        self.untouched = self.has_settled = False

    @precondition(lambda self: self.table.faults)
    @rule(which=st.integers(0, 9))
    def mend(self, which: int) -> None:
        self.table.faults.pop(which % len(self.table.faults)).end()

    @rule()
    def bring_back(self) -> None:
        was_faulty = self.table.faulty()
        found = revive(self.station)
        note(f"revive: {found}")
        self.has_settled = self.has_settled or not (was_faulty or found.away)

    # ---- the whole table --------------------------------------------------------------------------------------------

    @rule()
    def make_safe(self) -> None:
        was_faulty = self.table.faulty()
        problems = self.station.make_safe()
        note(f"make_safe: {problems}")
        if self.has_settled and not was_faulty and not problems:
            assert (moving := self.table.not_at_rest()) == {}, moving
        if self.untouched:
            assert problems == [], problems
            assert (moving := self.table.not_at_rest()) == {}, moving

    @rule()
    def park(self) -> None:
        problems = park(self.station)
        note(f"park: {problems}")
        if self.untouched:
            assert problems == [], problems
        self.untouched = self.untouched and not self.software  # who parks ends: its own servos have moved behind it

    @rule()
    def reset_interlocks(self) -> None:
        self.ask("reset", lambda: self.station.interlocks.reset_all("a person"), allowed=True)

    @rule(data=st.data())
    def wait(self, data: st.DataObject) -> None:
        self.station.clock.sleep(data.draw(st.sampled_from(self.waits_s)))


def laser_setting(machine: Outputs) -> float:
    """Return the power that the laser is set to, or nan where nobody can tell."""
    driver: Any = machine.station.driver("laser")
    try:
        return float(driver.power_setpoint)
    except LabError:
        return math.nan


class SoftwareOutputs(Outputs):
    """The table with a servo that is this program."""

    software = True


class CommandedOutputs(Outputs):
    """The table as a core has it that takes commands of the bus: nobody can say beforehand what may be had."""

    def __init__(self) -> None:
        super().__init__()
        self.untouched = self.has_settled = False
        self.core = SmallCore(self.table)

    def teardown(self) -> None:
        try:
            self.core.ask("stop")
            super().teardown()
        finally:
            self.core.close()

    @rule(name=st.sampled_from(["lock_loop", "lock_loop", "hold_loop", "release_loop"]), loop=piezos)
    def command_loop(self, name: str, loop: str) -> None:
        note(f"{name} {loop}: {self.core.ask(name, loop=loop)}")

    @rule(name=st.sampled_from(["stop", "reset", "reset"]))
    def command_table(self, name: str) -> None:
        note(f"{name}: {self.core.ask(name, reason='because')}")

    @rule(seconds=st.sampled_from([0.5, 2.0, 10.0]))
    def let_the_supervisor_work(self, seconds: float) -> None:
        self.station.clock.sleep(seconds)


machines = pytest.mark.parametrize("machine", [Outputs, SoftwareOutputs, CommandedOutputs])


@machines
def test_the_true_outputs_stay_within_the_limits(machine: type[Outputs]) -> None:
    few = settings(
        max_examples=FEW_COMMANDED if machine is CommandedOutputs else FEW,
        stateful_step_count=FEW_STEPS,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],  # what is found is shrunk with the many
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=few)


@pytest.mark.slow
@pytest.mark.timeout(0)
@machines
def test_the_true_outputs_stay_within_the_limits_of_many(machine: type[Outputs]) -> None:
    many = settings(
        max_examples=int(os.environ.get(EXAMPLES_ENV, MANY)),
        stateful_step_count=MANY_STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    patient = type(f"Patient{machine.__name__}", (machine,), {"waits_s": (*SLOW_WAITS_S, HOUR_S)})
    run = lambda: run_state_machine_as_test(patient, settings=many)  # noqa: E731
    seed(int(os.environ.get(SEED_ENV, "1")))(patient)
    run()
