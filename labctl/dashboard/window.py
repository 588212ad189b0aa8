"""The operator's window: header, banners, the pages of the table that is shown, messages; and the keys."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from labctl.bus.replies import Reply
from labctl.dashboard.banners import FrozenBanner, StopBanner
from labctl.dashboard.dressing import palette_of
from labctl.dashboard.fonts import body_font, let_parts_inherit
from labctl.dashboard.header import Header
from labctl.dashboard.header_texts import link_lost_said, tab_said
from labctl.dashboard.keys import PAGES, SPECTRUM_LETTERS
from labctl.dashboard.look import THEMES, Look, ThemeName
from labctl.dashboard.message_bar import MessageBar
from labctl.dashboard.overlays import HelpOverlay, LinkMask, PageArea
from labctl.dashboard.picture_note import LARGEST, note_text, picture_of
from labctl.dashboard.short_cuts import ShortCuts, takes_text
from labctl.dashboard.stop_watch import StopWatch
from labctl.dashboard.style_sheet import style_sheet
from labctl.dashboard.table_link import TableLink
from labctl.dashboard.table_view import Pages, TableView

DRAW_EVERY_MS: Final = 100
SMALLEST: Final = (1280, 720)
SETTLED_AFTER_MS: Final = 60  # without another change of size, letters take the new one
ASPECT: Final = 16 / 9  # narrower windows take their sizes from the width


class MainWindow(QtWidgets.QMainWindow):  # type: ignore[misc]
    """Shows one of `links` at a time; `pages` makes the pages of each with its commander.

    The links are started when the window is first shown, and closed with it. `clock` is the wall time of this machine
    in s since the epoch.
    """

    def __init__(
        self,
        links: Sequence[TableLink],
        pages: Pages,
        *,
        look: Look | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        if not links:
            raise ValueError("A window needs a table to show.")
        let_parts_inherit()
        self._clock = clock
        self._began = clock()
        self._look = look or Look()
        self._frozen_at: float | None = None
        self._is_started = self._is_closed = False
        self.message_bar = MessageBar()
        self.tables = [TableView(link, pages, self._look, self.say, self.warn) for link in links]
        self._stack = QtWidgets.QStackedWidget()
        for table in self.tables:
            self._stack.addWidget(table)
            table.page_asked.connect(self.choose_page)
        self.table.make_pages()
        self._stops = StopWatch(self.say, self.warn)
        self.header = Header([link.name for link in links], self.table.titles)
        self.stop_banner, self.frozen_banner = StopBanner(), FrozenBanner()
        self.mask, self.help = LinkMask(), HelpOverlay()
        self._lay_out()
        self._connect()
        self.short_cuts = ShortCuts(self, self._actions())
        self._draw_timer, self._header_timer, self._size_timer = (QtCore.QTimer(self) for _ in range(3))
        self._draw_timer.timeout.connect(self._draw_page)
        self._header_timer.timeout.connect(self._draw_header)
        self._size_timer.setSingleShot(True)
        self._size_timer.setInterval(SETTLED_AFTER_MS)
        self._size_timer.timeout.connect(self._fit_look)
        self.use_look(self._look)
        self.setMinimumSize(*SMALLEST)

    # ---- making -----------------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        self.setWindowTitle("labctl")
        self.setDockNestingEnabled(False)
        central = QtWidgets.QWidget()
        column = QtWidgets.QVBoxLayout(central)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self.page_area = PageArea(self._stack, [self.mask, self.help])
        # A click beside a field leaves it; one in the header does not, lest a stop also sends what was half typed.
        self.page_area.setFocusPolicy(QtCore.Qt.FocusPolicy.ClickFocus)
        column.addWidget(self.header)
        column.addWidget(self.stop_banner)
        column.addWidget(self.frozen_banner)
        column.addWidget(self.page_area, 1)
        column.addWidget(self.message_bar)
        self.setCentralWidget(central)

    def _connect(self) -> None:
        self.header.stop.asked.connect(self.stop)
        self.header.table_chosen.connect(self.choose_table)
        self.header.page_chosen.connect(self.choose_page)
        self.header.alarms.button.clicked.connect(self.acknowledge_all)
        self.header.control_asked.connect(self._ask_control)

    def _actions(self) -> dict[str, Callable[[], None]]:
        def spectrum(letter: str) -> Callable[[], None]:
            return lambda: self._on_page("spectrum_key", letter)

        def page(place: int) -> Callable[[], None]:
            return lambda: self.choose_page(place)

        return {
            "stop": self.stop,
            "acknowledge": self.acknowledge_all,
            "relock": lambda: self._on_page("relock_selected"),
            "undo": self.undo,
            "next_table": lambda: self.choose_table((self.table_shown + 1) % len(self.tables)),
            "runs": lambda: self._on_first_page("open_runs"),
            "procedures": lambda: self._on_first_page("open_launcher"),
            "freeze": self.freeze,
            "theme": self.next_theme,
            "wall": self.toggle_wall,
            "picture": self.send_picture,
            "help": self.toggle_help,
            "escape": self._escape,
            **{f"spectrum_{letter}": spectrum(letter) for letter in SPECTRUM_LETTERS},
            **{f"page_{place + 1}": page(place) for place in range(PAGES)},
        }

    # ---- what is shown ----------------------------------------------------------------------------------------------

    @property
    def table(self) -> TableView:
        """Return the table that is shown."""
        return self.tables[self.table_shown]

    @property
    def table_shown(self) -> int:
        """Return the place of the table that is shown."""
        return int(self._stack.currentIndex())

    @property
    def look(self) -> Look:
        """Return theme and sizes."""
        return self._look

    def choose_table(self, place: int) -> None:
        """Show another table, on the same page."""
        page = self.table.currentIndex()
        self.tables[place].make_pages()
        self._stack.setCurrentIndex(place)
        self.header.table_tabs.setCurrentIndex(place)
        self.choose_page(page)

    def choose_page(self, place: int) -> None:
        """Show another page; nothing where there are not so many."""
        if not 0 <= place < len(self.table.pages):
            return
        self.table.setCurrentIndex(place)
        self.header.page_tabs.setCurrentIndex(place)
        self.help.hide()
        self._draw_header()
        self._draw_page(even_frozen=True)

    def freeze(self) -> None:
        """Let the page stand still, or go on. The header and what the table does go on anyway."""
        self._frozen_at = None if self._frozen_at is not None else self._clock()
        self._draw_header()
        self._draw_page()

    def toggle_help(self) -> None:
        """Show all keys, or hide them."""
        self.help.setVisible(self.help.isHidden())
        self.help.raise_()

    def _escape(self) -> None:
        focus, popup = QtWidgets.QApplication.focusWidget(), QtWidgets.QApplication.activePopupWidget()
        if popup is not None:
            popup.close()
        elif not self.help.isHidden():
            self.help.hide()
        elif isinstance(dialog := QtWidgets.QApplication.activeWindow(), QtWidgets.QDialog):
            dialog.close()
        elif takes_text(focus):
            focus.clearFocus()
        else:
            self.message_bar.dismiss()

    # ---- messages ---------------------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Show a message."""
        self.message_bar.say(text, self._clock())

    def warn(self, text: str) -> None:
        """Show an error or a refusal; it stays until it is dismissed."""
        self.message_bar.warn(text, self._clock())

    # ---- commands ---------------------------------------------------------------------------------------------------

    def stop(self, all_tables: bool = False) -> None:
        """Send the software stop at once to the table that is shown, or to all."""
        tables = self.tables if all_tables else [self.table]
        self._stops.stop([table.link for table in tables], self._clock())

    def acknowledge_all(self) -> None:
        """Acknowledge all alarms of the table that is shown."""
        self.table.commander.send("acknowledge", identity=0)

    def undo(self) -> None:
        """Change the last setting back."""
        if not self.table.undo.undo():
            self.say("There is nothing to undo.")

    def send_picture(self) -> None:
        """Send what the window shows to the log book."""
        table, now = self.table, self._clock()
        page = table.titles[table.currentIndex()] if table.pages else "-"
        picture = picture_of(self)
        if len(picture) > LARGEST:
            self.warn("The picture of this screen is too large for the log book; make the window smaller.")
            return
        text = note_text(table.link.name, page, table.link.latest, now)

        def done(reply: Reply) -> None:
            self.say("The picture is in the log book.")

        table.commander.send("note", then=done, text=text, picture=picture)

    def _ask_control(self, does: str) -> None:
        if does == "give":
            self.table.commander.send("give_control")
        else:
            self.table.commander.send("take_control", force=does == "take_over")

    def _on_first_page(self, method: str) -> None:
        self.choose_page(0)
        self._on_page(method)

    def _on_page(self, method: str, *arguments: object) -> None:
        if not self.table.call(method, *arguments):
            self.say("This key does nothing on this page.")

    # ---- drawing ----------------------------------------------------------------------------------------------------

    def _draw_page(self, even_frozen: bool = False) -> None:
        if (self._frozen_at is not None and not even_frozen) or self.isMinimized():
            return
        took_s = self.table.draw(self._clock())
        self._draw_timer.setInterval(max(DRAW_EVERY_MS, round(2e3 * took_s)))

    def _draw_header(self) -> None:
        now, table = self._clock(), self.table
        latest, commander = table.link.latest, table.commander
        is_gone = latest.is_gone(now)
        self.header.show_latest(latest, now, has_control=commander.has_control, frozen_at=self._frozen_at)
        if len(self.tables) > 1:
            self.header.mark_tables([tab_said(one.link.name, one.link.latest, now) for one in self.tables])
        self.stop_banner.show_core(latest.core, commander, is_gone=is_gone)
        self.frozen_banner.show_frozen(self._frozen_at, now)
        self.mask.say(link_lost_said(table.link.name, latest, now, self._began) if is_gone else table.fault)
        self._stops.look(now)

    # ---- theme and sizes --------------------------------------------------------------------------------------------

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look = look
        self.setPalette(palette_of(look.theme))
        self.setFont(body_font(look))
        self.setStyleSheet(style_sheet(look))
        for part in (self.header, self.mask, self.help, self.message_bar):
            part.use_look(look)
        for table in self.tables:
            table.use_look(look)
        for banner in (self.stop_banner, self.frozen_banner):
            banner.dress(look)
        self._draw_header()
        self._draw_page(even_frozen=True)

    def next_theme(self) -> None:
        """Take the next theme: day, dark, red."""
        names: list[ThemeName] = list(THEMES)
        name = names[(names.index(self._look.theme.name) + 1) % len(names)]
        self.use_look(replace(self._look, theme=THEMES[name]))
        self.say(f"Theme {name}.")

    def toggle_wall(self) -> None:
        """Fill the screen with larger states, or go back."""
        look = replace(self._look, wall=not self._look.wall)
        self.use_look(look)
        self.setWindowState(self.windowState() ^ QtCore.Qt.WindowState.WindowFullScreen)

    def _fit_look(self) -> None:
        height = round(min(self.height(), self.width() / ASPECT))
        look = self._look.for_height(height)
        if look != self._look:
            self.use_look(look)

    # ---- Qt ---------------------------------------------------------------------------------------------------------

    def showEvent(self, event: QtGui.QShowEvent) -> None:  # noqa: N802
        """Start the links and the drawing, the first time."""
        super().showEvent(event)
        self._fit_look()
        if not self._is_started:
            self._is_started = True
            self.page_area.setFocus()
            for table in self.tables:
                table.link.start()
            self._draw_timer.start(DRAW_EVERY_MS)
            self._header_timer.start(DRAW_EVERY_MS)

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:  # noqa: N802
        """Take the sizes of the new height, once it stays."""
        super().resizeEvent(event)
        self._size_timer.start()

    def closeEvent(self, event: QtGui.QCloseEvent) -> None:  # noqa: N802
        """Close the links; the tables go on."""
        for timer in (self._draw_timer, self._header_timer, self._size_timer):
            timer.stop()
        if not self._is_closed:
            self._is_closed = True
            for table in self.tables:
                table.link.close()
        super().closeEvent(event)
