"""The portrait of the table: its curves are the closed forms, its letters touch nothing, for 1 to 64 sensors."""

from __future__ import annotations

import itertools
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from ideal_table import LIGHT, NOMINAL_F0_HZ, locked_table, station_at, truth_of
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from labctl.configuration.station_file import Sensor, StationFile
from labctl.errors import ConfigurationError
from labctl.physics.constants import BOLTZMANN_J_PER_K
from labctl.report.drawing import house_style
from labctl.simulation.design import design_of
from labctl.simulation.portrait.cavity_panel import UP_V, scan_cavity
from labctl.simulation.portrait.force_panel import DETUNING_HZ, budgets, oscillator
from labctl.simulation.portrait.page import draw_portrait
from labctl.simulation.portrait.source_panel import source_scan
from labctl.simulation.portrait.spectra_panel import spectra
from labctl.simulation.portrait.style import decibels, power_of_ten, signed
from labctl.simulation.sensor_cavity import DESIGN_BIAS_V
from labctl.simulation.truth import Truth
from labctl.simulation.working_point import WorkingPoint

PAGE_PX = (1600, 1000)
SMALLEST_PT = 8.0
TOUCH_PX = 1.0  # letters may come as near as their boxes overlap by this


def station_with(count: int, seed: int = 1, scenario: str = "delays") -> StationFile:
    """Return the shipped station with more or fewer sensors; what else it has stays that of four."""
    file = station_at(seed, scenario)
    resonances = [4.276e6 + 13.7e3 * n for n in range(count)]
    sensors = tuple(Sensor.model_validate({**file.sensors[0].model_dump(), "resonance": f}) for f in resonances)
    return file.model_copy(update={"sensors": sensors, "station": file.station.model_copy(update={"sensors": count})})


def point_of(truth: Truth) -> WorkingPoint:
    design = replace(
        design_of(station_at(truth.seed)),
        oven_target_c=truth.best_temperature_c,
        probe_power_w=LIGHT.probe_power_w,
        local_oscillator_w=LIGHT.local_oscillator_w,
        quantum_efficiency=LIGHT.quantum_efficiency,
    )
    return WorkingPoint(truth, design)


def drawn_texts(figure: Figure) -> list[tuple[str, Bbox]]:
    """Draw a figure; return every text that was drawn, and its box in pixels."""
    found: dict[int, Text] = {}
    draw = Text.draw

    def noticed(text: Text, renderer: RendererBase) -> None:
        if text.get_visible() and text.get_text().strip():
            found[id(text)] = text
        draw(text, renderer)

    canvas = FigureCanvasAgg(figure)
    with patch.object(Text, "draw", noticed):
        canvas.draw()
    for text in found.values():
        assert text.get_fontsize() >= SMALLEST_PT, text.get_text()
    return [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in found.values()]


def clutter(found: list[tuple[str, Bbox]]) -> list[str]:
    """Return what is wrong with the places of texts: letters beyond the page, and letters that touch."""
    wrong = [
        f"{text!r} leaves the page"
        for text, box in found
        if box.x0 < 0 or box.y0 < 0 or box.x1 > PAGE_PX[0] or box.y1 > PAGE_PX[1]
    ]
    for (one, a), (other, b) in itertools.combinations(found, 2):
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        upwards = min(a.y1, b.y1) - max(a.y0, b.y0)
        if across > TOUCH_PX and upwards > TOUCH_PX:
            wrong.append(f"{one!r} touches {other!r}")
    return wrong


def check_page(count: int, seed: int, scenario: str = "delays") -> None:
    with house_style():
        figure = draw_portrait(station_with(count, seed, scenario))
        found = drawn_texts(figure)
    assert (figure.bbox.width, figure.bbox.height) == PAGE_PX
    assert len(found) > 80
    assert clutter(found) == []


@pytest.mark.parametrize("count", [1, 4, 6, 64])
def test_no_letters_touch_and_none_leave_the_page(count: int) -> None:
    check_page(count, seed=3)


@pytest.mark.slow
@pytest.mark.parametrize("count", range(1, 65))
def test_no_letters_touch_whatever_the_number_of_sensors(count: int) -> None:
    for seed, scenario in enumerate(("ideal", "delays", "jitter", "loss"), start=count):
        check_page(count, seed, scenario)


