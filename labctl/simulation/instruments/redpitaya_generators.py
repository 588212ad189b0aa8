"""The generators of a simulated Red Pitaya: the two fast outputs and their commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from labctl.simulation.instruments.redpitaya_server import (
    NOT_SUPPORTED,
    OUT_OF_RANGE,
    RedPitayaServer,
    single,
    to_single,
)
from labctl.simulation.ports import GeneratorPort, Waveform
from labctl.simulation.scpi import Call
from labctl.simulation.scpi_syntax import HERTZ, VOLTS, read_boolean, read_number

SHAPES = ("SINE", "SQUARE", "TRIANGLE", "SAWU", "SAWD", "DC", "DC_NEG")
UNSUPPORTED_SHAPES = ("PWM", "ARBITRARY")
DAC_RATE_HZ = 125e6
DAC_FULL_SCALE_V = 1.0
PHASE_LIMIT_DEG = 360.0
_SWING_STEPS = 1e5  # the server compares in steps of 10 uV


@dataclass
class _Generator:
    """One output; nothing oscillates before its first trigger."""

    shape: str = "SINE"
    waveform: Waveform = field(default_factory=Waveform)
    started_at: float | None = None


class Generators:
    """The commands SOUR<n>, OUTPUT<n>, GEN:RST and PHAS:ALIGN of `server`.

    `ports` are what the outputs drive, by number; an output without one goes nowhere. `started` is called when a
    generator is triggered. A new shape, frequency or phase of a running generator starts it again at its phase.
    """

    def __init__(
        self, server: RedPitayaServer, ports: Mapping[int, GeneratorPort], started: Callable[[], None]
    ) -> None:
        self._server = server
        self._ports = ports
        self._started = started
        self._generators = {number: _Generator() for number in range(1, server.variant.outputs + 1)}
        for pattern, handler in {
            "SOUR<n>:FUNC": self._set_shape,
            "SOUR<n>:FREQ:FIX": self._set_frequency,
            "SOUR<n>:VOLT": self._set_amplitude,
            "SOUR<n>:VOLT:OFFS": self._set_offset,
            "SOUR<n>:PHAS": self._set_phase,
            "OUTPUT<n>:STATE": self._set_state,
            "OUTPUT:STATE": self._set_all_states,  # a command of its own, after the one with a number
        }.items():
            server.register(pattern, handler, arguments=1)
        for pattern, write in _QUERIES.items():
            server.register(pattern, self._query(pattern, write))
        server.register("SOUR<n>:TRig:INT", self._trigger)
        server.register("SOUR:TRig:INT", self._trigger_all)  # likewise
        server.register("PHAS:ALIGN", self._trigger_all)
        server.register("GEN:RST", self._reset)

    # ---- commands --------------------------------------------------------------------------------------------------

    def _generator(self, call: Call, header: str) -> _Generator:
        return self._generators[self._server.channel(call, header, len(self._generators))]

    def _query(self, pattern: str, write: Callable[[_Generator], str]) -> Callable[[Call], str]:
        header = pattern.replace("<n>", "#")
        return lambda call: write(self._generator(call, header))

    def _set_shape(self, call: Call) -> None:
        generator = self._generator(call, "SOUR#:FUNC")
        shape = self._server.word(call.arguments[0], "SOUR#:FUNC", SHAPES + UNSUPPORTED_SHAPES)
        if shape in UNSUPPORTED_SHAPES:
            raise self._server.refusal("SOUR#:FUNC", NOT_SUPPORTED, "Failed to set generate wave form")
        generator.shape = shape
        self._restart(call.suffixes[0])

    def _set_frequency(self, call: Call) -> None:
        generator = self._generator(call, "SOUR#:FREQ:FIX")
        frequency = read_number(call.arguments[0], HERTZ)
        if not 0 <= frequency <= DAC_RATE_HZ / 2:
            raise self._server.refusal("SOUR#:FREQ:FIX", OUT_OF_RANGE, "Failed to set frequency")
        generator.waveform = replace(generator.waveform, frequency_hz=to_single(frequency))
        self._restart(call.suffixes[0])

    def _set_amplitude(self, call: Call) -> None:
        generator = self._generator(call, "SOUR#:VOLT")
        amplitude = read_number(call.arguments[0], VOLTS)
        if _swing(amplitude, generator.waveform.offset_v) > DAC_FULL_SCALE_V:
            raise self._server.refusal("SOUR#:VOLT", OUT_OF_RANGE, "Failed to set amplitude")
        generator.waveform = replace(generator.waveform, amplitude_v=to_single(amplitude))
        self._generate(call.suffixes[0])

    def _set_offset(self, call: Call) -> None:
        generator = self._generator(call, "SOUR#:VOLT:OFFS")
        offset = read_number(call.arguments[0], VOLTS)
        if _swing(generator.waveform.amplitude_v, offset) > DAC_FULL_SCALE_V:
            raise self._server.refusal("SOUR#:VOLT:OFFS", OUT_OF_RANGE, "Failed to set offset")
        generator.waveform = replace(generator.waveform, offset_v=to_single(offset))
        self._generate(call.suffixes[0])

    def _set_phase(self, call: Call) -> None:
        generator = self._generator(call, "SOUR#:PHAS")
        phase = read_number(call.arguments[0])
        if abs(phase) > PHASE_LIMIT_DEG:
            raise self._server.refusal("SOUR#:PHAS", OUT_OF_RANGE, "Failed to set generate phase")
        generator.waveform = replace(generator.waveform, phase_deg=to_single(phase))
        self._restart(call.suffixes[0])

    def _set_state(self, call: Call) -> None:
        generator = self._generator(call, "OUTPUT#:STATE")
        generator.waveform = replace(generator.waveform, on=read_boolean(call.arguments[0]))
        self._generate(call.suffixes[0])

    def _set_all_states(self, call: Call) -> None:
        self._demand_generators("OUTPUT:STATE", "Failed to enable generate")
        for number, generator in self._generators.items():
            generator.waveform = replace(generator.waveform, on=read_boolean(call.arguments[0]))
            self._generate(number)

    def _trigger(self, call: Call) -> None:
        self._generator(call, "SOUR#:TRig:INT")
        self._start((call.suffixes[0],))

    def _trigger_all(self, call: Call) -> None:
        self._demand_generators("SOUR:TRig:INT", "Failed to set trigger")
        self._start(tuple(self._generators))

    def _reset(self, call: Call) -> None:
        for number in self._generators:
            self._generators[number] = _Generator()
            self._generate(number)

    def _demand_generators(self, header: str, failed: str) -> None:
        if not self._generators:
            raise self._server.refusal(header, NOT_SUPPORTED, failed)

    # ---- what comes out --------------------------------------------------------------------------------------------

    def _start(self, numbers: tuple[int, ...]) -> None:
        for number in numbers:
            self._generators[number].started_at = self._server.now()
            self._generate(number)
        self._started()

    def _restart(self, number: int) -> None:
        if self._generators[number].started_at is not None:
            self._generators[number].started_at = self._server.now()
        self._generate(number)

    def _generate(self, number: int) -> None:
        port = self._ports.get(number)
        if port is None:
            return
        generator = self._generators[number]
        waveform = replace(generator.waveform, shape=generator.shape)
        if generator.shape == "DC_NEG":
            waveform = replace(waveform, shape="DC", amplitude_v=-waveform.amplitude_v)
        if generator.started_at is None:
            port.generate(replace(waveform, amplitude_v=0.0), self._server.now())
        else:
            port.generate(waveform, generator.started_at)


_QUERIES: Mapping[str, Callable[[_Generator], str]] = {
    "SOUR<n>:FUNC?": lambda generator: generator.shape,
    "SOUR<n>:FREQ:FIX?": lambda generator: single(generator.waveform.frequency_hz),
    "SOUR<n>:VOLT?": lambda generator: single(generator.waveform.amplitude_v),
    "SOUR<n>:VOLT:OFFS?": lambda generator: single(generator.waveform.offset_v),
    "SOUR<n>:PHAS?": lambda generator: single(generator.waveform.phase_deg),
    "OUTPUT<n>:STATE?": lambda generator: "ON" if generator.waveform.on else "OFF",
}


def _swing(amplitude_v: float, offset_v: float) -> float:
    return int((abs(amplitude_v) + abs(offset_v)) * _SWING_STEPS) / _SWING_STEPS
