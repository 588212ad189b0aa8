"""What every driver and channel class must keep, found by walking the `drivers` package; each check is also shown to
fail on a class that breaks its rule."""

from __future__ import annotations

import importlib
import inspect
import math
import pkgutil
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from pymeasure.instruments import Channel, Instrument

import drivers
from drivers.base import Driver, DriverChannel

TESTS = Path(__file__).parent
ABSURD = (1e300, -1e300, math.inf, math.nan)

_VERB = re.compile(r"(Control|Get|Measure|Set)\b")
_TYPE = re.compile(r"\((?:[^()]*\W)?(bool|int|integers?|float|str|tuple|no unit|`[A-Z]\w+`)(?:\W[^()]*)?\)")
_UNIT = re.compile(r"\b(?:in|many|this) (?:V|A|W|Hz|s|K|degC|dB|dBm|degrees|samples|steps|V/V|V/s|1/s|K/s|steps/s)\b")
_PARENTHESES = re.compile(r"\(([^()]*)\)")
_RANGE = re.compile(r"\bbool\b|\d.* (?:to|or) .*\d|[A-Z0-9,]{2,}\b.*\bor\b.*[A-Z0-9]{1,}|\bto\b")
_CODE = re.compile(r"^\s*(?:#.*|\"\"\".*?\"\"\")$", re.MULTILINE)


def classes_of_drivers() -> list[type[Any]]:
    """Return every Instrument and Channel class that the package defines."""
    modules = [found.name for found in pkgutil.walk_packages(drivers.__path__, "drivers.")]
    return [
        item
        for module in modules
        for item in vars(importlib.import_module(module)).values()
        if isinstance(item, type) and issubclass(item, Instrument | Channel) and item.__module__ == module
    ]


CLASSES = classes_of_drivers()
INSTRUMENTS = [cls for cls in CLASSES if issubclass(cls, Instrument) and cls is not Driver]
CHANNELS = [cls for cls in CLASSES if issubclass(cls, Channel) and cls is not DriverChannel]
PROPERTIES = [
    pytest.param(cls, name, id=f"{cls.__name__}.{name}")
    for cls in CLASSES
    for name, item in vars(cls).items()
    if isinstance(item, property)
]


def properties_of(cls: type[Any]) -> list[tuple[str, property]]:
    """Return the properties of a class that are ours, its own and inherited."""
    ours = [base for base in cls.__mro__ if base.__module__.startswith("drivers.") or base.__module__ == __name__]
    return [(name, item) for base in ours for name, item in vars(base).items() if isinstance(item, property)]


def can_be_read(item: property) -> bool:
    """Return whether reading does more than refuse."""
    return item.fget is not None and _default(item.fget, "get_command") is not None


def can_be_set(item: property) -> bool:
    """Return whether setting does more than refuse."""
    return item.fset is not None and _default(item.fset, "set_command") is not None


def _default(function: Callable[..., Any], parameter: str) -> Any:
    """Return the default of a parameter, where pymeasure keeps the command of a property; "" without one."""
    found = inspect.signature(function).parameters.get(parameter)
    return "" if found is None else found.default


def faults_of_docstring(item: property) -> list[str]:
    """Return what is wrong with the docstring of a property."""
    summary = " ".join(inspect.cleandoc(item.__doc__ or "").split("\n\n")[0].split())
    verb = _VERB.match(summary)
    if verb is None:
        return ["does not start with Control, Get, Measure or Set"]
    promised = {"Control": (True, True), "Set": (False, True)}.get(verb[1], (True, False))
    faults = []
    if promised != (can_be_read(item), can_be_set(item)):
        faults.append(f"says {verb[1]}, but can {'' if can_be_set(item) else 'not '}be set")
    if not (_TYPE.search(summary) or _UNIT.search(summary)):
        faults.append("names neither unit nor type")
    if can_be_set(item) and not any(_RANGE.search(group) for group in _PARENTHESES.findall(summary)):
        faults.append("gives no range or choices in parentheses")
    return faults


def family(root: Any) -> Iterator[Any]:
    """Yield an instrument and all its channels, however deep."""
    yield root
    for collection in list(vars(root).values()):
        if isinstance(collection, dict):
            for child in collection.values():
                if isinstance(child, Channel) and child.parent is root:
                    yield from family(child)


def unguarded(root: Instrument, owner: Any, name: str) -> list[str]:
    """Return the absurd values that get through to the adapter of `root`, or end otherwise than in a ValueError."""
    faults = []
    for value in ABSURD:
        root.adapter.reset_mock()
        try:
            setattr(owner, name, value)
            faults.append(f"takes {value}")
        except ValueError:
            pass
        except Exception as error:
            faults.append(f"answers {value} with {type(error).__name__}")
        if any(call[0].startswith("write") for call in root.adapter.method_calls):
            faults.append(f"sends something for {value}")
    return faults


def code_of(path: Path) -> str:
    """Return a test file without comment and docstring lines."""
    return _CODE.sub("", path.read_text(encoding="utf-8"))


def untested(cls: type[Any], name: str, tests: list[str]) -> list[str]:
    """Return which of reading and setting a property no test of its module does, as far as its source shows."""
    module = cls.__module__.rpartition(".")[0]
    about = [code for code in tests if cls.__name__ in code or cls.__module__ in code or f"from {module}" in code]
    item = vars(cls)[name]
    dotted = re.compile(rf"\.{name}\b(?!\s*=[^=])")
    assigned = re.compile(rf"\.{name}\s*=[^=]")
    quoted = re.compile(rf"[\"']{name}[\"']")
    faults = []
    if can_be_read(item) and not any(dotted.search(c) or (quoted.search(c) and "getattr(" in c) for c in about):
        faults.append("reading it")
    if can_be_set(item) and not any(assigned.search(c) or (quoted.search(c) and "setattr(" in c) for c in about):
        faults.append("setting it")
    return faults


