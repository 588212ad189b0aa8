"""The figures in the arrangement of the publication, read back from their artists and from the CSV beside them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from paper_runs import DETUNING_HZ, THERMAL_N, THRESHOLD_W, force, paper_night, write_paper_night
from report_runs import FLOOR, JOINT, Night, write_night

from labctl.errors import AnalysisRefused
from labctl.report.contents import RunContents, read_run
from labctl.report.drawing import Series, Sketch, house_style, thinned
from labctl.report.figure_advantage import draw_advantage, model_of
from labctl.report.figure_budget import draw_budget
from labctl.report.figure_calibrations import draw_calibrations
from labctl.report.figure_files import CSV_COLUMNS, csv_text, write_figures
from labctl.report.figure_force import draw_forces, force_groups, sensor_forces
from labctl.report.figure_pdf import write_pdf
from labctl.report.figure_source import draw_source
from labctl.report.figures import Drawing, draw_all
from labctl.report.published import published_quantities


@pytest.fixture(autouse=True)
def styled() -> Iterator[None]:
    with house_style():
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunContents:
    return read_run(write_paper_night(tmp_path_factory.mktemp("paper") / "runs"))


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> RunContents:
    """A night without anything but its journal."""
    return read_run(write_night(tmp_path_factory.mktemp("bare") / "runs", "bare", Night(traces=False, results=False)))


def series(sketch: Sketch, panel: str, name: str) -> Series:
    (found,) = [one for one in sketch.data if (one.panel, one.name) == (panel, name)]
    return found


def at(one: Series, x: float) -> float:
    return float(one.y[np.abs(one.x - x).argmin()])


def test_budget_adds_up_and_thermal_noise_goes_with_temperature(run: RunContents) -> None:
    sketch = draw_budget(run)
    total, imprecision, warm, cold = (
        at(series(sketch, "b", name), 0.0) for name in ("total", "imprecision", "thermal at 300 K", "thermal at 60 mK")
    )
    assert total == pytest.approx(np.hypot(imprecision, warm), rel=1e-6)
    assert warm / cold == pytest.approx(np.sqrt(300.0 / 0.06), rel=1e-9)
    assert warm == pytest.approx(6.03, abs=0.06)  # sqrt(2 Gamma m k T) for 41.5 Hz


def test_windows_are_those_of_the_publication(run: RunContents) -> None:
    """Shaded: 3 % for coupling and linewidth off resonance; for damping less than 6 %, since imprecision grows too."""
    _, damping, coupling, linewidth = draw_budget(run).figure.axes
    lowest = [axes.patches[0].get_x() for axes in (damping, coupling)]
    assert lowest == pytest.approx([41.0 * 0.948, 21.0 * 0.971], rel=0.005)
    assert "−3.0 to +3.0 %" in linewidth.get_title(loc="left")


def test_sensors_stand_in_the_budget_as_measured(run: RunContents) -> None:
    sketch = draw_budget(run)
    points = series(sketch, "c", "measured, off resonance")
    expected = 1e15 * float(force(np.array(DETUNING_HZ), 1.0))
    assert points.y == pytest.approx([expected] * 4) and points.sigma == pytest.approx([0.01 * expected] * 4)
    assert series(sketch, "d", "measured, on resonance").x == pytest.approx([20.85, 21.15, 21.45, 20.55])


def test_without_a_design_there_is_no_budget(bare: RunContents) -> None:
    with pytest.raises(AnalysisRefused, match=r"no \[membranes\]"):
        draw_budget(bare)


def test_force_panels_are_arranged_as_published_and_shaded_where_there_is_advantage(run: RunContents) -> None:
    forces, reasons = sensor_forces(run)
    assert reasons == ""
    sketch = draw_forces(run, forces, reasons)
    titles = [axes.get_title(loc="left") for axes in sketch.figure.axes]
    assert titles[0] == "(a) sensor 1" and titles[4:6] == ["(e) sensor 1, with the sum", "(f) sensor 2, with the sum"]
    assert all(axes.collections for axes in sketch.figure.axes)
    entangled = series(sketch, titles[4], "entangled")
    assert at(entangled, 3000.0) == pytest.approx(1e15 * float(force(np.array(3000.0), JOINT)), rel=0.1)
    assert at(series(sketch, titles[0], "separable"), 0.0) < 1e15 * THERMAL_N * np.sqrt(1 + 1.2 * FLOOR / 5)
    assert "1600 Hz" in sketch.caption and "two-sided, common force" in sketch.caption
    texts = [text.get_text() for text in sketch.figure.axes[4].texts]
    assert "off 133.4\u00a0±\u00a01.3" in texts


def test_rows_of_a_force_trace_are_what_it_says_they_are(tmp_path: Path) -> None:
    night = paper_night(1)
    (trace,) = (one for one in night.extra_traces if one.name == "sensor1.force")
    turned = replace(
        trace, values=trace.values[::-1], conventions={"rows": "conditional, entangled, separable, coherent"}
    )
    night.extra_traces = [turned]
    (found,), _ = sensor_forces(read_run(write_night(tmp_path / "runs", "turned", night)))
    assert found.resolution["coherent"] == pytest.approx(1e15 * trace.values[0])


def test_a_sensor_without_force_costs_only_its_own_panels(tmp_path: Path) -> None:
    night = paper_night(3)
    night.extra_traces = [
        replace(trace, valid=False, invalid_reason="lo2 lost") if trace.name == "sensor2.force" else trace
        for trace in night.extra_traces
    ]
    forces, reasons = sensor_forces(read_run(write_night(tmp_path / "runs", "lost", night)))
    assert [one.number for one in forces] == [1, 3] and "sensor2.force is invalid: lo2 lost" in reasons
    assert [len(group) for group in force_groups(forces * 5)] == [8, 2]


def test_advantage_shows_measured_filled_and_published_open(run: RunContents) -> None:
    sketch = draw_advantage(run, published_quantities(run))
    right = sketch.figure.axes[1]
    squares = [line for line in right.lines if line.get_marker() == "s" and len(line.get_xdata())]
    measured, published = squares
    assert list(measured.get_ydata()) == [10.0, 23.4] and measured.get_markerfacecolor() != "none"
    assert list(published.get_ydata()) == [8.9, 17.8, 23.7] and published.get_markerfacecolor() == "none"
    assert series(sketch, "a", "entangled, measured").sigma == pytest.approx([0.0008, 0.0007])
    labels = [text.get_text() for text in right.get_legend().get_texts()]
    assert labels[:2] == ["model, efficiency 72.0 %", "model, efficiency 100.0 %"]  # of channel and source


def test_the_model_goes_through_the_noise_that_it_is_from(run: RunContents) -> None:
    sketch = draw_advantage(run, ())
    assert at(series(sketch, "a", "entangled, model, efficiency 0.72"), 4.0) == pytest.approx(0.1461, rel=1e-6)
    at_one = [at(series(sketch, "a", f"{kind}, model, efficiency 0.72"), 1.0) for kind in ("entangled", "separable")]
    assert at_one[0] == pytest.approx(at_one[1])


def test_without_points_the_model_is_from_the_rephased_sum(tmp_path: Path, bare: RunContents) -> None:
    run = read_run(write_night(tmp_path / "runs", "sum", Night(traces=False)))
    model = model_of(run, {})
    assert model is not None and model.basis == "the re-phased sum"
    assert "Without points of this run" in draw_advantage(run, published_quantities(run)).caption
    with pytest.raises(AnalysisRefused, match="no advantage"):
        draw_advantage(bare, published_quantities(bare))


def test_source_curves_go_through_the_points(run: RunContents) -> None:
    sketch = draw_source(run)
    titles = [axes.get_title(loc="left") for axes in sketch.figure.axes]
    for panel, name, tolerance in ((titles[0], "amplified", 0.05), (titles[2], "squeezed", 0.03)):
        points, curve = series(sketch, panel, name), series(sketch, panel, f"{name}, model")
        # the points have no phase noise and a sideband, the curves what the results say
        assert np.interp(points.x[2], curve.x, curve.y) == pytest.approx(points.y[2], rel=tolerance)
        assert curve.x.max() < THRESHOLD_W


def test_calibrations_say_what_was_not_taken(tmp_path: Path, bare: RunContents) -> None:
    night = paper_night(4)
    night.extra_traces = [trace for trace in night.extra_traces if trace.name.endswith((".ringdown", ".tone"))]
    night.extra_traces = [
        replace(trace, conventions={}) if trace.name == "sensor1.tone" else trace for trace in night.extra_traces
    ]
    sketch = draw_calibrations(read_run(write_night(tmp_path / "runs", "few", night)))
    decay, tone = sketch.figure.axes
    assert decay.get_title(loc="left") == "(a) free decay" and len(decay.lines) == 5
    assert "does not say how it was taken" in tone.texts[0].get_text()
    assert "cavities, laser tuned: no step" in sketch.caption
    with pytest.raises(AnalysisRefused, match="Not taken: network, plates"):
        draw_calibrations(bare)


def test_any_number_of_sensors_has_all_figures(tmp_path: Path) -> None:
    run = read_run(write_paper_night(tmp_path / "runs", 5))
    forces, reasons = sensor_forces(run)
    sketch = draw_forces(run, forces, reasons)
    assert len([axes for axes in sketch.figure.axes if axes.get_visible()]) == 10
    seen = [axes for axes in draw_calibrations(run).figure.axes if axes.get_visible()]
    assert len(seen) == 7 and len(seen[0].lines) == 4  # all plates in one panel


def test_the_figures_of_the_publication_come_first_each_drawn_or_with_a_reason(bare: RunContents) -> None:
    drawings = [one for section in draw_all(bare, published_quantities(bare)).values() for one in section]
    assert [one.key.split("-")[0] for one in drawings[:4]] == ["fig1", "fig3", "fig4", "fig5"]
    assert [one.key for one in drawings if not one.missing] == ["timeline"]


def test_files_hold_every_point(run: RunContents, tmp_path: Path) -> None:
    forces, _ = sensor_forces(run)
    sketches = [draw_advantage(run, ()), draw_forces(run, forces[:1], "")]
    drawings = [
        Drawing(key, "Title", "", one.caption, one.alt, "", one.figure, one.data)
        for key, one in zip(("fig4", "fig5"), sketches, strict=True)
    ]
    folder = write_figures(tmp_path, drawings)
    assert sorted(path.name for path in folder.iterdir()) == [
        f"{name}.{suffix}" for name in ("01-fig4", "02-fig5") for suffix in ("csv", "png", "txt")
    ]
    with (folder / "02-fig5.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == CSV_COLUMNS
    stored = run.trace("sensor1.force")
    coherent = [row for row in rows if row["panel"] == "(a) sensor 1" and row["series"] == "coherent"]
    assert len(coherent) == len(stored.axis)
    assert float(coherent[7]["y"]) == pytest.approx(1e15 * stored.values[0, 7], rel=1e-8)
    pdf = write_pdf(tmp_path / "night.pdf", run, drawings).read_bytes()
    assert pdf.startswith(b"%PDF") and len(re.findall(rb"/Type /Page\b", pdf)) == len(drawings) + 1
    assert b"CreationDate" not in pdf


def test_a_cell_without_a_number_is_empty() -> None:
    one = Series("a", "s", np.array([4.27600012e6]), np.array([np.nan]), "Hz", "dB")
    assert csv_text([one]).splitlines()[1] == "a,s,4276000.12,,,Hz,dB"


def test_thinning_keeps_the_peak() -> None:
    x = np.arange(10000.0)
    y = np.where(x == 4321.0, 9.0, np.sin(x))
    thin_x, thin_y = thinned(x, y, 200)
    assert len(thin_x) <= 200 and thin_y.max() == 9.0 and thin_x[thin_y.argmax()] == 4321.0
