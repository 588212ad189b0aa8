"""What is shown when no core answers: start one, attach to another, or leave."""

from __future__ import annotations

from collections.abc import Callable

from pyqtgraph.Qt import QtCore, QtWidgets

from labctl.bus.messages import Severity
from labctl.dashboard.dressing import palette_of
from labctl.dashboard.fonts import let_parts_inherit, sized_font
from labctl.dashboard.look import Look
from labctl.dashboard.style_sheet import style_sheet
from labctl.dashboard.table_link import TableLink
from labctl.dashboard.text_color import color_text
from labctl.errors import LabError


class CoreChooser(QtWidgets.QWidget):  # type: ignore[misc]
    """Emits `chosen` with the link that was made, and closes.

    `start_core` takes the path of a station file, "" for the simulated table, and `connect` what was typed
    ("host:5075/labctl"); one that is None is not offered. Their `LabError` is shown, and another try is free.
    """

    chosen = QtCore.Signal(object)  # TableLink

    def __init__(
        self,
        look: Look,
        start_core: Callable[[str], TableLink] | None,
        connect: Callable[[str], TableLink] | None,
        why: str = "",
    ) -> None:
        super().__init__()
        self.setWindowTitle("labctl: no core")
        self.station, self.host = QtWidgets.QLineEdit(), QtWidgets.QLineEdit()
        self.station.setPlaceholderText("Station file; empty: the simulated table")
        self.host.setPlaceholderText("host:5075/labctl")
        self.browse_button = QtWidgets.QPushButton("Browse...")
        self.start_button = QtWidgets.QPushButton("Start a core")
        self.connect_button = QtWidgets.QPushButton("Connect")
        self.quit_button = QtWidgets.QPushButton("Quit")
        self.heading, self.message = QtWidgets.QLabel("No core answers"), QtWidgets.QLabel(why)
        for label in (self.heading, self.message):
            label.setTextFormat(QtCore.Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        self.quit_button.clicked.connect(self.close)
        self.browse_button.clicked.connect(self._browse)
        self._lay_out()
        self._offer(start_core, self.station, self.start_button)
        self._offer(connect, self.host, self.connect_button)
        self.browse_button.setEnabled(start_core is not None)
        self._dress(look)

    def _lay_out(self) -> None:
        grid = QtWidgets.QGridLayout()
        for row, (title, field, *buttons) in enumerate(
            (
                ("Start a core for", self.station, self.browse_button, self.start_button),
                ("Connect to", self.host, self.connect_button),
            )
        ):
            grid.addWidget(QtWidgets.QLabel(title), row, 0)
            grid.addWidget(field, row, 1)
            for place, button in enumerate(buttons, 4 - len(buttons)):
                grid.addWidget(button, row, place)
        grid.setColumnStretch(1, 1)
        self._grid, self._column = grid, QtWidgets.QVBoxLayout(self)
        self._column.addWidget(self.heading)
        self._column.addLayout(grid)
        self._column.addWidget(self.message, 1)
        self._column.addWidget(self.quit_button, 0, QtCore.Qt.AlignmentFlag.AlignRight)

    def _offer(
        self,
        make: Callable[[str], TableLink] | None,
        field: QtWidgets.QLineEdit,
        button: QtWidgets.QPushButton,
    ) -> None:
        if make is None:
            field.setEnabled(False)
            button.setEnabled(False)
            return
        button.clicked.connect(lambda: self._make(make, field.text().strip(), button.text()))
        field.returnPressed.connect(button.click)

    def _make(self, make: Callable[[str], TableLink], text: str, does: str) -> None:
        self.message.setText(f"{does} ...")
        self.message.repaint()
        try:
            link = make(text)
        except LabError as error:
            self.message.setText(f"✗ {error}")
            return
        self.chosen.emit(link)
        self.close()

    def _browse(self) -> None:
        title, kinds = "Station file", "Station files (*.toml);;All files (*)"
        path, _ = QtWidgets.QFileDialog.getOpenFileName(self, title, self.station.text(), kinds)
        if path:
            self.station.setText(path)

    def _dress(self, look: Look) -> None:
        let_parts_inherit()
        self.setPalette(palette_of(look.theme))
        self.setStyleSheet(style_sheet(look))
        self.setFont(sized_font(look, 17))
        self.heading.setFont(sized_font(look, 30, bold=True))
        color_text(self.message, look.theme.of(Severity.MAJOR))
        margin = look.px(36)
        self._column.setContentsMargins(margin, margin, margin, margin)
        self._column.setSpacing(look.px(20))
        self._grid.setSpacing(look.px(12))
        self.resize(look.px(900), look.px(380))
