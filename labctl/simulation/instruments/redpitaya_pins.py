"""The digital pins, the lights and the slow analog pins of a simulated Red Pitaya."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from labctl.simulation.instruments.redpitaya_server import (
    LED_IS_OUTPUT,
    NO_SUCH_PIN,
    OUT_OF_RANGE,
    PIN_IS_INPUT,
    RedPitayaServer,
    single,
)
from labctl.simulation.ports import DigitalPins, SlowInputs, SlowOutputs
from labctl.simulation.scpi import Call
from labctl.simulation.scpi_syntax import VOLTS, read_number

DIGITAL = tuple(f"DIO{number}_{side}" for side in "PN" for number in range(8))
LEDS = tuple(f"LED{number}" for number in range(8))
STATUS_LEDS = ("MMC", "HB", "ETH")
TRIGGER_PIN = "DIO0_P"
SLOW_INPUTS = tuple(f"AIN{number}" for number in range(4))
SLOW_OUTPUTS = tuple(f"AOUT{number}" for number in range(4))
SLOW_ADC_FULL_SCALE_V, SLOW_ADC_LARGEST_CODE = 3.5, 2**12 - 1
SLOW_DAC_FULL_SCALE_V, SLOW_DAC_LARGEST_CODE = 1.8, 2**8 - 1
SLOW_ADC_NOISE_V = SLOW_ADC_FULL_SCALE_V / SLOW_ADC_LARGEST_CODE
"""One step, rms."""


class Pins:
    """The commands DIG, LED and ANALOG of `server`; `changed` is called when a digital pin may have another level.

    A digital pin is an input after power-on and refuses to be set; as an output it takes the level that it was given
    last. The eight lights are outputs for ever, the status lights are switched by name. Slow inputs have 12 bits over
    0 to 3.5 V and noise, slow outputs 8 bits over 0 to 1.8 V; they drive what `drive` was given.
    """

    def __init__(
        self,
        server: RedPitayaServer,
        digital: DigitalPins,
        slow_inputs: SlowInputs,
        rng: np.random.Generator,
        changed: Callable[[], None],
    ) -> None:
        self._server = server
        self._digital = digital
        self._slow_inputs = slow_inputs
        self._rng = rng
        self._changed = changed
        self._directions = dict.fromkeys(DIGITAL, "IN")
        self._levels = dict.fromkeys(DIGITAL, 0)
        self._lit = dict.fromkeys(LEDS, 0)
        self._status_lights = dict.fromkeys(STATUS_LEDS, "ON")
        self._slow_codes = dict.fromkeys(SLOW_OUTPUTS, 0)
        self._slow_outputs: SlowOutputs | None = None
        server.register("DIG:PIN:DIR", self._set_direction, arguments=2)
        server.register("DIG:PIN:DIR?", self._direction, arguments=1)
        server.register("DIG:PIN", self._set_level, arguments=2)
        server.register("DIG:PIN?", self._level, arguments=1)
        server.register("DIG:RST", self._reset_digital)
        server.register("ANALOG:PIN", self._set_volts, arguments=2)
        server.register("ANALOG:PIN?", self._volts, arguments=1)
        server.register("ANALOG:RST", self._reset_slow)
        for name in STATUS_LEDS:
            server.register(f"LED:{name}", self._light_setter(name), arguments=1)
            server.register(f"LED:{name}?", self._light_getter(name))

    def drive(self, slow_outputs: SlowOutputs) -> None:
        """Let the slow outputs drive `slow_outputs` from now on."""
        self._slow_outputs = slow_outputs
        for pin, code in self._slow_codes.items():
            self._put_out(pin, code)

    def _set_direction(self, call: Call) -> None:
        direction = self._server.word(call.arguments[0], "DIG:PIN:DIR", ("IN", "OUT"))
        pin = self._server.word(call.arguments[1], "DIG:PIN:DIR", DIGITAL + LEDS)
        if pin in LEDS:
            if direction == "IN":
                raise self._server.refusal("DIG:PIN:DIR", LED_IS_OUTPUT, "Failed to set pin direction")
            return
        self._directions[pin] = direction
        if direction == "OUT":
            self._digital.set_level(pin, self._levels[pin])
        self._changed()

    def _direction(self, call: Call) -> str:
        return self._directions.get(self._server.word(call.arguments[0], "DIG:PIN:DIR?", DIGITAL + LEDS), "OUT")

    def _set_level(self, call: Call) -> None:
        pin = self._server.word(call.arguments[0], "DIG:PIN", DIGITAL + LEDS)
        level = int(self._server.integer(call.arguments[1], "DIG:PIN") != 0)
        if pin in LEDS:
            self._lit[pin] = level
            return
        if self._directions[pin] == "IN":
            raise self._server.refusal("DIG:PIN", PIN_IS_INPUT, "Failed to set pin state")
        self._levels[pin] = level
        self._digital.set_level(pin, level)
        self._changed()

    def _level(self, call: Call) -> str:
        pin = self._server.word(call.arguments[0], "DIG:PIN?", DIGITAL + LEDS)
        return str(self._lit[pin] if pin in LEDS else self._digital.level(pin))

    def _reset_digital(self, call: Call) -> None:
        self._directions = dict.fromkeys(DIGITAL, "IN")
        self._levels = dict.fromkeys(DIGITAL, 0)
        self._lit = dict.fromkeys(LEDS, 0)
        self._changed()

    def _light_setter(self, name: str) -> Callable[[Call], None]:
        def set_(call: Call) -> None:
            self._status_lights[name] = self._server.word(call.arguments[0], f"LED:{name}", ("OFF", "ON"))

        return set_

    def _light_getter(self, name: str) -> Callable[[Call], str]:
        return lambda call: self._status_lights[name]

    def _set_volts(self, call: Call) -> None:
        pin = self._server.word(call.arguments[0], "ANALOG:PIN", SLOW_OUTPUTS + SLOW_INPUTS)
        volts = read_number(call.arguments[1], VOLTS)
        if pin in SLOW_INPUTS:
            raise self._server.refusal("ANALOG:PIN", NO_SUCH_PIN, "Failed to set pin value")
        if not 0 <= volts <= SLOW_DAC_FULL_SCALE_V:
            raise self._server.refusal("ANALOG:PIN", OUT_OF_RANGE, "Failed to set pin value")
        self._put_out(pin, round(volts / SLOW_DAC_FULL_SCALE_V * SLOW_DAC_LARGEST_CODE))

    def _volts(self, call: Call) -> str:
        pin = self._server.word(call.arguments[0], "ANALOG:PIN?", SLOW_OUTPUTS + SLOW_INPUTS)
        if pin in SLOW_OUTPUTS:
            return single(_slow_output_volts(self._slow_codes[pin]))
        volts = self._slow_inputs.volts(pin) + self._rng.normal(scale=SLOW_ADC_NOISE_V)
        code = round(volts / SLOW_ADC_FULL_SCALE_V * SLOW_ADC_LARGEST_CODE)
        return single(max(0, min(code, SLOW_ADC_LARGEST_CODE)) * SLOW_ADC_FULL_SCALE_V / SLOW_ADC_LARGEST_CODE)

    def _reset_slow(self, call: Call) -> None:
        for pin in SLOW_OUTPUTS:
            self._put_out(pin, 0)

    def _put_out(self, pin: str, code: int) -> None:
        self._slow_codes[pin] = code
        if self._slow_outputs is not None:
            self._slow_outputs.set_volts(pin, _slow_output_volts(code))


def _slow_output_volts(code: int) -> float:
    return code * SLOW_DAC_FULL_SCALE_V / SLOW_DAC_LARGEST_CODE
