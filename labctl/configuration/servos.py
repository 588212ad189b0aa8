"""How a loop is closed, as tables of a station file: by a module of a mainframe, or by labctl through converters."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from labctl.configuration.faults import Allowed
from labctl.configuration.hardware_fields import FastInput, InputRange, Slot, SlowOutputName
from labctl.configuration.quantities import (
    PositiveDuration,
    PositiveFrequency,
    PositiveLength,
    PositiveSlewRate,
    Voltage,
)
from labctl.configuration.tables import Name, NonzeroNumber, Table


class AnalogServo(Table):
    """One servo of a mainframe."""

    kind: Literal["analog"] = "analog"
    instrument: Name
    slot: Slot


class MonitorInput(Table):
    """A slow monitor, in V at the detector."""

    kind: Literal["monitor"]
    name: Name


class FastInputMean(Table):
    """The mean of a short record of a fast input: volts at the detector = (volts at the input - offset) / gain.

    `range` is that of the board's jumpers.
    """

    kind: Literal["fast_input"]
    instrument: Name
    input: FastInput
    range: InputRange
    offset: Voltage = 0.0
    gain: NonzeroNumber = 1.0


class PowerMeterInput(Table):
    """A power meter at the wavelength of [light], as volts: power times `volts_per_watt`."""

    kind: Literal["power_meter"]
    name: Name
    volts_per_watt: NonzeroNumber


class OvenInput(Table):
    """The temperature of the crystal, as volts: its distance from the oven's target times `volts_per_kelvin`."""

    kind: Literal["oven"]
    volts_per_kelvin: NonzeroNumber


ServoInput = Annotated[MonitorInput | FastInputMean | PowerMeterInput | OvenInput, Field(discriminator="kind")]


class SlowOutput(Table):
    """A slow analog output with an amplifier behind it: volts of the servo = (volts at the pin - offset) * gain."""

    kind: Literal["slow_output"]
    instrument: Name
    pin: SlowOutputName
    offset: Voltage
    gain: NonzeroNumber


class PiezoOutput(Table):
    """The loop's own piezo channel, set over its wire to what it rests at and servo_gain times the servo's volts."""

    kind: Literal["piezo"]


ServoOutput = Annotated[SlowOutput | PiezoOutput, Field(discriminator="kind")]


class SoftwareServo(Table):
    """A servo that is a task of this program: `rate` times a second, one reading of the input becomes one output.

    A step that comes later than `deadline` (s; two periods where it is not given) after the last one is told. The
    output changes by `slew` (V/s) at most, by default as fast as the piezo may. The law is an integrator, g/s, times
    1 + s / (2 pi z) for each of `zeros` and over 1 + s / (2 pi p) for a `pole`, all in Hz.
    """

    kind: Literal["software"]
    input: ServoInput
    output: ServoOutput
    rate: PositiveFrequency
    deadline: PositiveDuration | None = None
    slew: PositiveSlewRate | None = None
    zeros: Annotated[
        tuple[PositiveFrequency, ...], Field(strict=False, max_length=2), Allowed("a list of at most 2 frequencies")
    ] = ()
    pole: PositiveFrequency | None = None

    @property
    def period_s(self) -> float:
        """The time from one step to the next, in s."""
        return 1.0 / self.rate

    def slew_v_per_s(self, piezo_slew_v_per_s: float, servo_gain: float) -> float:
        """The fastest that the output changes, in V/s, with a piezo that may change so fast behind this gain."""
        return piezo_slew_v_per_s / servo_gain if self.slew is None else self.slew


class DitherServo(Table):
    """A servo that is this program and holds a transmission at its top through the loop's own piezo: `rate` times a
    second, the piezo goes to the other side of its centre by `amplitude` (m of length, peak)."""

    kind: Literal["dither"] = "dither"
    rate: PositiveFrequency = 1.0
    amplitude: PositiveLength = 4e-9

    @property
    def period_s(self) -> float:
        """The time that the piezo stays on one side, in s."""
        return 1.0 / self.rate


_ONLY_SOFTWARE = frozenset({"input", "output", "rate"})


def _analog_unless_said(value: object) -> object:
    """Servos of a mainframe need no `kind`; what has keys of the other kind has to name it."""
    if isinstance(value, dict) and "kind" not in value and not _ONLY_SOFTWARE & value.keys():
        return {"kind": "analog", **value}
    return value


Servo = Annotated[
    AnalogServo | SoftwareServo,
    Field(discriminator="kind"),
    BeforeValidator(_analog_unless_said),
    Allowed('a table with the keys instrument, slot, or one with kind = "software"'),
]
