"""Pictures of widgets as arrays of pixels, how two of them differ, and small PNG files of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pyqtgraph.Qt import QtGui, QtWidgets

Pixels = NDArray[np.uint8]

FAR = 48  # levels of a channel by which a pixel is another colour; fewer colours in a file make less
MOST_FAR = 6e-5  # of all pixels: a word that moves by three pixels has more
MOST_MEAN = 1.0  # levels, over all pixels
BLOCK = 16  # pixels
MOST_SHIFT = 8.0  # levels, of the mean colour of a block
COLOURS = 256  # of a PNG file


@dataclass(frozen=True)
class Difference:
    """How two pictures of one size differ: mean over pixels and channels in levels of 255, the share of pixels that
    differ by more than `FAR` in any channel, the rectangle (left, top, right, bottom) around these, and by how many
    levels the mean colour of a block is another at most, with the place of that block."""

    mean: float
    far_share: float
    where: tuple[int, int, int, int] | None
    shift: float
    shifted: tuple[int, int]

    @property
    def is_small(self) -> bool:
        """Whether nobody would say that it is another picture."""
        return self.mean <= MOST_MEAN and self.far_share <= MOST_FAR and self.shift <= MOST_SHIFT


def pixels_of(widget: QtWidgets.QWidget) -> Pixels:
    """Return what a widget shows as (height, width, 3)."""
    image = widget.grab().toImage().convertToFormat(QtGui.QImage.Format.Format_RGB888)
    rows, line = image.height(), image.bytesPerLine()
    bits = image.constBits()
    if hasattr(bits, "setsize"):
        bits.setsize(rows * line)
    flat: Pixels = np.frombuffer(bytes(bits), np.uint8).reshape(rows, line)
    return flat[:, : 3 * image.width()].reshape(rows, image.width(), 3).copy()


def difference(one: Pixels, other: Pixels) -> Difference:
    """Return how two pictures differ; ValueError where they are not of one size."""
    if one.shape != other.shape:
        raise ValueError(f"One picture is {one.shape[1::-1]}, the other {other.shape[1::-1]}.")
    signed = one.astype(np.int16) - other
    apart = np.abs(signed)
    far = (apart > FAR).any(axis=2)
    rows, columns = np.flatnonzero(far.any(axis=1)), np.flatnonzero(far.any(axis=0))
    where = (int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])) if rows.size else None
    high, wide = (BLOCK * (length // BLOCK) for length in one.shape[:2])
    blocks = signed[:high, :wide].reshape(high // BLOCK, BLOCK, wide // BLOCK, BLOCK, 3)
    shifts = np.abs(blocks.mean(axis=(1, 3))).max(axis=2)
    row, column = np.unravel_index(np.argmax(shifts), shifts.shape)
    shifted = (int(column) * BLOCK, int(row) * BLOCK)
    return Difference(float(apart.mean()), float(far.mean()), where, float(shifts.max()), shifted)


def write_png(path: Path, pixels: Pixels, colours: int = COLOURS) -> None:
    """Write a picture with so many colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    few = image.quantize(colours, Image.Quantize.MEDIANCUT, kmeans=2, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


def read_png(path: Path) -> Pixels:
    """Return the picture of a file."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))