def test_clutter_is_found() -> None:
    figure = Figure(figsize=(16.0, 10.0), dpi=100.0)
    figure.text(0.1, 0.5, "here")
    figure.text(0.11, 0.5, "there")
    figure.text(0.98, 0.8, "over the edge")
    assert clutter(drawn_texts(figure)) == ["'over the edge' leaves the page", "'here' touches 'there'"]


def titles(count: int, scenario: str) -> list[str]:
    with house_style():
        figure = draw_portrait(station_with(count, seed=3, scenario=scenario))
    found = [axes.get_title(loc="left").replace("\n", " ").replace("\u00a0", " ") for axes in figure.axes]
    return [text for text in found if text]


def test_titles_say_what_there_is_to_learn() -> None:
    of_delays = titles(4, "delays")
    assert len(of_delays) == 7
    assert any("delays of 13 ns rms cost it" in text and "re-phasing gets back" in text for text in of_delays)
    assert any("phase noise costs" in text for text in titles(4, "jitter"))
    assert any("loss before the network costs" in text for text in titles(4, "loss"))
    assert any("no other weights have less noise" in text for text in titles(4, "ideal"))
    alone = titles(1, "ideal")
    assert any("One sensor takes the whole squeezed beam" in text for text in alone)
    assert not any("sum" in text for text in alone)


def test_a_table_without_sensors_has_no_portrait() -> None:
    with pytest.raises(ConfigurationError, match=r"needs \[\[sensors\]\]"):
        draw_portrait(station_at(1).model_copy(update={"sensors": ()}))


# ---- curves ----------------------------------------------------------------------------------------------------------


def test_spectra_are_those_that_the_table_gives_the_analyzer() -> None:
    table = locked_table(truth_of("delays", seed=4))
    table.truth = truth = replace(
        table.truth,
        sensors=tuple(
            replace(sensor, f0_hz=plant.resonance_hz())
            for sensor, plant in zip(table.truth.sensors, table.sensors, strict=True)
        ),
    )
    f = np.concatenate([np.linspace(f0 - 3e3, f0 + 3e3, 7) + 11.0 for f0 in NOMINAL_F0_HZ])
    found = spectra(point_of(truth), f)
    detectors = table.detectors

    def relative(psd: np.ndarray, lit: np.ndarray, dark: np.ndarray) -> np.ndarray:
        return (psd - dark) / (lit - dark)

    light = [detectors.output_psd(n, f, 1e-3) for n in range(4)], detectors.summed_psd(f, 1e-3)
    table.set_shutter("signal", False)
    shot = [detectors.output_psd(n, f, 1e-3) for n in range(4)], detectors.summed_psd(f, 1e-3)
    table.set_shutter("local_oscillator", False)
    dark = [detectors.output_psd(n, f, 1e-3) for n in range(4)], detectors.summed_psd(f, 1e-3)
    for n in range(4):
        assert found.each[n] == pytest.approx(relative(light[0][n], shot[0][n], dark[0][n]), rel=0.02)
    assert found.plain == pytest.approx(relative(light[1], shot[1], dark[1]), rel=0.02)
    assert (found.best < found.plain + 1e-12).all()


def test_a_doublet_shows_in_the_spectra() -> None:
    truth = truth_of("ideal", seed=4)
    first = replace(truth.sensors[0], doublet_split_hz=400.0, doublet_share=0.5)
    point = point_of(replace(truth, sensors=(first, *truth.sensors[1:])))
    at = first.f0_hz + np.array([0.0, 200.0, 400.0])
    each = spectra(point, at).each[0]
    assert each[2] > 2.0 * each[1]
    assert spectra(point_of(truth), at).each[0][2] < each[1]


