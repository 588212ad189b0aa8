"""The acquisition commands of a simulated Red Pitaya: rate, run, trigger, and the same for single inputs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from labctl.simulation.instruments.redpitaya_acquisition import Acquisition
from labctl.simulation.instruments.redpitaya_deep_memory import DeepMemory
from labctl.simulation.instruments.redpitaya_front_end import BUFFER_SAMPLES, FULL_SCALE_V, FrontEnd
from labctl.simulation.instruments.redpitaya_server import (
    INVALID_VALUE,
    NOT_SUPPORTED,
    OUT_OF_RANGE,
    RedPitayaServer,
    single,
)
from labctl.simulation.instruments.redpitaya_triggers import SOURCES, HeldOff, TriggerPin, level_input, wants_edge
from labctl.simulation.scpi import Call
from labctl.simulation.scpi_commands import ArgumentCount
from labctl.simulation.scpi_syntax import VOLTS, ScpiError, read_boolean, read_number

POWERS_OF_TWO = tuple(2**n for n in range(17))
FACTORS = (1, 2, 4, 8)
"""And every whole number from 16 to 65536."""

_Machines = tuple[Acquisition, ...]
_Setting = Callable[[Call, str, _Machines], None]
_Reading = Callable[[Acquisition], str]


class Scope:
    """The commands ACQ of `server`, but for data.

    One state machine serves all inputs; after ACQ:SPLIT:TRig ON each has its own, for which the commands end in
    :CH<n>. Then a command without it means all inputs, and a query without it the first. Before, a query with it
    answers for all, and a setting with it is refused but for the trigger level. `next_burst` says when the generators
    start a burst of a running train after a time; `on_trigger` is told the time of every trigger.
    """

    def __init__(self, server: RedPitayaServer, front: FrontEnd, deep: DeepMemory, pin: TriggerPin) -> None:
        self._server = server
        self.front = front
        self.deep = deep
        ring = np.zeros((len(front.numbers), BUFFER_SAMPLES), dtype=np.int16)
        self._joint = Acquisition(front, front.numbers, ring, deep.buffers)
        self._single = {
            number: Acquisition(front, (number,), ring[number - 1 : number], deep.buffers) for number in front.numbers
        }
        self._split = False
        self._clock_origin_s = 0.0
        self.next_burst: Callable[[float], float | None] = lambda after: None
        self.on_trigger: Callable[[float], None] = lambda at: None
        for machine in (self._joint, *self._single.values()):
            machine.on_trigger = self._triggered
        self._external = HeldOff(self._external_edge)
        pin.attach(self._external)
        self._register_run()
        self._register_rate()
        self._register_trigger()
        self._register_inputs()

    def machine(self, number: int) -> Acquisition:
        """Return the state machine that serves input `number`."""
        return self._single[number] if self._split else self._joint

    def notice_bursts(self) -> None:
        """Trigger those who wait for the generator at the burst that came since they wait, if one did."""
        for machine in self._machines():
            if machine.source.startswith("AWG"):
                burst_at = self.next_burst(machine.waits_since)
                if burst_at is not None and burst_at <= self._server.now():
                    machine.trigger(burst_at)

    def seek_levels(self) -> None:
        """Find the levels that have come for those who wait for one."""
        self._follow()

    def chain_edge(self, at: float) -> None:
        """Take the falling edge that the board before this one in a chain gave at time `at`."""
        self._external.edge(rising=False, now=at)

    def _triggered(self, at: float) -> None:
        self.on_trigger(at)

    def generator_started(self) -> None:
        """Trigger those who wait for the generator."""
        for machine in self._machines():
            if machine.source.startswith("AWG"):
                machine.trigger(self._server.now())

    def _external_edge(self, rising: bool, now: float) -> None:
        for machine in self._machines():
            if machine.source.startswith("EXT") and wants_edge(machine.source, rising=rising):
                machine.trigger(now)

    # ---- for all inputs or for one ---------------------------------------------------------------------------------

    def _machines(self) -> _Machines:
        return tuple(self._single.values()) if self._split else (self._joint,)

    def _setting(self, pattern: str, set_: _Setting, arguments: ArgumentCount = 1) -> None:
        """Let `set_` take `pattern` for all inputs, and `pattern`:CH<n> for one."""
        header = f"{pattern}:CH#"

        def set_one(call: Call) -> None:
            number = self._server.fast_input(call, header)
            if not self._split:
                raise self._server.refusal(header, NOT_SUPPORTED, "Failed, the trigger is not split")
            set_(call, header, (self._single[number],))

        self._server.register(pattern, lambda call: set_(call, pattern, self._machines()), arguments=arguments)
        self._server.register(f"{pattern}:CH<n>", set_one, arguments=arguments)

    def _reading(self, pattern: str, read: _Reading) -> None:
        """Let `read` answer `pattern`? and `pattern`:CH<n>?."""
        header = f"{pattern}:CH#?"
        self._server.register(f"{pattern}?", lambda call: read(self._machines()[0]))
        self._server.register(
            f"{pattern}:CH<n>?", lambda call: read(self.machine(self._server.fast_input(call, header)))
        )

    # ---- run -------------------------------------------------------------------------------------------------------

    def _register_run(self) -> None:
        self._setting("ACQ:START", lambda call, header, machines: self._each(machines, Acquisition.start), 0)
        self._setting("ACQ:STOP", lambda call, header, machines: self._each(machines, Acquisition.stop), 0)
        self._setting("ACQ:RST", self._reset, 0)
        self._server.register("ACQ:SPLIT:TRig", self._set_split, arguments=1)
        self._server.register("ACQ:SPLIT:TRig?", lambda call: str(int(self._split)))
        self._reading("ACQ:WPOS", lambda machine: str(machine.write_position(self._server.now())))
        self._reading("ACQ:TPOS", self._position_at_trigger)
        self._server.register("ACQ:BUF:SIZE?", lambda call: str(BUFFER_SAMPLES))

    def _each(self, machines: _Machines, act: Callable[[Acquisition, float], None]) -> None:
        for machine in machines:
            act(machine, self._server.now())

    def _reset(self, call: Call, header: str, machines: _Machines) -> None:
        for machine in machines:
            machine.reset()
            self.front.reset(machine.numbers)
            for number in machine.numbers:
                self.deep.buffers[number].reset()
        self._server.data_units = "VOLTS"
        self._server.data_format = "ASCII"

    def _set_split(self, call: Call) -> None:
        split = read_boolean(call.arguments[0])
        if split == self._split:
            return
        left = self._machines()
        self._each(left, Acquisition.stop)
        self._split = split
        for buffer in self.deep.buffers.values():
            buffer.forget()
        for machine in self._machines():
            machine.reset()
            machine.set_rate(self._server.now(), decimation=left[0].decimation, averaging=left[0].averaging)
            machine.set_delay(left[0].delay)

    def _position_at_trigger(self, machine: Acquisition) -> str:
        machine.is_triggered(self._server.now())
        return str(machine.position_at_trigger)

    # ---- rate ------------------------------------------------------------------------------------------------------

    def _register_rate(self) -> None:
        self._setting("ACQ:DEC", self._set_decimation)
        self._setting("ACQ:DEC:Factor", self._set_decimation_factor)
        self._server.register("ACQ:AXI:DEC", self._set_deep_decimation, arguments=1)  # the same register
        self._server.register("ACQ:AXI:DEC:CH<n>", self._set_deep_decimation_of_one, arguments=1)
        for pattern in ("ACQ:DEC", "ACQ:DEC:Factor", "ACQ:AXI:DEC"):
            self._reading(pattern, lambda machine: str(machine.decimation))
        self._reading("ACQ:SRATe", lambda machine: f"{np.float32(machine.rate_hz):9.0f} Hz")
        self._setting("ACQ:AVG", self._set_averaging)
        self._reading("ACQ:AVG", lambda machine: "ON" if machine.averaging else "OFF")

    def _set_decimation(self, call: Call, header: str, machines: _Machines) -> None:
        factor = self._server.integer(call.arguments[0], header)
        if factor not in POWERS_OF_TWO:
            self._server.push_error(-109, f"*{header} Parameter decimation is invalid.")
            return
        self._decimate(factor, machines)

    def _set_decimation_factor(self, call: Call, header: str, machines: _Machines) -> None:
        self._decimate(self._factor(call, header, "Failed to set decimation factor"), machines)

    def _set_deep_decimation(self, call: Call) -> None:
        self._decimate(self._factor(call, "ACQ:AXI:DEC", "Failed to set decimation"), self._machines())

    def _set_deep_decimation_of_one(self, call: Call) -> None:
        number = self._server.fast_input(call, "ACQ:AXI:DEC:CH#")
        self._decimate(self._factor(call, "ACQ:AXI:DEC:CH#", "Failed to set decimation"), (self.machine(number),))

    def _factor(self, call: Call, header: str, failed: str) -> int:
        factor = self._server.integer(call.arguments[0], header)
        if factor not in FACTORS and not 16 <= factor <= POWERS_OF_TWO[-1]:
            raise self._server.refusal(header, OUT_OF_RANGE, failed)
        return factor

    def _decimate(self, factor: int, machines: _Machines) -> None:
        for machine in machines:
            machine.set_rate(self._server.now(), decimation=factor)

    def _set_averaging(self, call: Call, header: str, machines: _Machines) -> None:
        averaging = read_boolean(call.arguments[0])
        for machine in machines:
            machine.set_rate(self._server.now(), averaging=averaging)

    # ---- trigger ---------------------------------------------------------------------------------------------------

    def _register_trigger(self) -> None:
        self._setting("ACQ:TRig", self._set_trigger)
        self._reading("ACQ:TRig:STAT", lambda m: "TD" if m.is_triggered(self._server.now()) else "WAIT")
        self._reading("ACQ:TRig:FILL", lambda m: str(int(m.is_filled(self._server.now()))))
        self._setting("ACQ:TRig:DLY", self._set_delay, (0, 1))
        self._reading("ACQ:TRig:DLY", lambda machine: str(machine.delay))
        self._setting("ACQ:TRig:DLY:NS", self._set_delay_ns, (0, 1))
        self._reading("ACQ:TRig:DLY:NS", lambda machine: str(machine.delay_ns))
        register = self._server.register
        register("ACQ:TRig:EXT:DEBouncer[:US]", self._set_holdoff, arguments=1)
        register("ACQ:TRig:EXT:DEBouncer[:US]?", lambda call: f"{self._external.holdoff_s * 1e6:.15g}")
        register("ACQ:TS", self._set_clock, arguments=1)
        register("ACQ:TS:CH<n>?", self._timestamp)

    def _set_trigger(self, call: Call, header: str, machines: _Machines) -> None:
        source = self._server.word(call.arguments[0], header, SOURCES)
        if (level_input(source) or 1) > len(self.front.numbers):
            raise self._server.refusal(header, NOT_SUPPORTED, "Failed to set trigger source")
        for machine in machines:
            machine.wait_for(source, self._server.now())

    def _set_delay(self, call: Call, header: str, machines: _Machines) -> None:
        delay = self._server.integer(call.arguments[0], header) if call.arguments else 0
        if abs(delay) >= 2**31:
            raise ScpiError(-104)
        for machine in machines:
            machine.set_delay(delay)

    def _set_delay_ns(self, call: Call, header: str, machines: _Machines) -> None:
        delay_ns = round(read_number(call.arguments[0])) if call.arguments else 0
        if abs(delay_ns) >= 2**63:
            raise ScpiError(-104)
        for machine in machines:
            machine.set_delay_ns(delay_ns)

    def _set_holdoff(self, call: Call) -> None:
        microseconds = read_number(call.arguments[0])
        if microseconds < 0:
            raise self._server.refusal("ACQ:TRig:EXT:DEBouncer", INVALID_VALUE, "Failed to set")
        self._external.holdoff_s = microseconds * 1e-6

    def _set_clock(self, call: Call) -> None:
        nanoseconds = read_number(call.arguments[0])
        if not 0 <= nanoseconds < 2**64:
            raise ScpiError(-104)
        self._clock_origin_s = self._server.now() - nanoseconds * 1e-9

    def _timestamp(self, call: Call) -> str:
        machine = self.machine(self._server.fast_input(call, "ACQ:TS:CH#?"))
        machine.is_triggered(self._server.now())
        return str(max(0, round((machine.triggered_at - self._clock_origin_s) * 1e9)))

    # ---- inputs ----------------------------------------------------------------------------------------------------

    def _register_inputs(self) -> None:
        register = self._server.register
        register("ACQ:SOUR<n>:GAIN", self._set_gain, arguments=1)
        register("ACQ:SOUR<n>:GAIN?", lambda call: self.front.gains[self._server.fast_input(call, "ACQ:SOUR#:GAIN?")])
        register("ACQ:TRig:LEV", self._set_level, arguments=1)
        register("ACQ:TRig:LEV?", lambda call: single(self.front.levels_v[1]))
        register("ACQ:TRig:LEV:CH<n>", self._set_level_of_one, arguments=1)
        register("ACQ:TRig:LEV:CH<n>?", self._level_of_one)
        register("ACQ:TRig:HYST", self._set_hysteresis, arguments=1)
        register("ACQ:TRig:HYST?", lambda call: single(self.front.hysteresis_v[1]))

    def _follow(self) -> None:
        """See to it that what has come so far came at the thresholds and ranges until now."""
        for machine in self._machines():
            machine.is_triggered(self._server.now())

    def _set_gain(self, call: Call) -> None:
        number = self._server.fast_input(call, "ACQ:SOUR#:GAIN")
        gain = self._server.word(call.arguments[0], "ACQ:SOUR#:GAIN", tuple(FULL_SCALE_V))
        self._follow()
        self.front.gains[number] = gain
        self.front.set_level(number, self.front.levels_v[number])

    def _set_level(self, call: Call) -> None:
        volts = read_number(call.arguments[0], VOLTS)
        self._follow()
        for number in self.front.numbers:
            self.front.set_level(number, volts)

    def _set_level_of_one(self, call: Call) -> None:
        number = self._server.fast_input(call, "ACQ:TRig:LEV:CH#")
        volts = read_number(call.arguments[0], VOLTS)
        self._follow()
        self.front.set_level(number, volts)

    def _level_of_one(self, call: Call) -> str:
        return single(self.front.levels_v[self._server.fast_input(call, "ACQ:TRig:LEV:CH#?")])

    def _set_hysteresis(self, call: Call) -> None:
        volts = read_number(call.arguments[0], VOLTS)
        self._follow()
        for number in self.front.numbers:
            self.front.set_hysteresis(number, volts)
