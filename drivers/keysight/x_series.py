"""Keysight X-series spectrum analyzers N9000, N9010, N9020 and N9030 in swept-SA mode, over the raw SCPI socket.

Wire protocol: Keysight X-Series Signal Analyzers, Spectrum Analyzer Mode User's and Programmer's Reference.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pymeasure.instruments import Instrument

from drivers.errors import BadReply
from drivers.keysight.x_series_channels import DETECTORS, TRACE_TYPES, MarkerRow, XSeriesMarker, XSeriesTrace
from drivers.scpi_properties import choice, count, number, switch
from drivers.spectrum_analyzer import TRACES, SpectrumAnalyzerDriver, nan_if_none, unquoted
from drivers.sweep import SweepSettings

BIG_ENDIAN_DOUBLES: Final = ">f8"
MARKERS: Final = tuple(range(1, 13))

_FREQUENCY_RANGE_HZ: Final = [0.0, 50e9]


class KeysightXSeries(SpectrumAnalyzerDriver):
    """Keysight N9000, N9010, N9020 or N9030 in swept-SA mode, at `TCPIP::host::5025::SOCKET`.

    An instrument that clips a value and says so raises `Refused`, and keeps the clipped value.
    """

    trace_numbers = BIG_ENDIAN_DOUBLES

    traces = Instrument.MultiChannelCreator(XSeriesTrace, TRACES, prefix="trace_")
    markers = Instrument.MultiChannelCreator(XSeriesMarker, MARKERS, prefix="marker_")

    def __init__(self, adapter: Any, name: str = "Keysight X-series", **kwargs: Any) -> None:
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
    video_bandwidth_hz = number(
        ":BAND:VID", "Control the video bandwidth in Hz, in steps of 10 % (float strictly from 1 to 50e6).", [1.0, 50e6]
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
    sweep_type = choice(":SWE:TYPE", "Control how the band is covered (str: FFT or SWE).", ["FFT", "SWE"])
    sweep_type_auto = switch(":SWE:TYPE:AUTO", "Control whether the instrument picks FFT or sweep (bool).")

    # ---- detector and averaging -------------------------------------------------------------------------------------

    detector = choice(
        ":DET:TRAC1",
        "Control the detector of trace 1 (str: NORM, AVER, POS, SAMP or NEG).",
        DETECTORS,
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
        TRACE_TYPES,
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

    # ---- peaks ------------------------------------------------------------------------------------------------------

    peak_excursion_db = number(
        ":CALC:MARK:PEAK:EXC",
        "Control by how much a peak rises and falls in dB (float strictly from 0 to 100).",
        [0.0, 100.0],
    )
    peak_threshold_dbm = number(
        ":CALC:MARK:PEAK:THR",
        "Control above what level a peak has to rise by the excursion, in dBm (float strictly from -200 to 30).",
        [-200.0, 30.0],
    )
    peak_table = switch(":CALC:MARK:PEAK:TABL", "Control whether the peak table is on (bool).")
    peak_order = choice(
        ":CALC:MARK:PEAK:SORT", "Control the order of the peak table (str: FREQ or AMPL).", ["FREQ", "AMPL"]
    )
    marker_table = switch(":CALC:MARK:TABL", "Control whether the marker table is on (bool).")

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

    def clear_averages(self) -> None:
        """Forget the averages and start again, where a live trace averages or holds."""
        with self.transaction():
            self.write(":AVER:CLE")
            self.check_errors()

    # ---- tables -----------------------------------------------------------------------------------------------------

    def read_peaks(self) -> NDArray[np.float64]:
        """Return x (Hz, at zero span s) and level (dBm, or the unit of traces) of the peaks of trace 1, shape (peaks,
        2), as the peak table has them: at most 20, in its order. Switches the table on.

        `configure_sweep` has to have set up how traces are sent. Raises `BadReply` where the table is none.
        """
        with self.transaction():
            self.peak_table = True
            return self._read_table(":FETC:SAN7?", 2)

    def read_markers(self) -> list[MarkerRow]:
        """Return the markers that are on, as the marker table has them. Switches the table on.

        `configure_sweep` has to have set up how traces are sent. Raises `BadReply` where the table is none.
        """
        with self.transaction():
            self.marker_table = True
            rows = self._read_table(":FETC:SAN8?", MarkerRow.COLUMNS)
        return [MarkerRow.of(*map(nan_if_none, row)) for row in rows.tolist()]

    def _read_table(self, command: str, columns: int) -> NDArray[np.float64]:
        """Return a table, shape (rows, columns); an empty one is sent as one row of not-a-numbers."""
        values = self.ask_block(command, self.trace_numbers).astype(np.float64)
        if values.size % columns:
            raise BadReply(self.name, f"sent {values.size} numbers for rows of {columns}", command=command)
        rows = values.reshape(-1, columns)
        return rows[~np.isnan([nan_if_none(first) for first in rows[:, 0]])]

    def _enter_spectrum_analysis(self) -> None:
        if self.mode != "SA":
            self.mode = "SA"
            self._wait_for_change("mode")
            self._stop_sweeping()
        if unquoted(self.ask(":CONF?")) != "SAN":
            self.write(":CONF:SAN")
            self.check_errors()
