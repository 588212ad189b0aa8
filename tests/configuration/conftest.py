"""What the tests of station files and recipes share: reference files as dicts, and a way to write one."""

from __future__ import annotations

import copy
import datetime
import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

CONFIG = Path(__file__).parents[2] / "config"

REFERENCE_TABLE = Path(__file__).parent / "reference_table.toml"
REFERENCE_RECIPE = Path(__file__).parent / "reference_recipe.toml"

_TABLE = tomllib.loads(REFERENCE_TABLE.read_text(encoding="utf-8"))
_RECIPE = tomllib.loads(REFERENCE_RECIPE.read_text(encoding="utf-8"))


def as_toml(content: Mapping[str, Any]) -> str:
    """A dict as TOML: one line for each top-level key, tables inline."""
    return "".join(f"{_quoted(key)} = {_value(value)}\n" for key, value in content.items())


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_quoted(key)} = {_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ",\n".join(map(_value, value)) + "]"
    return value.isoformat() if isinstance(value, datetime.date) else repr(value)


@pytest.fixture
def table() -> dict[str, Any]:
    """The content of the reference table, to be changed at will."""
    return copy.deepcopy(_TABLE)


@pytest.fixture
def recipe() -> dict[str, Any]:
    """The content of the reference recipe, to be changed at will."""
    return copy.deepcopy(_RECIPE)


@pytest.fixture
def table_path() -> Path:
    """The reference table."""
    return REFERENCE_TABLE


@pytest.fixture
def recipe_path() -> Path:
    """The reference recipe."""
    return REFERENCE_RECIPE


@pytest.fixture
def config() -> Path:
    """The folder of the shipped files."""
    return CONFIG


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """`write(content, name="station.toml")`: write a dict, or text as it is, and return the path."""

    def writer(content: Mapping[str, Any] | str, name: str = "station.toml") -> Path:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else as_toml(content), encoding="utf-8")
        return path

    return writer
