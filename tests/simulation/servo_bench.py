"""A servo on a bench for the tests of the SIM900 twin: the terminals of one module, moved by hand."""

from __future__ import annotations

from typing import Any

from stepped_time import SteppedTime

from drivers.srs.sim900 import SIM900
from labctl.simulation.instruments.srs_sim900 import SimulatedSIM900
from labctl.simulation.ports import ServoConditions, ServoSettings
from labctl.simulation.visa_library import simulated_library

ADDRESS = "ASRL7::INSTR"


class BenchServo:
    """A `ServoPort`: the measure input is what the test says, the closed loop's output is `loop_output`."""

    def __init__(self, measured: float = 0.0, loop_output: float = 0.0) -> None:
        self.settings = ServoSettings()
        self.measured = measured
        self.loop_output = loop_output
        self.happened = ServoConditions()
        self.present = ServoConditions()
        self.applied: list[ServoSettings] = []

    def measured_volts(self) -> float:
        return self.measured

    def output_volts(self) -> float:
        wanted = self.loop_output if self.settings.closed else self.settings.manual_output_v
        return min(max(wanted, self.settings.lower_limit_v), self.settings.upper_limit_v)

    def apply(self, settings: ServoSettings) -> None:
        self.settings = settings
        self.applied.append(settings)

    def latched(self) -> ServoConditions:
        happened, self.happened = self.happened, ServoConditions()
        return happened

    def conditions(self) -> ServoConditions:
        return self.present


class Bench:
    """A mainframe with servos on a simulated wire, and the real driver that talks to it."""

    def __init__(self, *slots: int) -> None:
        self.time = SteppedTime()
        self.servos = {slot: BenchServo() for slot in slots or (3,)}
        self.twin = SimulatedSIM900(self.time, self.servos)
        self.library = simulated_library(self.time, {ADDRESS: self.twin})

    def driver(self, **options: Any) -> SIM900:
        options.setdefault("slots", tuple(self.servos))
        return SIM900(ADDRESS, visa_library=self.library, timeout=1000, **options)

    def say(self, text: str | bytes, wait: float = 0.2) -> bytes:
        """Send bytes to the mainframe's wire and return what comes back within `wait` s."""
        self.twin.on_bytes(text.encode() if isinstance(text, str) else text)
        self.time.elapse(wait)
        return self.twin.take()

    def tell(self, slot: int, text: str) -> bytes:
        """Send a message to a module and return all that it says within 0.2 s."""
        self.say(f'SNDT {slot},"{text}"\n')
        return self.say(f"RAWN? {slot},256\n")
