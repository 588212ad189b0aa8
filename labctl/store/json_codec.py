"""Strict JSON for anything that a manifest, a step or a snapshot may carry.

NaN, infinities and complex numbers are not JSON; they are kept as {"$float": "nan"} and {"$complex": [re, im]},
so that what is read equals what was written and every other program can still parse the file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from labctl.errors import StoreError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_FLOAT = "$float"
_COMPLEX = "$complex"


def encode(value: object, where: str, *, indent: int | None = None) -> str:
    """JSON text of `value`; numpy scalars and arrays become numbers and lists, records become mappings.

    Raises StoreError, naming `where` (such as "parameters.rbw"), for a type that cannot be kept.
    """
    return json.dumps(_plain(value, where), ensure_ascii=False, allow_nan=False, indent=indent)


def entries(record: DataclassInstance) -> dict[str, Any]:
    """The fields of a record by name, not copied."""
    return {field.name: getattr(record, field.name) for field in fields(record)}


def decode(text: str | bytes, where: str) -> Any:
    """What `encode` wrote; raises StoreError naming `where` when the text is not such JSON."""
    try:
        return _restored(json.loads(text))
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise StoreError(f"{where} is not valid JSON ({error}).", remedy="Restore it from a copy.") from error


def decode_mapping(text: str | bytes, where: str) -> dict[str, Any]:
    """`decode` of what must be a mapping."""
    value = decode(text, where)
    if not isinstance(value, dict):
        raise StoreError(f"{where} is a {type(value).__name__}, not a mapping.", remedy="Restore it from a copy.")
    return value


def as_bytes(text: str) -> bytes:
    """UTF-8; a lone surrogate (a byte that an instrument should not have sent) becomes its JSON escape."""
    return text.encode("utf-8", "backslashreplace")


def _plain(value: object, where: str) -> Any:
    if isinstance(value, Enum):
        return _plain(value.value, where)
    if value is None or isinstance(value, bool | np.bool_):
        return None if value is None else bool(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else {_FLOAT: str(float(value))}
    if isinstance(value, complex | np.complexfloating):
        return {_COMPLEX: [_plain(float(value.real), where), _plain(float(value.imag), where)]}
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, date):  # datetime is a date
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(entries(value), where)
    if isinstance(value, Mapping):
        return {_key(key, where): _plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist(), where)
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    raise StoreError(
        f"{where} is a {type(value).__name__}, which cannot be stored.",
        remedy="Pass numbers, text, lists or mappings of them.",
    )


def _key(key: object, where: str) -> str:
    if not isinstance(key, str) or key.startswith("$"):
        raise StoreError(f"{where} has the key {key!r}.", remedy="Keys are text and do not begin with $.")
    return str(key)


def _restored(value: Any) -> Any:
    if isinstance(value, list):
        return [_restored(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {_FLOAT}:
        return float(value[_FLOAT])
    if value.keys() == {_COMPLEX}:
        real, imag = value[_COMPLEX]
        return complex(_restored(real), _restored(imag))
    return {key: _restored(item) for key, item in value.items()}
