"""The inputs, outputs and pins of a Red Pitaya board, and the forms that its settings take."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pymeasure.instruments import Instrument
from pymeasure.instruments.validators import strict_discrete_set, strict_range

from drivers.base import DriverChannel

DIGITAL_PINS = tuple(f"DIO{number}_{side}" for side in "PN" for number in range(8))
SLOW_INPUTS = tuple(f"AIN{number}" for number in range(4))
SLOW_OUTPUTS = tuple(f"AOUT{number}" for number in range(4))
SHAPES = ("SINE", "SQUARE", "TRIANGLE", "SAWU", "SAWD", "DC", "DC_NEG")
LARGEST_DECIMATION = 65536
LARGEST_FREQUENCY_HZ = 50e6
FULL_SCALE_OUT_V = 1.0
SLOW_OUT_FULL_SCALE_V = 1.8


def one_of(*choices: str) -> Callable[[str], str]:
    """Return a cast that takes only `choices`, in any case."""

    def cast(text: str) -> str:
        word = text.strip().upper()
        if word not in choices:
            raise ValueError(text)
        return word

    cast.__name__ = " or ".join(choices)
    return cast


def on_or_off(text: str) -> bool:
    """Return what ON, OFF, 1 or 0 says."""
    return one_of("ON", "OFF", "1", "0")(text) in ("ON", "1")


def binary_digit(text: str) -> int:
    """Return what 0 or 1 says."""
    return int(one_of("0", "1")(text))


# The names are what a `BadReply` says that it expected.
on_or_off.__name__ = "ON or OFF"
binary_digit.__name__ = "0 or 1"


def whole_number(value: float, values: Sequence[int]) -> int:
    """Return `value` if it is a whole number from the first to the last of `values`; never rounds."""
    if not float(value).is_integer() or not values[0] <= value <= values[-1]:
        raise ValueError(f"{value} is not a whole number from {values[0]} to {values[-1]}")
    return int(value)


def decimation_factor(value: float, values: Sequence[int]) -> int:
    """Return `value` if the board can decimate by it: one of `values`, or a whole number from the last of them on."""
    return int(value) if value in values else whole_number(value, (values[-1], LARGEST_DECIMATION))


def on_off(value: bool) -> str:
    """Return ON or OFF."""
    return "ON" if value else "OFF"


class FastInput(DriverChannel):
    """A fast analog input: 14 bit, 125 MS/s."""

    gain = Instrument.control(
        "ACQ:SOUR{ch}:GAIN?",
        "ACQ:SOUR{ch}:GAIN %s",
        """Control the range that the server assumes (str, LV for +-1 V or HV for +-20 V).

        The range itself is set by jumpers; a setting that differs from them is an unnoticed factor of 20 in all volts.
        """,
        validator=strict_discrete_set,
        values=("LV", "HV"),
        cast=one_of("LV", "HV"),
        maxsplit=0,
        check_set_errors=True,
    )


class FastOutput(DriverChannel):
    """A fast analog output with its generator; volts are those into high impedance.

    |amplitude| + |offset| may not exceed 1 V; the board checks that at every single setting, see `configure`.
    Nothing comes out before `start`.
    """

    function = Instrument.control(
        "SOUR{ch}:FUNC?",
        "SOUR{ch}:FUNC %s",
        """Control the shape (str, SINE, SQUARE, TRIANGLE, SAWU, SAWD, DC or DC_NEG).""",
        validator=strict_discrete_set,
        values=SHAPES,
        cast=one_of(*SHAPES, "PWM", "ARBITRARY"),
        maxsplit=0,
        check_set_errors=True,
    )
    frequency = Instrument.control(
        "SOUR{ch}:FREQ:FIX?",
        "SOUR{ch}:FREQ:FIX %.12g",
        """Control the frequency in Hz (float strictly from 0 to 50e6); the board keeps single precision.""",
        validator=strict_range,
        values=(0.0, LARGEST_FREQUENCY_HZ),
        maxsplit=0,
        check_set_errors=True,
    )
    amplitude = Instrument.control(
        "SOUR{ch}:VOLT?",
        "SOUR{ch}:VOLT %.12g",
        """Control the amplitude (half of peak to peak) in V (float strictly from 0 to 1).""",
        validator=strict_range,
        values=(0.0, FULL_SCALE_OUT_V),
        maxsplit=0,
        check_set_errors=True,
    )
    offset = Instrument.control(
        "SOUR{ch}:VOLT:OFFS?",
        "SOUR{ch}:VOLT:OFFS %.12g",
        """Control the offset in V (float strictly from -1 to 1).""",
        validator=strict_range,
        values=(-FULL_SCALE_OUT_V, FULL_SCALE_OUT_V),
        maxsplit=0,
        check_set_errors=True,
    )
    phase_deg = Instrument.control(
        "SOUR{ch}:PHAS?",
        "SOUR{ch}:PHAS %.12g",
        """Control the phase at the start in degrees (float strictly from -360 to 360).""",
        validator=strict_range,
        values=(-360.0, 360.0),
        maxsplit=0,
        check_set_errors=True,
    )
    on = Instrument.control(
        "OUTPUT{ch}:STATE?",
        "OUTPUT{ch}:STATE %s",
        """Control whether the output is switched on (bool).""",
        validator=strict_discrete_set,
        values=(True, False),
        set_process=on_off,
        cast=on_or_off,
        maxsplit=0,
        check_set_errors=True,
    )

    def start(self) -> None:
        """Trigger the generator: it starts at its phase, and AWG_PE triggers an acquisition that waits for it."""
        with self.parent.transaction():
            self.write("SOUR{ch}:TRig:INT")
            self.check_errors()

    def configure(
        self, function: str, frequency: float, amplitude: float, offset: float = 0.0, phase_deg: float = 0.0
    ) -> None:
        """Set shape, frequency (Hz), amplitude and offset (V) and phase (degrees) at once; does not start or switch on.

        Amplitude and offset go in the order in which their sum never exceeds 1 V on the way.
        Raises ValueError when the sum itself exceeds 1 V, `Refused` when the board refuses.
        """
        if abs(amplitude) + abs(offset) > FULL_SCALE_OUT_V:
            raise ValueError(f"Amplitude {amplitude} V and offset {offset} V together exceed {FULL_SCALE_OUT_V} V")
        with self.parent.transaction():
            self.function = function
            self.frequency = frequency
            self.phase_deg = phase_deg
            if abs(self.amplitude) + abs(offset) <= FULL_SCALE_OUT_V:
                self.offset = offset
                self.amplitude = amplitude
            else:
                self.amplitude = amplitude
                self.offset = offset


class DigitalPin(DriverChannel):
    """A digital pin of the extension connector, named as DIO0_P; after power-on every pin is an input."""

    direction = Instrument.control(
        "DIG:PIN:DIR? {ch}",
        "DIG:PIN:DIR %s,{ch}",
        """Control the direction (str, IN or OUT).""",
        validator=strict_discrete_set,
        values=("IN", "OUT"),
        cast=one_of("IN", "OUT"),
        maxsplit=0,
        check_set_errors=True,
    )
    level = Instrument.control(
        "DIG:PIN? {ch}",
        "DIG:PIN {ch},%d",
        """Control the logic level (int, 0 or 1); a pin that is an input refuses to be set.""",
        validator=strict_discrete_set,
        values=(0, 1),
        cast=binary_digit,
        maxsplit=0,
        check_set_errors=True,
    )


class SlowInput(DriverChannel):
    """A slow analog input, named as AIN0."""

    voltage = Instrument.measurement(
        "ANALOG:PIN? {ch}", """Measure the voltage in V (float from 0 to 3.3).""", maxsplit=0
    )


class SlowOutput(DriverChannel):
    """A slow analog output, named as AOUT0; 8 bit, so a step is 7 mV."""

    voltage = Instrument.control(
        "ANALOG:PIN? {ch}",
        "ANALOG:PIN {ch},%.12g",
        """Control the voltage in V (float strictly from 0 to 1.8).""",
        validator=strict_range,
        values=(0.0, SLOW_OUT_FULL_SCALE_V),
        maxsplit=0,
        check_set_errors=True,
    )
