"""The pictures of the README: the window attached to a core that has just run a whole simulated night.

`LABCTL_WRITE_PICTURES=1` puts them into docs; without it they are drawn and looked at as well.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cut_off_text import cut_off_text
from pictures import Pixels, pixels_of, read_png, write_png
from pyqtgraph.Qt import QtCore, QtGui, QtWidgets
from served_table import served_table, spin

from labctl.bus.latest import Latest
from labctl.bus.messages import LoopRow, QueueRow, ResultRow, SettingRow
from labctl.bus.replies import Reply
from labctl.dashboard.fonts import load_fonts
from labctl.dashboard.look import KEY_STATE_PX, THEMES, Look, ThemeName
from labctl.dashboard.window import MainWindow

DOCS = Path(__file__).parents[2] / "docs"
WRITES = bool(os.environ.get("LABCTL_WRITE_PICTURES"))
MOST_BYTES = 250_000
COLOURS = 128
SIZE = (1920, 1080)
SIZES = ((1280, 720), SIZE, (3840, 2160))
AS_FAST_AS_IT_GOES = 1e5
NIGHT_WITHIN_S, LIVE_WITHIN_S = 400.0, 60.0
LIVE_AVERAGES = 500
SENSOR, LOOP = 2, "lo2"

PICTURES: dict[str, tuple[int, ThemeName]] = {
    "overview-dark": (0, "dark"),
    "overview-day": (0, "day"),
    "loop": (1, "dark"),
    "sensor": (2, "dark"),
    "network": (3, "dark"),
}
"""The pages of the pictures by the names of the files, with their themes."""


class Night:
    """A window attached to a core whose night is over, and which shows live spectra."""

    def __init__(self, window: MainWindow) -> None:
        self.window = window
        self.latest: Latest = window.table.link.latest

    def ask(self, command: str, **arguments: object) -> None:
        """Send a command and wait for its reply; AssertionError where it is refused."""
        told: list[Reply | str] = []
        self.window.table.link.commander.send(command, then=told.append, refused=told.append, **arguments)
        spin(lambda: bool(told), what=f"an answer to {command}")
        assert isinstance(told[0], Reply), told[0]

    def states(self, kind: type[Any]) -> set[str]:
        """Return the states in the rows of a table."""
        return {row.state for row in self.latest.rows(kind)}

    def run(self) -> None:
        """Run the recipe of a night to its end, and lock all again."""
        spin(lambda: bool(self.latest.rows(LoopRow)) and bool(self.latest.rows(SettingRow)), what="the link")
        self.window._draw_timer.stop()  # the core needs the time
        self.ask("take_control")
        for setting, value in (("live.averages", float(LIVE_AVERAGES)), ("live.on", 1.0)):
            self.ask("change_setting", setting=setting, value=value)
        self.ask("add_recipe", recipe="overnight")
        self._run_queue("overnight")
        for row in self.latest.rows(LoopRow):
            if row.kind == "homodyne":
                self.ask("lock_loop", loop=row.name)
        spin(lambda: self.states(LoopRow) == {"locked"}, LIVE_WITHIN_S, "the locks")
        self.ask("add_step", procedure="loop_noise", parameters=json.dumps({"loop": LOOP}))
        self.ask("add_step", procedure="align_sensor", parameters=json.dumps({"sensor": SENSOR}))
        self._run_queue("loop noise and alignment")
        self.window._draw_timer.start()
        self.ask("change_setting", setting="table.speed", value=1.0)
        spin(self._is_smooth, LIVE_WITHIN_S, "a live spectrum")

    def _run_queue(self, title: str) -> None:
        self.ask("start_queue", title=title)
        spin(lambda: "running" in self.states(QueueRow), what="the first step")
        spin(lambda: not self.states(QueueRow) & {"running", "waiting"}, NIGHT_WITHIN_S, "the end of the night")

    def _is_smooth(self) -> bool:
        joint = self.latest.spectrum("rephased")
        return joint is not None and joint.averages_asked == LIVE_AVERAGES and joint.averages > LIVE_AVERAGES // 2

    def show(self, page: int, theme: ThemeName, size: tuple[int, int]) -> MainWindow:
        """Show a page in one theme and size."""
        self.window.resize(*size)
        look = replace(Look().for_height(size[1]), theme=THEMES[theme])
        if look != self.window.look:
            self.window.use_look(look)
        self.window.choose_page(page)
        QtWidgets.QApplication.processEvents()
        self.window._draw_page()
        QtWidgets.QApplication.processEvents()
        return self.window

    def picture(self, page: int, theme: ThemeName) -> Pixels:
        """Return the picture of a page while it shows what is present."""
        self.show(page, theme, SIZE)
        spin(lambda: "LIVE" in self.window.header.live.word.text() and self._is_smooth(), LIVE_WITHIN_S, "live values")
        return pixels_of(self.window)


@pytest.fixture(scope="module")
def night(qapp: QtWidgets.QApplication, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    load_fonts(qapp)
    with served_table(tmp_path_factory.mktemp("night"), AS_FAST_AS_IT_GOES) as table:
        made = Night(table.screen("anna@bench:1"))
        made.window.resize(*SIZE)
        made.window.show()
        made.run()
        made.window.table.pages[1].select(LOOP)
        made.window.table.pages[2].select(SENSOR)
        yield made
        made.window.close()
        made.window.deleteLater()
        QtWidgets.QApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_night_is_seen_on_every_picture(night: Night, tmp_path: Path) -> None:
    assert {row.state for row in night.latest.rows(QueueRow)} == {"done"}
    assert len(night.latest.rows(ResultRow)) > 20
    for name, (page, theme) in PICTURES.items():
        pixels = night.picture(page, theme)
        assert pixels.shape == (SIZE[1], SIZE[0], 3)
        written = DOCS / f"dashboard-{name}.png" if WRITES else tmp_path / f"{name}.png"
        write_png(written, pixels, COLOURS)
        assert written.stat().st_size < MOST_BYTES
        ground, traces = THEMES[theme].panel, THEMES[theme].traces
        assert _share(pixels, ground) > 0.1
        assert sum(_share(pixels, colour) > 5e-6 for colour in traces) >= 2, "nothing is drawn"


@pytest.mark.slow
@pytest.mark.parametrize("theme", list(THEMES))
def test_no_text_is_cut_off_on_any_page_in_any_size(night: Night, theme: ThemeName) -> None:
    faults = []
    for size in SIZES:
        for page in range(len(night.window.table.pages)):
            window = night.show(page, theme, size)
            assert (window.width(), window.height()) == size
            faults += [f"{page + 1} at {size}: {fault}" for fault in cut_off_text(window)]
    assert faults == []


@pytest.mark.slow
def test_key_states_are_legible_from_two_metres(night: Night) -> None:
    window = night.show(0, "dark", SIZE)
    tiles = window.table.pages[0].tiles
    rect = next(rect for tile, rect in zip(tiles.tiles, tiles.widget().rects, strict=True) if tile.name == "OPA")
    drawn = pixels_of(tiles.widget())[rect.top() : rect.bottom(), rect.left() : rect.right()]
    letters = _is_near(drawn, THEMES["dark"].dim).any(axis=1)
    first = int(np.argmax(letters))
    height = int(np.argmin(letters[first:]))  # of the line with the name, whose letters are capitals
    assert KEY_STATE_PX <= height <= 1.2 * KEY_STATE_PX
    state = night.show(1, "dark", SIZE).table.pages[1].summary._state
    for label in (window.header.live.word, state):
        assert QtGui.QFontInfo(label.font()).pixelSize() >= KEY_STATE_PX


def test_the_pictures_of_the_readme_are_there() -> None:
    for name in PICTURES:
        path = DOCS / f"dashboard-{name}.png"
        assert path.stat().st_size < MOST_BYTES
        assert read_png(path).shape == (SIZE[1], SIZE[0], 3)


def _is_near(pixels: Pixels, colour: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
    wanted = QtGui.QColor(colour)
    near = np.abs(pixels.astype(np.int16) - (wanted.red(), wanted.green(), wanted.blue())) < 12
    return np.asarray(near.all(axis=2))


def _share(pixels: Pixels, colour: str) -> float:
    return float(_is_near(pixels, colour).mean())
