"""How a simulated Red Pitaya hands samples over: the commands that read the buffers, in text or binary."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from labctl.simulation.instruments.redpitaya_deep_memory import DeepMemoryError
from labctl.simulation.instruments.redpitaya_front_end import BUFFER_SAMPLES, taken
from labctl.simulation.instruments.redpitaya_scope import Scope
from labctl.simulation.instruments.redpitaya_server import BYTE_ORDERS, OUT_OF_RANGE, RedPitayaServer
from labctl.simulation.scpi import Call, Later, Reply
from labctl.simulation.scpi_syntax import ScpiError, read_boolean

UNITS = ("VOLTS", "RAW")
AROUND_TRIGGER = ("PRE_TRIG", "POST_TRIG", "PRE_POST_TRIG")


class DataCommands:
    """The commands ACQ:DATA, ACQ:SOUR<n>:DATA and ACQ:AXI of `server`, for the buffers of `scope`."""

    def __init__(self, server: RedPitayaServer, scope: Scope) -> None:
        self._server = server
        self._scope = scope
        self._register_form()
        self._register_ring()
        self._register_deep()

    # ---- form ------------------------------------------------------------------------------------------------------

    def _register_form(self) -> None:
        register = self._server.register
        register("ACQ:DATA:FORMAT", self._set_format, arguments=1)
        register("ACQ:DATA:FORMAT?", lambda call: self._server.data_format)
        register("ACQ:DATA:BYTE:ORDER", self._set_byte_order, arguments=1)
        register("ACQ:DATA:BYTE:ORDER?", lambda call: self._server.byte_order)
        register("ACQ:DATA:Units", self._set_units, arguments=1)
        register("ACQ:DATA:Units?", lambda call: self._server.data_units)
        register("ACQ:AXI:DATA:Units", self._set_deep_units, arguments=1)
        register("ACQ:AXI:DATA:Units?", lambda call: self._server.deep_units)

    def _set_format(self, call: Call) -> None:
        word = call.arguments[0].upper()
        if word not in ("BIN", "ASCII"):
            raise ScpiError(-200)
        self._server.data_format = word

    def _set_byte_order(self, call: Call) -> None:
        self._server.byte_order = self._server.word(call.arguments[0], "ACQ:DATA:BYTE:ORDER", tuple(BYTE_ORDERS))

    def _set_units(self, call: Call) -> None:
        self._server.data_units = self._server.word(call.arguments[0], "ACQ:DATA:Units", UNITS)

    def _set_deep_units(self, call: Call) -> None:
        self._server.deep_units = self._server.word(call.arguments[0], "ACQ:AXI:DATA:Units", UNITS)

    def _writer(self, number: int, units: str) -> Callable[[NDArray[np.int16]], Reply]:
        """Return what makes a reply of codes of input `number`, in the form that is set now."""
        write = self._server.writer_of_numbers()
        if units == "RAW":
            return lambda codes: write(codes, "i2", str)
        return lambda codes: write(self._scope.front.volts(number, codes), "f4", "{:f}".format)

    # ---- the ring --------------------------------------------------------------------------------------------------

    def _register_ring(self) -> None:
        register = self._server.register
        register("ACQ:SOUR<n>:DATA?", self._all)
        register("ACQ:SOUR<n>:DATA:Old:N?", self._oldest, arguments=1)
        register("ACQ:SOUR<n>:DATA:LATest:N?", self._latest, arguments=1)
        register("ACQ:SOUR<n>:DATA:TRig?", self._around_trigger, arguments=2)
        for start in ("Start", "STArt"):
            register(f"ACQ:SOUR<n>:DATA:{start}:N?", self._from, arguments=2)
            register(f"ACQ:SOUR<n>:DATA:{start}:End?", self._between, arguments=2)

    def _all(self, call: Call) -> Reply:
        number = self._server.fast_input(call, "ACQ:SOUR#:DATA?")
        return self._ring(number, self._newest(number) + 1, BUFFER_SAMPLES)

    def _oldest(self, call: Call) -> Reply:
        number = self._server.fast_input(call, "ACQ:SOUR#:DATA:Old:N?")
        size = self._server.natural(call.arguments[0], "ACQ:SOUR#:DATA:Old:N?")
        return self._ring(number, self._newest(number) + 1, size)

    def _latest(self, call: Call) -> Reply:
        number = self._server.fast_input(call, "ACQ:SOUR#:DATA:LATest:N?")
        size = min(self._server.natural(call.arguments[0], "ACQ:SOUR#:DATA:LATest:N?"), BUFFER_SAMPLES)
        return self._ring(number, self._newest(number) + 1 - size, size)

    def _from(self, call: Call) -> Reply:
        number = self._server.fast_input(call, "ACQ:SOUR#:DATA:Start:N?")
        first, size = (self._server.natural(text, "ACQ:SOUR#:DATA:Start:N?") for text in call.arguments)
        return self._ring(number, first, size)

    def _between(self, call: Call) -> Reply:
        number = self._server.fast_input(call, "ACQ:SOUR#:DATA:Start:End?")
        first, last = (self._server.natural(text, "ACQ:SOUR#:DATA:Start:End?") for text in call.arguments)
        return self._ring(number, first, (last - first) % BUFFER_SAMPLES + 1)

    def _around_trigger(self, call: Call) -> Reply:
        header = "ACQ:SOUR#:DATA:TRig?"
        number = self._server.fast_input(call, header)
        size = self._server.natural(call.arguments[0], header)
        side = self._server.word(call.arguments[1], header, AROUND_TRIGGER)
        machine = self._scope.machine(number)
        machine.is_triggered(self._server.now())
        first = machine.position_at_trigger - (0 if side == "POST_TRIG" else size)
        return self._ring(number, first, (2 * size if side == "PRE_POST_TRIG" else size) + 1)

    def _newest(self, number: int) -> int:
        return self._scope.machine(number).write_position(self._server.now())

    def _ring(self, number: int, first: int, size: int) -> Reply:
        codes = self._scope.machine(number).codes(number, first, min(size, BUFFER_SAMPLES), self._server.now())
        return self._writer(number, self._server.data_units)(codes)

    # ---- deep memory -----------------------------------------------------------------------------------------------

    def _register_deep(self) -> None:
        register = self._server.register
        register("ACQ:AXI:START?", lambda call: str(self._scope.deep.start))
        register("ACQ:AXI:SIZE?", lambda call: str(self._scope.deep.size))
        register("ACQ:AXI:SOUR<n>:SET:Buffer", self._place, arguments=2)
        register("ACQ:AXI:SOUR<n>:ENable", self._enable, arguments=1)
        register("ACQ:AXI:SOUR<n>:Trig:Dly", self._set_deep_delay, arguments=(0, 1))
        register("ACQ:AXI:SOUR<n>:Trig:Dly?", self._deep_delay)
        register("ACQ:AXI:SOUR<n>:Trig:Fill?", self._deep_filled)
        register("ACQ:AXI:SOUR<n>:Trig:Pos?", self._deep_position_at_trigger)
        register("ACQ:AXI:SOUR<n>:Write:Pos?", self._deep_write_position)
        for start in ("Start", "STArt"):
            register(f"ACQ:AXI:SOUR<n>:DATA:{start}:N?", self._deep_data, arguments=2)

    def _deep_input(self, call: Call, node: str) -> tuple[int, str]:
        header = f"ACQ:AXI:SOUR#:{node}"
        return self._server.fast_input(call, header), header

    def _place(self, call: Call) -> None:
        number, header = self._deep_input(call, "SET:Buffer")
        address, size = (self._server.natural(text, header) for text in call.arguments)
        try:
            self._scope.deep.buffers[number].place(address, size)
        except DeepMemoryError as error:
            raise self._server.refusal(header, error.reason, "Failed to set write addresses") from None

    def _enable(self, call: Call) -> None:
        number, header = self._deep_input(call, "ENable")
        on = read_boolean(call.arguments[0])
        self._scope.machine(number).capture(self._server.now())
        try:
            self._scope.deep.buffers[number].switch(on)
        except DeepMemoryError as error:
            raise self._server.refusal(header, error.reason, "Failed to start data capture") from None

    def _set_deep_delay(self, call: Call) -> None:
        number, header = self._deep_input(call, "Trig:Dly")
        delay = self._server.integer(call.arguments[0], header) if call.arguments else 0
        if abs(delay) >= 2**31:
            raise ScpiError(-104)
        self._scope.deep.buffers[number].delay = delay

    def _deep_delay(self, call: Call) -> str:
        number, _ = self._deep_input(call, "Trig:Dly?")
        return str(self._scope.deep.buffers[number].delay)

    def _deep_filled(self, call: Call) -> str:
        number, _ = self._deep_input(call, "Trig:Fill?")
        return str(int(self._scope.machine(number).is_deep_filled(number, self._server.now())))

    def _deep_position_at_trigger(self, call: Call) -> str:
        number, _ = self._deep_input(call, "Trig:Pos?")
        self._scope.machine(number).is_triggered(self._server.now())
        buffer = self._scope.deep.buffers[number]
        return str(buffer.position(buffer.trigger))

    def _deep_write_position(self, call: Call) -> str:
        number, _ = self._deep_input(call, "Write:Pos?")
        return str(self._scope.machine(number).deep_write_position(number, self._server.now()))

    def _deep_data(self, call: Call) -> Later:
        number, header = self._deep_input(call, "DATA:Start:N?")
        first, size = (self._server.natural(text, header) for text in call.arguments)
        view = self._scope.deep.buffers[number].view
        if view is None:
            raise self._server.refusal(header, OUT_OF_RANGE, "Failed to get data in volts")
        if size > self._scope.deep.most_samples:
            raise ScpiError(-200, f"*{header} Failed allocate buffer")
        self._scope.machine(number).capture(self._server.now())
        asked_at, write = self._server.now(), self._writer(number, self._server.deep_units)
        # Made when it is read: a host that never reads does not fill the memory of this computer.
        return Later(lambda: asked_at, lambda: write(taken(view, first, size)))
