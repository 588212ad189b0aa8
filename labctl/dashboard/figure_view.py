"""A picture scaled to its place, and small ones to choose from."""

from __future__ import annotations

from typing import Any

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from labctl.dashboard.dressing import TEXT_UNITS
from labctl.dashboard.fonts import SMALL_UNITS, sized_font
from labctl.dashboard.look import Look

Mode = QtCore.Qt.TransformationMode
PAPER = "#FFFFFF"  # figures are made for paper, whatever the theme


class FigureView(QtWidgets.QWidget):  # type: ignore[misc]
    """One figure, as large as there is room and never larger than twice its pixels; or a sentence where there is
    none."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        self._picture: QtGui.QPixmap | None = None
        self._scaled: QtGui.QPixmap | None = None
        self._sentence = ""
        policy = QtWidgets.QSizePolicy.Policy.Expanding
        self.setSizePolicy(policy, policy)

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look = look
        self.update()

    @property
    def has_figure(self) -> bool:
        """Return whether a figure is shown."""
        return self._picture is not None

    @property
    def sentence(self) -> str:
        """Return what is said where there is no figure."""
        return self._sentence

    def show_figure(self, picture: QtGui.QPixmap) -> None:
        """Show a figure."""
        self._picture, self._scaled, self._sentence = picture, None, ""
        self.update()

    def show_sentence(self, sentence: str) -> None:
        """Show no figure, and say why."""
        self._picture, self._scaled, self._sentence = None, None, sentence
        self.update()

    def resizeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Scale anew."""
        self._scaled = None
        super().resizeEvent(event)

    def paintEvent(self, _event: object) -> None:  # noqa: N802 - Qt's name
        """Paint the figure or the sentence."""
        painter = QtGui.QPainter(self)
        theme = self._look.theme
        painter.fillRect(self.rect(), QtGui.QColor(theme.panel))
        if self._picture is None:
            painter.setFont(sized_font(self._look, TEXT_UNITS))
            painter.setPen(QtGui.QColor(theme.dim))
            flags = QtCore.Qt.AlignmentFlag.AlignCenter | QtCore.Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect(), getattr(flags, "value", flags), self._sentence)
        else:
            scaled = self._fitted(self._picture)
            size = scaled.deviceIndependentSize() if hasattr(scaled, "deviceIndependentSize") else scaled.size()
            left, top = (self.width() - size.width()) / 2, (self.height() - size.height()) / 2
            painter.drawPixmap(QtCore.QPointF(left, top), scaled)
        painter.end()

    def _fitted(self, picture: QtGui.QPixmap) -> QtGui.QPixmap:
        if self._scaled is None:
            ratio = self.devicePixelRatioF()
            room = QtCore.QSize(int(self.width() * ratio), int(self.height() * ratio)).boundedTo(2 * picture.size())
            self._scaled = picture.scaled(room, QtCore.Qt.AspectRatioMode.KeepAspectRatio, Mode.SmoothTransformation)
            self._scaled.setDevicePixelRatio(ratio)
        return self._scaled


class Thumbnails(QtWidgets.QListView):  # type: ignore[misc]
    """A column of small figures. The signal `chosen` tells the place of the one that the operator went to."""

    chosen = QtCore.Signal(int)

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        self._model = QtGui.QStandardItemModel(self)
        self.setModel(self._model)
        lists = QtWidgets.QListView
        self.setEditTriggers(lists.EditTrigger.NoEditTriggers)
        self.setViewMode(lists.ViewMode.IconMode)
        self.setFlow(lists.Flow.TopToBottom)
        self.setWrapping(False)
        self.setMovement(lists.Movement.Static)
        self.setResizeMode(lists.ResizeMode.Adjust)
        self.setUniformItemSizes(True)
        self.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QtWidgets.QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.selectionModel().currentChanged.connect(lambda now, _before: self.chosen.emit(now.row()))
        self.use_look(look)

    @property
    def place(self) -> int:
        """Return the place of the chosen figure, -1 for none."""
        return int(self.currentIndex().row())

    def go_to(self, place: int) -> None:
        """Choose the figure at that place."""
        if place != self.place:
            self.setCurrentIndex(self._model.index(place, 0))

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look = look
        self.setFont(sized_font(look, SMALL_UNITS))
        icon = QtCore.QSize(look.px(150), look.px(96))
        self.setIconSize(icon)
        cell = icon + QtCore.QSize(look.px(36), look.px(14) + self.fontMetrics().height())
        self.setGridSize(cell)
        bar = self.style().pixelMetric(QtWidgets.QStyle.PixelMetric.PM_ScrollBarExtent)
        self.setFixedWidth(cell.width() + bar + look.px(6))

    def show_names(self, names: list[str]) -> None:
        """Show empty frames of these names until their pictures come."""
        self._model.clear()
        blank = QtGui.QPixmap(self.iconSize())
        blank.fill(QtGui.QColor(self._look.theme.background))
        for name in names:
            room = self.iconSize().width() - self._look.px(6)
            shown = self.fontMetrics().elidedText(name.removesuffix(".png"), QtCore.Qt.TextElideMode.ElideMiddle, room)
            item = QtGui.QStandardItem(QtGui.QIcon(blank), shown)
            item.setToolTip(name)
            self._model.appendRow(item)

    def show_picture(self, place: int, picture: QtGui.QPixmap) -> None:
        """Put the picture of a figure into its frame."""
        size = self.iconSize()
        small = picture.scaled(size, QtCore.Qt.AspectRatioMode.KeepAspectRatio, Mode.SmoothTransformation)
        ground = QtGui.QPixmap(size)
        ground.fill(QtGui.QColor(PAPER))
        painter = QtGui.QPainter(ground)
        painter.drawPixmap((size.width() - small.width()) // 2, (size.height() - small.height()) // 2, small)
        painter.end()
        icon = QtGui.QIcon(ground)
        icon.addPixmap(self._framed(ground), QtGui.QIcon.Mode.Selected)
        self._model.item(place).setIcon(icon)

    def _framed(self, picture: QtGui.QPixmap) -> QtGui.QPixmap:
        framed, width = QtGui.QPixmap(picture), self._look.px(4)
        painter = QtGui.QPainter(framed)
        painter.setPen(QtGui.QPen(QtGui.QColor(self._look.theme.dim), 2 * width))
        painter.drawRect(framed.rect())
        painter.end()
        return framed
