"""All faults of a file at once: those of single keys, and those of the rest of the file taken together."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from labctl.configuration.explanations import CROSS_CHECKED, explain
from labctl.configuration.faults import Finding, Key

_Model = TypeVar("_Model", bound=BaseModel)

_MOST_ROUNDS = 12  # each drops at least one level of the deepest table that is still wrong


def checked(
    model: type[_Model],
    content: Mapping[str, Any],
    *,
    stand_ins: Mapping[str, Any],
    context: Mapping[str, Any] | None = None,
) -> tuple[_Model | None, list[Finding]]:
    """`content` as a `model`, or None and every finding.

    pydantic checks a file as a whole only when every key is right in itself. So that an operator sees all faults in
    one go, the wrong keys are dropped, and then what contains them as far as needed, until the rest can be checked as a
    whole.
    `stand_ins` are values for top-level keys that a file can't do without; `context` goes to the model's validators.
    """
    try:
        return model.model_validate(content, context=dict(context or {})), []
    except ValidationError as error:
        findings = explain(error, model)
        if not _is_cross_checked(error):
            findings += _findings_of_the_rest(model, content, findings, stand_ins, context or {})
    return None, findings


def _is_cross_checked(error: ValidationError) -> bool:
    return any(detail["type"] == CROSS_CHECKED for detail in error.errors(include_url=False))


def _findings_of_the_rest(
    model: type[BaseModel],
    content: Mapping[str, Any],
    findings: list[Finding],
    stand_ins: Mapping[str, Any],
    context: Mapping[str, Any],
) -> list[Finding]:
    rest: dict[str, Any] = copy.deepcopy(dict(content))
    dropped: set[Key] = set()
    for _ in range(_MOST_ROUNDS):
        _drop(rest, (finding.key for finding in findings), stand_ins, dropped)
        try:
            model.model_validate(rest, context={**context, "dropped": frozenset(dropped)})
        except ValidationError as error:
            findings = explain(error, model)
            if _is_cross_checked(error):
                return findings
        else:
            return []
    return []


def _drop(rest: dict[str, Any], keys: Iterable[Key], stand_ins: Mapping[str, Any], dropped: set[Key]) -> None:
    """Take what is wrong out of the file; where a key is missing, the table that lacks it."""
    found = {_nearest(rest, key) for key in keys}
    # Later items of a list go first, so that the indices of those before them stay right.
    for key in sorted(found, key=lambda key: [(isinstance(part, str), part) for part in key], reverse=True):
        _drop_one(rest, key, stand_ins, dropped)


def _nearest(rest: Mapping[str, Any], key: Key) -> Key:
    """`key` if it is there; else the key of the table that lacks it, or the missing top-level key itself."""
    place: Any = rest
    for depth, part in enumerate(key):
        if not _has(place, part):
            return key[: max(depth, 1)]
        place = place[part]
    return key


def _has(place: Any, part: int | str) -> bool:
    if isinstance(place, dict):
        return part in place
    return isinstance(place, list) and isinstance(part, int) and part < len(place)


def _drop_one(rest: dict[str, Any], key: Key, stand_ins: Mapping[str, Any], dropped: set[Key]) -> None:
    *path, last = key
    place: Any = rest
    for part in path:
        if not _has(place, part):
            return  # it went with something larger
        place = place[part]
    if isinstance(place, dict):
        place.pop(last, None)
        dropped.add(key)
        if len(key) == 1 and last in stand_ins:
            place[last] = copy.deepcopy(stand_ins[str(last)])
        return
    if any(map(_name, place)):
        dropped.add((*path, _name(place[last])))
        del place[last]
    else:  # items without names are known by their numbers, so the list goes as a whole
        _drop_one(rest, tuple(path), stand_ins, dropped)


def _name(item: Any) -> str:
    name = item.get("name") if isinstance(item, dict) else None
    return name if isinstance(name, str) else ""
