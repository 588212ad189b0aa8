"""Whatever happens to a file, it is accepted or refused with a ConfigurationError in plain words, and nothing else."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labctl.configuration.recipe_file import Recipe
from labctl.configuration.station_file import StationFile
from labctl.configuration.toml_reading import check_file, load_recipe, load_station
from labctl.errors import ConfigurationError

JARGON = re.compile(r"Input should|Field required|type=|https?://|pydantic|validation error|Extra inputs|\[key\]")
LINE = re.compile(r"[^\n]+: [^\n]+; allowed: [^\n]+")

CONFIG = Path(__file__).parents[2] / "config"
STATION = (CONFIG / "table.toml").read_text(encoding="utf-8")
RECIPE = (CONFIG / "overnight.toml").read_text(encoding="utf-8")

Path_ = tuple[str | int, ...]


def _paths(content: object, here: Path_ = ()) -> Iterator[Path_]:
    """The path of every key and item of a file."""
    if isinstance(content, dict | list):
        for part, inner in content.items() if isinstance(content, dict) else enumerate(content):
            yield (*here, part)
            yield from _paths(inner, (*here, part))


_text = st.text(alphabet=st.characters(codec="utf-8"), max_size=40)
_scalars = st.one_of(
    _text,
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.booleans(),
    st.dates(),
    st.sampled_from(["visa", "simulated", "homodyne", "opa_length", "analyzer", "servos", "scan", "10 Hz", "1 V", "x"]),
)
_junk = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3), max_leaves=6
)


@st.composite
def _mutated(draw: st.DrawFn, original: dict[str, Any]) -> dict[str, Any]:
    """A file with one to four keys removed, renamed, or replaced by junk or by another part of the file."""
    content = copy.deepcopy(original)
    for _ in range(draw(st.integers(1, 4))):
        paths = list(_paths(content))
        if not paths:
            break
        *above, last = draw(st.sampled_from(paths))
        place: Any = content
        for part in above:
            place = place[part]
        action = draw(st.sampled_from(["remove", "rename", "replace", "move"]))
        if action == "remove":
            del place[last]
        elif action == "rename" and isinstance(place, dict):
            place[draw(_text)] = place.pop(last)
        elif action == "move":
            source: Any = content
            for part in draw(st.sampled_from(paths)):
                source = source[part]
            place[last] = copy.deepcopy(source)
        else:
            place[last] = draw(_junk)
    return content


def _opens_or_is_refused_plainly(path: Path, load: Callable[[Path], object], model: type[object]) -> None:
    try:
        opened = load(path)
    except ConfigurationError as error:
        lines = str(error).split("\n")
        assert all(LINE.fullmatch(line) for line in lines)
        assert not JARGON.search(str(error))
        assert check_file(path)
    else:
        assert isinstance(opened, model)
        assert check_file(path) == []


_quiet = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@_quiet
@given(content=_mutated(tomllib.loads(STATION)))
def test_a_mutated_station_file(content: dict[str, Any], write: Callable[..., Path]) -> None:
    _opens_or_is_refused_plainly(write(content), load_station, StationFile)


FAULTY_BACKEND = {
    "kind": "simulated",
    "faults": [
        {"instrument": "oven", "kind": "bad_crc", "after": "20 min", "lasting": 30.0},
        {"instrument": "analyzer", "kind": "missing"},
        {"instrument": "oven", "kind": "open_sensor", "channel": 1},
    ],
}


@_quiet
@given(backend=_mutated(FAULTY_BACKEND))
def test_mutated_faults_of_instruments(backend: dict[str, Any], write: Callable[..., Path]) -> None:
    content = tomllib.loads(STATION) | {"backend": backend}
    _opens_or_is_refused_plainly(write(content), load_station, StationFile)


@_quiet
@given(content=_mutated(tomllib.loads(RECIPE)))
def test_a_mutated_recipe(content: dict[str, Any], write: Callable[..., Path]) -> None:
    _opens_or_is_refused_plainly(write(content), load_recipe, Recipe)


@_quiet
@given(start=st.integers(0, len(STATION)), length=st.integers(0, 60), new=_text)
def test_a_station_file_with_a_piece_of_text_replaced(
    start: int, length: int, new: str, write: Callable[..., Path]
) -> None:
    _opens_or_is_refused_plainly(write(STATION[:start] + new + STATION[start + length :]), load_station, StationFile)


@_quiet
@given(data=st.binary(max_size=200))
def test_random_bytes(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "random.toml"
    path.write_bytes(data)
    _opens_or_is_refused_plainly(path, load_station, StationFile)


@pytest.mark.parametrize("model", [StationFile, Recipe])
@_quiet
@given(content=st.dictionaries(st.sampled_from(["station", "step", "title", "backend", "loops", "sensors"]), _junk))
def test_files_of_junk(model: type[StationFile | Recipe], content: dict[str, Any], write: Callable[..., Path]) -> None:
    load = load_station if model is StationFile else load_recipe
    _opens_or_is_refused_plainly(write(content), load, model)


def test_the_mutations_reach_what_they_should() -> None:
    paths = set(_paths(tomllib.loads(STATION)))
    assert {("loops", "lo1", "servo", "slot"), ("sensors", 3, "search_span"), ("rf_switch", "pins", 2)} <= paths