class BadChannel(DriverChannel):
    """A channel that keeps no rule."""

    level = Instrument.control("LEV{ch}?", "LEV{ch} %g", "The level.")


class BadDriver(Driver):
    """A driver that keeps no rule."""

    output = Instrument.MultiChannelCreator(BadChannel, [1, 2])
    power = Instrument.control("POW?", "POW %g", "Get the power in W.")
    mode = Instrument.control("MODE?", "MODE %s", "Control the mode in V.")

    def __init__(self, adapter: Any) -> None:
        super().__init__(adapter, "bad")
        self.write("*RST")


def test_the_walk_finds_drivers_and_channels() -> None:
    assert {cls.__name__ for cls in INSTRUMENTS} >= {"KeysightXSeries", "SIM900", "Newport8742", "MeerstetterTEC"}
    assert {cls.__name__ for cls in CHANNELS} >= {"SIM960", "PicomotorAxis", "TECChannel", "FastOutput"}
    assert len(PROPERTIES) > 100


@pytest.mark.parametrize("cls", INSTRUMENTS)
def test_a_mock_adapter_is_enough_and_nothing_is_sent(cls: Callable[..., Driver]) -> None:
    adapter = MagicMock()
    driver = cls(adapter=adapter)
    assert driver.adapter is adapter
    assert adapter.method_calls == []
    assert next(iter(inspect.signature(cls).parameters)) == "adapter"


def test_a_driver_that_talks_when_it_is_made_is_noticed() -> None:
    adapter = MagicMock()
    BadDriver(adapter)
    assert adapter.method_calls != []


@pytest.mark.parametrize("cls", INSTRUMENTS)
def test_the_name_can_be_chosen_and_has_a_default(cls: Callable[..., Driver]) -> None:
    assert cls(MagicMock(), name="Name_Test").name == "Name_Test"
    assert len(cls(MagicMock()).name) > 3


@pytest.mark.parametrize("cls", INSTRUMENTS)
def test_keywords_reach_the_link(cls: Callable[..., Driver]) -> None:
    with pytest.raises(ValueError, match="'kwarg_test' is not a valid attribute"):
        cls("ASRL2::INSTR", visa_library="@sim", kwarg_test=True)


@pytest.mark.parametrize(("cls", "name"), PROPERTIES)
def test_the_docstring_says_verb_unit_and_range(cls: type[Any], name: str) -> None:
    assert faults_of_docstring(vars(cls)[name]) == []


def test_bad_docstrings_are_noticed() -> None:
    assert faults_of_docstring(vars(BadChannel)["level"]) == ["does not start with Control, Get, Measure or Set"]
    assert faults_of_docstring(vars(BadDriver)["power"]) == [
        "says Get, but can be set",
        "gives no range or choices in parentheses",
    ]
    assert faults_of_docstring(vars(BadDriver)["mode"]) == ["gives no range or choices in parentheses"]
    assert faults_of_docstring(property(lambda self: 0, doc="Get the state.")) == ["names neither unit nor type"]
    assert faults_of_docstring(property(lambda self: 0, doc="Set the bias in V (0 to 1).")) == [
        "says Set, but can not be set"
    ]


@pytest.mark.parametrize("cls", INSTRUMENTS)
def test_no_absurd_value_is_ever_sent(cls: Callable[..., Driver]) -> None:
    root = cls(MagicMock())
    checked = 0
    for owner in family(root):
        for name, item in properties_of(type(owner)):
            if can_be_set(item):
                assert unguarded(root, owner, name) == [], f"{type(owner).__name__}.{name}"
                checked += 1
    settable_here = [name for name, item in vars(cls).items() if isinstance(item, property) and can_be_set(item)]
    assert checked >= len(settable_here)


def test_every_channel_class_belongs_to_a_driver() -> None:
    members = {type(owner) for cls in INSTRUMENTS for owner in family(cls(MagicMock()))}
    assert set(CHANNELS) <= members


def test_settings_without_a_validator_are_noticed() -> None:
    root = BadDriver(MagicMock())
    assert "takes 1e+300" in unguarded(root, root, "power")
    assert "sends something for 1e+300" in unguarded(root, root, "power")
    assert {id(owner) for owner in family(root)} == {id(root), id(root.output[1]), id(root.output[2])}
    assert "takes nan" in unguarded(root, root.output[2], "level")


@pytest.mark.parametrize(("cls", "name"), PROPERTIES)
def test_every_property_is_tested(cls: type[Any], name: str) -> None:
    tests = [code_of(path) for path in TESTS.glob("test_*.py") if path.name != Path(__file__).name]
    assert untested(cls, name, tests) == []


def test_missing_tests_are_noticed() -> None:
    reads = 'def test() -> None:\n    assert BadDriver(0).power == 1.0\n    """power = 2"""\n'
    assert untested(BadDriver, "power", [reads]) == ["setting it"]
    assert untested(BadDriver, "power", ["BadDriver(0).power = 1.0"]) == ["reading it"]
    assert untested(BadDriver, "mode", ['def test(name="mode"):\n    setattr(BadDriver(0), name, 1)']) == ["reading it"]
    assert untested(BadDriver, "mode", ["Other(0).mode = Other(1).mode"]) == ["reading it", "setting it"]
