"""Every published number with a model, recomputed from labctl.physics."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import pytest
from model_rows import MODEL_OF, NOT_FROM_FORMULAE, ROWS, Row

VALUES = tomllib.loads(files("labctl.report").joinpath("published_values.toml").read_text(encoding="utf-8"))["value"]

ROUNDED = {
    "Thermal peak over shot noise": 0.02,  # to one digit, three routes to it being 1 apart; their mean is 5.07
    "Optomechanical coupling g₀/2π": 0.015,  # to two digits, a tenth being uncertain
    "Coupling over linewidth g₀/κ": 0.015,  # as that
}
"""Relative tolerance of models that are stated with few digits."""


@pytest.mark.parametrize("entry", [v for v in VALUES if "model" in v], ids=lambda entry: str(entry["quantity"]))
def test_the_report_prints_what_the_formulae_give(entry: dict[str, object]) -> None:
    stated = entry["model"]
    expected = stated if isinstance(stated, list) else [stated]
    name = str(entry["quantity"])
    assert MODEL_OF[name] == pytest.approx(expected, rel=ROUNDED.get(name, 0.01))


def test_what_has_no_model_has_a_reason() -> None:
    for entry in VALUES:
        assert entry["quantity"] in (MODEL_OF if "model" in entry else NOT_FROM_FORMULAE)
    assert not set(MODEL_OF) & set(NOT_FROM_FORMULAE)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_formulae_give_the_number_worked_out_apart(row: Row) -> None:
    assert float(row.model) == pytest.approx(row.expected, rel=row.tolerance)
    assert row.tolerance <= 0.01 or row.remark


def test_rows_are_named_once() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
