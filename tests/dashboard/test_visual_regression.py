"""Every page looks as it did: compared with pictures that somebody looked at.

`LABCTL_WRITE_REFERENCES=1` draws the references anew; look at them before they are kept.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from full_scene import full_table
from pictures import COLOURS, FAR, difference, pixels_of, read_png, write_png
from pyqtgraph.Qt import QtCore, QtWidgets
from pytestqt.qtbot import QtBot
from stub_table import NOW

from labctl.dashboard.look import THEMES, Look, ThemeName
from labctl.dashboard.pages import all_pages
from labctl.dashboard.window import MainWindow

REFERENCES = Path(__file__).parent / "references"
WRITES = bool(os.environ.get("LABCTL_WRITE_REFERENCES"))
SMALL, LARGE = (1280, 720), (1920, 1080)
MOST_BYTES = 600_000
PAGES = ("overview", "loop", "sensor", "network", "instruments")
SHOWN: list[tuple[str, int, ThemeName, tuple[int, int]]] = [
    *((page, place, "dark", SMALL) for place, page in enumerate(PAGES)),  # type: ignore[list-item]
    ("overview", 0, "day", LARGE),
]

Show = Callable[[int, ThemeName, tuple[int, int]], MainWindow]

pytestmark = pytest.mark.skipif(
    not QtCore.qVersion().startswith("5.15"), reason="the references were drawn by Qt 5.15, whose letters differ"
)


@pytest.fixture
def show(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Iterator[Show]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    windows: list[MainWindow] = []

    def shown(place: int, theme: ThemeName, size: tuple[int, int]) -> MainWindow:
        look = Look(THEMES[theme]).for_height(size[1])
        window = MainWindow([full_table()], all_pages, look=look, clock=lambda: NOW)
        windows.append(window)
        window.resize(*size)
        window.show()
        window.table.pages[1].select("lo2")
        window.choose_page(place)
        for timer in (window._draw_timer, window._header_timer):
            timer.stop()
        _settle(window)
        return window

    yield shown
    for window in windows:
        window.close()
        window.deleteLater()
    QtWidgets.QApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)
    monkeypatch.undo()
    time.tzset()


def _settle(window: MainWindow) -> None:
    """Let layouts and late paints come to their end, and draw the page once more."""
    for _ in range(2):
        QtWidgets.QApplication.processEvents()
        window._draw_page()
        window._draw_header()
    QtWidgets.QApplication.processEvents()


def _path(page: str, theme: str, size: tuple[int, int]) -> Path:
    return REFERENCES / f"{page}-{theme}-{size[0]}.png"


@pytest.mark.parametrize(("page", "place", "theme", "size"), SHOWN)
def test_a_page_looks_as_it_did(
    show: Show, tmp_path: Path, page: str, place: int, theme: ThemeName, size: tuple[int, int]
) -> None:
    pixels, path = pixels_of(show(place, theme, size)), _path(page, theme, size)
    if WRITES:
        write_png(path, pixels)
    found = difference(pixels, read_png(path))
    if not found.is_small:
        write_png(tmp_path / path.name, pixels)
    assert found.is_small, f"{found}; this one is {tmp_path / path.name}, the reference {path}"


def test_the_references_are_small() -> None:
    files = sorted(REFERENCES.glob("*.png"))
    assert [path.name for path in files] == sorted(_path(page, theme, size).name for page, _, theme, size in SHOWN)
    assert sum(path.stat().st_size for path in files) < MOST_BYTES


# ---- the comparer ---------------------------------------------------------------------------------------------------


def test_what_changes_on_a_screen_is_found_and_what_does_not_is_the_same(show: Show, tmp_path: Path) -> None:
    window = show(0, "dark", SMALL)
    label, panel = window.header.control.holder, window.table.pages[0].calibration
    before = pixels_of(window)
    assert difference(pixels_of(window), before).mean == 0.0
    label.move(label.x() + 3, label.y())
    found = difference(pixels_of(window), before)
    assert not found.is_small
    assert found.where is not None
    assert window.header.geometry().contains(*found.where[:2])
    label.move(label.x() - 3, label.y())
    label.setStyleSheet("color: #F0B53C")
    assert not difference(pixels_of(window), before).is_small
    label.setStyleSheet("")
    panel.setStyleSheet(panel.styleSheet().replace(THEMES["dark"].panel, "#2A303A"))
    assert not difference(pixels_of(window), before).is_small


def test_a_picture_in_fewer_colours_or_with_a_little_noise_is_the_same(show: Show, tmp_path: Path) -> None:
    before = pixels_of(show(0, "dark", SMALL))[:300, :]
    write_png(tmp_path / "few.png", before)
    few = read_png(tmp_path / "few.png")
    assert len(np.unique(few.reshape(-1, 3), axis=0)) <= COLOURS
    assert difference(few, before).is_small
    shaken = before.astype(np.int16) + np.random.default_rng(1).integers(-1, 2, before.shape)
    assert difference(np.clip(shaken, 0, 255).astype(np.uint8), before).is_small


def test_pictures_of_two_sizes_are_no_pair() -> None:
    with pytest.raises(ValueError, match=r"\(4, 3\).*\(4, 2\)"):
        difference(np.zeros((3, 4, 3), np.uint8), np.zeros((2, 4, 3), np.uint8))


def test_how_far_two_pictures_are_apart_is_counted() -> None:
    one = np.zeros((100, 100, 3), np.uint8)
    other = one.copy()
    other[10:12, 20:25, 1] = FAR + 1
    found = difference(one, other)
    assert (found.far_share, found.where) == (10 / 1e4, (20, 10, 24, 11))
    assert found.mean == pytest.approx(10 * (FAR + 1) / 3e4)
