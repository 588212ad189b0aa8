"""Rohde & Schwarz spectrum analyzers FSV, FSVA3000/FSV3000 and FSW in their Spectrum application, over the raw SCPI
socket.

Wire protocol: FSVA/FSV Operating Manual 1176.7510.02, FSV3000 User Manual 1178.8520.02, FSW User Manual 1173.9411.02.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from pymeasure.instruments import Instrument

from drivers.errors import BadReply, InstrumentError, NoReply, Refused
from drivers.rohdeschwarz.detection import AVERAGING_DETECTORS, detection_of, sweep_detection
from drivers.rohdeschwarz.fsv_channels import DETECTORS, TRACE_MODES, FsvMarker, FsvTrace
from drivers.scpi import ScpiDriver
from drivers.scpi_properties import choice, count, number, switch, whole_number
from drivers.spectrum_analyzer import TRACES, SpectrumAnalyzerDriver, unquoted
from drivers.sweep import PointAveraging, SweepSettings

LITTLE_ENDIAN_SINGLES: Final = "<f4"
"""Traces come with the least significant byte first; the manuals know no command for it."""
MARKERS: Final = tuple(range(1, 17))
SPECTRUM: Final = "SANALYZER"
SPECTRUM_CHANNEL: Final = "Spectrum"

_DEFAULT_CHANNEL: Final = "SAN"  # what INST? answers for the Spectrum channel that is always there
_FREQUENCY_RANGE_HZ: Final = [0.0, 85e9]
_BANDWIDTH_RANGE_HZ: Final = [1.0, 80e6]


class RohdeSchwarzFSV(SpectrumAnalyzerDriver):
    """Rohde & Schwarz FSV, FSVA3000, FSV3000 or FSW, at `TCPIP::host::5025::SOCKET`.

    What the instrument refuses raises `Refused` and leaves the setting as it was.
    """

    trace_numbers = LITTLE_ENDIAN_SINGLES
    sweeping_bits = 1 << 3 | 1 << 4  # sweeping and measuring, set together

    traces = Instrument.MultiChannelCreator(FsvTrace, TRACES, prefix="trace_")
    markers = Instrument.MultiChannelCreator(FsvMarker, MARKERS, prefix="marker_")

    def __init__(self, adapter: Any, name: str = "Rohde & Schwarz FSV", **kwargs: Any) -> None:
        super().__init__(adapter, name, **kwargs)
        self._tells_sweep_type = True

    # ---- frequency --------------------------------------------------------------------------------------------------

    frequency_start_hz = number(
        "FREQ:STAR", "Control the start frequency in Hz (float strictly from 0 to 85e9).", _FREQUENCY_RANGE_HZ
    )
    frequency_stop_hz = number(
        "FREQ:STOP", "Control the stop frequency in Hz (float strictly from 0 to 85e9).", _FREQUENCY_RANGE_HZ
    )
    frequency_center_hz = number(
        "FREQ:CENT", "Control the center frequency in Hz (float strictly from 0 to 85e9).", _FREQUENCY_RANGE_HZ
    )
    frequency_span_hz = number(
        "FREQ:SPAN",
        "Control the span in Hz (float strictly from 0 to 85e9; 0 is zero span, else at least 10).",
        _FREQUENCY_RANGE_HZ,
    )

    # ---- bandwidth --------------------------------------------------------------------------------------------------

    resolution_bandwidth_hz = number(
        "BAND",
        "Control the resolution bandwidth in Hz, in steps of 1, 2, 3, 5 (float strictly from 1 to 80e6).",
        _BANDWIDTH_RANGE_HZ,
    )
    video_bandwidth_hz = number(
        "BAND:VID",
        "Control the video bandwidth in Hz, in steps of 1, 2, 3, 5 (float strictly from 1 to 80e6).\n\n"
        "Behind the RMS detector it does not filter, but a small one still makes the automatic sweep time longer.",
        _BANDWIDTH_RANGE_HZ,
    )
    filter_type = choice(
        "BAND:TYPE",
        "Control the resolution filter (str: NORM Gaussian and named by its -3 dB width, CFIL channel, RRC or P5).",
        ["NORM", "CFIL", "RRC", "P5"],
    )

    # ---- sweep ------------------------------------------------------------------------------------------------------

    sweep_points = count("SWE:POIN", "Control the number of points (int strictly from 101 to 200001).", [101, 200001])
    sweep_time_s = number(
        "SWE:TIME", "Control the time of one sweep in s (float strictly from 1e-6 to 16000).", [1e-6, 16000.0]
    )
    sweep_type = choice("SWE:TYPE", "Control how the band is covered (str: AUTO, FFT or SWE).", ["AUTO", "FFT", "SWE"])
    sweep_type_used = ScpiDriver.measurement(
        "SWE:TYPE:USED?", "Get how the band is covered (str: FFT or SWE).", cast=str, separator="\n"
    )
    sweep_mode = choice(
        "SWE:MODE",
        "Control what is swept (str: AUTO one span, LIST a list of spans, or ESP an emission mask).",
        ["AUTO", "LIST", "ESP"],
    )
    sweep_count = count(
        "SWE:COUN",
        "Control how many sweeps make one single measurement (int strictly from 0 to 200000; 0 is as good as 1).",
        [0, 200000],
    )
    sweeps_started = ScpiDriver.measurement(
        "SWE:COUN:CURR?",
        "Get how many sweeps of the single measurement have started (int, no unit).",
        cast=whole_number,
        maxsplit=0,
    )
    trigger_source = choice(
        "TRIG:SOUR",
        "Control what starts a sweep (str: IMM at once, EXT, IFP intermediate-frequency power or VID).",
        ["IMM", "EXT", "IFP", "VID"],
    )

    # ---- detector and averaging -------------------------------------------------------------------------------------

    detector = choice(
        "DET1",
        "Control the detector of trace 1 (str: APE, POS, NEG, SAMP, RMS power or AVER voltage).",
        DETECTORS,
    )
    average_type = choice(
        "AVER:TYPE",
        "Control the scale on which sweeps are averaged (str: POW power, VID decibel or LIN voltage); "
        "noise reads 2.51 dB low on VID and 1.05 dB low on LIN.",
        ["POW", "VID", "LIN"],
    )
    trace_mode = choice(
        "DISP:TRAC1:MODE",
        "Control what trace 1 does with new sweeps (str: WRIT, AVER, MAXH, MINH, VIEW or BLAN).",
        TRACE_MODES,
    )

    # ---- input and display ------------------------------------------------------------------------------------------

    attenuation_db = number(
        "INP:ATT", "Control the input attenuation in dB (float strictly from 0 to 79).", [0.0, 79.0]
    )
    attenuation_auto = switch("INP:ATT:AUTO", "Control whether the attenuation follows the reference level (bool).")
    preamplifier = switch("INP:GAIN:STAT", "Control whether the preamplifier is on (bool; needs its option).")
    reference_level_dbm = number(
        "DISP:TRAC1:Y:RLEV", "Control the reference level in dBm (float strictly from -130 to 30).", [-130.0, 30.0]
    )
    y_spacing = choice(
        "DISP:TRAC1:Y:SPAC",
        "Control the scale of levels (str: LOG, LIN, LDB or PERC; PERC makes traces percentages).",
        ["LOG", "LIN", "LDB", "PERC"],
    )
    y_unit = choice(
        "CALC:UNIT:POW",
        "Control the unit of traces (str: DBM, DBMV, DBUV, DBUA, V, A or W).",
        ["DBM", "DBMV", "DBUV", "DBUA", "V", "A", "W"],
    )

    # ---- interface --------------------------------------------------------------------------------------------------

    data_format = choice("FORM", 'Control how traces are sent (str: "ASC,0" or "REAL,32").', ["ASC,0", "REAL,32"])
    active_channel = ScpiDriver.measurement(
        "INST?", 'Get the channel that commands go to (str; "SAN" for the first).', cast=unquoted, separator="\n"
    )

    @property
    def open_channels(self) -> dict[str, str]:
        """Get the channels that are open, name to type (dict of str; SANALYZER is the Spectrum application)."""
        command = "INST:LIST?"
        reply = self.ask(command)
        fields = [unquoted(field) for field in reply.split(",")]
        if len(fields) % 2:
            raise BadReply(self.name, "expected pairs of type and name", command=command, reply=reply)
        return dict(zip(fields[1::2], fields[0::2], strict=True))

    peak_excursion_db = number(
        ":CALC:MARK:PEXC",
        "Control by how much a peak rises and falls in dB (float strictly from 0 to 80).",
        [0.0, 80.0],
    )

    # ---- one averaged sweep -----------------------------------------------------------------------------------------

    def configure_sweep(self, settings: SweepSettings) -> SweepSettings:
        """Set up one averaged sweep of trace 1 and return what the instrument accepted; nothing relies on preset.

        Goes to a Spectrum channel (and opens one where none is), stops what is going on there, and asks for free-run
        single sweeps, dBm, blocks of singles, the Gaussian filter, automatic sweep time and type. Input attenuation and
        preamplifier stay as they are. Power averages are taken behind the RMS detector, which the video bandwidth does
        not filter. Compare bandwidths and `duration_s()` with what is acceptable before `start()`.

        Raises `ValueError` for a detector and average type that the instrument does not have together, `Refused` where
        it reports an error.
        """
        detector, average_type = detection_of(settings.detector, settings.average_type)
        with self.transaction():
            self.write("*CLS")
            self._enter_spectrum()
            self._stop_sweeping()
            self.sweep_mode = "AUTO"
            self.trigger_source = "IMM"
            self.data_format = "REAL,32"
            self.y_spacing = "LOG"
            self.y_unit = "DBM"
            self.frequency_start_hz = settings.start_hz
            self.frequency_stop_hz = settings.stop_hz
            self.sweep_points = settings.points
            self.filter_type = "NORM"
            self.resolution_bandwidth_hz = settings.rbw_hz
            self.video_bandwidth_hz = settings.vbw_hz
            self.sweep_type = "AUTO"
            self.sweep_time_auto = True
            # The trace mode moves an automatic detector, so it comes first.
            self.trace_mode = "AVER"
            self.detector = detector
            self.average_type = average_type
            self.sweep_count = settings.averages
            return self.read_sweep_settings()

    def read_sweep_settings(self) -> SweepSettings:
        """Return the sweep that is set up now, as the instrument reads back.

        Raises `InstrumentError` where detector and average type are none that a `SweepSettings` can name.
        """
        with self.transaction():
            here = (self.detector, self.average_type)
            detection = sweep_detection(*here)
            if detection is None:
                raise InstrumentError(
                    self.name,
                    f"is set to detector {here[0]} and averages {here[1]}, which belong to no sweep of ours",
                    remedy="Configure a sweep.",
                )
            settings = SweepSettings(
                start_hz=self.frequency_start_hz,
                stop_hz=self.frequency_stop_hz,
                points=self.sweep_points,
                rbw_hz=self.resolution_bandwidth_hz,
                vbw_hz=self.video_bandwidth_hz,
                averages=max(self.sweep_count, 1) if self.trace_mode == "AVER" else 1,
                detector=detection[0],
                average_type=detection[1],
            )
            return replace(settings, point_averaging=self._point_averaging(settings, here[0]))

    def _point_averaging(self, settings: SweepSettings, detector: str) -> PointAveraging:
        """Return what a sweep averages into a point: the RMS and AVER detectors all that they see of it.

        Nothing is known of it where the instrument does not tell whether it takes FFTs.
        """
        sweep_time_s = self.sweep_time_s
        if not sweep_time_s > 0:
            raise BadReply(self.name, "expected a sweep time", command="SWE:TIME?", reply=str(sweep_time_s))
        kind = self._sweep_type_used()
        if kind is None:
            return PointAveraging()
        is_fft = kind == "FFT"
        rate = None if is_fft else (settings.stop_hz - settings.start_hz) / sweep_time_s
        if detector not in AVERAGING_DETECTORS:
            return PointAveraging(sweep_rate_hz_per_s=rate or None, log_video=True)
        time_s = sweep_time_s if is_fft else sweep_time_s / max(settings.points - 1, 1)
        return PointAveraging(time_s, rate or None)

    def _sweep_type_used(self) -> str | None:
        """Return FFT or SWE, None where the choice is the instrument's and its firmware has no command to ask for it.

        Such a firmware answers nothing, which is waited for only once.
        """
        kind = str(self.sweep_type)
        if kind != "AUTO":
            return kind
        if not self._tells_sweep_type:
            return None
        try:
            return str(self.sweep_type_used)
        except NoReply:
            self._tells_sweep_type = False
            self.write("*CLS")
            return None

    def duration_s(self) -> float:
        """Return how long all sweeps take, in s: sweep time times count.

        An FFT takes longer by its computing, of which the instrument's sweep time knows nothing.
        """
        with self.transaction():
            return float(self.sweep_time_s) * max(int(self.sweep_count), 1)

    def start(self) -> None:
        """Start the averaged sweep; raises `Refused` where one is under way, which would start again from nothing."""
        command = "INIT:IMM"
        with self.transaction(command):
            if self.is_sweeping():
                raise Refused(self.name, "is sweeping already", command=command, remedy="Abort the sweep first.")
            self.write(command)
            self.check_errors()

    def continue_sweep(self) -> None:
        """Take as many sweeps again as one measurement has, and add them to what the traces hold."""
        with self.transaction():
            self.write("INIT:CONM")
            self.check_errors()

    def _enter_spectrum(self) -> None:
        active = self.active_channel
        if active == _DEFAULT_CHANNEL:
            return
        types = self.open_channels
        if types.get(active) == SPECTRUM:
            return
        name = next((name for name, kind in types.items() if kind == SPECTRUM), None)
        if name is None:
            name = SPECTRUM_CHANNEL
            self.write(f"INST:CRE:NEW {SPECTRUM},'{name}'")
            self.check_errors()
        self.write(f"INST:SEL '{name}'")
        # A sweep under way would be waited for too.
        self.write("INIT:CONT 0;:ABOR")
        self._wait_for_change("channel")
        self.check_errors()
