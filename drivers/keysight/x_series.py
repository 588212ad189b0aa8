"""Keysight X-series spectrum analyzers N9000, N9010, N9020 and N9030 in swept-SA mode, over the raw SCPI socket.

Wire protocol: Keysight X-Series Signal Analyzers, Spectrum Analyzer Mode User's and Programmer's Reference.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from drivers.errors import BadReply
from drivers.scpi import ScpiDriver
from drivers.scpi_properties import choice, count, number, switch, whole_number
from drivers.sweep import SweepSettings

BIG_ENDIAN_DOUBLES: Final = ">f8"
LARGEST_VALUE_DBM: Final = 1e6  # beyond is SCPI's not-a-number, 9.91E+37

_SWEEPING: Final = 1 << 3  # bit of the operation condition register
_FREQUENCY_RANGE_HZ: Final = [0.0, 50e9]


def _unquoted(text: str) -> str:
    return text.strip().strip('"')


class KeysightXSeries(ScpiDriver):
    """Keysight N9000, N9010, N9020 or N9030 in swept-SA mode, at `TCPIP::host::5025::SOCKET`.

    Every set is followed by a look into the error queue; an instrument that clips a value and says so raises `Refused`,
    and keeps the clipped value. Bandwidths are rounded to the instrument's steps in silence: read back what it took.
    Setting one of start, stop, center and span moves others. Trace 1 is the one that is used.
    """

    def __init__(self, adapter: Any, name: str = "Keysight X-series", **kwargs: Any) -> None:
        kwargs.setdefault("timeout", 5000)
        super().__init__(adapter, name, **kwargs)

    # ---- frequency --------------------------------------------------------------------------------------------------

    frequency_start_hz = number(
        ":FREQ:STAR", "Control the start frequency in Hz (float strictly from 0 to 50e9).", _FREQUENCY_RANGE_HZ
    )
    frequency_stop_hz = number(
        ":FREQ:STOP", "Control the stop frequency in Hz (float strictly from 0 to 50e9).", _FREQUENCY_RANGE_HZ
    )
    frequency_center_hz = number(
        ":FREQ:CENT", "Control the center frequency in Hz (float strictly from 0 to 50e9).", _FREQUENCY_RANGE_HZ
    )
    frequency_span_hz = number(
        ":FREQ:SPAN",
        "Control the span in Hz (float strictly from 0 to 50e9; 0 is zero span, else at least 10).",
        _FREQUENCY_RANGE_HZ,
    )

    # ---- bandwidth --------------------------------------------------------------------------------------------------

    resolution_bandwidth_hz = number(
        ":BAND", "Control the resolution bandwidth in Hz, in steps of 10 % (float strictly from 1 to 8e6).", [1.0, 8e6]
    )
    resolution_bandwidth_auto = switch(
        ":BAND:AUTO", "Control whether the resolution bandwidth follows the span (bool)."
    )
    video_bandwidth_hz = number(
        ":BAND:VID", "Control the video bandwidth in Hz, in steps of 10 % (float strictly from 1 to 50e6).", [1.0, 50e6]
    )
    video_bandwidth_auto = switch(
        ":BAND:VID:AUTO", "Control whether the video bandwidth follows the resolution bandwidth (bool)."
    )
    bandwidth_type = choice(
        ":BAND:TYPE",
        "Control what the resolution bandwidth is the width of (str: DB3, DB6, IMP impulse or NOIS noise).",
        ["DB3", "DB6", "IMP", "NOIS"],
    )

    # ---- sweep ------------------------------------------------------------------------------------------------------

    sweep_points = count(":SWE:POIN", "Control the number of points (int strictly from 1 to 40001).", [1, 40001])
    sweep_time_s = number(
        ":SWE:TIME", "Control the time of one sweep in s (float strictly from 1e-6 to 6000).", [1e-6, 6000.0]
    )
    sweep_time_auto = switch(":SWE:TIME:AUTO", "Control whether the sweep time follows from the bandwidths (bool).")
    sweep_type = choice(":SWE:TYPE", "Control how the band is covered (str: FFT or SWE).", ["FFT", "SWE"])
    sweep_type_auto = switch(":SWE:TYPE:AUTO", "Control whether the instrument picks FFT or sweep (bool).")
    continuous_sweep = switch(":INIT:CONT", "Control whether sweeps follow each other without end (bool).")

    # ---- detector and averaging -------------------------------------------------------------------------------------

    detector = choice(
        ":DET:TRAC1",
        "Control the detector of trace 1 (str: NORM, AVER, POS, SAMP or NEG).",
        ["NORM", "AVER", "POS", "SAMP", "NEG"],
    )
    average_type = choice(
        ":AVER:TYPE",
        "Control the scale of averages (str: RMS power, LOG decibel or SCAL voltage); "
        "noise reads 2.51 dB low on LOG and 1.05 dB low on SCAL.",
        ["RMS", "LOG", "SCAL"],
    )
    average_count = count(
        ":AVER:COUN", "Control how many sweeps an average takes (int strictly from 1 to 10000).", [1, 10000]
    )
    trace_type = choice(
        ":TRAC1:TYPE",
        "Control what trace 1 does with new sweeps (str: WRIT, AVER, MAXH or MINH); setting it clears the trace.",
        ["WRIT", "AVER", "MAXH", "MINH"],
    )

    # ---- input and display ------------------------------------------------------------------------------------------

    attenuation_db = number(
        ":POW:ATT", "Control the input attenuation in dB (float strictly from 0 to 70).", [0.0, 70.0]
    )
    attenuation_auto = switch(":POW:ATT:AUTO", "Control whether the attenuation follows the reference level (bool).")
    preamplifier = switch(":POW:GAIN", "Control whether the preamplifier is on (bool; needs its option).")
    reference_level_dbm = number(
        ":DISP:WIND:TRAC:Y:RLEV", "Control the reference level in dBm (float strictly from -170 to 30).", [-170.0, 30.0]
    )
    y_unit = choice(
        ":UNIT:POW",
        "Control the unit of traces (str: DBM, DBMV, DBMA, DBUV, V, W or A).",
        ["DBM", "DBMV", "DBMA", "DBUV", "V", "W", "A"],
    )

    # ---- interface --------------------------------------------------------------------------------------------------

    mode = choice(":INST:SEL", "Control the application (str: SA, BASIC or PNOISE).", ["SA", "BASIC", "PNOISE"])
    data_format = choice(
        ":FORM",
        'Control how traces are sent (str: "ASC,8", "INT,32", "REAL,32" or "REAL,64").',
        ["ASC,8", "INT,32", "REAL,32", "REAL,64"],
    )
    byte_order = choice(
        ":FORM:BORD",
        "Control the byte order of blocks (str: NORM, most significant byte first, or SWAP).",
        ["NORM", "SWAP"],
    )
    options = ScpiDriver.measurement("*OPT?", "Get the installed options (str).", cast=_unquoted, separator="\n")
    operation_condition = ScpiDriver.measurement(
        ":STAT:OPER:COND?",
        "Get the operation condition register (int from 0 to 65535; bit 3: sweeping).",
        cast=whole_number,
        maxsplit=0,
    )

    # ---- one averaged sweep -----------------------------------------------------------------------------------------

    def configure_sweep(self, settings: SweepSettings) -> SweepSettings:
        """Set up one averaged sweep of trace 1 and return what the instrument accepted; nothing relies on preset.

        Stops what is going on, switches to swept SA, single sweeps, dBm, blocks of big-endian doubles, automatic
        sweep time and type, bandwidths as -3 dB widths. Input attenuation and preamplifier stay as they are. Compare
        bandwidths and `duration_s()` with what is acceptable before `start()`. Raises `Refused` where the instrument
        reports an error.
        """
        with self.transaction():
            self.write("*CLS")
            self._stop_sweeping()
            self._enter_spectrum_analysis()
            self.data_format = "REAL,64"
            self.byte_order = "NORM"
            self.y_unit = "DBM"
            self.frequency_start_hz = settings.start_hz
            self.frequency_stop_hz = settings.stop_hz
            self.sweep_points = settings.points
            self.bandwidth_type = "DB3"
            self.resolution_bandwidth_hz = settings.rbw_hz
            self.video_bandwidth_hz = settings.vbw_hz
            self.sweep_type_auto = True
            self.sweep_time_auto = True
            # The trace type moves the detector, so it comes first.
            self.trace_type = "AVER"
            self.detector = settings.detector
            self.average_type = settings.average_type
            self.average_count = settings.averages
            return self.read_sweep_settings()

    def read_sweep_settings(self) -> SweepSettings:
        """Return the sweep that is set up now, as the instrument reads back."""
        with self.transaction():
            return SweepSettings(
                start_hz=self.frequency_start_hz,
                stop_hz=self.frequency_stop_hz,
                points=self.sweep_points,
                rbw_hz=self.resolution_bandwidth_hz,
                vbw_hz=self.video_bandwidth_hz,
                averages=self.average_count if self.trace_type != "WRIT" else 1,
                detector=self.detector,
                average_type=self.average_type,
            )

    def duration_s(self) -> float:
        """Return how long all averages take, in s: sweep time times count."""
        with self.transaction():
            sweeps = 1 if self.trace_type == "WRIT" else self.average_count
            return float(self.sweep_time_s) * int(sweeps)

    def start(self) -> None:
        """Start the averaged sweep; raises `Refused` where one is under way."""
        with self.transaction():
            self.write(":INIT:IMM")
            self.check_errors()

    def is_sweeping(self) -> bool:
        """Return True until all averages are in, or until `abort`."""
        return bool(self.operation_condition & _SWEEPING)

    def abort(self) -> None:
        """Stop the sweep; trace 1 keeps the averages that it has."""
        with self.transaction():
            self.write(":ABOR")
            self.check_errors()

    def read_trace(self) -> NDArray[np.float64]:
        """Return trace 1 in dBm, shape (points,), as `configure_sweep` has set it up.

        Raises `BadReply` where the block has not the number of points that the instrument is set to, or holds no
        sweep.
        """
        command = ":TRAC:DATA? TRACE1"
        with self.transaction(command):
            points = self.sweep_points
            values = self.ask_block(command, BIG_ENDIAN_DOUBLES).astype(np.float64)
        if values.size != points:
            raise BadReply(self.name, f"sent {values.size} points of {points}", command=command)
        if not np.all(np.abs(values) < LARGEST_VALUE_DBM):
            raise BadReply(
                self.name,
                "sent a trace that holds no sweep",
                command=command,
                remedy="Start a sweep and wait for its end.",
            )
        return values

    def _stop_sweeping(self) -> None:
        self.continuous_sweep = False
        self.abort()

    def _enter_spectrum_analysis(self) -> None:
        if self.mode != "SA":
            self.mode = "SA"
            # The reply comes when the change is complete, which takes a second or more.
            if self.ask("*OPC?").strip() != "1":
                raise BadReply(self.name, "did not complete the change of mode", command="*OPC?")
            self._stop_sweeping()
        if _unquoted(self.ask(":CONF?")) != "SAN":
            self.write(":CONF:SAN")
            self.check_errors()
