"""The digital pins and the slow analog pins of a simulated Red Pitaya."""

from __future__ import annotations

import numpy as np

from labctl.simulation.instruments.redpitaya_server import (
    NO_SUCH_PIN,
    OUT_OF_RANGE,
    PIN_IS_INPUT,
    RedPitayaServer,
    single,
)
from labctl.simulation.ports import DigitalPins, SlowInputs
from labctl.simulation.scpi import Call
from labctl.simulation.scpi_syntax import VOLTS, read_number

DIGITAL = tuple(f"DIO{number}_{side}" for side in "PN" for number in range(8))
SLOW_INPUTS = tuple(f"AIN{number}" for number in range(4))
SLOW_OUTPUTS = tuple(f"AOUT{number}" for number in range(4))
SLOW_ADC_FULL_SCALE_V, SLOW_ADC_LARGEST_CODE = 3.5, 2**12 - 1
SLOW_DAC_FULL_SCALE_V, SLOW_DAC_LARGEST_CODE = 1.8, 2**8 - 1
SLOW_ADC_NOISE_V = SLOW_ADC_FULL_SCALE_V / SLOW_ADC_LARGEST_CODE
"""One step, rms."""


class Pins:
    """The commands DIG and ANALOG of `server`.

    A digital pin is an input after power-on and refuses to be set; as an output it takes the level that it was given
    last. Slow inputs have 12 bits over 0 to 3.5 V and noise, slow outputs 8 bits over 0 to 1.8 V and no consumer.
    """

    def __init__(
        self, server: RedPitayaServer, digital: DigitalPins, slow_inputs: SlowInputs, rng: np.random.Generator
    ) -> None:
        self._server = server
        self._digital = digital
        self._slow_inputs = slow_inputs
        self._rng = rng
        self._directions = dict.fromkeys(DIGITAL, "IN")
        self._levels = dict.fromkeys(DIGITAL, 0)
        self._slow_codes = dict.fromkeys(SLOW_OUTPUTS, 0)
        server.register("DIG:PIN:DIR", self._set_direction, arguments=2)
        server.register("DIG:PIN:DIR?", self._direction, arguments=1)
        server.register("DIG:PIN", self._set_level, arguments=2)
        server.register("DIG:PIN?", self._level, arguments=1)
        server.register("DIG:RST", self._reset_digital)
        server.register("ANALOG:PIN", self._set_volts, arguments=2)
        server.register("ANALOG:PIN?", self._volts, arguments=1)
        server.register("ANALOG:RST", self._reset_slow)

    def _set_direction(self, call: Call) -> None:
        direction = self._server.word(call.arguments[0], "DIG:PIN:DIR", ("IN", "OUT"))
        pin = self._server.word(call.arguments[1], "DIG:PIN:DIR", DIGITAL)
        self._directions[pin] = direction
        if direction == "OUT":
            self._digital.set_level(pin, self._levels[pin])

    def _direction(self, call: Call) -> str:
        return self._directions[self._server.word(call.arguments[0], "DIG:PIN:DIR?", DIGITAL)]

    def _set_level(self, call: Call) -> None:
        pin = self._server.word(call.arguments[0], "DIG:PIN", DIGITAL)
        level = self._server.integer(call.arguments[1], "DIG:PIN")
        if self._directions[pin] == "IN":
            raise self._server.refusal("DIG:PIN", PIN_IS_INPUT, "Failed to set pin state")
        self._levels[pin] = int(level != 0)
        self._digital.set_level(pin, self._levels[pin])

    def _level(self, call: Call) -> str:
        return str(self._digital.level(self._server.word(call.arguments[0], "DIG:PIN?", DIGITAL)))

    def _reset_digital(self, call: Call) -> None:
        self._directions = dict.fromkeys(DIGITAL, "IN")
        self._levels = dict.fromkeys(DIGITAL, 0)

    def _set_volts(self, call: Call) -> None:
        pin = self._server.word(call.arguments[0], "ANALOG:PIN", SLOW_OUTPUTS + SLOW_INPUTS)
        volts = read_number(call.arguments[1], VOLTS)
        if pin in SLOW_INPUTS:
            raise self._server.refusal("ANALOG:PIN", NO_SUCH_PIN, "Failed to set pin value")
        if not 0 <= volts <= SLOW_DAC_FULL_SCALE_V:
            raise self._server.refusal("ANALOG:PIN", OUT_OF_RANGE, "Failed to set pin value")
        self._slow_codes[pin] = round(volts / SLOW_DAC_FULL_SCALE_V * SLOW_DAC_LARGEST_CODE)

    def _volts(self, call: Call) -> str:
        pin = self._server.word(call.arguments[0], "ANALOG:PIN?", SLOW_OUTPUTS + SLOW_INPUTS)
        if pin in SLOW_OUTPUTS:
            return single(self._slow_codes[pin] * SLOW_DAC_FULL_SCALE_V / SLOW_DAC_LARGEST_CODE)
        volts = self._slow_inputs.volts(pin) + self._rng.normal(scale=SLOW_ADC_NOISE_V)
        code = round(volts / SLOW_ADC_FULL_SCALE_V * SLOW_ADC_LARGEST_CODE)
        return single(max(0, min(code, SLOW_ADC_LARGEST_CODE)) * SLOW_ADC_FULL_SCALE_V / SLOW_ADC_LARGEST_CODE)

    def _reset_slow(self, call: Call) -> None:
        self._slow_codes = dict.fromkeys(SLOW_OUTPUTS, 0)
