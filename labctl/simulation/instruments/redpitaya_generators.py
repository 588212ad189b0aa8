"""The generators of a simulated Red Pitaya: the two fast outputs and their commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from labctl.simulation.instruments.redpitaya_server import (
    INVALID_VALUE,
    NO_SUCH_FEATURE,
    NOT_NORMALISED,
    NOT_SUPPORTED,
    OUT_OF_RANGE,
    RedPitayaServer,
    single,
    to_single,
)
from labctl.simulation.instruments.redpitaya_triggers import HeldOff, TriggerPin, wants_edge
from labctl.simulation.instruments.redpitaya_waveforms import DAC_FULL_SCALE_V, DAC_RATE_HZ, LONGEST_TABLE, Generator
from labctl.simulation.ports import GeneratorPort
from labctl.simulation.scpi import Call, Handler, Reply
from labctl.simulation.scpi_commands import ArgumentCount
from labctl.simulation.scpi_syntax import HERTZ, VOLTS, ScpiError, read_boolean, read_number

SHAPES = ("SINE", "SQUARE", "TRIANGLE", "SAWU", "SAWD", "DC", "DC_NEG", "PWM", "ARBITRARY")
MODES = ("CONTINUOUS", "BURST", "STREAM")
TRIGGER_SOURCES = ("INT", "EXT_PE", "EXT_NE", "GATED")
PHASE_LIMIT_DEG = 360.0
LARGEST_DUTY = 100.0  # more than 1 is always high
MOST_CYCLES, MOST_REPETITIONS, LONGEST_PERIOD_US = 50_000, 65_536, 500_000_000
_SWING_STEPS = 1e5  # the server compares in steps of 10 uV


class Generators:
    """The commands SOUR<n>, OUTPUT<n>, GEN:RST and PHAS:ALIGN of `server`.

    `ports` are what the outputs drive, by number; an output without one goes nowhere. `started` is called when a
    generator is triggered. A new shape, frequency, phase or burst of a running generator starts it again at its phase.
    Streaming and gated bursts are refused, as by the API of the board.
    """

    def __init__(
        self,
        server: RedPitayaServer,
        ports: Mapping[int, GeneratorPort],
        pin: TriggerPin,
        started: Callable[[], None],
    ) -> None:
        self._server = server
        self._ports = ports
        self._started = started
        self._generators = {number: Generator() for number in range(1, server.variant.outputs + 1)}
        self._external = HeldOff(self._external_edge)
        pin.attach(self._external)
        self._register_levels()
        self._register_shapes()
        self._register_bursts()
        self._register_run()

    def next_burst(self, after: float) -> float | None:
        """Return when the first burst after lab time `after` starts of a train that runs already, or None."""
        starts = [self._burst_after(generator, after) for generator in self._generators.values()]
        return min((start for start in starts if start is not None), default=None)

    def _burst_after(self, generator: Generator, after: float) -> float | None:
        burst = generator.burst()
        if burst is None or generator.started_at is None:
            return None
        start = burst.next_start(after - generator.started_at)
        return None if start is None else generator.started_at + start

    # ---- registering -----------------------------------------------------------------------------------------------

    def _generator(self, call: Call, header: str) -> Generator:
        return self._generators[self._server.channel(call, header, len(self._generators))]

    def _setting(
        self,
        node: str,
        set_: Callable[[Call, Generator, str], None],
        write: Callable[[Generator], str],
        *,
        restart: bool = False,
        arguments: ArgumentCount = 1,
        root: str = "SOUR",
    ) -> None:
        """Add a setting of every output and its query; `restart` where a running generator begins again with it."""
        header = f"{root}#:{node}"

        def take(call: Call) -> None:
            generator = self._generator(call, header)
            set_(call, generator, header)
            if restart and generator.started_at is not None:
                generator.started_at = self._server.now()
            self._generate(call.suffixes[0])

        self._server.register(f"{root}<n>:{node}", take, arguments=arguments)
        self._server.register(f"{root}<n>:{node}?", self._query(header + "?", write))

    def _query(self, header: str, write: Callable[[Generator], Reply]) -> Handler:
        return lambda call: write(self._generator(call, header))

    # ---- levels ----------------------------------------------------------------------------------------------------

    def _register_levels(self) -> None:
        self._setting("VOLT", self._set_amplitude, lambda generator: single(generator.amplitude_v))
        self._setting("VOLT:OFFS", self._set_offset, lambda generator: single(generator.offset_v))
        self._setting("LOAD", self._set_load, lambda generator: generator.load)
        self._setting("INITValue", self._set_initial, lambda generator: single(generator.initial_v))
        self._setting("BURS:LASTValue", self._set_last, lambda generator: single(generator.last_v))
        self._setting(
            "STATE", self._set_state, lambda generator: "ON" if generator.waveform.on else "OFF", root="OUTPUT"
        )

    def _set_amplitude(self, call: Call, generator: Generator, header: str) -> None:
        amplitude = read_number(call.arguments[0], VOLTS)
        if _swing(amplitude, generator.offset_v, generator.load_factor) > DAC_FULL_SCALE_V:
            raise self._server.refusal(header, OUT_OF_RANGE, "Failed to set amplitude")
        generator.amplitude_v = to_single(amplitude)
        driven_v = generator.load_factor * generator.amplitude_v
        generator.waveform = replace(generator.waveform, amplitude_v=driven_v)

    def _set_offset(self, call: Call, generator: Generator, header: str) -> None:
        offset = read_number(call.arguments[0], VOLTS)
        if _swing(generator.amplitude_v, offset, generator.load_factor) > DAC_FULL_SCALE_V:
            raise self._server.refusal(header, OUT_OF_RANGE, "Failed to set offset")
        generator.offset_v = to_single(offset)
        generator.waveform = replace(generator.waveform, offset_v=generator.load_factor * generator.offset_v)

    def _set_load(self, call: Call, generator: Generator, header: str) -> None:
        generator.load = self._server.word(call.arguments[0], header, ("INF", "L50"))  # felt with the next level

    def _set_initial(self, call: Call, generator: Generator, header: str) -> None:
        generator.initial_v = self._level(call, header, "Failed to set generate burst init value")

    def _set_last(self, call: Call, generator: Generator, header: str) -> None:
        generator.last_v = self._level(call, header, "Failed to set generate burst last value")

    def _level(self, call: Call, header: str, failed: str) -> float:
        volts = read_number(call.arguments[0], VOLTS)
        if abs(volts) > DAC_FULL_SCALE_V:
            raise self._server.refusal(header, OUT_OF_RANGE, failed)
        return to_single(volts)

    def _set_state(self, call: Call, generator: Generator, header: str) -> None:
        generator.waveform = replace(generator.waveform, on=read_boolean(call.arguments[0]))

    # ---- shapes ----------------------------------------------------------------------------------------------------

    def _register_shapes(self) -> None:
        self._setting("FUNC", self._set_shape, lambda generator: generator.shape, restart=True)
        self._setting(
            "FREQ:FIX", self._set_frequency, lambda generator: single(generator.waveform.frequency_hz), restart=True
        )
        self._setting("PHAS", self._set_phase, lambda generator: single(generator.waveform.phase_deg), restart=True)
        self._setting("DCYC", self._set_duty, lambda generator: single(generator.duty), restart=True)
        self._server.register("SOUR<n>:TRAC:DATA:DATA", self._set_table, arguments=(1, LONGEST_TABLE))
        self._server.register("SOUR<n>:TRAC:DATA:DATA?", self._table)

    def _set_shape(self, call: Call, generator: Generator, header: str) -> None:
        generator.shape = self._server.word(call.arguments[0], header, SHAPES)

    def _set_frequency(self, call: Call, generator: Generator, header: str) -> None:
        frequency = read_number(call.arguments[0], HERTZ)
        if not 0 <= frequency <= DAC_RATE_HZ / 2:
            raise self._server.refusal(header, OUT_OF_RANGE, "Failed to set frequency")
        generator.waveform = replace(generator.waveform, frequency_hz=to_single(frequency))
        generator.lengthen_period()

    def _set_phase(self, call: Call, generator: Generator, header: str) -> None:
        phase = read_number(call.arguments[0])
        if abs(phase) > PHASE_LIMIT_DEG:
            raise self._server.refusal(header, OUT_OF_RANGE, "Failed to set generate phase")
        generator.waveform = replace(generator.waveform, phase_deg=to_single(phase))

    def _set_duty(self, call: Call, generator: Generator, header: str) -> None:
        duty = read_number(call.arguments[0])
        if not 0.0 <= duty <= LARGEST_DUTY:
            raise ScpiError(-200, f"*{header} Failed to set generate duty cycle")
        generator.duty = to_single(duty)

    def _set_table(self, call: Call) -> None:
        header = "SOUR#:TRAC:DATA:DATA"
        generator = self._generator(call, header)
        table = np.array([to_single(read_number(text)) for text in call.arguments])
        if np.abs(table).max() > DAC_FULL_SCALE_V:
            raise self._server.refusal(header, NOT_NORMALISED, "Failed to set arbitrary waveform data")
        generator.table = table
        self._generate(call.suffixes[0])

    def _table(self, call: Call) -> Reply:
        table = self._generator(call, "SOUR#:TRAC:DATA:DATA?").table
        return self._server.writer_of_numbers()(table, "f4", "{:f}".format)

    # ---- bursts ----------------------------------------------------------------------------------------------------

    def _register_bursts(self) -> None:
        self._setting("BURS:STAT", self._set_mode, lambda generator: generator.mode, restart=True)
        self._setting("BURS:NCYC", self._set_cycles, lambda generator: str(generator.cycles), restart=True)
        self._setting("BURS:NOR", self._set_repetitions, lambda generator: str(generator.repetitions), restart=True)
        self._setting("BURS:INT:PER", self._set_period, lambda generator: str(generator.period_us), restart=True)

    def _set_mode(self, call: Call, generator: Generator, header: str) -> None:
        mode = self._server.word(call.arguments[0], header, MODES)
        if mode == "STREAM":
            raise self._server.refusal(header, NO_SUCH_FEATURE, "Failed to set generate mode")
        generator.mode = mode

    def _count(self, call: Call, header: str, most: int, failed: str) -> int:
        count = self._server.integer(call.arguments[0], header)
        if not 1 <= count <= most:
            raise self._server.refusal(header, OUT_OF_RANGE, failed)
        return count

    def _set_cycles(self, call: Call, generator: Generator, header: str) -> None:
        generator.cycles = self._count(call, header, MOST_CYCLES, "Failed to set burst count parameter")
        generator.lengthen_period()

    def _set_repetitions(self, call: Call, generator: Generator, header: str) -> None:
        generator.repetitions = self._count(call, header, MOST_REPETITIONS, "Failed to set burst repetitions")

    def _set_period(self, call: Call, generator: Generator, header: str) -> None:
        generator.period_us = self._count(call, header, LONGEST_PERIOD_US, "Failed to set burst period")
        generator.lengthen_period()

    # ---- run -------------------------------------------------------------------------------------------------------

    def _register_run(self) -> None:
        self._setting("TRig:SOUR", self._set_trigger_source, lambda generator: generator.trigger_source)
        register = self._server.register
        register("OUTPUT:STATE", self._set_all_states, arguments=1)  # a command of its own, after the one with a number
        register("SOUR<n>:TRig:INT", self._trigger)
        register("SOUR:TRig:INT", self._trigger_all)  # likewise
        register("PHAS:ALIGN", self._trigger_all)
        register("GEN:RST", self._reset)
        register("SOUR:TRig:EXT:DEBouncer[:US]", self._set_holdoff, arguments=1)
        register("SOUR:TRig:EXT:DEBouncer[:US]?", lambda call: f"{self._external.holdoff_s * 1e6:.15g}")

    def _set_trigger_source(self, call: Call, generator: Generator, header: str) -> None:
        source = self._server.word(call.arguments[0], header, TRIGGER_SOURCES)
        if source == "GATED":
            raise self._server.refusal(header, INVALID_VALUE, "Failed to set generate trigger source")
        generator.trigger_source = source

    def _set_all_states(self, call: Call) -> None:
        self._demand_generators("OUTPUT:STATE", "Failed to enable generate")
        for number, generator in self._generators.items():
            generator.waveform = replace(generator.waveform, on=read_boolean(call.arguments[0]))
            self._generate(number)

    def _set_holdoff(self, call: Call) -> None:
        microseconds = read_number(call.arguments[0])
        if microseconds < 0:
            raise self._server.refusal("SOUR:TRig:EXT:DEBouncer", INVALID_VALUE, "Failed to set debouncer")
        self._external.holdoff_s = microseconds * 1e-6

    def _trigger(self, call: Call) -> None:
        self._generator(call, "SOUR#:TRig:INT")
        self._start((call.suffixes[0],), self._server.now())

    def _trigger_all(self, call: Call) -> None:
        self._demand_generators("SOUR:TRig:INT", "Failed to set trigger")
        self._start(tuple(self._generators), self._server.now())

    def _external_edge(self, rising: bool, now: float) -> None:
        waiting = [
            number
            for number, generator in self._generators.items()
            if generator.trigger_source != "INT" and wants_edge(generator.trigger_source, rising=rising)
        ]
        if waiting:
            self._start(tuple(waiting), now)

    def _reset(self, call: Call) -> None:
        for number in self._generators:
            self._generators[number] = Generator()
            self._generate(number)

    def _demand_generators(self, header: str, failed: str) -> None:
        if not self._generators:
            raise self._server.refusal(header, NOT_SUPPORTED, failed)

    # ---- what comes out --------------------------------------------------------------------------------------------

    def _start(self, numbers: tuple[int, ...], now: float) -> None:
        for number in numbers:
            self._generators[number].started_at = now
            self._generate(number)
        self._started()

    def _generate(self, number: int) -> None:
        port = self._ports.get(number)
        if port is not None:
            generator = self._generators[number]
            started_at = self._server.now() if generator.started_at is None else generator.started_at
            port.generate(generator.output(), started_at)


def _swing(amplitude_v: float, offset_v: float, factor: float) -> float:
    return int((abs(amplitude_v) + abs(offset_v)) * factor * _SWING_STEPS) / _SWING_STEPS
