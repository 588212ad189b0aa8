"""Where the simulated instruments touch the table: each twin is given the ports that its wiring names, and nothing
else.

The table implements these; a twin translates between them and its wire protocol. All in SI units, at the present lab
time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from labctl.simulation.waveform_shapes import SHAPES, sine


class PiezoPort(Protocol):
    """A piezo at one channel of a high-voltage amplifier."""

    def drive(self, volts: float) -> None:
        """Set the voltage that the amplifier adds to its external input, in V."""
        ...

    def external_volts(self) -> float:
        """Return what the external input adds at the output, in V (already times the gain of the input)."""
        ...


class MirrorPort(Protocol):
    """A mirror mount turned by a picomotor."""

    def step(self, steps: int) -> None:
        """Take `steps` steps; the sign is the direction.

        Real steps are unequal, the count is not an angle.
        """
        ...


@runtime_checkable
class CountedMoves(Protocol):
    """What a `MirrorPort` may have besides: it is told where one move ends and another begins."""

    def begin_move(self) -> None:
        """Take the steps from now on for those of another move."""
        ...


class ThermalPort(Protocol):
    """A thermoelectric element with the sensor of the object that it heats or cools."""

    def regulate(self, nominal_c: float | None) -> None:
        """Regulate to `nominal_c` (degC) from now on; None switches the output off."""
        ...

    def object_temperature_c(self) -> float:
        """Return the object temperature in degC, with the noise of the sensor."""
        ...

    def sink_temperature_c(self) -> float:
        """Return the temperature of the heat sink in degC."""
        ...

    def output_current_a(self) -> float:
        """Return the current in A that the element takes."""
        ...


@dataclass(frozen=True)
class Waveform:
    """What a generator output does: `shape` as in SINE, SQUARE, TRIANGLE, SAWU, SAWD, DC; volts into high
    impedance."""

    shape: str = "SINE"
    frequency_hz: float = 1000.0
    amplitude_v: float = 1.0
    offset_v: float = 0.0
    phase_deg: float = 0.0
    on: bool = False

    def volts(self, time_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what is put out at `time_s` after the start, in V; a shape of no name here is taken for a sine."""
        if not self.on:
            return np.zeros_like(time_s)
        turn = time_s * self.frequency_hz + self.phase_deg / 360.0
        return np.asarray(self.offset_v + self.amplitude_v * SHAPES.get(self.shape, sine)(turn))


class GeneratorPort(Protocol):
    """What a fast DAC output drives."""

    def generate(self, waveform: Waveform, started_at: float) -> None:
        """Put out `waveform` from lab time `started_at` (s) on, phase zero then."""
        ...


class FastInputs(Protocol):
    """The fast analog inputs of one digitizer, numbered from 1."""

    def capture(
        self, inputs: Sequence[int], started_at: float, sample_rate_hz: float, samples: int, average: int
    ) -> NDArray[np.float64]:
        """Return volts, shape (len(inputs), samples), sampled simultaneously from lab time `started_at` (s) on.

        `average` is how many raw samples are averaged into one (1: none, the record aliases).
        """
        ...


class SlowInputs(Protocol):
    """The slow analog inputs of one board."""

    def volts(self, name: str) -> float:
        """Return the voltage at input `name` ("AIN0"), in V, before quantisation."""
        ...


class SlowOutputs(Protocol):
    """What the slow analog outputs of one board drive."""

    def set_volts(self, name: str, volts: float) -> None:
        """Put `volts` out at output `name` ("AOUT0"), after quantisation; 0 V after power-on."""
        ...


class DigitalPins(Protocol):
    """The digital pins of one board."""

    def set_level(self, pin: str, level: int) -> None:
        """Drive pin `pin` ("DIO0_P") to 0 or 1."""
        ...

    def level(self, pin: str) -> int:
        """Return the level at `pin`."""
        ...


class RfInput(Protocol):
    """What reaches the RF input of the analyzer."""

    def power_spectral_density(self, frequency_hz: NDArray[np.float64], rbw_hz: float) -> NDArray[np.float64]:
        """Return the one-sided PSD in V^2/Hz across 50 ohm, shape like `frequency_hz`, as a Gaussian filter of -3 dB
        width `rbw_hz` sees it (lines narrower than the filter are broadened by it)."""
        ...


