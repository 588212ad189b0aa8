"""Cold, misaligned tables by the shipped recipe: all loops locked by nobody, and where the truth says they ought to
be."""

from __future__ import annotations

import pytest
from cold_starts import RECIPE, cold_start

from labctl.configuration.toml_reading import load_recipe
from procedures.catalogue import PROCEDURES
from procedures.execution import check_parameters

OVEN_WITHIN_K = 5e-3
LONGEST_S = 5400.0


def test_the_recipe_names_procedures_that_there_are() -> None:
    steps = load_recipe(RECIPE).expand(4)
    assert {step.procedure for step in steps} <= PROCEDURES.keys()
    assert [step.name for step in steps][-1] == "audit_signs"
    check_parameters(steps)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 13, 50, 90])
def test_a_table_that_was_taken_apart_is_locked_again(seed: int) -> None:
    start = cold_start(seed)
    assert start.complete, start.reasons
    assert start.wrong == ()
    assert abs(start.oven_error_k) < OVEN_WITHIN_K
    assert start.lab_s < LONGEST_S
