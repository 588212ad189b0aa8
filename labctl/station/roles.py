"""What procedures may ask of a table: roles as interfaces, in physical units.

A procedure asks for roles, never for models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from drivers.sweep import SweepSettings


class SpectrumAnalyzer(Protocol):
    """An RF spectrum analyzer that takes one averaged trace at a time."""

    def configure_sweep(self, settings: SweepSettings) -> SweepSettings:
        """Set the sweep up and return what the instrument accepted."""
        ...

    def duration_s(self) -> float:
        """Return how long the whole averaged trace takes, in s."""
        ...

    def start(self) -> None:
        """Start the trace."""
        ...

    def is_sweeping(self) -> bool:
        """Return True until all averages are in."""
        ...

    def abort(self) -> None:
        """Stop the sweep."""
        ...

    def read_trace(self) -> NDArray[np.float64]:
        """Return the trace in dBm, one value a point."""
        ...


class RfSwitch(Protocol):
    """The switch that puts one RF signal onto the analyzer."""

    @property
    def positions(self) -> Sequence[str]:
        """Return the names of the positions."""
        ...

    def select(self, position: str) -> None:
        """Connect `position`."""
        ...


@dataclass(frozen=True)
class SlowRecord:
    """Volts of all detectors (detectors, samples) sampled together at `sample_rate_hz`, aliases and all."""

    volts: NDArray[np.float64]
    sample_rate_hz: float


class Digitizer(Protocol):
    """A digitizer that samples all detectors at once."""

    @property
    def sample_rate_hz(self) -> float:
        """Return the sample rate of the records in Hz."""
        ...

    def record(self) -> NDArray[np.float64]:
        """Return one record in volts, shape (detectors, samples), all rows sampled together."""
        ...

    def undersample(self, frequency_hz: float, seconds: float, begun: Callable[[], None]) -> SlowRecord:
        """Return a record of at least `seconds` s at a lower rate and without the filter of one, in which
        `frequency_hz` is an alias clear of its mirror image; noise of the whole band folds into it. `begun` is called
        as soon as the record has begun."""
        ...


@dataclass(frozen=True)
class ScanRecord:
    """One rising sweep of the length scan: servo volts relative to the servo output, error signal and transmission,
    all in V."""

    servo_v: NDArray[np.float64]
    error_v: NDArray[np.float64]
    transmission_v: NDArray[np.float64]


class LengthScan(Protocol):
    """The fast scan of the source cavity."""

    def sweep(self, amplitude_v: float) -> ScanRecord:
        """Scan by +-`amplitude_v` at the servo's summing point and return the rising sweep."""
        ...


@dataclass(frozen=True)
class ServoState:
    """What a servo says of itself."""

    closed: bool
    output_v: float
    error_v: float
    overloaded: bool
    at_limit: bool


@dataclass(frozen=True)
class ServoSetting:
    """What a closed servo was told: set point in V, signed integral gain in V/s per V."""

    setpoint_v: float
    integral_gain_per_s: float


class Servo(Protocol):
    """One analog servo: manual output, or integrator closed on a set point."""

    @property
    def output_limit_v(self) -> float:
        """Return the largest magnitude of the output, in V."""
        ...

    def set_output(self, volts: float) -> None:
        """Open the loop and put out `volts`."""
        ...

    def sweep(self, outputs_v: NDArray[np.float64], read: Callable[[], float]) -> NDArray[np.float64]:
        """Open the loop, put out each voltage in turn and call `read` at each; return what it gave, shape of
        `outputs_v`."""
        ...

    def sweeping(self, outputs_v: NDArray[np.float64], read: Callable[[], float]) -> Iterator[float]:
        """Do what `sweep` does one voltage at a time, so that others have their turn between."""
        ...

    def hold(self) -> None:
        """Open the loop where it is."""
        ...

    def close_loop(self, setpoint_v: float, integral_gain_per_s: float) -> None:
        """Integrate (set point - measured) with this signed gain in V/s per V, from the present output on."""
        ...

    def hop(self, volts: float) -> None:
        """Open a closed loop, go to `volts`, and close it again as it was, as fast as the ramp allows."""
        ...

    def output_v(self) -> float:
        """Return the output in V, as the instrument says it."""
        ...

    def setting(self) -> ServoSetting | None:
        """Return what a servo that is closed as `close_loop` closes it was told; None where it is open or set up in
        another way. Changes nothing."""
        ...

    def adopt(self) -> None:
        """Go on from the loop as it is: what `setting` found closed is taken for closed by this program."""
        ...

    def forget_conditions(self) -> None:
        """Forget what the servo remembers of overloads and limits, so that the next state tells what happened since."""
        ...

    def state(self) -> ServoState:
        """Return the state, read from the instrument."""
        ...


