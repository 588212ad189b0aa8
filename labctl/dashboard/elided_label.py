"""One line of text that may be longer than its place: it ends in "…", and the tool tip has all of it."""

from __future__ import annotations

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets


class ElidedLabel(QtWidgets.QWidget):  # type: ignore[misc]
    """For texts of any length, such as titles, reasons and alarms; what must never be shortened belongs in a QLabel."""

    def __init__(self, text: str = "", parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._text = text
        self._color: str | None = None
        policy = QtWidgets.QSizePolicy.Policy
        self.setSizePolicy(policy.Ignored, policy.Fixed)

    def text(self) -> str:
        """Return the whole text."""
        return self._text

    def set_text(self, text: str, color: str | None = None) -> None:
        """Show `text`, in the colour of the surroundings where none is given."""
        if (text, color) == (self._text, self._color):
            return
        self._text, self._color = text, color
        self._point_to_all()
        self.update()

    @property
    def is_elided(self) -> bool:
        """Return whether the text is longer than its place."""
        return bool(self.fontMetrics().horizontalAdvance(self._text) > self.width())

    def cut_off_texts(self) -> list[str]:
        """Return the text if it is not shown in full."""
        return [self._text] if self.is_elided or self.fontMetrics().height() > self.height() else []

    def sizeHint(self) -> QtCore.QSize:  # noqa: N802
        """Return the size of the whole text."""
        metrics = self.fontMetrics()
        return QtCore.QSize(metrics.horizontalAdvance(self._text), metrics.height())

    def minimumSizeHint(self) -> QtCore.QSize:  # noqa: N802
        """Return the size of a few letters."""
        metrics = self.fontMetrics()
        return QtCore.QSize(metrics.averageCharWidth() * 6, metrics.height())

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:  # noqa: N802
        """Say the whole text in the tool tip where it does not fit."""
        self._point_to_all()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:  # noqa: N802
        """Draw as much as fits."""
        painter = QtGui.QPainter(self)
        painter.setPen(QtGui.QColor(self._color) if self._color else self.palette().windowText().color())
        shown = self.fontMetrics().elidedText(self._text, QtCore.Qt.TextElideMode.ElideRight, self.width())
        metrics = self.fontMetrics()
        painter.drawText(0, (self.height() + metrics.ascent() - metrics.descent()) // 2, shown)
        painter.end()

    def _point_to_all(self) -> None:
        self.setToolTip(self._text if self.is_elided else "")
