"""The figures of a report: each drawn, or with the reason why it cannot be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from matplotlib.figure import Figure

from labctl.report.contents import RunContents
from labctl.report.drawing import Series, Sketch, as_data_uri, house_style, why_not
from labctl.report.figure_advantage import draw_advantage
from labctl.report.figure_budget import draw_budget
from labctl.report.figure_calibrations import draw_calibrations
from labctl.report.figure_force import draw_forces, force_groups, sensor_forces
from labctl.report.figure_joint import draw_hardware_sum
from labctl.report.figure_night import draw_night
from labctl.report.figure_noise import draw_noise, sensor_groups, sensors_of
from labctl.report.figure_records import draw_records
from labctl.report.figure_reductions import draw_reductions
from labctl.report.figure_source import draw_source
from labctl.report.figure_timeline import draw_timeline
from labctl.report.published import Quantity


@dataclass(frozen=True)
class Drawing:
    """A figure of the page as a data URI, or `missing` with the reason. `key` is unique on the page; `data` is what is
    plotted."""

    key: str
    title: str
    image: str
    caption: str
    alt: str
    missing: str
    figure: Figure | None = None
    data: tuple[Series, ...] = ()


def draw_all(run: RunContents, quantities: Sequence[Quantity]) -> dict[str, list[Drawing]]:
    """All figures by the section of the page that shows them; those of the publication come first, in its order."""
    with house_style():
        return {
            "paper": [
                _drawn("fig1-budget", "Fig. 1 b–e: noise budget and uniformity", lambda: draw_budget(run)),
                *_noise_drawings(run),
                _drawn(
                    "fig4-advantage",
                    "Fig. 4: error and advantage of the network",
                    lambda: draw_advantage(run, quantities),
                ),
                *_force_drawings(run),
            ],
            "reductions": [
                _drawn("reductions", "Noise relative to shot noise", lambda: draw_reductions(run, quantities))
            ],
            "spectra": [
                _drawn("hardware-sum", "Hardware sum beside the resonances", lambda: draw_hardware_sum(run)),
                _drawn("records", "Each detector's record", lambda: draw_records(run)),
                _drawn("night", "Joint noise through the night", lambda: draw_night(run)),
            ],
            "calibrations": [
                _drawn("source", "Source against pump", lambda: draw_source(run)),
                _drawn("calibrations", "Calibrations", lambda: draw_calibrations(run)),
            ],
            "timeline": [_drawn("timeline", "The run in lab time", lambda: draw_timeline(run))],
        }


def _noise_drawings(run: RunContents) -> list[Drawing]:
    spectra, reasons = sensors_of(run)
    groups = sensor_groups(spectra)
    drawings = []
    for place, group in enumerate(groups):
        last = place == len(groups) - 1
        draw = partial(draw_noise, run, group, reasons if last else "", joint=last)
        drawings.append(_drawn(*_named(place, len(groups), "fig3-noise", "Fig. 3: noise and shot noise"), draw))
    return drawings


def _force_drawings(run: RunContents) -> list[Drawing]:
    forces, reasons = sensor_forces(run)
    groups = force_groups(forces)
    drawings = []
    for place, group in enumerate(groups):
        draw = partial(draw_forces, run, group, reasons if place == len(groups) - 1 else "")
        drawings.append(_drawn(*_named(place, len(groups), "fig5-force", "Fig. 5: force resolution"), draw))
    return drawings


def _named(place: int, count: int, key: str, title: str) -> tuple[str, str]:
    """Key and title of one of several figures."""
    return (key, title) if count == 1 else (f"{key}-{place + 1}", f"{title}, part {place + 1} of {count}")


def _drawn(key: str, title: str, draw: Callable[[], Sketch]) -> Drawing:
    """One figure that cannot be drawn, whatever is wrong with its data, must not cost the reader the others."""
    try:
        sketch = draw()
        image = as_data_uri(sketch.figure)
        sketch.figure.set_layout_engine("none")  # drawn again, as PNG or PDF, it needs no second search for a layout
        return Drawing(key, title, image, sketch.caption, sketch.alt, "", sketch.figure, sketch.data)
    except Exception as error:
        return Drawing(key, title, "", "", "", why_not(error))