def test_the_force_budget_has_the_peak_of_the_truth_and_the_thermal_force_of_the_room() -> None:
    point = point_of(truth_of("delays", seed=4))
    for index, sensor in enumerate(point.sensors):
        found = budgets(point, index)
        near = found["coherent"].peak_to_floor[0] * (1.0 + (2.0 * DETUNING_HZ[0] / sensor.gamma_hz) ** 2)
        assert near == pytest.approx(sensor.peak_to_shot, rel=1e-3)
        mass_kg = oscillator(point, index).mass_kg
        thermal = 4.0 * BOLTZMANN_J_PER_K * 300.0 * mass_kg * 2.0 * np.pi * sensor.gamma_hz
        assert found["alone"].thermal == pytest.approx(thermal)
        for name, variance in (("alone", point.light().marginal()), ("given the others", point.light().conditional())):
            ratio = found[name].imprecision / found["coherent"].imprecision
            assert ratio == pytest.approx(variance[index])
        assert (found["alone"].back_action < 1e-10 * found["alone"].thermal).all()


def test_the_first_principles_slope_is_near_that_of_the_truth() -> None:
    """2k 2r/(1-r) on resonance times an overlap of 0.21: the model's 5.7 against the 5.0 of the table."""
    slope = oscillator(point_of(truth_of("ideal", seed=4)), 0).phase_slope_rad_per_m
    assert slope == pytest.approx(1.978e7 * 0.21, rel=0.15)


def test_the_cavity_is_resonant_every_half_wavelength_and_at_its_bias() -> None:
    point = point_of(truth_of("ideal", seed=4))
    scan = scan_cavity(point, 0)
    up = scan.transmission_up
    inside = np.flatnonzero((up[1:-1] > up[:-2]) & (up[1:-1] > up[2:])) + 1
    assert len(inside) in (5, 6)
    assert up[inside] == pytest.approx(1.0, abs=0.02)
    assert up.min() == pytest.approx(0.0846, abs=0.01)
    assert np.abs(UP_V[inside] - DESIGN_BIAS_V).min() < 1.0
    assert float(np.interp(DESIGN_BIAS_V, UP_V, scan.transduction_up)) > 0.99
    assert scan.transduction_up.max() == pytest.approx(1.0, abs=0.02)
    assert scan.transduction_up.min() < -0.1  # the sign turns far off resonance
    assert np.abs(scan.transmission_up - scan.transmission_down).max() > 0.3  # hysteresis
    assert scan.transmission_up[-1] == pytest.approx(scan.transmission_down[-1])


def test_the_error_signal_crosses_zero_where_the_source_is_resonant() -> None:
    point = point_of(truth_of("ideal", seed=4))
    volts, error_v, transmission = source_scan(point)
    centre = len(volts) // 2
    assert volts[centre] == pytest.approx(point.truth.opa_resonance_v)
    assert transmission[centre] == pytest.approx(1.0) and transmission.argmax() == centre
    assert error_v[centre] == pytest.approx(0.0, abs=1e-9)
    assert error_v[centre + 1] * error_v[centre - 1] < 0.0
    table = locked_table(point.truth)
    moved_v = volts - table.source._moved_m / 5e-9  # the same scan of a table that has drifted
    assert table.source.pdh_volts(moved_v) == pytest.approx(error_v, abs=1e-9)
    assert table.source.transmission(moved_v) == pytest.approx(transmission, abs=1e-9)


def test_phases_are_drawn_where_the_detectors_are_locked() -> None:
    with house_style():
        figure = draw_portrait(station_at(1, "ideal", lo3="-pi/2"))
    fringe = next(axes for axes in figure.axes if axes.get_ylabel() == "fringe (V)")
    locked = _dots(fringe)
    assert locked == [90.0, 90.0, -90.0, 90.0]


def _dots(axes: Axes) -> list[float]:
    return [float(x) for line in axes.lines if line.get_marker() == "o" for x in np.asarray(line.get_xdata())]


# ---- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "written"),
    [(-3.71, "−3.7\u00a0dB"), (2.0, "+2.0\u00a0dB"), (-0.048, "−0.05\u00a0dB"), (0.0, "0.00\u00a0dB")],
)
def test_levels_are_written_so_that_something_is_left(level: float, written: str) -> None:
    assert decibels(level) == written


def test_numbers_have_signs_but_no_negative_zero() -> None:
    assert signed(-0.004, 2) == "0.00"
    assert signed(-17.84, 1) == "−17.8"
    assert [power_of_ten(x) for x in (0.1, 1.0, 100.0, 1e3, 1e-5)] == ["0.1", "1", "100", "10³", "10⁻⁵"]
