"""Recipes: expansion over sensors, order, and every fault with its exact key."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.configuration.recipe_file import Pause, Recipe
from labctl.configuration.toml_reading import check_file, load_recipe
from labctl.errors import ConfigurationError

JARGON = re.compile(r"Input should|Field required|type=|https?://|pydantic|validation error|Extra inputs|\[key\]")

KNOWN = {
    "warm_oven": set[str](),
    "lock_source": {"attempts"},
    "dark_noise": {"averages"},
    "lock_homodyne": {"sensor"},
    "individual_spectrum": {"sensor", "averages"},
    "joint_spectrum_analyzer": {"averages"},
    "joint_spectrum_digitizer": {"blocks", "averages"},
}


def test_a_recipe_expands_over_the_sensors(recipe_path: Path) -> None:
    steps = load_recipe(recipe_path, KNOWN).expand(2)
    assert [(step.name, step.sensor, step.needs) for step in steps] == [
        ("warm_oven", None, ()),
        ("lock_source", None, ("warm_oven",)),
        ("dark_noise", None, ("lock_source",)),
        ("lock_homodyne.1", 1, ("lock_source",)),
        ("lock_homodyne.2", 2, ("lock_source",)),
        ("individual_spectrum.1", 1, ("lock_homodyne.1", "dark_noise")),
        ("individual_spectrum.2", 2, ("lock_homodyne.2", "dark_noise")),
        ("joint_analyzer", None, ("lock_homodyne.1", "lock_homodyne.2", "dark_noise")),
        ("joint_digitizer", None, ("lock_homodyne.1", "lock_homodyne.2", "dark_noise")),
    ]


def test_a_step_has_its_own_settings_or_the_defaults(recipe_path: Path) -> None:
    steps = {step.name: step for step in load_recipe(recipe_path).expand(4)}
    assert (steps["warm_oven"].retries, steps["warm_oven"].time_limit) == (1, 7200.0)
    assert (steps["lock_source"].retries, steps["lock_source"].time_limit) == (2, 3600.0)
    assert steps["joint_analyzer"].procedure == "joint_spectrum_analyzer"
    assert dict(steps["joint_analyzer"].parameters) == {"averages": 400}
    assert dict(steps["lock_homodyne.3"].parameters) == {"sensor": 3}
    with pytest.raises(TypeError):
        steps["joint_analyzer"].parameters["averages"] = 1  # type: ignore[index]


def test_a_recipe_says_when_it_pauses_what_is_fresh_and_what_may_be_missing(recipe: dict[str, Any]) -> None:
    recipe["pause"] = {"vacuum_above": 1.33e-4, "oven_off": "100 mK", "locks": True, "longest": "2 h"}
    recipe["budgets"] = {"relock": 3}
    recipe["step"][4] |= {"fresh": "6 h", "moved": {"f0_hz": 20.0}, "value": 5.0}
    recipe["step"][6] |= {"optional": True, "spares_sensors": True}
    loaded = Recipe.model_validate(recipe)
    assert loaded.pause == Pause(vacuum_above=1.33e-4, oven_off=0.1, locks=True, settle=60.0, longest=7200.0)
    assert (loaded.budgets.retry, loaded.budgets.relock) == (40, 3)
    steps = {step.name: step for step in loaded.expand(2)}
    spectrum, joint, oven = steps["individual_spectrum.2"], steps["joint_digitizer"], steps["warm_oven"]
    assert (spectrum.fresh_s, dict(spectrum.moved), spectrum.value) == (21600.0, {"f0_hz": 20.0}, 5.0)
    assert (joint.is_optional, joint.spares_sensors) == (True, True)
    assert (oven.fresh_s, dict(oven.moved), oven.is_optional, oven.spares_sensors, oven.value) == (
        None,
        {},
        False,
        False,
        1.0,
    )
    with pytest.raises(TypeError):
        spectrum.moved["f0_hz"] = 1.0  # type: ignore[index]


def test_a_short_recipe_needs_no_defaults(write: Callable[..., Path]) -> None:
    recipe = load_recipe(write({"title": "one", "step": [{"name": "a", "procedure": "p", "retries": 0}]}))
    (step,) = recipe.expand(1)
    assert (step.retries, step.time_limit, step.needs, dict(step.parameters)) == (0, 3600.0, (), {})


def test_parameters_are_numbers_texts_truths_and_lists(write: Callable[..., Path]) -> None:
    parameters = {"n": 3, "rbw": "10 Hz", "x": -0.5, "on": True, "bins": [1, 2.5, "a"]}
    recipe = load_recipe(write({"title": "one", "step": [{"name": "a", "procedure": "p", "parameters": parameters}]}))
    assert dict(recipe.expand(1)[0].parameters) == {**parameters, "bins": (1, 2.5, "a")}


def test_a_step_written_before_what_it_needs_comes_after_it(recipe: dict[str, Any]) -> None:
    recipe["step"].reverse()
    names = [step.name for step in Recipe.model_validate(recipe).expand(1)]
    assert names == [
        "warm_oven",
        "lock_source",
        "lock_homodyne.1",
        "dark_noise",
        "joint_digitizer",
        "joint_analyzer",
        "individual_spectrum.1",
    ]


@given(st.integers(1, 64), st.randoms(use_true_random=False))
def test_every_step_comes_after_those_it_needs(count: int, random: Any) -> None:
    steps = [
        {"name": "a", "procedure": "p"},
        {"name": "b", "procedure": "p", "for_each": "sensor", "needs": ["a"]},
        {"name": "c", "procedure": "p", "for_each": "sensor", "needs": ["b", "a"]},
        {"name": "d", "procedure": "p", "needs": ["c", "b"]},
    ]
    random.shuffle(steps)
    expanded = Recipe.model_validate({"title": "t", "step": steps}).expand(count)
    done: set[str] = set()
    for step in expanded:
        assert set(step.needs) <= done
        done.add(step.name)
    assert len(done) == len(expanded) == 2 + 2 * count


def test_no_expansion_without_sensors(recipe_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be expanded for 0 sensors"):
        load_recipe(recipe_path).expand(0)


Change = Callable[[dict[str, Any]], object]

# a change to the reference recipe, the key at fault, words of the problem, words of what is allowed
FAULTS: list[tuple[Change, str, str, str]] = [
    (lambda r: r.pop("title"), "title", "is missing", "text of one line"),
    (lambda r: r.update(step=[]), "step", "too few entries", "1 to 500 [[step]] tables"),
    (lambda r: r.update(step=[*r["step"]] * 90), "step", "too many entries", "1 to 500 [[step]] tables"),
    (lambda r: r.update(step={"name": "a"}), "step", "a table cannot stand here", "1 to 500 [[step]] tables"),
    (lambda r: r.update(steps=[]), "steps", '(did you mean "step"?)', "title, defaults, pause, budgets, step"),
    (lambda r: r["defaults"].update(retries=-1), "defaults.retries", "-1 is too low", "from 0 to 20"),
    (lambda r: r["step"][1].update(retries=21), "step.lock_source.retries", "21 is too high", "from 0 to 20"),
    (lambda r: r["step"][1].update(time_limit="0 s"), "step.lock_source.time_limit", "is too low", "above 0 s"),
    (lambda r: r["step"][1].update(time_limit="3 V"), "step.lock_source.time_limit", "is a voltage", '"20 min"'),
    (lambda r: r["step"][6].pop("name"), "step.7.name", "is missing", "a name of at most 32"),
    (lambda r: r["step"][6].update(name="a.1"), "step.7.name", '"a.1" does not fit here', "a name of at most 32"),
    (lambda r: r["step"][6].pop("procedure"), "step.joint_digitizer.procedure", "is missing", "a name"),
    (lambda r: r["step"][6].update(after=[]), "step.joint_digitizer.after", "is not a known key", "for_each, needs"),
    (lambda r: r["step"][3].update(for_each="day"), "step.lock_homodyne.for_each", '"day" is not one', '"sensor"'),
    (lambda r: r["step"].append(3), "step.8", "3 cannot stand here", "a table with the keys name, procedure"),
    (
        lambda r: r["step"][6].update(name="joint_analyzer"),
        "step.joint_analyzer.name",
        "2 steps are called",
        "of its own",
    ),
    (
        lambda r: r["step"][1].update(needs=["warm_ovn"]),
        "step.lock_source.needs",
        'no step is called "warm_ovn" (did you mean "warm_oven"?)',
        "names of steps: warm_oven, lock_source",
    ),
    (
        lambda r: r["step"][0].update(needs=["lock_homodyne"]),
        "step.warm_oven.needs",
        "in a circle: warm_oven -> lock_homodyne -> lock_source -> warm_oven",
        "needs that come to an end",
    ),
    (
        lambda r: r["step"][3].update(parameters={"sensor": 1}),
        "step.lock_homodyne.parameters.sensor",
        "although for_each sets it",
        'either for_each = "sensor"',
    ),
    (
        lambda r: r["step"][5].update(parameters={"averages": datetime.date(2026, 1, 1)}),
        "step.joint_analyzer.parameters.averages",
        "2026-01-01 cannot be a parameter",
        "a finite number, text",
    ),
    (
        lambda r: r["step"][5].update(parameters={"averages": [[1]]}),
        "step.joint_analyzer.parameters.averages",
        "a list cannot be a parameter",
        "a list of at most 64",
    ),
    (
        lambda r: r["step"][5].update(parameters={"averages": float("inf")}),
        "step.joint_analyzer.parameters.averages",
        "inf is not a finite number",
        "a finite number",
    ),
    (lambda r: r.update(pause={"vacuum_above": "1 V"}), "pause.vacuum_above", "1 V", "number above 0"),
    (lambda r: r.update(pause={"vacuum_above": 0.0}), "pause.vacuum_above", "is too low", "above 0"),
    (lambda r: r.update(pause={"oven_off": "2 V"}), "pause.oven_off", "is a voltage", "K"),
    (lambda r: r.update(pause={"oven": "1 K"}), "pause.oven", "is not a known key", "oven_off, locks"),
    (lambda r: r.update(pause={"settle": "-1 s"}), "pause.settle", "is too low", "above 0 s"),
    (lambda r: r.update(budgets={"retry": -1}), "budgets.retry", "-1 is too low", "from 0 to 1000"),
    (lambda r: r.update(budgets={"retries": 1}), "budgets.retries", '(did you mean "retry"?)', "retry, reconnect"),
    (lambda r: r["step"][4].update(fresh="0 h"), "step.individual_spectrum.fresh", "is too low", "above 0 s"),
    (lambda r: r["step"][4].update(value=0.0), "step.individual_spectrum.value", "is too low", "above 0"),
    (lambda r: r["step"][4].update(optional="yes"), "step.individual_spectrum.optional", '"yes"', "true or false"),
    (
        lambda r: r["step"][4].update(fresh="6 h", moved={"f0_hz": -1.0}),
        "step.individual_spectrum.moved.f0_hz",
        "is too low",
        "above 0",
    ),
    (
        lambda r: r["step"][4].update(moved={"f0_hz": 20.0}),
        "step.individual_spectrum.moved",
        "means nothing without fresh",
        'fresh = "6 h"',
    ),
    # against the procedures that there are
    (
        lambda r: r["step"][1].update(procedure="lock_sorce"),
        "step.lock_source.procedure",
        'no procedure is called "lock_sorce" (did you mean "lock_source"?)',
        "one of dark_noise, individual_spectrum",
    ),
    (
        lambda r: r["step"][5].update(parameters={"average": 4}),
        "step.joint_analyzer.parameters.average",
        'joint_spectrum_analyzer has no such parameter (did you mean "averages"?)',
        "averages",
    ),
    (
        lambda r: r["step"][0].update(parameters={"target": 4}),
        "step.warm_oven.parameters.target",
        "warm_oven has no such parameter",
        "no parameters",
    ),
    (
        lambda r: r["step"][2].update(for_each="sensor"),
        "step.dark_noise.for_each",
        "dark_noise does not take a sensor",
        'a procedure with the parameter "sensor"',
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=[f"{key}: {problem}" for _, key, problem, _ in FAULTS])
def test_one_fault_is_one_line_and_the_only_one(
    recipe: dict[str, Any], write: Callable[..., Path], fault: tuple[Change, str, str, str]
) -> None:
    change, key, problem, allowed = fault
    change(recipe)
    path = write(recipe, "recipe.toml")
    (found,) = check_file(path, KNOWN)
    assert (found.file, found.key) == (str(path), key)
    assert problem in found.problem
    assert allowed in found.allowed
    with pytest.raises(ConfigurationError) as raised:
        load_recipe(path, KNOWN)
    assert str(raised.value) == str(found) == f"{path}: {key}: {found.problem}; allowed: {found.allowed}"
    assert not JARGON.search(str(raised.value))


def test_unknown_procedures_pass_when_nobody_says_which_there_are(
    recipe: dict[str, Any], write: Callable[..., Path]
) -> None:
    recipe["step"][1]["procedure"] = "anything"
    assert check_file(write(recipe)) == []


def test_all_faults_are_reported_at_once(recipe: dict[str, Any], write: Callable[..., Path]) -> None:
    steps = recipe["step"]
    steps[0]["retries"] = 50
    steps[1]["needs"] = ["nothing"]
    steps[2] = "dark"
    steps[3]["procedure"] = "lock_homodine"
    steps[4].pop("procedure")
    steps[5]["parameters"] = {"averages": 400, "rbw": "10 Hz"}
    recipe["colour"] = "blue"
    assert {fault.key for fault in check_file(write(recipe), KNOWN)} == {
        "colour",
        "step.warm_oven.retries",
        "step.lock_source.needs",
        "step.3",
        "step.joint_analyzer.needs",  # they need dark_noise, of which nothing is left
        "step.joint_digitizer.needs",
        "step.lock_homodyne.procedure",
        "step.individual_spectrum.procedure",
        "step.joint_analyzer.parameters.rbw",
    }


def test_a_station_file_is_not_a_recipe(table_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"table\.toml: station: this is a station file, not a recipe"):
        load_recipe(table_path)
