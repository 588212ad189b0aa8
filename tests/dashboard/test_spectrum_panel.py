from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from pyqtgraph.Qt import QtCore, QtGui, QtWidgets
from pytestqt.qtbot import QtBot
from spectrum_scene import NOW, axis, fill, noise_power, spectrum

from labctl.bus.latest import Latest
from labctl.bus.messages import EventRow
from labctl.dashboard.look import THEMES, Look
from labctl.dashboard.spectrum_panel import SpectrumPanel
from labctl.dashboard.trace_modes import TraceMode

LEFT = QtCore.Qt.MouseButton.LeftButton
SMALL = Look(THEMES["dark"]).for_height(720)
POINTS = 2001


@pytest.fixture
def latest() -> Latest:
    latest = Latest()
    latest.hear(NOW, NOW)
    fill(latest, points=POINTS)
    return latest


@pytest.fixture
def panel(qtbot: QtBot, latest: Latest) -> Iterator[SpectrumPanel]:
    panel = SpectrumPanel(SMALL)
    panel.resize(820, 430)
    panel.show()
    panel.show_latest(latest, NOW + 0.03)
    QtWidgets.QApplication.processEvents()
    yield panel
    panel.close()
    panel.deleteLater()
    QtWidgets.QApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)
    QtWidgets.QApplication.processEvents()


def click(qtbot: QtBot, button: QtWidgets.QToolButton) -> None:
    qtbot.mouseClick(button, LEFT)


def notes(panel: SpectrumPanel) -> str:
    return "\n".join(panel.plot.layer.picture.notes)


def labels(panel: SpectrumPanel) -> dict[str, tuple[str, ...]]:
    return {trace.channel: label for trace, _, label, _ in panel.plot.layer.picture.traces}


def paints(panel: SpectrumPanel) -> int:
    counted = Counter()
    panel.plot.viewport().installEventFilter(counted)
    QtWidgets.QApplication.processEvents()
    panel.plot.viewport().removeEventFilter(counted)
    return int(counted.paints)


class Counter(QtCore.QObject):  # type: ignore[misc]
    """Counts the paintings of a widget."""

    paints = 0

    def eventFilter(self, _: QtCore.QObject, event: QtCore.QEvent) -> bool:  # noqa: N802
        self.paints += event.type() == QtCore.QEvent.Type.Paint
        return False


def test_the_age_is_that_of_the_newest_spectrum_when_it_was_painted(panel: SpectrumPanel, latest: Latest) -> None:
    assert 0.03 <= panel.data_age_s < 5.0
    latest.put_spectrum(replace(latest.spectrum("joint"), taken_at=NOW + 9.9))  # type: ignore[type-var]
    panel.show_latest(latest, NOW + 110.0)
    QtWidgets.QApplication.processEvents()
    assert panel.data_age_s == pytest.approx(100.1, abs=5.0)


def test_nothing_is_painted_where_nothing_changed(panel: SpectrumPanel, latest: Latest) -> None:
    paints(panel)
    latest.put_rows(EventRow, ())
    panel.show_latest(latest, NOW + 0.5)
    assert paints(panel) == 0
    fill(latest, points=POINTS, taken_at=NOW + 0.5, only_psd=True)
    panel.show_latest(latest, NOW + 0.6)
    assert paints(panel) == 1


def test_the_head_is_that_of_the_selected_trace(qtbot: QtBot, panel: SpectrumPanel) -> None:
    assert panel.head.text.startswith("joint│RBW 10 Hz  VBW off  avg 50/50 power│dB rel. shot noise│4.08–4.56 MHz")
    click(qtbot, panel.trace_row.buttons["bhd2"])
    assert panel.head.text.startswith("BHD 2│")


def test_stale_spectra_say_so_and_how_long(panel: SpectrumPanel, latest: Latest) -> None:
    assert labels(panel)["joint"] == ("joint",)
    panel.show_latest(latest, NOW + 12.2)
    assert labels(panel)["joint"] == ("joint", "STALE 12 s")
    assert "BHD 1, 2, 3, 4, joint, re-phased: STALE, last " in notes(panel)
    assert all(dim for *_, dim in panel.plot.layer.picture.traces)
    paints(panel)
    panel.show_latest(latest, NOW + 12.4)
    assert paints(panel) == 0
    panel.show_latest(latest, NOW + 13.4)
    assert paints(panel) == 1


