"""The pages of one table, and what belongs to them: its link, its commander, its undo."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from typing import TypeAlias

from pyqtgraph.Qt import QtCore, QtWidgets

from labctl.dashboard.announcing import AnnouncingCommander
from labctl.dashboard.look import Look
from labctl.dashboard.page import Commander, Page
from labctl.dashboard.table_link import TableLink
from labctl.dashboard.undo import UndoStack

Pages: TypeAlias = Callable[[Commander, Callable[[int], None]], Sequence[Page]]
"""Makes the pages of one table, which send their commands through that commander, and show another page by calling the
second with its place; each is a QWidget too."""


class TableView(QtWidgets.QStackedWidget):  # type: ignore[misc]
    """Makes its pages when it is first shown; a page that fails to draw says so and harms no other. A page that asks
    for another emits `page_asked` with its place."""

    page_asked = QtCore.Signal(int)

    def __init__(
        self, link: TableLink, pages: Pages, look: Look, say: Callable[[str], None], warn: Callable[[str], None]
    ) -> None:
        super().__init__()
        self.link = link
        self._make = pages
        self._look = look
        self._warn = warn
        self.undo = UndoStack(link.commander, say, warn)
        self.commander = AnnouncingCommander(link.commander, link.latest, say, warn, self.undo.push)
        self.pages: list[Page] = []
        self._failing: set[int] = set()

    def make_pages(self) -> None:
        """Make the pages, unless they are there."""
        if self.pages:
            return
        self.pages = list(self._make(self.commander, self.page_asked.emit))
        for page in self.pages:
            self.addWidget(page)
            page.use_look(self._look)

    @property
    def titles(self) -> list[str]:
        """Return the titles of the pages."""
        return [page.title for page in self.pages]

    def use_look(self, look: Look) -> None:
        """Give all pages another theme or other sizes."""
        self._look = look
        for page in self.pages:
            page.use_look(look)

    def draw(self, now: float) -> float:
        """Let the page in sight draw, and return how long it took in s."""
        place = self.currentIndex()
        if not 0 <= place < len(self.pages):
            return 0.0
        began = time.perf_counter()
        try:
            self.pages[place].show_latest(self.link.latest, now)
        except Exception as error:  # a fault of one page must not take the stop off the screen
            if place not in self._failing:
                traceback.print_exc()
                title = self.pages[place].title
                self._warn(f"Page {title} could not be drawn: {error!r}")
            self._failing.add(place)
        else:
            self._failing.discard(place)
        return time.perf_counter() - began

    @property
    def fault(self) -> str:
        """Return what covers the page in sight because it could not be drawn; "" it could."""
        place = self.currentIndex()
        if place not in self._failing:
            return ""
        return f"Page {self.pages[place].title} could not be drawn; values are not current"

    def call(self, method: str, *arguments: object) -> bool:
        """Call a method of the page in sight and return True; return False where it has none of that name."""
        place = self.currentIndex()
        found = getattr(self.pages[place], method, None) if 0 <= place < len(self.pages) else None
        if found is None:
            return False
        found(*arguments)
        return True
