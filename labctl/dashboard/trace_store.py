"""The traces of the spectrum panel: one for each channel, with the shot and dark noise that belong to it. No Qt."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labctl.bus.latest import Latest
from labctl.bus.spectra import Kind, LiveSpectrum
from labctl.dashboard.shot_reference import Span, effective_k, low_clearance, onto_axis
from labctl.dashboard.trace_modes import TraceMemory, TraceMode, is_same_axis

FloatArray = NDArray[np.float64]
MOST_DETECTORS = 8  # that are shown at once
SUMS = ("joint", "rephased")


@dataclass(frozen=True, eq=False)
class Reference:
    """The shot or the dark noise of a channel on the axis of its trace; nan where it was not measured."""

    spectrum: LiveSpectrum
    axis_hz: FloatArray
    power: FloatArray


@dataclass(frozen=True, eq=False)
class Trace:
    """One trace as it can be drawn: `power` (n,) in V^2/Hz over `frequency_hz` (n,), with its references."""

    channel: str
    mode: TraceMode
    made_by: TraceMode  # that of `mode`, or of what a view keeps
    spectrum: LiveSpectrum  # the newest: bandwidths, averages, source
    frequency_hz: FloatArray
    power: FloatArray
    count: int
    valid: bool
    reason: str
    taken_at: float
    shot: Reference | None
    dark: Reference | None
    low_clearance: tuple[Span, ...]  # where less than 10 dB lie between shot and dark noise
    skipped: int = 0  # spectra that were invalid, and so did not enter

    @property
    def effective_k(self) -> float:
        """Return how many independent averages are behind each point, at least."""
        return effective_k(self.spectrum)


def channel_order(channel: str) -> tuple[int, int, str]:
    """Return a key that sorts detectors by their number, then the sums, then anything else."""
    if channel.startswith("bhd") and channel[3:].isdigit():
        return 0, int(channel[3:]), ""
    return (1, SUMS.index(channel), "") if channel in SUMS else (2, 0, channel)


class TraceStore:
    """Takes what the core told last into the traces, and says whether anything that is shown changed.

    At most eight detectors are `chosen`, the first eight until `choose` says others; the sums are always shown.
    """

    def __init__(self) -> None:
        self._memories: dict[str, TraceMemory] = {}
        self._references: dict[tuple[str, Kind], LiveSpectrum] = {}
        self._on_axis: dict[tuple[str, Kind], Reference] = {}
        self._spans: dict[str, tuple[object, object, tuple[Span, ...]]] = {}
        self._chosen: tuple[str, ...] | None = None
        self._revision = -1
        self._source: Latest | None = None

    # ---- taking -----------------------------------------------------------------------------------------------------

    def take(self, latest: Latest) -> bool:
        """Take the spectra that are new; return whether there were any."""
        if latest is self._source and latest.revision == self._revision:
            return False
        self._source, self._revision = latest, latest.revision
        spectra = latest.spectra()
        present = {(spectrum.channel, spectrum.kind) for spectrum in spectra}
        changed = self._drop_others(present)
        for spectrum in spectra:
            changed = self._take_one(spectrum) or changed
        return changed

    def _take_one(self, spectrum: LiveSpectrum) -> bool:
        if spectrum.kind != "psd":
            key: tuple[str, Kind] = (spectrum.channel, spectrum.kind)
            if self._references.get(key) is spectrum:
                return False
            self._references[key] = spectrum
            self._on_axis.pop(key, None)
            return True
        memory = self._memories.setdefault(spectrum.channel, TraceMemory())
        if memory.newest is spectrum:
            return False
        memory.take(spectrum)
        return True

    def _drop_others(self, present: set[tuple[str, Kind]]) -> bool:
        gone = [channel for channel in self._memories if (channel, "psd") not in present]
        lost = [key for key in self._references if key not in present]
        for channel in gone:
            del self._memories[channel]
        for key in lost:
            del self._references[key]
            self._on_axis.pop(key, None)
        return bool(gone or lost)

    # ---- choosing ---------------------------------------------------------------------------------------------------

    @property
    def detectors(self) -> tuple[str, ...]:
        """Return all channels but the sums, in order."""
        return tuple(channel for channel in sorted(self._memories, key=channel_order) if channel not in SUMS)

    @property
    def chosen(self) -> tuple[str, ...]:
        """Return the detectors that are shown, in order."""
        known = self.detectors
        if self._chosen is None:
            return known[:MOST_DETECTORS]
        return tuple(channel for channel in known if channel in self._chosen)

    @property
    def channels(self) -> tuple[str, ...]:
        """Return the channels that have a button: the chosen detectors and the sums."""
        return self.chosen + tuple(channel for channel in SUMS if channel in self._memories)

    def choose(self, channels: Iterable[str]) -> None:
        """Show these detectors, eight at most: the first eight of them."""
        self._chosen = tuple(sorted(set(channels), key=channel_order))[:MOST_DETECTORS]

    # ---- modes ------------------------------------------------------------------------------------------------------

    def mode(self, channel: str) -> TraceMode:
        """Return the mode of a trace."""
        return self._memories[channel].mode

    def use_mode(self, channel: str, mode: TraceMode) -> None:
        """Change the mode of a trace."""
        self._memories[channel].use_mode(mode)

    def restart(self) -> bool:
        """Begin again with all averages and holds; return whether there were any."""
        accumulating = [memory for memory in self._memories.values() if memory.mode.accumulates]
        for memory in accumulating:
            memory.restart()
        return bool(accumulating)

    # ---- looking ----------------------------------------------------------------------------------------------------

    def newest(self, channel: str) -> LiveSpectrum | None:
        """Return the newest spectrum of a channel, whatever its trace shows."""
        memory = self._memories.get(channel)
        return None if memory is None else memory.newest

    def reference(self, channel: str, kind: Kind) -> LiveSpectrum | None:
        """Return the shot or dark noise of a channel as it was measured."""
        return self._references.get((channel, kind))

    def traces(self) -> tuple[Trace, ...]:
        """Return the traces that are to be drawn, in order."""
        found = (self.trace(channel) for channel in self.channels)
        return tuple(trace for trace in found if trace is not None)

    def trace(self, channel: str) -> Trace | None:
        """Return the trace of a channel; None where it is blank or has nothing yet."""
        memory = self._memories.get(channel)
        if memory is None or memory.newest is None or memory.power is None or not memory.is_shown:
            return None
        shot = self._reference(channel, "shot", memory.frequency_hz)
        dark = self._reference(channel, "dark", memory.frequency_hz)
        valid, reason = memory.valid, memory.reason
        if valid and shot is not None and not shot.spectrum.valid:
            valid, reason = False, f"shot noise not valid: {shot.spectrum.reason}"
        return Trace(
            *(channel, memory.mode, memory.made_by, memory.newest, memory.frequency_hz, memory.power, memory.count),
            *(valid, reason, memory.taken_at, shot, dark, self._low_clearance(channel, shot, dark)),
            skipped=memory.skipped if memory.mode.accumulates else 0,
        )

    def _reference(self, channel: str, kind: Kind, axis_hz: FloatArray) -> Reference | None:
        spectrum = self._references.get((channel, kind))
        if spectrum is None:
            return None
        known = self._on_axis.get((channel, kind))
        if known is not None and is_same_axis(known.axis_hz, axis_hz):
            return known
        same = is_same_axis(spectrum.frequency_hz, axis_hz)
        power = spectrum.psd_v2_per_hz if same else onto_axis(spectrum.frequency_hz, spectrum.psd_v2_per_hz, axis_hz)
        reference = self._on_axis[channel, kind] = Reference(spectrum, axis_hz, power)
        return reference

    def _low_clearance(self, channel: str, shot: Reference | None, dark: Reference | None) -> tuple[Span, ...]:
        if shot is None:
            return ()
        if dark is None:
            return (Span(float(shot.axis_hz[0]), float(shot.axis_hz[-1]), math.nan),) if len(shot.axis_hz) else ()
        known = self._spans.get(channel)
        if known is None or known[0] is not shot or known[1] is not dark:
            known = shot, dark, low_clearance(shot.axis_hz, shot.power, dark.power)
            self._spans[channel] = known
        return known[2]