def test_what_is_not_valid_is_hatched_whole_with_its_reason(panel: SpectrumPanel, latest: Latest) -> None:
    latest.put_spectrum(replace(latest.spectrum("joint"), valid=False, reason="LO2 lock lost"))  # type: ignore[type-var]
    panel.show_latest(latest, NOW + 0.1)
    assert notes(panel) == "▨ joint: not valid: LO2 lock lost"
    hatched = {line.style.name: line.hatched for line in panel.plot.layer.picture.lines(4.08e6, 4.56e6, 600)}
    assert hatched["joint"] is not None and hatched["joint"].all()
    assert hatched["re-phased"] is None


def test_too_little_clearance_is_hatched_where_it_is(panel: SpectrumPanel, latest: Latest) -> None:
    dark = latest.spectrum("bhd1", "dark")
    assert dark is not None
    bump = np.where(np.abs(axis(POINTS) - 4.2e6) < 2e4, 15.0, 1.0)
    latest.put_spectrum(replace(dark, psd_v2_per_hz=dark.psd_v2_per_hz * bump))
    panel.show_latest(latest, NOW + 0.1)
    assert "▨ BHD 1: clearance 8." in notes(panel)
    (line,) = [line for line in panel.plot.layer.picture.lines(4.08e6, 4.56e6, 600) if line.style.name == "BHD 1"]
    assert line.hatched is not None
    found = line.x_hz[line.hatched]
    assert (found.min(), found.max()) == (pytest.approx(4.18e6, abs=6e3), pytest.approx(4.22e6, abs=6e3))


def test_hatching_is_seen(panel: SpectrumPanel, latest: Latest) -> None:
    assert _different_pixels(panel, latest, valid=True) == 0
    assert _different_pixels(panel, latest, valid=False) > 200


def _different_pixels(panel: SpectrumPanel, latest: Latest, valid: bool) -> int:
    one = panel.plot.grab().toImage()
    shown = latest.spectrum("joint")
    assert shown is not None
    latest.put_spectrum(replace(shown, valid=valid, reason="", taken_at=NOW + 0.01))
    panel.show_latest(latest, NOW + 0.1)
    QtWidgets.QApplication.processEvents()
    other = panel.plot.grab().toImage()
    places = [(x, y) for x in range(0, one.width(), 3) for y in range(60, one.height(), 3)]
    return sum(one.pixel(x, y) != other.pixel(x, y) for x, y in places)


def test_markers_on_what_is_stale_or_not_valid_say_so(panel: SpectrumPanel, latest: Latest) -> None:
    panel.spectrum_key("M")
    assert panel.readouts.text.endswith(" dB")
    latest.put_spectrum(replace(latest.spectrum("joint"), valid=False, reason="LO2 lock lost"))  # type: ignore[type-var]
    panel.show_latest(latest, NOW + 0.1)
    assert panel.readouts.text.endswith(" dB ▨")
    panel.show_latest(latest, NOW + 12.0)
    assert panel.readouts.text == "M1 STALE"


def test_r_changes_to_absolute_levels_and_back(panel: SpectrumPanel) -> None:
    assert panel.is_relative
    panel.spectrum_key("R")
    assert "│dBm/Hz (50 Ω)│" in panel.head.text
    low, high = panel.plot.y_range
    assert low < -125 < -121 < high
    panel.spectrum_key("R")
    assert panel.plot.y_range[0] > -40


def test_without_shot_noise_levels_are_absolute_and_it_says_why(qtbot: QtBot, panel: SpectrumPanel) -> None:
    latest = Latest()
    latest.hear(NOW, NOW)
    fill(latest, points=POINTS, only_psd=True)
    panel.show_latest(latest, NOW)
    assert not panel.is_relative
    assert "no shot reference, absolute only" in notes(panel)
    latest.put_spectrum(spectrum("joint", np.full(POINTS, 4e-14), "shot"))
    panel.show_latest(latest, NOW)
    assert panel.is_relative
    assert list(labels(panel)) == ["joint"]
    assert "▨ joint: no dark noise, clearance unknown" in notes(panel)


