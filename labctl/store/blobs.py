"""Arrays as raw little-endian bytes with dtype and shape beside them; never pickled."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labctl.errors import StoreError

DTYPES = frozenset(
    ["|b1", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8", "<f2", "<f4", "<f8", "<c8", "<c16"],
)
MOST_DIMENSIONS = 2


def to_blob(array: NDArray[Any], where: str) -> tuple[str, str, bytes]:
    """(dtype, shape, bytes) of an array in C order; raises StoreError for a dtype that is no plain number."""
    little = array.dtype.newbyteorder("<")
    if little.str not in DTYPES:
        raise StoreError(
            f"{where} has the dtype {array.dtype}, which cannot be stored.",
            remedy="Convert it to float64 or complex128.",
        )
    return little.str, json.dumps(list(array.shape)), array.astype(little, copy=False).tobytes()


def from_blob(dtype: object, shape: object, blob: object, where: str) -> NDArray[Any]:
    """The array, read-only; raises StoreError, before any memory is taken, when the three do not agree."""
    sizes = parse_shape(shape, where)
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise StoreError(f"{where} has the unknown dtype {dtype!r}.", remedy="The record is damaged.")
    if not isinstance(blob, bytes):
        raise StoreError(f"{where} has no data.", remedy="The record is damaged.")
    expected = math.prod(sizes) * np.dtype(dtype).itemsize
    if expected != len(blob):
        raise StoreError(
            f"{where} claims shape {list(sizes)} of {dtype} ({expected} bytes) but holds {len(blob)} bytes.",
            remedy="The record is damaged.",
        )
    return np.frombuffer(blob, dtype=dtype).reshape(sizes)


def parse_shape(text: object, where: str) -> tuple[int, ...]:
    """A stored shape: one or two positive sizes."""
    try:
        sizes = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        sizes = None
    if (
        not isinstance(sizes, list)
        or not 1 <= len(sizes) <= MOST_DIMENSIONS
        or not all(type(size) is int and size > 0 for size in sizes)
    ):
        raise StoreError(f"{where} has the impossible shape {str(text)[:40]!r}.", remedy="The record is damaged.")
    return tuple(sizes)
