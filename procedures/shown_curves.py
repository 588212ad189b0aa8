"""What the pages of a sensor and of a loop show of a measurement: data with the fit, and its numbers."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from labctl.bus.spectra import Curve
from labctl.estimation.loop_noise import NoiseSpectrum
from labctl.estimation.mechanical_mode import ModeFit
from labctl.locks.loop import Verdict
from labctl.spectra.trace import Spectrum
from procedures.bench import Bench


def show_mode(bench: Bench, sensor: int, relative: Spectrum, fit: ModeFit) -> None:
    """Show the thermal line of a membrane relative to shot noise, in dB, with the fit as the analyzer would show it."""
    if bench.on_curve is None:
        return
    f0 = f"{fit.f0_hz.value:.2f} +- {fit.f0_hz.sigma:.2f} Hz"
    away_hz = relative.frequency_hz - fit.f0_hz.value
    with np.errstate(divide="ignore", invalid="ignore"):
        measured = 10.0 * np.log10(relative.values)
    bench.on_curve(
        Curve(
            system=f"sensor{sensor}",
            name="mode",
            title=f"Membrane of sensor {sensor}",
            x_label="frequency from resonance",
            x_unit="Hz",
            y_label="over shot noise",
            y_unit="dB",
            x=away_hz,
            columns={
                "measured": measured,
                "fit": 10.0 * np.log10(fit.model(relative.frequency_hz, relative.acquisition)),
            },
            text=f"f0 = {f0}\nlinewidth = {fit.gamma_hz}\npeak = {fit.peak_to_floor}",
            taken_at=time.time(),
        )
    )


def show_loop_noise(bench: Bench, loop: str, spectrum: NoiseSpectrum, verdict: Verdict) -> None:
    """Show the residual phase noise of a loop."""
    if bench.on_curve is None:
        return
    bench.on_curve(
        Curve(
            system=loop,
            name="psd",
            title=f"{loop.upper()}: residual phase noise",
            x_label="frequency",
            x_unit="Hz",
            y_label="phase noise",
            y_unit="rad²/Hz",
            x=np.asarray(spectrum.frequency_hz),
            columns={"measured": np.asarray(spectrum.psd)},
            valid=verdict.locked,
            reason=verdict.reason,
            taken_at=time.time(),
        )
    )


def show_alignment(bench: Bench, sensor: int, turned: Sequence[tuple[int, int, float]]) -> None:
    """Show where a mirror was and what was seen there: pitch and yaw in steps, and the visibility."""
    if bench.on_curve is None or not turned:
        return
    pitch, yaw, visibility = np.array(turned, dtype=float).T
    bench.on_curve(
        Curve(
            system=f"sensor{sensor}",
            name="alignment",
            title=f"Alignment of sensor {sensor}",
            x_label="pitch",
            x_unit="steps",
            y_label="yaw",
            y_unit="steps",
            x=pitch,
            columns={"yaw": yaw, "power": visibility**2},
            text=f"best visibility {visibility.max():.3f} after {len(turned)} looks",
            taken_at=time.time(),
        )
    )