def test_h_holds_the_maximum_of_the_selected_trace_and_a_restarts(panel: SpectrumPanel, latest: Latest) -> None:
    panel.spectrum_key("H")
    fill(latest, points=POINTS, seed=9, taken_at=NOW + 1, only_psd=True)
    panel.show_latest(latest, NOW + 1)
    assert "max hold of 2" in panel.head.text
    assert panel.trace_row.buttons["joint"].text() == "joint M"
    panel.spectrum_key("A")
    assert "max hold of 1" in panel.head.text
    panel.spectrum_key("H")
    assert panel.trace_row.buttons["joint"].text() == "joint W"
    panel.spectrum_key("A")
    assert panel.trace_row.buttons["joint"].text() == "joint A"


def test_the_sum_is_selected_as_soon_as_it_comes_unless_another_was_chosen(qapp: QtWidgets.QApplication) -> None:
    latest = Latest()
    latest.hear(NOW, NOW)
    x = axis(201)
    latest.put_spectrum(spectrum("bhd1", noise_power("bhd1", x), frequency_hz=x))
    early = SpectrumPanel(Look())
    early.show_latest(latest, NOW)
    assert early.head.text.startswith("BHD 1")
    latest.put_spectrum(spectrum("joint", noise_power("joint", x), frequency_hz=x))
    early.show_latest(latest, NOW)
    assert early.head.text.startswith("joint")
    early.trace_row.buttons["bhd1"].click()
    latest.put_spectrum(spectrum("bhd2", noise_power("bhd2", x), frequency_hz=x))
    early.show_latest(latest, NOW)
    assert early.head.text.startswith("BHD 1")
    early.deleteLater()


def test_modes_by_mouse(qtbot: QtBot, panel: SpectrumPanel) -> None:
    click(qtbot, panel.trace_row.buttons["bhd3"])
    click(qtbot, panel.mode_row.modes[TraceMode.BLANK])
    assert "bhd3" not in labels(panel)
    assert panel.mode_row.modes[TraceMode.BLANK].isChecked()
    click(qtbot, panel.mode_row.modes[TraceMode.WRITE])
    click(qtbot, panel.mode_row.modes[TraceMode.VIEW])
    assert labels(panel)["bhd3"][1] == "view"


def test_markers_by_keys(qtbot: QtBot, panel: SpectrumPanel) -> None:
    click(qtbot, panel.trace_row.buttons["bhd2"])
    panel.spectrum_key("P")
    assert panel.readouts.text.startswith("M1 4.3010")
    panel.spectrum_key("D")
    for _ in range(3):
        qtbot.keyClick(panel, QtCore.Qt.Key.Key_Right)
    step_khz = 3 * 480 / (POINTS - 1)
    assert f"Δ2−1 +{step_khz * 1e3:.0f} Hz" in panel.readouts.text
    qtbot.keyClick(panel, QtCore.Qt.Key.Key_Left, QtCore.Qt.KeyboardModifier.ShiftModifier)
    assert f"Δ2−1 −{7 * 480 / (POINTS - 1):.1f}" in panel.readouts.text
    qtbot.keyClick(panel, QtCore.Qt.Key.Key_Delete)
    assert "Δ" not in panel.readouts.text


def test_noise_marker_by_mouse(qtbot: QtBot, panel: SpectrumPanel) -> None:
    click(qtbot, panel.mode_row.markers["marker"])
    click(qtbot, panel.mode_row.markers["noise"])
    assert panel.readouts.text.startswith("N1 4.3200 MHz −3.") and " ± 0." in panel.readouts.text
    assert panel.mode_row.markers["noise"].isChecked()


def test_a_marker_is_dragged_and_the_view_stays(qtbot: QtBot, panel: SpectrumPanel) -> None:
    panel.spectrum_key("M")
    QtWidgets.QApplication.processEvents()
    place = panel.plot.layer.marker_places[1]
    view, before = panel.plot.viewport(), panel.plot.x_range
    start = panel.plot.mapFromScene(panel.plot.getPlotItem().mapToScene(place - QtCore.QPointF(0, 5)))
    drag(view, start, 100)
    assert panel.plot.x_range == before
    reading = panel.plot.layer.picture.markers[0].frequency_hz
    assert reading == pytest.approx(4.32e6 + 100 * 0.48e6 / panel.plot.box.width(), abs=4e3)


