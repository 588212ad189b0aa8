"""Records that came from outside: is every field what its class declares?"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Record = TypeVar("Record")

_CALLED = {str: "text", int: "a whole number", float: "a number", bool: "a truth value", type(None): "nothing"}
_LONGEST_SHOWN = 40
_KNOWN: dict[type[Any], dict[str, Any]] = {}  # to evaluate the hints of a class takes long


def as_declared(record: Record) -> Record:
    """Return a record of a data class whose fields hold what they declare, down to the items of lists and mappings.

    A whole number passes for a number. Raises `TypeError` that names the first field that holds something else.
    """
    for name, hint in _hints(type(record)).items():
        value = getattr(record, name)
        if not _fits(value, hint):
            raise TypeError(f"{name} is {_named(value)}, not {_wanted(hint)}")
    return record


def _hints(kind: type[Any]) -> dict[str, Any]:
    if kind not in _KNOWN:
        _KNOWN[kind] = get_type_hints(kind)
    return _KNOWN[kind]


def _fits(value: Any, hint: Any) -> bool:
    if hint is Any:
        return True
    if hint is float:
        return isinstance(value, float | int) and not isinstance(value, bool)
    if hint is int:
        return type(value) is int
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in arguments)
    if origin is Literal:
        return value in arguments
    if origin is None:
        return isinstance(value, hint) and (not is_dataclass(hint) or as_declared(value) is value)
    if issubclass(origin, Mapping):
        key, inner = arguments
        return isinstance(value, dict) and all(_fits(k, key) and _fits(v, inner) for k, v in value.items())
    if origin is tuple and arguments[-1] is not Ellipsis:
        return (
            isinstance(value, tuple)
            and len(value) == len(arguments)
            and all(_fits(item, one) for item, one in zip(value, arguments, strict=True))
        )
    if issubclass(origin, Sequence):
        return isinstance(value, origin) and all(_fits(item, arguments[0]) for item in value)
    return isinstance(value, origin)


def _wanted(hint: Any) -> str:
    return _CALLED.get(hint, str(getattr(hint, "__name__", hint)).replace("typing.", ""))


def _named(value: Any) -> str:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        shown = repr(value) if not isinstance(value, int) or value.bit_length() < 1000 else "an enormous number"
        return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}..."
    return f"a {type(value).__name__}"
