"""The figures of a report: each drawn, or with the reason why it cannot be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from matplotlib.figure import Figure

from labctl.report.contents import RunContents
from labctl.report.drawing import Sketch, as_data_uri, house_style, why_not
from labctl.report.figure_joint import draw_hardware_sum
from labctl.report.figure_records import draw_records
from labctl.report.figure_reductions import draw_reductions
from labctl.report.figure_sensors import SENSORS_PER_FIGURE, SensorSpectrum, draw_sensors, sensor_spectra
from labctl.report.figure_timeline import draw_timeline
from labctl.report.origins import why_unmeasured
from labctl.report.published import Quantity


@dataclass(frozen=True)
class Drawing:
    """A figure of the page as a data URI, or `missing` with the reason. `key` is unique on the page."""

    key: str
    title: str
    image: str
    caption: str
    alt: str
    missing: str
    figure: Figure | None = None


def draw_all(run: RunContents, quantities: Sequence[Quantity]) -> dict[str, list[Drawing]]:
    """All figures by the section of the page that shows them."""
    with house_style():
        return {
            "reductions": [
                _drawn("reductions", "Noise relative to shot noise", lambda: draw_reductions(run, quantities))
            ],
            "spectra": [
                *_sensor_drawings(run),
                _drawn("hardware-sum", "Joint spectrum, hardware sum", lambda: draw_hardware_sum(run)),
                _drawn("records", "Joint spectrum, simultaneous records", lambda: draw_records(run)),
            ],
            "timeline": [_drawn("timeline", "The run in lab time", lambda: draw_timeline(run))],
        }


def _sensor_drawings(run: RunContents) -> list[Drawing]:
    spectra, reasons = sensor_spectra(run)
    parts = [spectra[i : i + SENSORS_PER_FIGURE] for i in range(0, len(spectra), SENSORS_PER_FIGURE)]
    drawings = [
        _drawn(f"sensors-{part[0].number}", _sensors_title(part), partial(draw_sensors, run, part)) for part in parts
    ]
    if not spectra and not reasons:
        reasons = f"The run mentions no sensor; {why_unmeasured('individual_spectrum', run)}."
    if reasons:
        drawings.append(Drawing("sensors-missing", "Sensors without a spectrum", "", "", "", reasons))
    return drawings


def _sensors_title(part: Sequence[SensorSpectrum]) -> str:
    numbers = [str(spectrum.number) for spectrum in part]
    return f"Spectrum of sensor {numbers[0]}" if len(part) == 1 else f"Spectra of sensors {', '.join(numbers)}"


def _drawn(key: str, title: str, draw: Callable[[], Sketch]) -> Drawing:
    """One figure that cannot be drawn, whatever is wrong with its data, must not cost the reader the others."""
    try:
        sketch = draw()
        return Drawing(key, title, as_data_uri(sketch.figure), sketch.caption, sketch.alt, "", sketch.figure)
    except Exception as error:
        return Drawing(key, title, "", "", "", why_not(error))
