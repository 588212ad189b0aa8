"""The page of a portrait: which panel stands where."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labctl.configuration.station_file import SimulatedBackend, StationFile
from labctl.errors import ConfigurationError
from labctl.simulation.design import design_of, truth_of
from labctl.simulation.portrait.cavity_panel import draw_cavity
from labctl.simulation.portrait.force_panel import draw_force_noise
from labctl.simulation.portrait.network_panel import draw_network
from labctl.simulation.portrait.phase_panel import draw_fringe, draw_quadratures
from labctl.simulation.portrait.source_panel import draw_source
from labctl.simulation.portrait.spectra_panel import draw_resonance, draw_spectra
from labctl.simulation.working_point import WorkingPoint

WIDTH_IN, HEIGHT_IN, DOTS_PER_INCH = 16.0, 10.0, 100.0
LEFT_IN, RIGHT_IN, GAP_IN = 0.72, 0.2, 0.86
NARROW_IN = (WIDTH_IN - LEFT_IN - RIGHT_IN - 2.0 * GAP_IN) / 3.0
WIDE_IN = 2.0 * NARROW_IN + GAP_IN
LABELS_IN = 1.62  # beside the spectra
COLUMNS_IN = tuple(LEFT_IN + column * (NARROW_IN + GAP_IN) for column in range(3))
ROWS_IN = ((6.86, 2.0), (3.5, 2.3), (0.55, 2.1))  # lower edge and height
BETWEEN_IN = 0.1  # of two panels over one axis
KEY_OF_SUMS = "Blue is one detector, red the plain sum of all, green the sum with the best weights and phases. "
KEY = "All numbers are the truth that the seed draws; nothing here was measured."


def draw_portrait(station: StationFile) -> Figure:
    """Return the portrait of the simulated table of a station file, 1600 by 1000 pixels, in the style that is set.

    Raises `ConfigurationError` where the station is no simulated table or has no light, detectors or sensors.
    """
    if not station.sensors:
        raise ConfigurationError("A portrait needs [[sensors]].", remedy="Add them to the station file.")
    point = WorkingPoint(truth_of(station), design_of(station))
    figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), dpi=DOTS_PER_INCH)
    figure.text(0.012, 0.985, _headline(station, point), ha="left", va="top", fontsize=13, weight="bold")
    key = KEY_OF_SUMS + KEY if len(point.sensors) > 1 else KEY
    figure.text(0.012, 0.957, key, ha="left", va="top")

    (network,) = _stack(figure, 0, 0, (1.0,), WIDE_IN)
    draw_network(network, point, WIDE_IN, ROWS_IN[0][1])
    error, transmission = _stack(figure, 0, 2, (1.0, 1.0))
    draw_source(error, transmission, point, NARROW_IN)

    fringe, quadratures = _stack(figure, 1, 0, (1.0, 2.0))
    draw_fringe(fringe, point, NARROW_IN)
    draw_quadratures(quadratures, point)
    force, strip = _stack(figure, 1, 1, (5.0, 1.0))
    draw_force_noise(force, strip, point, NARROW_IN)
    through, transduction = _stack(figure, 1, 2, (1.15, 1.0))
    draw_cavity(through, transduction, point, NARROW_IN)

    (spectra,) = _stack(figure, 2, 0, (1.0,), WIDE_IN - LABELS_IN)
    draw_spectra(spectra, point, WIDE_IN)
    (resonance,) = _stack(figure, 2, 2, (1.0,))
    draw_resonance(resonance, point, NARROW_IN)
    return figure


def _stack(
    figure: Figure, row: int, column: int, heights: Sequence[float], width_in: float = NARROW_IN
) -> tuple[Axes, ...]:
    """Return axes one above the other, the upper first, that fill a place of the page in these proportions."""
    bottom, height = ROWS_IN[row]
    share = (height - BETWEEN_IN * (len(heights) - 1)) / sum(heights)
    stacked = []
    top = bottom + height
    for part in heights:
        low = top - share * part
        box = (COLUMNS_IN[column] / WIDTH_IN, low / HEIGHT_IN, width_in / WIDTH_IN, share * part / HEIGHT_IN)
        stacked.append(figure.add_axes(box))
        top = low - BETWEEN_IN
    return tuple(stacked)


def _headline(station: StationFile, point: WorkingPoint) -> str:
    backend = station.backend
    count = len(point.sensors)
    scenario = backend.scenario if isinstance(backend, SimulatedBackend) else ""
    sensors = f"{count} sensors" if count > 1 else "1 sensor"
    return (
        f"{station.station.name}: {sensors}, seed {point.truth.seed}, scenario {scenario}, every loop where it belongs"
    )
