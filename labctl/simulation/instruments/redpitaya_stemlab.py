"""A simulated Red Pitaya STEMlab, 125-14 or 125-14 4-Input, as its SCPI server shows it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from labctl.simulation.instruments.redpitaya_acquisition import (
    BUFFER_SAMPLES,
    CODES_PER_FULL_SCALE,
    FULL_SCALE_V,
    MIDDLE,
    Acquisition,
)
from labctl.simulation.instruments.redpitaya_generators import Generators
from labctl.simulation.instruments.redpitaya_pins import Pins
from labctl.simulation.instruments.redpitaya_server import OUT_OF_RANGE, VARIANTS, RedPitayaServer, single
from labctl.simulation.ports import DigitalPins, FastInputs, GeneratorPort, SlowInputs
from labctl.simulation.scpi import Call, Reply, on
from labctl.simulation.scpi_syntax import VOLTS, ScpiError, Unterminated, definite_block, read_boolean, read_number
from labctl.simulation.wire import Timebase

POWERS_OF_TWO = tuple(2**n for n in range(17))
TRIGGER_SOURCES = (
    "DISABLED",
    "NOW",
    *(f"{source}_{edge}" for source in ("CH1", "CH2", "CH3", "CH4", "EXT", "AWG") for edge in ("PE", "NE", "AE")),
)
_BYTE_ORDERS = {"BEND": ">", "LEND": "<"}


class SimulatedRedPitaya(RedPitayaServer):
    """The SCPI server of a Red Pitaya board on TCP port 5000, which takes several clients at once.

    Format and byte order of data and the errors belong to the connection, the unit of data to the board. Binary blocks
    are followed by CR LF only with `crlf_after_block`, as with some versions of the server.

    Records take lab time and are quantised to 14 bits over +-1 V (LV) or +-20 V (HV), see `Acquisition`. `jumpers` are
    the ranges as wired ({1: "HV"}); an input not named follows its gain command, so gain and jumpers agree there.
    Triggers that fire: NOW, and AWG_* when a generator is started; CHn and EXT are taken and never come.
    Generators are without burst, arbitrary and PWM modes.

    Source: behaviour of the public SCPI server and API sources (scpi-server, rp-api).
    """

    own_to_connection = (*RedPitayaServer.own_to_connection, "_format", "_byte_order")

    def __init__(
        self,
        timebase: Timebase,
        fast_inputs: FastInputs,
        slow_inputs: SlowInputs,
        pins: DigitalPins,
        generators: Mapping[int, GeneratorPort],
        rng: np.random.Generator,
        variant: str = "125-14",
        crlf_after_block: bool = False,
        jumpers: Mapping[int, str] | None = None,
        build_date: str = "2025-06-03",
        firmware: str = "2.07-51",
    ) -> None:
        super().__init__(timebase, VARIANTS[variant], f"REDPITAYA,INSTR,{build_date},{firmware}")
        self.acquisition = Acquisition(fast_inputs, self.variant.inputs, jumpers or {})
        self.generators = Generators(self, generators, self._generator_started)
        self.pins = Pins(self, pins, slow_inputs, rng)
        self._crlf_after_block = crlf_after_block
        self._units = "VOLTS"
        self._format = "ASCII"
        self._byte_order = "BEND"

    def on_disconnect(self) -> None:
        """Forget what belongs to the connection: replies, errors, format and byte order."""
        super().on_disconnect()
        self._format = "ASCII"
        self._byte_order = "BEND"

    def _generator_started(self) -> None:
        if self.acquisition.source.startswith("AWG"):
            self.acquisition.trigger(self.now())

    def _fast_input(self, call: Call, header: str) -> int:
        return self.channel(call, header, self.variant.inputs)

    # ---- acquisition -----------------------------------------------------------------------------------------------

    @on("ACQ:RST")
    def _reset_acquisition(self, call: Call) -> None:
        self.acquisition.reset()
        self._units = "VOLTS"
        self._format = "ASCII"

    @on("ACQ:START")
    def _start(self, call: Call) -> None:
        self.acquisition.start(self.now())

    @on("ACQ:STOP")
    def _stop(self, call: Call) -> None:
        self.acquisition.stop(self.now())

    @on("ACQ:DEC", arguments=1)
    def _set_decimation(self, call: Call) -> None:
        factor = self.integer(call.arguments[0], "ACQ:DEC")
        if factor not in POWERS_OF_TWO:
            self.push_error(-109, "*ACQ:DEC Parameter decimation is invalid.")
            return
        self.acquisition.set_rate(self.now(), decimation=factor)

    @on("ACQ:DEC:Factor", arguments=1)
    def _set_decimation_factor(self, call: Call) -> None:
        factor = self.integer(call.arguments[0], "ACQ:DEC:Factor")
        if factor not in (1, 2, 4, 8) and not 16 <= factor <= POWERS_OF_TWO[-1]:
            raise self.refusal("ACQ:DEC:Factor", OUT_OF_RANGE, "Failed to set decimation factor")
        self.acquisition.set_rate(self.now(), decimation=factor)

    @on("ACQ:DEC?")
    @on("ACQ:DEC:Factor?")
    def _decimation(self, call: Call) -> str:
        return str(self.acquisition.decimation)

    @on("ACQ:SRATe?")
    def _sample_rate(self, call: Call) -> str:
        return f"{np.float32(self.acquisition.rate_hz):9.0f} Hz"

    @on("ACQ:AVG", arguments=1)
    def _set_averaging(self, call: Call) -> None:
        self.acquisition.set_rate(self.now(), averaging=read_boolean(call.arguments[0]))

    @on("ACQ:AVG?")
    def _averaging(self, call: Call) -> str:
        return "ON" if self.acquisition.averaging else "OFF"

    @on("ACQ:TRig", arguments=1)
    def _set_trigger(self, call: Call) -> None:
        self.acquisition.wait_for(self.word(call.arguments[0], "ACQ:TRig", TRIGGER_SOURCES), self.now())

    @on("ACQ:TRig:STAT?")
    def _trigger_status(self, call: Call) -> str:
        return "TD" if self.acquisition.triggered else "WAIT"

    @on("ACQ:TRig:FILL?")
    def _filled(self, call: Call) -> str:
        self.acquisition.follow(self.now())
        return str(int(self.acquisition.filled))

    @on("ACQ:TRig:DLY", arguments=(0, 1))
    def _set_delay(self, call: Call) -> None:
        delay = self.integer(call.arguments[0], "ACQ:TRig:DLY") if call.arguments else 0
        if abs(delay) >= 2**31:
            raise ScpiError(-104)
        self.acquisition.delay = max(delay, -MIDDLE)

    @on("ACQ:TRig:DLY?")
    def _delay(self, call: Call) -> str:
        return str(self.acquisition.delay)

    @on("ACQ:TRig:LEV", arguments=1)
    def _set_level(self, call: Call) -> None:
        limit = min(self.acquisition.full_scale_v(number) for number in self.acquisition.gains)
        self.acquisition.trigger_level_v = max(-limit, min(read_number(call.arguments[0], VOLTS), limit))

    @on("ACQ:TRig:LEV?")
    def _level(self, call: Call) -> str:
        return single(self.acquisition.trigger_level_v)

    @on("ACQ:SOUR<n>:GAIN", arguments=1)
    def _set_gain(self, call: Call) -> None:
        number = self._fast_input(call, "ACQ:SOUR#:GAIN")
        gain = self.word(call.arguments[0], "ACQ:SOUR#:GAIN", tuple(FULL_SCALE_V))
        self.acquisition.gains[number] = gain

    @on("ACQ:SOUR<n>:GAIN?")
    def _gain(self, call: Call) -> str:
        return self.acquisition.gains[self._fast_input(call, "ACQ:SOUR#:GAIN?")]

    @on("ACQ:WPOS?")
    def _write_position(self, call: Call) -> str:
        return str(self.acquisition.write_position(self.now()))

    @on("ACQ:TPOS?")
    def _position_at_trigger(self, call: Call) -> str:
        return str(self.acquisition.position_at_trigger)

    @on("ACQ:BUF:SIZE?")
    def _buffer_size(self, call: Call) -> str:
        return str(BUFFER_SAMPLES)

    # ---- data ------------------------------------------------------------------------------------------------------

    @on("ACQ:DATA:FORMAT", arguments=1)
    def _set_format(self, call: Call) -> None:
        word = call.arguments[0].upper()
        if word not in ("BIN", "ASCII"):
            raise ScpiError(-200)
        self._format = word

    @on("ACQ:DATA:FORMAT?")
    def _get_format(self, call: Call) -> str:
        return self._format

    @on("ACQ:DATA:Units", arguments=1)
    def _set_units(self, call: Call) -> None:
        self._units = self.word(call.arguments[0], "ACQ:DATA:Units", ("VOLTS", "RAW"))

    @on("ACQ:DATA:Units?")
    def _get_units(self, call: Call) -> str:
        return self._units

    @on("ACQ:DATA:BYTE:ORDER", arguments=1)
    def _set_byte_order(self, call: Call) -> None:
        self._byte_order = self.word(call.arguments[0], "ACQ:DATA:BYTE:ORDER", tuple(_BYTE_ORDERS))

    @on("ACQ:DATA:BYTE:ORDER?")
    def _get_byte_order(self, call: Call) -> str:
        return self._byte_order

    @on("ACQ:SOUR<n>:DATA?")
    def _all_data(self, call: Call) -> Reply:
        return self._oldest(self._fast_input(call, "ACQ:SOUR#:DATA?"), BUFFER_SAMPLES)

    @on("ACQ:SOUR<n>:DATA:Old:N?", arguments=1)
    def _oldest_data(self, call: Call) -> Reply:
        number = self._fast_input(call, "ACQ:SOUR#:DATA:Old:N?")
        return self._oldest(number, self._size(call.arguments[0], "ACQ:SOUR#:DATA:Old:N?"))

    @on("ACQ:SOUR<n>:DATA:LATest:N?", arguments=1)
    def _latest_data(self, call: Call) -> Reply:
        number = self._fast_input(call, "ACQ:SOUR#:DATA:LATest:N?")
        size = self._size(call.arguments[0], "ACQ:SOUR#:DATA:LATest:N?")
        return self._data(number, self.acquisition.write_position(self.now()) + 1 - size, size)

    @on("ACQ:SOUR<n>:DATA:Start:N?", arguments=2)
    def _data_from(self, call: Call) -> Reply:
        number = self._fast_input(call, "ACQ:SOUR#:DATA:Start:N?")
        first, size = (self._size(text, "ACQ:SOUR#:DATA:Start:N?", limit=2**32) for text in call.arguments)
        return self._data(number, first, min(size, BUFFER_SAMPLES))

    @on("ACQ:SOUR<n>:DATA:Start:End?", arguments=2)
    def _data_between(self, call: Call) -> Reply:
        number = self._fast_input(call, "ACQ:SOUR#:DATA:Start:End?")
        first, last = (self._size(text, "ACQ:SOUR#:DATA:Start:End?", limit=2**32) for text in call.arguments)
        return self._data(number, first, (last - first) % BUFFER_SAMPLES + 1)

    def _size(self, text: str, header: str, limit: int = BUFFER_SAMPLES) -> int:
        size = self.integer(text, header)
        if size < 0:
            raise ScpiError(-104)
        return min(size, limit)

    def _oldest(self, number: int, size: int) -> Reply:
        return self._data(number, self.acquisition.write_position(self.now()) + 1, size)

    def _data(self, number: int, first: int, size: int) -> Reply:
        codes = self.acquisition.codes(number, first, size, self.now())
        volts = codes * np.float32(self.acquisition.full_scale_v(number) / CODES_PER_FULL_SCALE)
        if self._format == "ASCII":
            texts = map(str, codes) if self._units == "RAW" else map("{:f}".format, volts.tolist())
            return "{" + ",".join(texts) + "}"
        order = _BYTE_ORDERS[self._byte_order]
        payload = codes.astype(order + "i2") if self._units == "RAW" else volts.astype(order + "f4")
        block = definite_block(payload.tobytes())
        return block if self._crlf_after_block else Unterminated(block)
