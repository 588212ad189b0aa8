"""pydantic's errors in plain words: which key is wrong, what is wrong with it, and what is allowed there."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from labctl.configuration.faults import REFUSED, Allowed, Finding, Key, choices, guess, shown
from labctl.configuration.quantities import QuantityKind

CROSS_CHECKED = "cross_checked"
"""Type of the one pydantic error that carries the findings of checks over a whole file."""

_KEY_OF_MAPPING = "[key]"  # how pydantic marks that a key and not its value is wrong


def raise_findings(findings: Iterable[Finding]) -> None:
    """End a model's validation with these findings, if there are any."""
    listed = tuple(findings)
    if listed:
        text = "\n".join(str(finding) for finding in listed)
        raise PydanticCustomError(CROSS_CHECKED, "{text}", {"text": text, "findings": listed})


def explain(error: ValidationError, model: type[BaseModel]) -> list[Finding]:
    """Every finding of a failed validation of `model`, in the order of the model's fields."""
    return [finding for detail in error.errors(include_url=False) for finding in _explained(detail, model)]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an error is: its key, and the type that belongs there (None where no field is known)."""

    key: Key
    annotation: Any
    parent: Any


def _explained(detail: ErrorDetails, model: type[BaseModel]) -> Iterator[Finding]:
    place, kind, context = _locate(model, detail["loc"]), detail["type"], detail.get("ctx", {})
    if kind == CROSS_CHECKED:
        yield from context["findings"]
    elif kind == REFUSED:
        yield Finding(place.key, context["problem"], context["allowed"] or _allowed(place.annotation))
    elif kind == "missing":
        yield Finding(place.key, "is missing", _allowed(place.annotation))
    elif kind == "extra_forbidden":
        known = list(_keys(place.parent))
        yield Finding(
            place.key, f"is not a known key{guess(str(place.key[-1]), known)}", f"the keys {', '.join(known)}"
        )
    elif kind in ("union_tag_not_found", "union_tag_invalid"):
        tag = context["discriminator"].strip("'")
        problem = f"{shown(detail['input'].get(tag))} is not known here" if tag in detail["input"] else "is missing"
        yield Finding((*place.key, tag), problem, _allowed_tags(place.annotation, tag))
    else:
        yield Finding(place.key, _problem(kind, detail["input"]), _allowed(place.annotation))


_PROBLEMS = {
    "finite_number": "{} is not a finite number",
    "greater_than": "{} is too low",
    "greater_than_equal": "{} is too low",
    "less_than": "{} is too high",
    "less_than_equal": "{} is too high",
    "literal_error": "{} is not one of the choices",
    "string_pattern_mismatch": "{} does not fit here",
    "too_long": "there are too many entries",
    "too_short": "there are too few entries",
}


def _problem(kind: str, value: object) -> str:
    return _PROBLEMS.get(kind, "{} cannot stand here").format(shown(value))


def _locate(model: type[BaseModel], location: tuple[int | str, ...]) -> _Place:
    """Follow pydantic's path through the model's types; the tags of unions, which no file shows, leave the key."""
    key: list[int | str] = []
    annotation: Any = model
    parent: Any = None
    for part in location:
        if part == _KEY_OF_MAPPING and get_origin(parent) is Mapping:
            annotation = get_args(parent)[0]
            continue
        members = [_bare(member) for member in _members(annotation)]
        if len(members) > 1:
            annotation = next((member for member in members if part in _tags(member)), None)
            continue
        parent = members[0]
        annotation = _child(parent, part)
        key.append(part)
    return _Place(tuple(key), annotation, parent)


def _bare(annotation: Any) -> Any:
    """A type without what `Annotated` adds."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _members(annotation: Any) -> list[Any]:
    """The types of a union without None, or the one type."""
    bare = _bare(annotation)
    if get_origin(bare) not in (Union, types.UnionType):
        return [bare]
    return [member for member in get_args(bare) if member is not type(None)]


def _tags(model: Any) -> tuple[object, ...]:
    """Every literal value of a model's fields, among them the tag that tells it from the others of its union."""
    fields = model.model_fields.values() if _is_model(model) else ()
    return tuple(
        value for field in fields if get_origin(field.annotation) is Literal for value in get_args(field.annotation)
    )


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _child(container: Any, part: int | str) -> Any:
    """The type of one field, entry or item of a container; None if it has none."""
    if _is_model(container):
        field: FieldInfo | None = next((f for name, f in _fields(container) if name == part), None)
        if field is None:
            return None
        return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    if get_origin(container) is Mapping:
        return get_args(container)[1]
    return get_args(container)[0] if get_origin(container) is tuple else None


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        yield field.alias or name, field


def _keys(model: Any) -> Iterator[str]:
    if _is_model(model):
        yield from (name for name, _ in _fields(model))


_ALLOWED = {bool: "true or false", int: "a whole number", float: "a number", str: "text in quotes"}


def _allowed(annotation: Any) -> str:
    """What a field of this type takes, in words."""
    if get_origin(annotation) is Annotated:
        for mark in annotation.__metadata__:
            if isinstance(mark, Allowed | QuantityKind):
                return mark.allowed
    members = _members(annotation)
    if len(members) > 1:
        return "a table with the key kind" if all(map(_is_model, members)) else choices(map(_allowed, members))
    only = members[0]
    if only is not annotation:
        return _allowed(only)
    if _is_model(only):
        return f"a table with the keys {', '.join(_keys(only))}"
    if get_origin(only) is Literal:
        return choices(shown(value) for value in get_args(only))
    if get_origin(only) is tuple:
        return "a list"
    return "a table" if get_origin(only) is Mapping else _ALLOWED.get(only, "another value")


def _allowed_tags(annotation: Any, tag: str) -> str:
    """The values that tell the tables of a union apart."""
    fields = [_bare(member).model_fields[tag].annotation for member in _members(annotation)]
    return choices(shown(value) for literal in fields for value in get_args(literal))