class PiezoDriver(Protocol):
    """One high-voltage channel."""

    @property
    def commanded_v(self) -> float | None:
        """Return what was last asked for, in V; None when nobody knows."""
        ...

    def ramp_to(self, volts: float) -> None:
        """Go to `volts` no faster than the slew limit."""
        ...


class TemperatureController(Protocol):
    """The crystal oven."""

    def set_target(self, target_c: float, ramp_k_per_s: float) -> None:
        """Regulate to `target_c` (degC), getting there at `ramp_k_per_s`."""
        ...

    def temperature_c(self) -> float:
        """Return the object temperature in degC."""
        ...

    def regulating(self) -> bool:
        """Return True while the output is on and the controller reports no error."""
        ...


class Picomotor(Protocol):
    """One mirror mount with two axes."""

    def move(self, axis: str, steps: int) -> None:
        """Turn `axis` ("pitch" or "yaw") by `steps` and wait for the end of the motion."""
        ...


class Shutter(Protocol):
    """A beam shutter."""

    def open(self) -> None:
        """Let light through."""
        ...

    def close(self) -> None:
        """Block the light."""
        ...

    def is_open(self) -> bool:
        """Return the state of the drive line."""
        ...


class Monitor(Protocol):
    """A slow analog signal."""

    def volts(self) -> float:
        """Return one reading in V at the detector."""
        ...


class TunableLaser(Protocol):
    """A laser whose wavelength and power are set from here; wavelengths are those in vacuum."""

    def tune(self, wavelength_m: float) -> None:
        """Tune to `wavelength_m` and wait until the laser is there."""
        ...

    def tune_frequency(self, frequency_hz: float) -> None:
        """Tune to the optical frequency `frequency_hz` and wait until the laser is there."""
        ...

    def is_tuned(self) -> bool:
        """Return False while the wavelength moves."""
        ...

    def wavelength_m(self) -> float:
        """Return the wavelength in m that the laser is set to."""
        ...

    def set_power(self, power_w: float) -> None:
        """Set the output power in W; whether light comes out is left as it is."""
        ...

    def power_w(self) -> float:
        """Return the output power in W as the laser's own monitor sees it."""
        ...

    def switch_on(self) -> None:
        """Let light out and wait until the laser says that it is ready."""
        ...

    def switch_off(self) -> None:
        """Let no light out."""
        ...

    def is_on(self) -> bool:
        """Return whether light comes out."""
        ...


class ToneSource(Protocol):
    """A generator of one sine into 50 ohm."""

    def set_tone(self, frequency_hz: float, amplitude_v: float) -> None:
        """Set frequency in Hz and amplitude in V (peak, across 50 ohm); whether it is on is left as it is."""
        ...

    def frequency_hz(self) -> float:
        """Return the frequency in Hz."""
        ...

    def amplitude_v(self) -> float:
        """Return the amplitude in V (peak, across 50 ohm)."""
        ...

    def switch_on(self) -> None:
        """Put the tone out: a pure sine without offset."""
        ...

    def switch_off(self) -> None:
        """Put nothing out."""
        ...

    def is_on(self) -> bool:
        """Return whether the tone is on."""
        ...


class PowerMeter(Protocol):
    """An optical power meter, which must be told the wavelength that it looks at."""

    def set_wavelength(self, wavelength_m: float) -> None:
        """Correct for the sensor's response at `wavelength_m`."""
        ...

    def power_w(self) -> float:
        """Return one reading in W, at the wavelength that was set."""
        ...


class PressureState(StrEnum):
    """What a gauge says of its reading."""

    VALID = "valid"
    UNDER_RANGE = "under range"
    OVER_RANGE = "over range"
    SENSOR_OFF = "sensor off"
    NO_SENSOR = "no sensor"
    SENSOR_ERROR = "sensor error"


@dataclass(frozen=True)
class PressureReading:
    """One reading of a gauge: a pressure in Pa where it is valid, else None; `said` is the gauge's own word for it."""

    state: PressureState
    pressure_pa: float | None = None
    said: str = ""


class Gauge(Protocol):
    """A vacuum gauge."""

    def read(self) -> PressureReading:
        """Return the pressure, or why there is none."""
        ...


class Rotator(Protocol):
    """A rotation stage, such as that of a half-wave plate."""

    def move_to(self, angle_deg: float) -> None:
        """Turn to `angle_deg` and wait for the end of the motion."""
        ...

    def angle_deg(self) -> float:
        """Return the angle in degrees."""
        ...


class SafeOrder(StrEnum):
    """The order in which a table is made safe: light first, high voltage last."""

    LIGHT = "light"
    SERVO = "servo"
    PIEZO = "piezo"
    HEAT = "heat"
    REST = "rest"
