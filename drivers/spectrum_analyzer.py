"""What the drivers of spectrum analyzers share: sweeping, traces, and markers that measure on them."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pymeasure.instruments import Instrument
from pymeasure.instruments.validators import strict_range

from drivers.base import Driver, DriverChannel
from drivers.errors import BadReply
from drivers.scpi import ScpiDriver
from drivers.scpi_properties import count, switch, whole_number

TRACES: Final = tuple(range(1, 7))
LARGEST_VALUE_DBM: Final = 1e6  # beyond is SCPI's not-a-number, 9.91E+37, or bytes in the wrong order

_SMALLEST_NOT_A_NUMBER: Final = 9e37
_X_RANGE: Final = [-1e12, 1e12]


def unquoted(text: str) -> str:
    """Return a reply without the quotes around it."""
    return text.strip().strip("'\"")


def nan_if_none(value: float) -> float:
    """Return a reading, NaN where the instrument says that there is none."""
    return math.nan if abs(value) > _SMALLEST_NOT_A_NUMBER else value


def marker_number(command: str, docs: str, limits: list[float]) -> Any:
    """Return a property for a number of a marker strictly within `limits`; it reads NaN where there is none."""
    return Driver.control(
        f"{command}?",
        f"{command} %.12g",
        docs,
        validator=strict_range,
        values=limits,
        get_process=nan_if_none,
        maxsplit=0,
        check_set_errors=True,
    )


def marker_reading(command: str, docs: str) -> Any:
    """Return a property that reads a result of a marker, NaN where there is none."""
    return Driver.measurement(command, docs, get_process=nan_if_none, maxsplit=0)


class AnalyzerTrace(DriverChannel):
    """One of the traces 1 to 6, which the same sweeps feed."""

    def read(self) -> NDArray[np.float64]:
        """Return the trace in dBm, shape (points,), see `SpectrumAnalyzerDriver.read_trace`."""
        trace: NDArray[np.float64] = self.parent.read_trace(int(self.id))
        return trace


class AnalyzerMarker(DriverChannel):
    """One marker on a trace. A search that finds no peak raises `Refused` and leaves the marker where it is."""

    x = marker_number(
        ":CALC:MARK{ch}:X",
        "Control where the marker is in Hz, at zero span in s (float strictly from -1e12 to 1e12; NaN while off).",
        _X_RANGE,
    )
    y = marker_reading(
        ":CALC:MARK{ch}:Y?",
        "Measure the level at the marker in dBm, or in the unit of traces (float; NaN where there is nothing).",
    )
    trace = count(":CALC:MARK{ch}:TRAC", "Control the trace that the marker is on (int strictly from 1 to 6).", [1, 6])

    def to_highest(self) -> None:
        """Move to the highest peak; switches the marker on."""
        self._search("MAX")

    def to_next_lower(self) -> None:
        """Move to the highest of the peaks that are lower than here."""
        self._search("MAX:NEXT")

    def to_left(self) -> None:
        """Move to the nearest peak on the left."""
        self._search("MAX:LEFT")

    def to_right(self) -> None:
        """Move to the nearest peak on the right."""
        self._search("MAX:RIGH")

    def to_lowest(self) -> None:
        """Move to the lowest point of the trace; switches the marker on."""
        self._search("MIN")

    def _search(self, command: str) -> None:
        with self.parent.transaction():
            self.write(f":CALC:MARK{{ch}}:{command}")
            self.check_set_errors()


class SpectrumAnalyzerDriver(ScpiDriver):
    """Base of the drivers of SCPI spectrum analyzers at a raw socket.

    Every set is followed by a look into the error queue. Bandwidths are rounded to the instrument's steps in silence:
    read back what it took. Setting one of start, stop, center and span moves others. Trace 1 is the one that a sweep of
    `configure_sweep` fills; `traces` and `markers` are numbered from 1.
    """

    trace_numbers: ClassVar[str] = ">f8"
    """How traces are sent (numpy, with byte order)."""
    sweeping_bits: ClassVar[int] = 1 << 3
    """Bits of the operation condition register of which one is set while sweeping."""

    sweep_points: Any  # each model has its own range

    traces = Instrument.MultiChannelCreator(AnalyzerTrace, TRACES, prefix="trace_")
    markers = Instrument.MultiChannelCreator(AnalyzerMarker, [1], prefix="marker_")

    def __init__(self, adapter: Any, name: str = "Spectrum analyzer", **kwargs: Any) -> None:
        kwargs.setdefault("timeout", 5000)
        super().__init__(adapter, name, **kwargs)

    resolution_bandwidth_auto = switch(
        ":BAND:AUTO", "Control whether the resolution bandwidth follows the span (bool)."
    )
    video_bandwidth_auto = switch(
        ":BAND:VID:AUTO", "Control whether the video bandwidth follows the resolution bandwidth (bool)."
    )
    sweep_time_auto = switch(":SWE:TIME:AUTO", "Control whether the sweep time follows from the bandwidths (bool).")
    continuous_sweep = switch(":INIT:CONT", "Control whether measurements follow each other without end (bool).")
    options = ScpiDriver.measurement("*OPT?", "Get the installed options (str).", cast=unquoted, separator="\n")
    operation_condition = ScpiDriver.measurement(
        ":STAT:OPER:COND?",
        "Get the operation condition register (int from 0 to 65535; bit 3: sweeping).",
        cast=whole_number,
        maxsplit=0,
    )

    def is_sweeping(self) -> bool:
        """Return True until all averages are in, or until `abort`."""
        return bool(self.operation_condition & self.sweeping_bits)

    def abort(self) -> None:
        """Stop the sweep; traces keep the averages that they have."""
        with self.transaction():
            self.write(":ABOR")
            self.check_errors()

    def read_trace(self, trace: int = 1) -> NDArray[np.float64]:
        """Return a trace in dBm, shape (points,), where formats are as `configure_sweep` has set them up.

        Raises `BadReply` where the block has not the number of points that the instrument is set to, or holds no
        sweep.
        """
        command = f":TRAC:DATA? TRACE{trace}"
        with self.transaction(command):
            points = self.sweep_points
            sent = self.ask_block(command, self.trace_numbers)
        with np.errstate(invalid="ignore"):  # not-a-number of any kind is found below
            values = sent.astype(np.float64)
        if values.size != points:
            raise BadReply(self.name, f"sent {values.size} points of {points}", command=command)
        if not np.all(np.abs(values) < LARGEST_VALUE_DBM):
            raise BadReply(
                self.name,
                "sent a trace that holds no sweep, or its bytes in the other order",
                command=command,
                remedy="Start a sweep and wait for its end.",
            )
        return values

    def _stop_sweeping(self) -> None:
        self.continuous_sweep = False
        self.abort()

    def _wait_for_change(self, of: str) -> None:
        """Wait until a change is complete, which takes a second or more: the reply comes then."""
        if self.ask("*OPC?").strip() != "1":
            raise BadReply(self.name, f"did not complete the change of {of}", command="*OPC?")
