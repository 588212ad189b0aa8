"""Simulated Agilent (Keysight) 33500 waveform generator on its raw socket: SCPI, LF both ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from labctl.simulation.ports import GeneratorPort, Waveform
from labctl.simulation.scpi import Answer, Call, ScpiInstrument
from labctl.simulation.scpi_syntax import HERTZ, VOLTS, ScpiError, read_boolean, read_choice, read_number
from labctl.simulation.wire import Timebase

SOURCE_OHM = 50.0
LOWEST_HZ, HIGHEST_HZ = 1e-6, 30e6
LOWEST_VPP, HIGHEST_VPP = 1e-3, 10.0  # across 50 ohm
HIGHEST_V = 5.0  # of offset and peak together, across 50 ohm
LOWEST_LOAD_OHM, HIGHEST_LOAD_OHM = 1.0, 1e4
NO_LOAD_OHM = 9.9e37
SHAPES = ("SINusoid", "SQUare", "TRIangle", "RAMP", "PULSe", "PRBS", "NOISe", "ARB", "DC")
UNITS = ("VPP", "VRMS", "DBM")

_OHM: Mapping[str, float] = {"OHM": 1.0, "KOHM": 1e3}
_PORT_SHAPES = {"SIN": "SINE", "SQU": "SQUARE", "TRI": "TRIANGLE", "RAMP": "SAWU", "DC": "DC"}


@dataclass
class _Output:
    """One output. The voltages are those across 50 ohm, whatever load they are said for."""

    shape: str = "SIN"
    frequency_hz: float = 1e3
    amplitude_vpp: float = 0.1
    offset_v: float = 0.0
    phase_deg: float = 0.0
    load_ohm: float = 50.0
    unit: str = "VPP"
    modulated: bool = False
    on: bool = False
    started_at: float = 0.0

    @property
    def scale(self) -> float:
        """What the display multiplies a voltage across 50 ohm by, for the load that it is told of."""
        if self.load_ohm == NO_LOAD_OHM:
            return 2.0
        return 2.0 * self.load_ohm / (self.load_ohm + SOURCE_OHM)

    @property
    def amplitudes(self) -> tuple[float, float, float]:
        """Lowest, highest and default amplitude in Vpp at the load, beside the present offset."""
        highest = min(HIGHEST_VPP, 2 * (HIGHEST_V - abs(self.offset_v)))
        return LOWEST_VPP * self.scale, highest * self.scale, 0.1

    @property
    def offsets(self) -> tuple[float, float, float]:
        """Lowest, highest and default offset in V at the load, beside the present amplitude."""
        highest = (HIGHEST_V - self.amplitude_vpp / 2) * self.scale
        return -highest, highest, 0.0


class Simulated33500(ScpiInstrument):
    """A generator whose outputs drive `ports`, by number; an output without one goes nowhere.

    What the port gets is the open-circuit voltage, twice that across 50 ohm. Pulses, noise, PRBS and arbitrary shapes
    are remembered but put nothing out, and so does an output that is still modulated: `leave_modulated` is how somebody
    else leaves one; APPLy ends it. Amplitudes in VRMS and dBm are refused (-221): the twin knows Vpp only.
    """

    def __init__(
        self,
        timebase: Timebase,
        ports: Mapping[int, GeneratorPort],
        *,
        model: str = "33522B",
        serial: str = "MY50000001",
        firmware: str = "2.05-1.19-2.00-52-00",
        outputs: int = 2,
    ) -> None:
        super().__init__(timebase)
        self.identity = f"Agilent Technologies,{model},{serial},{firmware}"
        self._ports = ports
        self._outputs = {number: _Output() for number in range(1, outputs + 1)}
        numbers: dict[str, tuple[Callable[[_Output], float], Callable[[_Output], tuple[float, float, float]]]] = {
            "FREQuency": (lambda output: output.frequency_hz, lambda output: (LOWEST_HZ, HIGHEST_HZ, 1e3)),
            "VOLTage": (lambda output: output.amplitude_vpp * output.scale, lambda output: output.amplitudes),
            "VOLTage:OFFSet": (lambda output: output.offset_v * output.scale, lambda output: output.offsets),
            "PHASe": (lambda output: output.phase_deg, lambda output: (-360.0, 360.0, 0.0)),
        }
        for name, (get, named) in numbers.items():
            self.register(f"[:SOURce<n>]:{name}?", self._number_query(get, named), arguments=(0, 1))
        self.register("[:SOURce<n>]:FREQuency", self._set_frequency, arguments=1)
        self.register("[:SOURce<n>]:VOLTage", self._set_amplitude, arguments=1)
        self.register("[:SOURce<n>]:VOLTage:OFFSet", self._set_offset, arguments=1)
        self.register("[:SOURce<n>]:PHASe", self._set_phase, arguments=1)
        self.register("[:SOURce<n>]:FUNCtion", self._set_shape, arguments=1)
        self.register("[:SOURce<n>]:FUNCtion?", lambda call: self._output(call).shape)
        self.register("[:SOURce<n>]:VOLTage:UNIT", self._set_unit, arguments=1)
        self.register("[:SOURce<n>]:VOLTage:UNIT?", lambda call: self._output(call).unit)
        self.register("[:SOURce<n>]:APPLy:SINusoid", self._apply_sine, arguments=(0, 3))
        self.register(":OUTPut<n>", self._set_state, arguments=1)
        self.register(":OUTPut<n>?", lambda call: str(int(self._output(call).on)))
        self.register(":OUTPut<n>:LOAD", self._set_load, arguments=1)
        self.register(":OUTPut<n>:LOAD?", self._get_load)
        self._drive_all()

    def leave_modulated(self, number: int) -> None:
        """Leave an output with a modulation on."""
        self._outputs[number].modulated = True
        self._drive(number)

    def reset(self) -> None:
        """Go to the factory state: sine of 1 kHz and 100 mVpp, all outputs off."""
        self._outputs = {number: _Output() for number in self._outputs}
        self._drive_all()

    # ---- commands ---------------------------------------------------------------------------------------------------

    def _output(self, call: Call) -> _Output:
        return self._outputs[call.suffix(1, len(self._outputs))]

    def _number_query(
        self, get: Callable[[_Output], float], named: Callable[[_Output], tuple[float, float, float]]
    ) -> Callable[[Call], Answer]:
        def query(call: Call) -> Answer:
            output = self._output(call)
            if not call.arguments:
                return f"{get(output):+.15E}"
            if call.arguments[0][:1].upper() not in ("M", "D"):
                raise ScpiError(-224)
            low, high, default = named(output)
            return f"{read_number(call.arguments[0], minimum=low, maximum=high, default=default):+.15E}"

        return query

    def _set_frequency(self, call: Call) -> None:
        output = self._output(call)
        wanted = read_number(call.arguments[0], HERTZ, minimum=LOWEST_HZ, maximum=HIGHEST_HZ, default=1e3)
        output.frequency_hz = self._clipped(wanted, LOWEST_HZ, HIGHEST_HZ)
        self._start(call.suffixes[0])
        self._refuse_clipped(wanted, output.frequency_hz)

    def _set_amplitude(self, call: Call) -> None:
        output = self._output(call)
        self._refuse_other_units(output)
        low, high, default = output.amplitudes
        wanted = read_number(call.arguments[0], VOLTS, minimum=low, maximum=high, default=default)
        output.amplitude_vpp = self._clipped(wanted, low, high) / output.scale
        self._drive(call.suffixes[0])
        self._refuse_clipped(wanted, self._clipped(wanted, low, high))

    def _set_offset(self, call: Call) -> None:
        output = self._output(call)
        low, high, default = output.offsets
        wanted = read_number(call.arguments[0], VOLTS, minimum=low, maximum=high, default=default)
        output.offset_v = self._clipped(wanted, low, high) / output.scale
        self._drive(call.suffixes[0])
        self._refuse_clipped(wanted, self._clipped(wanted, low, high))

    def _set_phase(self, call: Call) -> None:
        output = self._output(call)
        wanted = read_number(call.arguments[0], minimum=-360.0, maximum=360.0, default=0.0)
        output.phase_deg = self._clipped(wanted, -360.0, 360.0)
        self._start(call.suffixes[0])
        self._refuse_clipped(wanted, output.phase_deg)

    def _set_shape(self, call: Call) -> None:
        output = self._output(call)
        output.shape = read_choice(call.arguments[0], SHAPES)
        self._start(call.suffixes[0])

    def _set_unit(self, call: Call) -> None:
        output = self._output(call)
        output.unit = read_choice(call.arguments[0], UNITS)

    def _set_state(self, call: Call) -> None:
        output = self._output(call)
        output.on = read_boolean(call.arguments[0])
        self._start(call.suffixes[0])

    def _set_load(self, call: Call) -> None:
        output = self._output(call)
        word = call.arguments[0].upper()
        if "INFINITY".startswith(word) and len(word) >= 3:
            output.load_ohm = NO_LOAD_OHM
            return
        wanted = read_number(word, _OHM, minimum=LOWEST_LOAD_OHM, maximum=HIGHEST_LOAD_OHM, default=SOURCE_OHM)
        output.load_ohm = self._clipped(wanted, LOWEST_LOAD_OHM, HIGHEST_LOAD_OHM)
        self._refuse_clipped(wanted, output.load_ohm)

    def _get_load(self, call: Call) -> Answer:
        load_ohm = self._output(call).load_ohm
        return "9.9E+37" if load_ohm == NO_LOAD_OHM else f"{load_ohm:+.15E}"

    def _apply_sine(self, call: Call) -> None:
        output = self._output(call)
        self._refuse_other_units(output)
        given = [*call.arguments, *["DEF"] * (3 - len(call.arguments))]
        frequency_hz = read_number(given[0], HERTZ, minimum=LOWEST_HZ, maximum=HIGHEST_HZ, default=1e3)
        vpp = read_number(given[1], VOLTS, minimum=LOWEST_VPP, maximum=HIGHEST_VPP, default=0.1) / output.scale
        offset_v = read_number(given[2], VOLTS, default=0.0) / output.scale
        in_range = LOWEST_HZ <= frequency_hz <= HIGHEST_HZ and LOWEST_VPP <= vpp <= HIGHEST_VPP
        if not in_range or abs(offset_v) + vpp / 2 > HIGHEST_V:
            raise ScpiError(-222)
        output.shape, output.modulated, output.on = "SIN", False, True
        output.frequency_hz, output.amplitude_vpp, output.offset_v = frequency_hz, vpp, offset_v
        self._start(call.suffixes[0])

    @staticmethod
    def _clipped(value: float, low: float, high: float) -> float:
        return min(max(value, low), high)

    @staticmethod
    def _refuse_clipped(wanted: float, taken: float) -> None:
        if wanted != taken:
            raise ScpiError(-222, "Data out of range; value clipped to limit")

    @staticmethod
    def _refuse_other_units(output: _Output) -> None:
        if output.unit != "VPP":
            raise ScpiError(-221)

    # ---- what comes out ---------------------------------------------------------------------------------------------

    def _start(self, number: int) -> None:
        self._outputs[number].started_at = self.now()
        self._drive(number)

    def _drive_all(self) -> None:
        for number in self._outputs:
            self._drive(number)

    def _drive(self, number: int) -> None:
        port, output = self._ports.get(number), self._outputs[number]
        if port is None:
            return
        shape = _PORT_SHAPES.get(output.shape)
        silent = shape is None or output.modulated
        port.generate(
            Waveform(
                shape=shape or "SINE",
                frequency_hz=output.frequency_hz,
                amplitude_v=0.0 if silent else output.amplitude_vpp,  # peak, open circuit: half of Vpp, twice
                offset_v=2.0 * output.offset_v,
                phase_deg=output.phase_deg,
                on=output.on and not silent,
            ),
            output.started_at,
        )
