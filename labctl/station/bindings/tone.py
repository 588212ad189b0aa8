"""Generator of one sine, such as the force on a membrane or a calibration line."""

from __future__ import annotations

from typing import Final

from drivers.errors import InstrumentError
from drivers.keysight.trueform_33500 import WaveformOutput
from labctl.station.limits import Limit
from labctl.station.right_of_way import RightOfWay

LOAD_OHM: Final = 50.0
RELATIVE_STEP: Final = 1e-3  # amplitudes are kept with four digits
FREQUENCY_STEP_HZ: Final = 1e-6
SENT_DIGITS: Final = 1e-11  # relative: frequencies are sent with twelve digits


class BoundTone:
    """The `ToneSource` role on one output of a 33500, within its limits (Hz, and V peak across 50 ohm).

    The generator believes in a load of 50 ohm, amplitudes in Vpp, and no offset; all is read back.
    """

    def __init__(
        self, name: str, output: WaveformOutput, frequency: Limit, amplitude: Limit, way: RightOfWay | None = None
    ) -> None:
        self.name = name
        self._way = way or RightOfWay()
        self._output = output
        self._frequency = frequency
        self._amplitude = amplitude

    def set_tone(self, frequency_hz: float, amplitude_v: float) -> None:
        """Set frequency and amplitude; a tone that is on goes on.

        Of the two, what makes the tone weaker is set first. Raises `LimitError` before anything is sent.
        """
        self._frequency.check(frequency_hz)
        self._amplitude.check(amplitude_v)
        output = self._output
        with output.parent.transaction():
            self._pin_units()
            if 2 * amplitude_v <= output.amplitude:
                output.amplitude = 2 * amplitude_v
                output.frequency = frequency_hz
            else:
                output.frequency = frequency_hz
                output.amplitude = 2 * amplitude_v
            self._verify(frequency_hz, amplitude_v)

    def frequency_hz(self) -> float:
        """Return the frequency in Hz."""
        return float(self._output.frequency)

    def amplitude_v(self) -> float:
        """Return the amplitude in V (peak, across 50 ohm)."""
        with self._output.parent.transaction():
            self._pin_units()
            return 0.5 * float(self._output.amplitude)

    def switch_on(self) -> None:
        """Put the tone out: a pure sine without offset, whatever was set at the front panel besides.

        Raises `LimitError`, and switches nothing, where frequency or amplitude as somebody left them are outside the
        limits; `InterlockOpen` or `Stopped` while nothing may be moved.
        """
        self._way.begin()
        output = self._output
        with output.parent.transaction():
            frequency_hz = self._frequency.check(self.frequency_hz())
            amplitude_v = self._amplitude.check(self.amplitude_v())
            output.start_sine(frequency_hz, 2 * amplitude_v)
            self._verify(frequency_hz, amplitude_v)
            if not output.output or output.shape != "SIN" or output.offset != 0.0:
                raise InstrumentError(self.name, "does not put out a sine", remedy="Look at its front panel.")

    def switch_off(self) -> None:
        """Put nothing out."""
        self._output.output = False

    def is_on(self) -> bool:
        """Return whether the output is on."""
        return bool(self._output.output)

    def _pin_units(self) -> None:
        # Both only change what the numbers on the wire mean, never what comes out.
        if self._output.output_load != LOAD_OHM:
            self._output.output_load = LOAD_OHM
        if self._output.amplitude_unit != "VPP":
            self._output.amplitude_unit = "VPP"

    def _verify(self, frequency_hz: float, amplitude_v: float) -> None:
        found_hz, found_v = self.frequency_hz(), 0.5 * float(self._output.amplitude)
        wrong = abs(found_hz - frequency_hz) > FREQUENCY_STEP_HZ + SENT_DIGITS * frequency_hz
        if wrong or abs(found_v - amplitude_v) > RELATIVE_STEP * amplitude_v:
            raise InstrumentError(
                self.name,
                f"took {found_hz:.12g} Hz and {found_v:g} V instead of {frequency_hz:.12g} Hz and {amplitude_v:g} V",
                remedy="Look at its front panel.",
            )
