"""What is shown of a spectrum while it is measured: the latest average of every channel."""

from __future__ import annotations

import math
import time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labctl.bus.spectra import Kind, LiveSpectrum
from labctl.errors import AnalysisRefused
from labctl.estimation.cross_spectrum import CrossSpectrum
from labctl.estimation.network import optimal_combination, relative_to_shot
from labctl.spectra.trace import Spectrum, Unit
from labctl.store.records import TraceRecord
from procedures.bench import Bench

SHOWN_EVERY_S: Final = 0.05  # of wall time: a display draws no faster
_KINDS: Final[dict[str, Kind]] = {"shot": "shot", "dark": "dark"}


class MatrixDisplay:
    """Shows cross-spectral matrices as the spectra of the detectors, of their sum, and of their re-phased sum.

    The weights of the re-phased sum are those of least noise in the matrix itself, once shot and dark noise were shown.
    """

    def __init__(self, bench: Bench, step: str, averages_asked: int = 0) -> None:
        self._bench = bench
        self._step = step
        self._asked = averages_asked
        self._shown_at = -math.inf
        self._shot: CrossSpectrum | None = None
        self._dark: CrossSpectrum | None = None

    @property
    def is_due(self) -> bool:
        """Return whether somebody looks, and the last one was shown long enough ago."""
        return self._bench.on_spectrum is not None and time.monotonic() - self._shown_at >= SHOWN_EVERY_S

    def recall(self, shot: CrossSpectrum, dark: CrossSpectrum) -> None:
        """Take shot and dark noise that were shown before."""
        self._shot, self._dark = shot, dark

    def show(self, matrix: CrossSpectrum, kind: Kind, *, valid: bool = True, reason: str = "") -> None:
        """Show a matrix; shot and dark noise are remembered for what follows. Nothing where nobody looks."""
        if self._bench.on_spectrum is None:
            return
        self._shown_at = time.monotonic()
        if kind == "shot":
            self._shot = matrix
        elif kind == "dark":
            self._dark = matrix
        channels = matrix.csd.shape[1]
        for number in range(channels):
            self._tell(f"bhd{number + 1}", kind, matrix, np.real(matrix.csd[:, number, number]), valid, reason)
        in_use = np.array([number + 1 not in self._bench.left_out for number in range(channels)], dtype=np.float64)
        self._tell("joint", kind, matrix, _combined(matrix, in_use), valid, reason)
        if kind == "psd" and not self._bench.left_out and (weights := self._weights(matrix)) is not None:
            self._tell("rephased", kind, matrix, _combined(matrix, weights), valid, reason)
            for other, before in (("shot", self._shot), ("dark", self._dark)):
                if before is not None:
                    self._tell("rephased", _KINDS[other], before, _combined(before, weights), True, "")

    def _weights(self, matrix: CrossSpectrum) -> NDArray[np.complex128] | None:
        """Return the complex weights of least noise for signals in V, or None where they cannot be told yet."""
        if self._shot is None or self._dark is None:
            return None
        band = (float(matrix.frequency_hz[0]), float(matrix.frequency_hz[-1]))
        try:
            shot, dark = (part.mean_over(band, []) for part in (self._shot, self._dark))
            best = optimal_combination(relative_to_shot(matrix.mean_over(band, []), shot, dark))
        except AnalysisRefused:
            return None
        power = np.real(np.diagonal(shot.matrix - dark.matrix))
        return np.asarray(best.weights / np.sqrt(power), dtype=np.complex128)

    def _tell(
        self,
        channel: str,
        kind: Kind,
        matrix: CrossSpectrum,
        psd: NDArray[np.float64],
        valid: bool,
        reason: str,
    ) -> None:
        show = self._bench.on_spectrum
        assert show is not None
        show(
            LiveSpectrum(
                channel=channel,
                kind=kind,
                frequency_hz=matrix.frequency_hz,
                psd_v2_per_hz=psd,
                rbw_hz=matrix.enbw_hz,
                vbw_hz=math.nan,
                averages=round(matrix.averages),
                averages_asked=self._asked,
                averaging="power",
                source="digitizer",
                step=self._step,
                valid=valid,
                reason=reason,
                taken_at=time.time(),
            )
        )


def show_trace(bench: Bench, spectrum: Spectrum, trace: TraceRecord, *, asked: int | None = None) -> None:
    """Show a trace of the analyzer as the spectrum of the channel that it was taken at, where somebody looks; `asked`
    averages belong to it, if not as many as it has."""
    if bench.on_spectrum is None:
        return
    port = str(trace.conventions.get("rf_input", ""))
    kinds = [kind for word, kind in _KINDS.items() if word in spectrum.name.rpartition(".")[2]]
    psd = spectrum.in_unit(Unit.V2_PER_HZ)
    bench.on_spectrum(
        LiveSpectrum(
            channel="joint" if port == "sum" else port,
            kind=kinds[0] if kinds else "psd",
            frequency_hz=psd.frequency_hz,
            psd_v2_per_hz=psd.values,
            rbw_hz=spectrum.acquisition.rbw_hz,
            vbw_hz=float(trace.conventions.get("vbw_hz", math.nan)),
            averages=int(trace.conventions.get("averages", 0)),
            averages_asked=int(trace.conventions.get("averages", 0)) if asked is None else asked,
            averaging=str(spectrum.acquisition.averaging),
            source="analyzer",
            step=trace.step,
            valid=trace.valid,
            reason=trace.invalid_reason,
            taken_at=time.time(),
        )
    )


def _combined(matrix: CrossSpectrum, weights: NDArray[np.float64] | NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return w^H C w at each frequency."""
    return np.real(np.einsum("i,fij,j->f", np.conj(weights), matrix.csd, weights))
