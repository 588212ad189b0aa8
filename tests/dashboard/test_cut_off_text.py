"""The check of texts finds each kind of text that is cut off, and passes each when it has room."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cut_off_text import cut_off_text
from pyqtgraph.Qt import QtCore, QtGui, QtWidgets
from pytestqt.qtbot import QtBot

LONG = "Residual of the second homodyne detector"


def a_wrapped_label() -> QtWidgets.QLabel:
    label = QtWidgets.QLabel(LONG)
    label.setWordWrap(True)
    return label


def a_rich_label() -> QtWidgets.QLabel:
    return QtWidgets.QLabel(f"<b>{LONG}</b><br>second line")


def a_group() -> QtWidgets.QGroupBox:
    group = QtWidgets.QGroupBox(LONG)
    group.setLayout(QtWidgets.QVBoxLayout())
    return group


def a_tool_button() -> QtWidgets.QToolButton:
    button = QtWidgets.QToolButton()
    button.setText(LONG)
    return button


def a_tab_bar() -> QtWidgets.QTabBar:
    bar = QtWidgets.QTabBar()
    bar.addTab("Overview")
    bar.addTab(LONG)
    return bar


def a_table(wide_header: bool) -> QtWidgets.QTableWidget:
    table = QtWidgets.QTableWidget(1, 1)
    table.setHorizontalHeaderLabels([LONG if wide_header else "x"])
    table.setItem(0, 0, QtWidgets.QTableWidgetItem("x" if wide_header else LONG.replace(" ", "_")))
    table.horizontalHeader().setStretchLastSection(True)
    return table


def a_combo() -> QtWidgets.QComboBox:
    combo = QtWidgets.QComboBox()
    combo.addItem(LONG)
    return combo


def a_spin_box() -> QtWidgets.QDoubleSpinBox:
    box = QtWidgets.QDoubleSpinBox()
    box.setSuffix(f" {LONG}")
    return box


def a_child_out_of_its_parent() -> QtWidgets.QWidget:
    outer = QtWidgets.QWidget()
    label = QtWidgets.QLabel(LONG, outer)
    label.resize(label.sizeHint())
    return outer


MAKERS: list[Callable[[], QtWidgets.QWidget]] = [
    lambda: QtWidgets.QLabel(LONG),
    a_wrapped_label,
    a_rich_label,
    lambda: QtWidgets.QPushButton(LONG),
    lambda: QtWidgets.QCheckBox(LONG),
    a_tool_button,
    a_group,
    a_tab_bar,
    lambda: a_table(wide_header=True),
    lambda: a_table(wide_header=False),
    a_combo,
    a_spin_box,
    a_child_out_of_its_parent,
]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("styled", [False, True])
def test_it_finds_what_is_cut_off_and_passes_what_fits(
    qtbot: QtBot, make: Callable[[], QtWidgets.QWidget], styled: bool
) -> None:
    window = QtWidgets.QWidget()
    qtbot.addWidget(window)
    if styled:
        window.setStyleSheet("QLabel, QPushButton { padding: 4px; border: 1px solid grey; }")
    part = make()
    part.setParent(window)
    part.setMinimumSize(0, 0)
    window.show()
    part.show()
    window.resize(1000, 400)
    part.resize(900, 200)
    for inner in part.findChildren(QtWidgets.QLabel):
        inner.resize(inner.sizeHint())
    assert cut_off_text(window) == []
    part.resize(100, 30 if isinstance(part, QtWidgets.QLabel) else 200)
    found = cut_off_text(window)
    assert any(LONG.split()[0] in fault for fault in found), found


def test_the_padding_of_a_tool_button_counts(qtbot: QtBot) -> None:
    button = a_tool_button()
    qtbot.addWidget(button)
    button.setStyleSheet("QToolButton { padding: 4px 20px; border: 1px solid grey; }")
    button.setIcon(QtGui.QIcon(QtGui.QPixmap(16, 16)))
    button.setToolButtonStyle(QtCore.Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    button.resize(button.sizeHint())
    assert cut_off_text(button) == []
    button.resize(button.fontMetrics().horizontalAdvance(LONG) + 30, button.height())
    assert len(cut_off_text(button)) == 1


def test_a_widget_that_paints_may_name_its_own(qtbot: QtBot) -> None:
    class Dial(QtWidgets.QWidget):  # type: ignore[misc]
        def cut_off_texts(self) -> list[str]:
            return ["12.5 mW"]

    dial = Dial()
    qtbot.addWidget(dial)
    assert cut_off_text(dial) == ["Dial '12.5 mW'"]