@dataclass(frozen=True)
class Line:
    """A coherent signal: its frequency in Hz, and its mean square in V^2 across 50 ohm."""

    frequency_hz: float
    power_v2: float


@runtime_checkable
class RfLines(Protocol):
    """What an `RfInput` may have besides noise: signals that a log average must not take for noise."""

    def lines(self, start_hz: float, stop_hz: float) -> Sequence[Line]:
        """Return the lines from `start_hz` to `stop_hz`; the PSD of the port does not have them."""
        ...


class LaserPort(Protocol):
    """The light of a tunable laser."""

    def tune(self, wavelength_m: float, seconds: float) -> None:
        """Move the wavelength evenly from where it is to `wavelength_m`, within `seconds` of lab time from now on."""
        ...

    def set_power(self, power_w: float) -> None:
        """Set the power in W that comes out while the laser is on."""
        ...

    def switch(self, on: bool) -> None:
        """Let light out, or none."""
        ...


class PowerPort(Protocol):
    """The light on the sensor of a power meter."""

    def power_w(self) -> float:
        """Return the power on the sensor in W, with its noise."""
        ...

    def wavelength_m(self) -> float:
        """Return the wavelength of that light in m; the meter does not know it."""
        ...


class GaugeStatus(StrEnum):
    """The state of one vacuum gauge."""

    OK = "ok"
    UNDER_RANGE = "under range"
    OVER_RANGE = "over range"
    SENSOR_ERROR = "sensor error"
    SENSOR_OFF = "sensor off"
    NO_SENSOR = "no sensor"


class PressurePort(Protocol):
    """One vacuum gauge at its place in the chamber."""

    def pressure_pa(self) -> float:
        """Return the pressure in Pa; it means something while the status is OK."""
        ...

    def status(self) -> GaugeStatus:
        """Return the state of the gauge."""
        ...


class RotatorPort(Protocol):
    """A rotation mount, such as that of a wave plate."""

    def set_angle(self, angle_deg: float) -> None:
        """Turn the mount to `angle_deg`, in degrees from its home mark; full turns mean nothing."""
        ...

    def left_at_deg(self) -> float | None:
        """Return where the mount is before its supply is switched on, in degrees from its home mark; None where nobody
        knows."""
        ...


class ServoPort(Protocol):
    """The terminals of one analog servo module: what it measures and what it drives."""

    settings: ServoSettings

    def measured_volts(self) -> float:
        """Return the voltage at the measure input, in V, with its noise."""
        ...

    def output_volts(self) -> float:
        """Return the voltage at the output now, in V."""
        ...

    def apply(self, settings: ServoSettings) -> None:
        """Take new settings over; the table lets the loop run with them from now on.

        Manual to servo is bumpless when the integrator is on (the output goes on from where it is).
        """
        ...

    def latched(self) -> ServoConditions:
        """Return what happened since the last call and clear it."""
        ...

    def conditions(self) -> ServoConditions:
        """Return what is the case now."""
        ...


@dataclass(frozen=True)
class ServoConditions:
    """Overload, limits and anti-windup of a servo module."""

    overload: bool = False
    upper_limit: bool = False
    lower_limit: bool = False
    anti_windup: bool = False


@dataclass(frozen=True)
class ServoSettings:
    """Every setting of a servo module that the loop feels; gains as in output = P (e + I int e dt + D de/dt) + offset.

    e is set point minus measured, in V; `proportional_gain` is signed and V/V, `integral_gain` in 1/s,
    `derivative_gain` in s.
    """

    proportional_gain: float = 1.0
    integral_gain: float = 1.0
    derivative_gain: float = 1e-6
    offset_v: float = 0.0
    proportional_on: bool = True
    integral_on: bool = False
    derivative_on: bool = False
    offset_on: bool = False
    setpoint_v: float = 0.0
    manual_output_v: float = 0.0
    upper_limit_v: float = 10.0
    lower_limit_v: float = -10.0
    closed: bool = True  # a SIM960 wakes up with its loop closed
