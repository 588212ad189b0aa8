"""`labctl check` on recipes: every fault at once, also those that only the procedures and the station know."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from in_process import run_labctl

BAD = """
title = "all faults at once"

[defaults]
time_limit = "2 h"

[[step]]
name = "first"
procedure = "warm_oven"
needs = ["last"]

[[step]]
name = "last"
procedure = "lock_source"
needs = ["first", "frist"]

[[step]]
name = "unknown"
procedure = "noise_flor"

[[step]]
name = "parameter"
procedure = "noise_floor"
parameters = { average = 5 }

[[step]]
name = "value"
procedure = "warm_oven"
parameters = { target = 900.0 }

[[step]]
name = "too_long"
procedure = "individual_spectrum"
for_each = "sensor"
time_limit = "10 min"
parameters = { averages = 10000 }

[[step]]
name = "in_time"
procedure = "warm_oven"
parameters = { ramp = 0.002 }

[[step]]
name = "moved"
procedure = "noise_floor"
moved = { f0_hz = 20.0 }
"""

EXPECTED = [
    r"step\.first\.needs: .*in a circle: first -> last -> first",
    r'step\.last\.needs: no step is called "frist" \(did you mean "first"\?\)',
    r'step\.unknown\.procedure: no procedure is called "noise_flor" \(did you mean "noise_floor"\?\)',
    r"step\.parameter\.parameters\.average: noise_floor has no such parameter",
    r"step value: target = 900\.0 is not allowed; allowed: -20 to 200 degC",
    r"step too_long: would take .*, and its time_limit is 10 min; raise time_limit, or take averages = \d+",
    r"step\.moved\.moved: means nothing without fresh",
]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return tmp_path / "recipe.toml"


def faults_of(recipe: Path, text: str) -> list[str]:
    recipe.write_text(text, encoding="utf-8")
    done = run_labctl("check", recipe)
    assert done.returncode == (0 if "No faults" in done.stdout else 2)
    lines = done.stderr.splitlines()
    if not lines:
        return []
    assert lines[-1] == f"{len(lines) - 1} fault{'s' if len(lines) > 2 else ''}."
    return lines[:-1]


def test_all_faults_are_named_at_once(recipe: Path) -> None:
    found = faults_of(recipe, BAD)
    for pattern in EXPECTED:
        assert len([line for line in found if re.search(pattern, line)]) == 1, pattern
    assert len(found) == len(EXPECTED), found
    assert all(line.startswith(f"{recipe}: ") for line in found)


def test_a_fault_of_every_sensor_is_one_fault(recipe: Path) -> None:
    steps = """
title = "one"
[[step]]
name = "spectrum"
procedure = "individual_spectrum"
for_each = "sensor"
time_limit = "10 min"
parameters = { averages = 10000 }
"""
    (found,) = faults_of(recipe, steps)
    most = re.search(r"would take .*take averages = (\d+)", found)
    assert most is not None
    assert faults_of(recipe, steps.replace("10000", most[1])) == []  # what it says is what helps


@pytest.mark.parametrize("name", ["overnight.toml", "bring_up.toml"])
def test_what_is_shipped_has_no_faults(name: str) -> None:
    from labctl.configuration.templates import template_directory

    assert run_labctl("check", template_directory() / name).stdout == "No faults.\n"


@pytest.mark.parametrize("text", ["title = ", "[[step]]\nname = \x00", ""])
def test_a_file_that_cannot_be_read_is_one_fault_line_or_more(recipe: Path, text: str) -> None:
    assert faults_of(recipe, text)


def test_a_sensor_that_the_table_has_not_ends_no_check(recipe: Path) -> None:
    text = """
title = "one"
[[step]]
name = "spectrum"
procedure = "individual_spectrum"
parameters = { sensor = 63 }
"""
    faults_of(recipe, text)
