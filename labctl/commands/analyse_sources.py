"""What `labctl analyse` is given: text files, and traces of labctl's own runs written RUN/TRACE."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from labctl.errors import AnalysisRefused, ConfigurationError, StoreError
from labctl.estimation.squeezing_file import FileUnit
from labctl.report.stored_spectra import spectrum_of
from labctl.spectra.column_units import Quantity
from labctl.spectra.recording import Order, Recording, read_recording
from labctl.spectra.trace import ANALYZER_IMPEDANCE_OHM, Spectrum
from labctl.store.catalogue import Catalogue
from labctl.store.documents import MANIFEST_FILE
from labctl.store.reader import RunReader
from labctl.store.records import TraceRecord

RUNS = Path("runs")
SIGNAL = ".signal"
AMPLITUDES = ("A", "m", "rad")
SHARE_OF_A_LEVEL = 0.5
"""Values of which more are negative are levels in decibels."""


@dataclass(frozen=True, eq=False)
class Source:
    """A recording, and the whole spectrum with its conventions when it is a trace of a run."""

    recording: Recording
    spectrum: Spectrum | None = None


def open_source(
    path: Path, columns: str = "", order: Order = Order.ONE_SWEEP, axis: Collection[Quantity] = ()
) -> Source:
    """Read a text file or a trace of a run; raises AnalysisRefused or StoreError in one sentence."""
    trace = stored_trace(path)
    if trace is None:
        return Source(read_recording(path, columns=columns, order=order, axis=axis))
    if trace.values.ndim != 1 or np.iscomplexobj(trace.values):
        raise AnalysisRefused(f"Trace {trace.name} holds matrices of several channels, not one value a point.")
    notes = () if trace.valid else (f"the run says that this trace is not valid: {trace.invalid_reason}",)
    recording = Recording(
        path, trace.axis, trace.values, trace.axis_unit, trace.values_unit, trace.axis_name, trace.name, notes=notes
    )
    return Source(recording, spectrum_of(trace) if trace.axis_unit == "Hz" else None)


def stored_trace(path: Path) -> TraceRecord | None:
    """The trace that RUN/TRACE names, RUN being a run's folder, its id or "last"; None for anything else."""
    if path.is_file():
        return None
    folder = path if (path / MANIFEST_FILE).is_file() else _run_of(path)
    if folder is None:
        return None
    reader = RunReader(folder)
    name = path.name if folder != path and len(path.parts) > 1 else ""
    if not name:
        names = ", ".join(sorted({trace.name for trace in reader.traces()})) or "none"
        raise AnalysisRefused(f"{path} is a run with several traces: {names}.", remedy=f"Name one, as {path}/TRACE.")
    return reader.trace(name)


def companion(path: Path, kind: str) -> Path | None:
    """The trace "joint.shot" beside "joint.signal" of the same run; None where there is none."""
    if path.is_file() or not path.name.endswith(SIGNAL):
        return None
    beside = path.with_name(path.name.removesuffix(SIGNAL) + f".{kind}")
    try:
        return beside if stored_trace(beside) is not None else None
    except StoreError:
        return None


def chosen_unit(text: str | None, recording: Recording) -> tuple[FileUnit, Recording]:
    """The unit of the values, as given, else as the file says, else volts; and the recording in that unit.

    Raises ConfigurationError for a unit that is not known, AnalysisRefused for values that no spectrum has.
    """
    if text is not None:
        if text not in tuple(FileUnit):
            raise ConfigurationError(f"--unit {text!r} is unknown.", remedy=f"Use one of {', '.join(FileUnit)}.")
        found = recording.y_unit
        if found and found != text:
            note = f"the file says that its values are in {found}; --unit {text} is used."
            recording = replace(recording, notes=(*recording.notes, note))
        return FileUnit(text), recording
    if recording.y_unit == "V^2":
        return FileUnit.WATT, replace(recording, y=recording.y / ANALYZER_IMPEDANCE_OHM, y_unit="W")
    if recording.y_unit in tuple(FileUnit):
        return FileUnit(recording.y_unit), recording
    if recording.y_unit.endswith("^2/Hz") or recording.y_unit in AMPLITUDES:
        alike = FileUnit.V2_PER_HZ if recording.y_unit.endswith("^2/Hz") else FileUnit.VOLT
        note = f"values in {recording.y_unit} are taken as those in {alike} are: only ratios count."
        return alike, replace(recording, notes=(*recording.notes, note))
    if recording.y_unit:
        raise AnalysisRefused(
            f"{recording.path} gives its values in {recording.y_unit}.",
            remedy=f"Choose another column with --columns or say --unit {'|'.join(FileUnit)}.",
        )
    if (recording.y < 0).mean() > SHARE_OF_A_LEVEL:
        note = "the file does not say the unit of its values; dB were assumed because they are negative."
        return FileUnit.DB, replace(recording, notes=(*recording.notes, note))
    if (recording.y < 0).any():
        raise AnalysisRefused(
            f"{recording.path} holds negative values and does not say in which unit.", remedy="Say --unit dBm or dB."
        )
    note = "the file does not say the unit of its values; volts were assumed, --unit says otherwise."
    return FileUnit.VOLT, replace(recording, notes=(*recording.notes, note))


def _run_of(path: Path) -> Path | None:
    """The folder of a run for a path that lies in it or begins with its id; None where there is none."""
    if (path.parent / MANIFEST_FILE).is_file():
        return path.parent
    if not path.is_absolute() and len(path.parts) in (1, 2) and not path.exists() and RUNS.is_dir():
        try:
            return Catalogue(RUNS).find(path.parts[0])
        except StoreError:
            return None
    return None
