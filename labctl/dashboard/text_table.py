"""A table of texts with a filter: rows have keys, so that the chosen one stays chosen while rows change around it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from labctl.dashboard.dressing import TEXT_UNITS, hatching
from labctl.dashboard.fonts import sized_font
from labctl.dashboard.look import Look
from labctl.dashboard.text_rows import APART, RowPainter, RowsModel, TextRow

Flag = QtCore.Qt.TextFlag
LEAST_WRAPPED_UNITS = 150
WIDTHS_KEPT = 5000


class TextTable(QtWidgets.QTableView):  # type: ignore[misc]
    """Shows rows of texts.

    headings: of the columns; right: columns whose texts stand at the right; wrapped: columns that share what width the
    others leave, with their shares, and wrap their texts. The signal `chosen` tells the key of the row that the
    operator went to.
    """

    chosen = QtCore.Signal(str)

    def __init__(
        self,
        look: Look,
        headings: Sequence[str],
        *,
        right: Collection[int] = (),
        wrapped: Mapping[int, float] | None = None,
        is_choosable: bool = True,
    ) -> None:
        super().__init__()
        self._look = look
        self._wrapped = dict(wrapped or {})
        self._all: tuple[TextRow, ...] = ()
        self._words: tuple[str, ...] = ()
        self._key = ""
        self._widths: dict[tuple[str, bool], int] = {}
        self._model = RowsModel(headings, right, self)
        self.setModel(self._model)
        self.setItemDelegate(RowPainter(self))
        self._set_up(is_choosable)
        self.use_look(look)

    def _set_up(self, is_choosable: bool) -> None:
        views = QtWidgets.QAbstractItemView
        self.setSelectionBehavior(views.SelectionBehavior.SelectRows)
        mode = views.SelectionMode.SingleSelection if is_choosable else views.SelectionMode.NoSelection
        self.setSelectionMode(mode)
        if not is_choosable:
            self.setFocusPolicy(QtCore.Qt.FocusPolicy.NoFocus)
        self.setEditTriggers(views.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(views.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setCornerButtonEnabled(False)
        self.verticalHeader().hide()
        fixed = QtWidgets.QHeaderView.ResizeMode.Fixed
        self.verticalHeader().setSectionResizeMode(fixed)
        self.horizontalHeader().setSectionResizeMode(fixed)
        self.horizontalHeader().setHighlightSections(False)
        self.selectionModel().selectionChanged.connect(self._went_to)

    # ---- what it shows ----------------------------------------------------------------------------------------------

    @property
    def key(self) -> str:
        """Return the key of the chosen row, "" for none."""
        return self._key

    @property
    def shown_rows(self) -> tuple[TextRow, ...]:
        """Return the rows that pass the filter."""
        return self._model.rows

    @property
    def all_rows(self) -> tuple[TextRow, ...]:
        """Return all rows."""
        return self._all

    def show_rows(self, rows: Sequence[TextRow]) -> None:
        """Show these rows in this order; does nothing where they are the same as before."""
        if (rows := tuple(rows)) != self._all:
            self._all = rows
            self._show()

    def filter(self, text: str) -> None:
        """Show only rows with all words of `text` somewhere in them; "" shows all."""
        words = tuple(text.lower().split())
        if words != self._words:
            self._words = words
            self._show()

    def choose(self, key: str) -> None:
        """Go to the row of that key, if it is shown."""
        place = next((n for n, row in enumerate(self._model.rows) if row.key == key), None)
        if place is not None:
            self.selectRow(place)

    def _show(self) -> None:
        rows = tuple(row for row in self._all if row.fits(self._words)) if self._words else self._all
        scrolled, key = self.verticalScrollBar().value(), self._key
        self.selectionModel().blockSignals(True)
        is_other = self._model.show(rows)
        if is_other:
            # Choosing again scrolls and repaints, and nobody went anywhere.
            self.choose(key)
        self.selectionModel().blockSignals(False)
        self._fit()
        if is_other:
            self.verticalScrollBar().setValue(scrolled)
            self.viewport().update()

    def _went_to(self, *_changes: object) -> None:
        chosen = self.selectionModel().selectedRows()
        if chosen and (key := self._model.rows[chosen[0].row()].key) != self._key:
            self._key = key
            self.chosen.emit(key)

    # ---- sizes ------------------------------------------------------------------------------------------------------

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look = look
        font = sized_font(look, TEXT_UNITS)
        self.setFont(font)
        self.horizontalHeader().setFont(font)
        self._model.hatching = hatching(look)
        self._widths.clear()
        self._fit()

    def resizeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Share out the width anew."""
        super().resizeEvent(event)
        self._fit()

    def _width(self, text: str, bold: bool) -> int:
        if (known := self._widths.get((text, bold))) is not None:
            return known
        if len(self._widths) > WIDTHS_KEPT:
            self._widths.clear()
        font = QtGui.QFont(self.font())
        font.setBold(bold)
        width: int = QtGui.QFontMetrics(font).size(0, text).width()
        self._widths[text, bold] = width
        return width

    def _fit(self) -> None:
        """Give each column what its texts need, the wrapped ones the rest, and each row its lines."""
        header, rows = self.horizontalHeader(), self._all
        apart, widths = self._width(APART, False), {}
        for column in range(len(self._model.headings)):
            if column in self._wrapped:
                continue
            texts = max((self._width(row.cells[column].text, row.cells[column].bold) for row in rows), default=0)
            widths[column] = max(header.sectionSizeHint(column), texts + apart + self._look.px(16))
        rest = self.viewport().width() - sum(widths.values())
        total = sum(self._wrapped.values())
        for column, share in self._wrapped.items():
            least = max(self._look.px(LEAST_WRAPPED_UNITS), header.sectionSizeHint(column))
            widths[column] = max(int(rest * share / total), least)
        for column, width in widths.items():
            if header.sectionSize(column) != width:
                header.resizeSection(column, width)
        self._fit_heights(widths)

    def _fit_heights(self, widths: Mapping[int, int]) -> None:
        metrics, header = self.fontMetrics(), self.verticalHeader()
        line = metrics.height() + self._look.px(8)
        header.setMinimumSectionSize(line)
        header.setDefaultSectionSize(line)
        for place, row in enumerate(self._model.rows):
            height = line
            for column in self._wrapped:
                room = widths[column] - 2 * self._margin
                if self._width(row.cells[column].text, row.cells[column].bold) > room:
                    flags = Flag.TextWordWrap
                    box = metrics.boundingRect(
                        0, 0, room, 100_000, getattr(flags, "value", flags), row.cells[column].text
                    )
                    height = max(height, box.height() + self._look.px(8))
            if header.sectionSize(place) != height:
                header.resizeSection(place, height)

    @property
    def _margin(self) -> int:
        metric = QtWidgets.QStyle.PixelMetric.PM_FocusFrameHMargin
        return int(self.style().pixelMetric(metric, None, self)) + 1
