"""The digital pins, the lights and the slow analog pins of a Red Pitaya board."""

from __future__ import annotations

from pymeasure.instruments import Instrument
from pymeasure.instruments.validators import strict_discrete_set, strict_range

from drivers.base import DriverChannel
from drivers.redpitaya.forms import binary_digit, on_or_off, one_of

DIGITAL_PINS = tuple(f"DIO{number}_{side}" for side in "PN" for number in range(8))
LIGHTS = tuple(f"LED{number}" for number in range(8))
SLOW_INPUTS = tuple(f"AIN{number}" for number in range(4))
SLOW_OUTPUTS = tuple(f"AOUT{number}" for number in range(4))
SLOW_OUT_FULL_SCALE_V = 1.8


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


class Light(DriverChannel):
    """One of the eight lights beside the extension connector, named as LED0."""

    lit = Instrument.control(
        "DIG:PIN? {ch}",
        "DIG:PIN {ch},%d",
        """Control whether the light is on (bool).""",
        validator=strict_discrete_set,
        values=(True, False),
        cast=on_or_off,
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
