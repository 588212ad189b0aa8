"""What the figures show, read back from their artists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from report_runs import FLOOR, GAMMA_HZ, JOINT, JOINT_BEST, PEAK, Night, results, steps, traces, write_night

from labctl.errors import AnalysisRefused
from labctl.physics.line_shape import filtered_lorentzian
from labctl.report.contents import RunContents, read_run
from labctl.report.drawing import BLACK, VERMILLION, as_data_uri, house_style, label_text
from labctl.report.figure_joint import draw_hardware_sum
from labctl.report.figure_noise import draw_noise
from labctl.report.figure_records import draw_records
from labctl.report.figure_reductions import draw_reductions
from labctl.report.figure_sensors import sensor_spectra
from labctl.report.figure_timeline import draw_timeline
from labctl.report.figures import draw_all
from labctl.report.published import published_quantities
from labctl.store.records import EventRecord, StepState


@pytest.fixture(autouse=True)
def styled() -> Iterator[None]:
    with house_style():
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunContents:
    return read_run(write_night(tmp_path_factory.mktemp("figures") / "runs", "whole", Night()))


def words(axes: Axes) -> str:
    return "\n".join([axes.get_title(loc="left"), *(text.get_text() for text in axes.texts)])


def test_sensors_show_data_fit_and_reference(run: RunContents) -> None:
    spectra, reasons = sensor_spectra(run)
    assert reasons == "" and [spectrum.number for spectrum in spectra] == [1, 2, 3, 4]
    sketch = draw_noise(run, spectra, "", joint=False)
    upper, lower = sketch.figure.axes[:2]
    assert upper.get_ylabel() == "noise / shot (dB)" and lower.get_ylabel() == "residual (σ)"
    assert lower.get_xlabel() == "frequency − f₀ (Hz)"
    assert "(a) sensor 1" in words(upper)
    (key,) = sketch.figure.legends
    assert [text.get_text() for text in key.get_texts()] == ["measured", "shot noise", "fitted mode"]
    reference, measured, fitted = upper.lines
    assert np.mean(np.asarray(reference.get_ydata())) == pytest.approx(0.0, abs=0.02)
    assert fitted.get_linestyle() != "-" and to_hex(reference.get_color()) == BLACK
    peak = 10 * np.log10(FLOOR + PEAK * filtered_lorentzian(np.zeros(1), 0.0, GAMMA_HZ, 10.0)[0])
    assert np.max(fitted.get_ydata()) == pytest.approx(peak, abs=0.1)
    beside = np.abs(np.asarray(measured.get_xdata())) > 700.0
    assert np.mean(np.asarray(measured.get_ydata())[beside]) == pytest.approx(10 * np.log10(FLOOR), abs=0.05)


def test_residuals_scatter_by_one_sigma(run: RunContents) -> None:
    """401 points, independent in the test data: their rms is 1 within 4 %, here held to 5 standard deviations."""
    spectra, _ = sensor_spectra(run)
    residual = np.asarray(
        draw_noise(run, spectra[:1], "", joint=False).figure.axes[1].lines[1].get_ydata(), dtype=float
    )
    assert np.sqrt(np.mean(residual**2)) == pytest.approx(1.0, abs=0.18)


def test_a_sensor_without_a_fit_is_drawn_without_one(tmp_path: Path) -> None:
    kept = [result for result in results(4) if result.name != "sensor1.gamma_hz"]
    run = read_run(write_night(tmp_path / "runs", "unfitted", Night(results=False, extra_results=kept)))
    spectra, _ = sensor_spectra(run)
    upper, lower = draw_noise(run, spectra[:1], "", joint=False).figure.axes
    assert "no fit in this run" in words(lower) and len(upper.lines) == 2


def test_a_damaged_trace_costs_only_its_own_panel(tmp_path: Path) -> None:
    kept = [replace(trace, conventions={}) if trace.name == "sensor2.shot" else trace for trace in traces(4)]
    run = read_run(write_night(tmp_path / "runs", "damaged", Night(traces=False, extra_traces=kept)))
    spectra, reasons = sensor_spectra(run)
    assert [spectrum.number for spectrum in spectra] == [1, 3, 4]
    assert "Sensor 2: Trace sensor2.shot does not say how it was taken" in reasons


def test_hardware_sum_has_signal_shot_and_dark(run: RunContents) -> None:
    sketch = draw_hardware_sum(run)
    (top,) = sketch.figure.axes
    assert top.get_ylabel() == "power in 11 Hz (dBm)" and top.get_xlabel() == "frequency (MHz)"
    means = [float(np.mean(line.get_ydata())) for line in top.lines]
    assert means == pytest.approx([-80 + 10 * np.log10(JOINT + 0.01), -80 + 10 * np.log10(1.01), -100.0], abs=0.05)
    assert {line.get_linestyle() for line in top.lines} == {"-", "--"}
    for label in ("signal", "shot noise", "dark noise"):
        assert label in words(top)


def test_the_sum_is_shown_across_every_resonance(run: RunContents) -> None:
    sketch = draw_noise(run, [], "", joint=True)
    joint, *crossings = sketch.figure.axes
    assert [words(axes).splitlines()[0] for axes in crossings] == [
        f"({letter}) sum at sensor {n}" for letter, n in zip("bcde", (1, 2, 3, 4), strict=True)
    ]
    assert [text.get_text() for text in joint.get_legend().get_texts()][-1] == "hardware sum"
    for axes in crossings:
        assert np.nanmedian(axes.lines[0].get_ydata()) == pytest.approx(10 * np.log10(JOINT), abs=0.1)
        assert np.nanmax(axes.lines[0].get_ydata()) > 1.0


def test_hardware_sum_names_what_is_invalid(tmp_path: Path) -> None:
    kept = [
        replace(trace, valid=False, invalid_reason="lo2 lost") if trace.name == "joint.shot" else trace
        for trace in traces(4)
    ]
    run = read_run(write_night(tmp_path / "runs", "unlocked", Night(traces=False, extra_traces=kept)))
    sketch = draw_hardware_sum(run)
    assert len(sketch.figure.axes) == 1 and len(sketch.figure.axes[0].lines) == 2
    assert "The only trace joint.shot is invalid: lo2 lost." in sketch.caption


def test_records_show_the_rephased_sum_below_the_plain_one(run: RunContents) -> None:
    sketch = draw_records(run)
    (upper,) = sketch.figure.axes
    lower = draw_noise(run, [], "", joint=True).figure.axes[0]
    assert lower.get_xlabel() == "frequency (MHz)"
    assert [axes.get_ylabel() for axes in (upper, lower)] == ["noise / shot (dB)"] * 2
    legends = [[text.get_text() for text in axes.get_legend().get_texts()] for axes in (upper, lower)]
    assert [text.split("\n")[0] for text in legends[0]] == [f"detector {n}" for n in (1, 2, 3, 4)]
    assert [text.split("\n")[0] for text in legends[1]] == ["plain sum", "re-phased sum", "hardware sum"]
    shot, plain, rephased = (np.median(line.get_ydata()) for line in lower.lines if len(line.get_xdata()) > 100)
    assert shot == pytest.approx(0.0, abs=0.1)
    delays = np.exp(1j * np.linspace(-0.6, 0.6, 4)) / 2
    expected_plain = 1 + (JOINT_BEST - 1) * abs(delays.sum()) ** 2 / 4
    assert plain == pytest.approx(10 * np.log10(expected_plain), abs=0.15)
    assert rephased == pytest.approx(10 * np.log10(JOINT_BEST), abs=0.15)
    assert len({line.get_marker() for line in upper.lines if line.get_marker() != "None"}) >= 4


def test_reductions_show_results_filled_and_published_open(run: RunContents) -> None:
    sketch = draw_reductions(run, published_quantities(run))
    (axes,) = sketch.figure.axes
    assert "dB" in axes.get_xlabel() and "shot noise" in words(axes)
    labels = [label.get_text() for label in axes.get_yticklabels()]
    row = labels.index("hardware sum (raw)")
    measured = [line for line in axes.lines if line.get_marker() == "o" and list(line.get_ydata()) == [row]]
    published = [line for line in axes.lines if line.get_marker() == "D" and list(line.get_ydata()) == [row]]
    assert [list(line.get_xdata()) for line in measured] == [[-3.6541]]
    assert [list(line.get_xdata()) for line in published] == [[-3.7]]
    assert published[0].get_markerfacecolor() == "none" and measured[0].get_markerfacecolor() != "none"
    assert to_hex(published[0].get_markeredgecolor()).upper() == VERMILLION
    assert "−3.654\u00a0±\u00a00.011\u00a0dB" in words(axes)


def test_reductions_leave_unmeasured_rows_without_a_dot(tmp_path: Path) -> None:
    kept = [result for result in results(4) if result.name == "joint.raw_db"]
    run = read_run(write_night(tmp_path / "runs", "one", Night(traces=False, results=False, extra_results=kept)))
    (axes,) = draw_reductions(run, published_quantities(run)).figure.axes
    dots = [line for line in axes.lines if line.get_marker() == "o" and len(line.get_xdata())]
    assert [list(line.get_xdata()) for line in dots] == [[-3.6541]]
    assert words(axes).count("not measured") == 6


def test_timeline_marks_failures_in_shape_and_word(tmp_path: Path) -> None:
    journal = steps(4)
    journal[3] = replace(journal[3], state=StepState.FAILED, reason="no fringe")
    journal[4] = replace(journal[4], name="$\\frac{evil\n日本" * 9)
    journal[-1] = replace(journal[-1], state=StepState.SKIPPED, started_at=None, ended_at=None)
    events = [
        EventRecord(1900.0, "warning", "a", "b"),
        EventRecord(2000.0, "error", "a", "b"),
        EventRecord(1.0, "info", "a", "b"),
    ]
    run = read_run(
        write_night(tmp_path / "runs", "failed", Night(traces=False, results=False, steps=journal, events=events))
    )
    sketch = draw_timeline(run)
    (axes,) = sketch.figure.axes
    assert axes.get_xlabel() == "lab time (min)"
    assert len(axes.patches) == len(journal) - 1
    assert [bool(patch.get_hatch()) for patch in axes.patches].count(True) == 1
    assert "✖ failed after 10\u00a0min 00\u00a0s" in words(axes) and "– skipped" in words(axes)
    marks = {line.get_marker(): len(line.get_xdata()) for line in axes.lines}
    assert marks["^"] == 1 and marks["X"] == 1
    assert "lock_homodyne.1 failed" in sketch.alt
    assert as_data_uri(sketch.figure).startswith("data:image/svg+xml;base64,")


def test_a_long_night_is_told_in_hours(tmp_path: Path) -> None:
    journal = [
        replace(step, started_at=(step.started_at or 0.0) * 4, ended_at=(step.ended_at or 0.0) * 4) for step in steps(4)
    ]
    run = read_run(write_night(tmp_path / "runs", "long", Night(traces=False, results=False, steps=journal)))
    assert draw_timeline(run).figure.axes[0].get_xlabel() == "lab time (h)"


def test_without_data_each_figure_gives_a_reason(tmp_path: Path) -> None:
    run = read_run(write_night(tmp_path / "runs", "none", Night(traces=False, results=False)))
    with pytest.raises(AnalysisRefused, match="No spectrum of the sum was taken; step joint_analyzer"):
        draw_hardware_sum(run)
    drawings = [drawing for section in draw_all(run, published_quantities(run)).values() for drawing in section]
    assert [drawing.key for drawing in drawings if drawing.image] == ["timeline"]
    assert all(drawing.missing for drawing in drawings if not drawing.image)


def test_the_style_is_left_as_it_was_found() -> None:
    with matplotlib.rc_context({"svg.hashsalt": "somebody else", "font.size": 33.0}):
        with house_style():
            assert matplotlib.rcParams["font.size"] == 9.0
        assert matplotlib.rcParams["font.size"] == 33.0 and matplotlib.rcParams["svg.hashsalt"] == "somebody else"


def test_labels_hold_only_what_the_font_can_draw() -> None:
    assert label_text("a\nb日") == "a\ufffdb\ufffd"
    assert len(label_text("x" * 500)) == 48
