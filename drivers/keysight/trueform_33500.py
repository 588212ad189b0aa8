"""Keysight (Agilent) 33500 waveform generators: the driver of pymeasure, with its defects mended.

Mended: nothing is checked for errors; shape and unit come through pymeasure only as failed casts to float; the load
takes any text; amplitudes below 10 mVpp are refused though the instrument has them; `%f` sends micro-units and no less.

Sources: pymeasure 0.16 `agilent.agilent33500`; Agilent 33500 Series Operating and Service Guide, chapters on amplitude,
output termination and APPLy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymeasure.instruments import Instrument
from pymeasure.instruments.agilent.agilent33500 import Agilent33500, Agilent33500Channel
from pymeasure.instruments.validators import strict_range

from drivers.base import DriverChannel
from drivers.keysight.trueform_moves import moves_of
from drivers.moves import Move
from drivers.pymeasure_backed import Withdrawn, corrected
from drivers.scpi import ScpiDriver

FREQUENCY_RANGE_HZ = [1e-6, 120e6]  # of the whole family; the instrument refuses what its model has not
AMPLITUDE_RANGE_VPP = [1e-3, 10.0]  # across 50 ohm
OFFSET_RANGE_V = [-5.0, 5.0]
LOAD_RANGE_OHM = [1.0, 1e4]

_ONE_CHANNEL = Withdrawn("say which output: channels[1] or channels[2]")
_OTHER_SHAPES = Withdrawn("a tone is a sine; this setting is not checked for errors")
_ARBITRARY = Withdrawn("a tone is a sine; arbitrary waveforms are not checked for errors")
_TRIGGER = Withdrawn("a tone needs no trigger; it swallows time-outs and waits for up to an hour")


def _as_sent(value: float) -> str:
    return f"{value:.12g}"


class WaveformOutput(DriverChannel, Agilent33500Channel):  # type: ignore[misc]
    """One output. Amplitudes and offsets are across the load that `output_load` names, not the one that is there."""

    shape = corrected(
        Agilent33500Channel.shape,
        "Control the shape (str: SIN, SQU, TRI, RAMP, PULS, PRBS, NOIS, ARB or DC).",
        cast=str,
        check_set_errors=True,
    )
    frequency = corrected(
        Agilent33500Channel.frequency,
        "Control the frequency in Hz (float strictly from 1e-6 to 120e6).",
        set_command="SOUR{ch}:FREQ %.12g",
        values=FREQUENCY_RANGE_HZ,
        check_set_errors=True,
    )
    amplitude = corrected(
        Agilent33500Channel.amplitude,
        "Control the amplitude in V from peak to peak, with `amplitude_unit` VPP (float strictly from 1e-3 to 10).",
        set_command="SOUR{ch}:VOLT %.12g",
        values=AMPLITUDE_RANGE_VPP,
        check_set_errors=True,
    )
    amplitude_unit = corrected(
        Agilent33500Channel.amplitude_unit,
        "Control the unit of the amplitude on the wire (str: VPP, VRMS or DBM).",
        cast=str,
        check_set_errors=True,
    )
    offset = corrected(
        Agilent33500Channel.offset,
        "Control the offset in V (float strictly from -5 to 5).",
        set_command="SOUR{ch}:VOLT:OFFS %.12g",
        values=OFFSET_RANGE_V,
        check_set_errors=True,
    )
    phase = corrected(
        Agilent33500Channel.phase,
        "Control the phase in degrees (float strictly from -360 to 360).",
        set_command="SOUR{ch}:PHAS %.12g",
        check_set_errors=True,
    )
    output = corrected(Agilent33500Channel.output, "Control whether the output is on (bool).", check_set_errors=True)
    output_load = corrected(
        Agilent33500Channel.output_load,
        "Control the load in ohm that amplitudes are meant for (float strictly from 1 to 1e4; 9.9e37 read back: none).",
        validator=strict_range,
        values=LOAD_RANGE_OHM,
        set_process=_as_sent,
        check_set_errors=True,
    )

    voltage_high = voltage_low = square_dutycycle = ramp_symmetry = _OTHER_SHAPES
    pulse_period = pulse_hold = pulse_width = pulse_dutycycle = pulse_transition = _OTHER_SHAPES
    burst_state = burst_mode = burst_period = burst_ncycles = _OTHER_SHAPES
    arb_file = arb_advance = arb_filter = arb_srate = data_arb = data_volatile_clear = _ARBITRARY

    def start_sine(self, frequency_hz: float, amplitude_vpp: float) -> None:
        """Put out a pure sine at once: this ends modulation, sweep, burst and offset, and switches the output on.

        Frequency and amplitude have the ranges of the properties; ValueError beyond.
        """
        strict_range(frequency_hz, FREQUENCY_RANGE_HZ)
        strict_range(amplitude_vpp, AMPLITUDE_RANGE_VPP)
        with self.parent.transaction():
            self.write(f"SOUR{{ch}}:APPL:SIN {frequency_hz:.12g},{amplitude_vpp:.12g},0")
            self.check_set_errors()
            done = {
                "shape": "SIN",
                "frequency": frequency_hz,
                "amplitude": amplitude_vpp,
                "offset": 0.0,
                "output": True,
            }
            for setting, value in done.items():
                self.note_setting(setting, value)


class Keysight33500(ScpiDriver, Agilent33500):  # type: ignore[misc]
    """A 33500A or 33500B at `TCPIP::host::5025::SOCKET`: `channels[1]` and, where it has one, `channels[2]`."""

    moving_settings = frozenset({"amplitude", "frequency", "offset", "output", "output_load", "phase", "shape"})

    ch_1 = Instrument.ChannelCreator(WaveformOutput, 1)
    ch_2 = Instrument.ChannelCreator(WaveformOutput, 2)

    shape = frequency = amplitude = amplitude_unit = offset = phase = output = output_load = _ONE_CHANNEL
    voltage_high = voltage_low = square_dutycycle = ramp_symmetry = _OTHER_SHAPES
    pulse_period = pulse_hold = pulse_width = pulse_dutycycle = pulse_transition = _OTHER_SHAPES
    burst_state = burst_mode = burst_period = burst_ncycles = _OTHER_SHAPES
    arb_file = arb_advance = arb_filter = arb_srate = data_arb = data_volatile_clear = _ARBITRARY
    trigger = wait_for_trigger = trigger_source = ext_trig_out = _TRIGGER
    display = Withdrawn("its text is sent without quoting")

    def __init__(self, adapter: Any, name: str = "Keysight 33500", **kwargs: Any) -> None:
        super().__init__(adapter, name, **kwargs)

    def moves(self, command: str) -> Sequence[Move]:
        """Return what a command would move: amplitudes in Vpp and offsets in V across 50 ohm, frequencies, outputs."""
        return moves_of(command)

    def initialise(self) -> None:
        """Empty the error queue; outputs are left as they are."""
        self.clear()
