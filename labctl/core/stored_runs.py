"""The runs on disk as a screen asks for them: their list, and the figures that their reports left."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from labctl.bus.messages import FigureRow, RunSummaryRow
from labctl.errors import StoreError
from labctl.store.catalogue import Catalogue

FIGURES: Final = "figures"
MOST_BYTES: Final = 16 * 2**20
MOST_CAPTION_BYTES: Final = 2**16


class StoredRuns:
    """The runs in one folder. Raises `StoreError` where something is not there or cannot be read."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs

    def newest(self, most: int) -> list[RunSummaryRow]:
        """Return the newest runs."""
        return [
            RunSummaryRow(run.run_id, run.created, run.title, str(run.state), run.coverage, run.reason)
            for run in Catalogue(self._runs).list()[:most]
        ]

    def figures(self, run: str) -> list[FigureRow]:
        """Return the figures of a run by name."""
        folder = self._folder(run)
        return [FigureRow(path.name, _caption(path)) for path in sorted(folder.glob("*.png")) if _is_plain(path)]

    def figure(self, run: str, name: str) -> bytes:
        """Return the bytes of one figure."""
        path = self._folder(run) / name
        if path.parent.resolve() != self._folder(run).resolve() or path.suffix != ".png" or not _is_plain(path):
            raise StoreError(f"Run {run} has no figure {name}.")
        try:
            if path.stat().st_size > MOST_BYTES:
                raise StoreError(f"The figure {name} of run {run} is larger than {MOST_BYTES} bytes.")
            return path.read_bytes()
        except OSError as error:
            raise StoreError(f"The figure {name} of run {run} cannot be read ({error.strerror}).") from error

    def _folder(self, run: str) -> Path:
        folder = Catalogue(self._runs).find(run)
        if folder.parent.resolve() != self._runs.resolve():  # a folder of that name beside the program
            raise StoreError(f"There is no run {run!r} in {self._runs}.")
        if (folder / FIGURES).is_symlink():
            raise StoreError(f"The figures of run {run} lie elsewhere, behind a link.")
        return folder / FIGURES


def _caption(path: Path) -> str:
    caption = path.with_suffix(".txt")
    try:
        if not _is_plain(caption):
            return path.stem
        with caption.open("rb") as file:
            return file.read(MOST_CAPTION_BYTES).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return path.stem


def _is_plain(path: Path) -> bool:
    """Whether this is a file of its own: a link would show any client of the bus what lies elsewhere."""
    return path.is_file() and not path.is_symlink()