def test_dragging_moves_the_view_and_a_double_click_shows_all(qtbot: QtBot, panel: SpectrumPanel) -> None:
    panel.plot.box.setXRange(4.29e6, 4.31e6, padding=0)
    panel.plot.box.sigRangeChangedManually.emit([True, True])
    QtWidgets.QApplication.processEvents()
    middle = panel.plot.viewport().rect().center()
    drag(panel.plot.viewport(), middle, 100)
    assert panel.plot.x_range[0] == pytest.approx(4.29e6 - 100 * 20e3 / panel.plot.box.width(), abs=200)
    assert not panel.mode_row.auto.isChecked()
    assert "│4.2" in panel.head.text
    qtbot.mouseClick(panel.plot.viewport(), LEFT, pos=middle)
    qtbot.mouseDClick(panel.plot.viewport(), LEFT, pos=middle)
    qtbot.mouseRelease(panel.plot.viewport(), LEFT, pos=middle)
    assert panel.plot.x_range == (4.08e6, 4.56e6)
    assert panel.mode_row.auto.isChecked()


def drag(view: QtWidgets.QWidget, start: QtCore.QPoint, by: int) -> None:
    """Press, move in steps and release the left button, as a hand does."""
    none = QtCore.Qt.KeyboardModifier.NoModifier
    kinds = QtCore.QEvent.Type
    steps = [(kinds.MouseButtonPress, 0), *((kinds.MouseMove, by * n // 5) for n in range(1, 6))]
    for kind, dx in [*steps, (kinds.MouseButtonRelease, by)]:
        place = QtCore.QPointF(start + QtCore.QPoint(dx, 0))
        moving = kind == kinds.MouseMove
        up = kind == kinds.MouseButtonRelease
        button = QtCore.Qt.MouseButton.NoButton if moving else LEFT
        held = QtCore.Qt.MouseButton.NoButton if up else LEFT
        event = QtGui.QMouseEvent(kind, place, QtCore.QPointF(view.mapToGlobal(place.toPoint())), button, held, none)
        QtWidgets.QApplication.sendEvent(view, event)


def test_typed_levels_stay(qtbot: QtBot, panel: SpectrumPanel, latest: Latest) -> None:
    panel.mode_row.low.setValue(-8.0)
    panel.mode_row.high.setValue(4.0)
    fill(latest, points=POINTS, taken_at=NOW + 1, only_psd=True)
    panel.show_latest(latest, NOW + 1)
    assert panel.plot.y_range == (-8.0, 4.0)
    assert not panel.mode_row.auto.isChecked()
    click(qtbot, panel.mode_row.auto)
    assert panel.plot.y_range[0] < -20


def test_of_twelve_detectors_eight_at_most_are_chosen(qtbot: QtBot, panel: SpectrumPanel) -> None:
    assert panel.trace_row.chooser.isHidden()
    latest = Latest()
    latest.hear(NOW, NOW)
    fill(latest, 12, 201)
    panel.show_latest(latest, NOW)
    assert [button.text() for button in panel.trace_row.buttons.values()][:2] == [
        "1",
        "2",
    ]  # in mode W, for which there is no room
    click(qtbot, panel.trace_row.chooser)
    chooser = panel.chooser
    assert chooser is not None
    assert not chooser.buttons["bhd12"].isEnabled()
    click(qtbot, chooser.buttons["bhd1"])
    click(qtbot, chooser.buttons["bhd12"])
    assert list(labels(panel)) == [*(f"bhd{n}" for n in range(2, 9)), "bhd12", "joint", "rephased"]
    chooser.close()


def test_nothing_yet_is_said(qtbot: QtBot) -> None:
    panel = SpectrumPanel(SMALL)
    panel.show_latest(Latest(), NOW)
    assert panel.plot.layer.picture.empty == "no spectra yet"
    assert np.isnan(panel.data_age_s)
    panel.spectrum_key("M")
    panel.spectrum_key("H")
    panel.deleteLater()


@pytest.mark.parametrize(("height", "width"), [(720, 820), (1080, 1230), (2160, 2460)])
def test_eight_detectors_fit_into_the_panel(panel: SpectrumPanel, height: int, width: int) -> None:
    latest = Latest()
    latest.hear(NOW, NOW)
    fill(latest, 12, 201)
    panel.use_look(Look(THEMES["day"]).for_height(height))
    panel.show_latest(latest, NOW)
    assert panel.minimumSizeHint().width() <= width
