"""The joint noise through the night, as it was measured again and again."""

from __future__ import annotations

import numpy as np

from labctl.report.contents import RunContents
from labctl.report.drawing import Plotted, Sketch, new_figure

TRACE = "joint.night"
HEIGHT_IN = 2.2
HOUR_S = 3600.0


def draw_night(run: RunContents) -> Sketch:
    """Noise of the sum against lab time. Raises StoreError where it was not followed."""
    trace = run.trace(TRACE)
    value, sigma = np.real(trace.values)
    hours = trace.axis / HOUR_S
    mean = float(np.average(value, weights=sigma**-2.0))
    figure = new_figure(HEIGHT_IN)
    axes = figure.subplots()
    axes.errorbar(hours, value, sigma, fmt="o", markersize=3.5, color="C0", linewidth=1.0)
    axes.axhline(mean, color="black", linewidth=0.8, linestyle="--")
    axes.set_xlabel("lab time (h)")
    axes.set_ylabel("sum / shot (dB)")
    plotted = Plotted()
    plotted.add("night", "sum of all records over shot noise", trace.axis, value, ("s", "dB"), sigma)
    caption = (
        f"Each point: the equal-weight sum of the records of all detectors over its shot noise, ± 1 σ. Dashed: their "
        f"mean, {mean:.3f} dB. Shot noise was taken before the first point and after the last."
    )
    return Sketch(
        figure, caption, f"Joint noise over {hours[-1] - hours[0]:.1f} hours, mean {mean:.2f} dB.", plotted.data
    )
