"""What the ledger keeps, how it compares, and what an instrument is found at."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from enum import Enum, IntEnum
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymeasure.instruments import Instrument
from pymeasure.test import expected_protocol
from station_bench import Bench

import drivers
from drivers.base import Driver, DriverChannel
from drivers.errors import ConnectionLost, NoReply
from labctl.station.ledger import Asked, SettingsLedger, plain, same
from labctl.station.read_back import Comparison, Verdict, compare
from labctl.station.setting_units import unit_in, unit_of


class Shape(Enum):
    SINE = "sin"


class Level(IntEnum):
    HIGH = 1


# ---- the ledger -----------------------------------------------------------------------------------------------------


def test_the_ledger_gives_the_last_value_of_each_setting_in_plain_form() -> None:
    ledger = SettingsLedger()
    keep = ledger.keeper_for("generator")
    for shape in ("old", Shape.SINE):
        keep("shape", shape)
    keep("limits", (np.float64(-1.0), np.int64(2)))
    keep("level", Level.HIGH)
    keep("odd", object)
    assert ledger.asked() == [
        Asked("generator", "shape", "sin"),
        Asked("generator", "limits", [-1.0, 2]),
        Asked("generator", "level", 1),
        Asked("generator", "odd", "<class 'object'>"),
    ]


PLAIN = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(), st.lists)


@given(PLAIN)
def test_what_is_plain_stays_and_is_the_same_as_itself(value: Any) -> None:
    assert plain(value) == value
    assert same(value, value)


@pytest.mark.parametrize(
    ("setting", "wanted", "found", "is_same"),
    [
        ("integral_gain", 553.85, 550.0, True),  # two digits
        ("resolution_bandwidth_hz", 100.0, 110.0, False),
        ("resolution_bandwidth_hz", 104.0, 100.0, True),
        ("frequency_start_hz", 4.309e6, 4.319e6, False),  # a span away, and 0.2 % only
        ("frequency", 7.450580596923827, 7.45058, True),
        ("target_temperature_c", 35.0, 34.9, False),
        ("coarse_ramp_k_per_s", 0.02, 0.019999999552965164, True),  # single precision
        ("wavelength_setpoint", 1550e-9, 1550.1e-9, False),
        ("wavelength", 1550.3e-9, 1550e-9, True),  # whole nanometres
        ("power_setpoint", 5e-3, 5.0003e-3, True),
        ("setpoint", 0.0, 1e-13, True),
        ("shape", "SIN", Shape.SINE, True),
        ("level", True, Level.HIGH, True),
        ("limits", [1.0, 2.0], (1.0, 2.0), True),
        ("limits", [1.0, 2.0], (1.0,), False),
        ("limits", [1.0, 2.0], (1.0, 2.1), False),
    ],
)
def test_each_setting_is_compared_as_finely_as_its_instrument_rounds(
    setting: str, wanted: Any, found: Any, is_same: bool
) -> None:
    assert same(wanted, found, f"module_1.{setting}") is is_same


# ---- units ----------------------------------------------------------------------------------------------------------


def settable() -> Iterator[tuple[str, str]]:
    """Yield name and summary of every setting of every driver."""
    for module in pkgutil.walk_packages(drivers.__path__, "drivers."):
        for owner in vars(importlib.import_module(module.name)).values():
            if isinstance(owner, type) and issubclass(owner, Driver | DriverChannel):
                for name, item in inspect.getmembers_static(owner, lambda item: isinstance(item, property)):
                    if item.fset is not None:
                        yield f"{owner.__name__}.{name}", (item.__doc__ or "").strip().partition("\n")[0]


def test_every_setting_that_is_a_quantity_has_a_unit_and_no_choice_has_one() -> None:
    summaries = dict(settable())
    assert len(summaries) > 150
    quantities = {name: text for name, text in summaries.items() if "(float" in text and "the part of" not in text}
    choices = {name: text for name, text in summaries.items() if re.search(r"\((bool|str)\b", text)}
    assert len(quantities) > 40 and len(choices) > 40
    assert [name for name, text in quantities.items() if not unit_in(text)] == []
    assert [name for name, text in choices.items() if unit_in(text)] == []


@pytest.mark.parametrize(
    ("summary", "unit"),
    [
        ("Control the resolution bandwidth in Hz, in steps of 10 % (float strictly from 1 to 8e6).", "Hz"),
        ("Control the amplitude (half of peak to peak) in V (float strictly from 0 to 1).", "V"),
        ("Control the integral gain in A/(K s) (float strictly from 0 to 1000).", "A/(K s)"),
        ("Control the dialect (str: SCPI, in m and Hz, or Legacy, in nm and THz).", ""),
        ("Control the attenuation in steps of 2 (int).", ""),
        ("Control what stays in RAM.", ""),
        ("", ""),
    ],
)
def test_the_unit_is_the_first_outside_parentheses(summary: str, unit: str) -> None:
    assert unit_in(summary) == unit


# ---- reading back ---------------------------------------------------------------------------------------------------


def test_settings_of_an_open_station_are_read_back_and_compared(bench: Bench) -> None:
    analyzer, servos = bench.station.driver("analyzer"), bench.station.driver("servos")
    analyzer.resolution_bandwidth_hz = 100.0
    analyzer.average_type = "RMS"
    servos.gate_with(None)  # it is closed, and nobody limited it yet
    servos.modules[1].integral_gain = 553.85
    asked = bench.station.ledger.wanted
    assert [one.verdict for one in compare(analyzer, asked("analyzer"))] == [Verdict.SAME, Verdict.SAME]
    assert [one.verdict for one in compare(servos, asked("servos"))] == [Verdict.SAME]
    analyzer.write("BAND 10")  # as somebody at the front panel would
    changed, same_as_before = compare(analyzer, asked("analyzer"))
    assert changed == Comparison("analyzer", "resolution_bandwidth_hz", 100.0, 10.0, Verdict.DIFFERS)
    assert same_as_before.verdict is Verdict.SAME
    assert asked("analyzer")["resolution_bandwidth_hz"] == 100.0  # looking is not asking
    assert unit_of(servos, "module_1.integral_gain") == "1/s"
    assert unit_of(servos, "module_1.closed") == unit_of(servos, "module_7.integral_gain") == unit_of(servos, "x") == ""


def test_what_can_only_be_written_or_is_gone_is_told_apart(bench: Bench) -> None:
    bench.station.servos["opa_length"].hold()
    bench.station.driver("piezo_a").channels["x"].voltage = 1.0
    (voltage,) = compare(bench.station.driver("piezo_a"), bench.station.ledger.wanted("piezo_a"))
    assert (voltage.verdict, voltage.found) == (Verdict.WRITE_ONLY, None)
    channel, setting = compare(bench.station.driver("servos"), {"module_8.closed": True, "module_1.colour": "red"})
    assert (channel.verdict, setting.verdict) == (Verdict.GONE, Verdict.GONE)
    assert "channel" in channel.problem and "setting" in setting.problem


def _silence(driver: Driver) -> float:
    raise NoReply(driver.name, "did not answer in time")


def _gone(driver: Driver) -> float:
    raise ConnectionLost(driver.name, "the link broke")


class Awkward(Driver):
    """Settings that answer in every way that a setting can."""

    level = Instrument.control("L?", "L %g", "Control the level in V (float).")
    mode = Instrument.control("M?", "M %d", "Control the mode (str).", values={"A": 1}, map_values=True)
    blind = Instrument.setting("B %g", "Set what nobody can read.")
    silent = property(_silence, lambda driver, value: None)
    away = property(_gone, lambda driver, value: None)


def test_an_answer_that_is_not_understood_costs_one_setting_and_silence_all_that_follow() -> None:
    wanted: dict[str, Any] = {"level": 1.0, "mode": "A", "blind": 2.0}
    with expected_protocol(Awkward, [("L?", "soup"), ("M?", "7")], name="meter") as meter:
        level, mode, blind = compare(meter, wanted)
    assert (level.verdict, mode.verdict, blind.verdict) == (Verdict.UNREAD, Verdict.UNREAD, Verdict.WRITE_ONLY)
    assert "soup" in level.problem and "7" in mode.problem
    for broken in ("silent", "away"):
        with expected_protocol(Awkward, [("L?", "1")], name="meter") as meter:
            first, *others = compare(meter, {"level": 1.0, broken: 2.0, "mode": "A"})
        assert first.verdict is Verdict.SAME
        assert [one.verdict for one in others] == [Verdict.UNREAD] * 2
        assert others[0].problem == others[1].problem != ""
