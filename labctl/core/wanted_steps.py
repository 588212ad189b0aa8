"""A step that somebody asked for, checked before it is queued."""

from __future__ import annotations

from collections.abc import Mapping

from labctl.configuration.recipe_file import Step
from labctl.errors import ConfigurationError
from procedures.bench import Bench
from procedures.catalogue import PROCEDURES, parameters_of
from procedures.execution import check_parameters, make_procedure

LONGEST_STEP_S = 24 * 3600.0


def step_of(procedure: str, parameters: Mapping[str, float | int | str | bool], bench: Bench) -> tuple[Step, float]:
    """Return the step, and how long it is expected to take in s of lab time.

    Raises `ConfigurationError` naming what is not allowed.
    """
    if procedure not in PROCEDURES:
        raise ConfigurationError(f"There is no procedure {procedure}.", remedy=f"There are {', '.join(PROCEDURES)}.")
    known = parameters_of(PROCEDURES[procedure])
    if unknown := [name for name in parameters if name not in known]:
        raise ConfigurationError(
            f"{procedure} has no {', '.join(unknown)}.", remedy=f"It has {', '.join(known) or 'no parameters'}."
        )
    sensor = parameters.get("sensor")
    name = procedure if sensor is None else f"{procedure}.{sensor}"
    step = Step(name, procedure, None, (), 0, LONGEST_STEP_S, dict(parameters))
    check_parameters([step])
    return step, make_procedure(procedure, step.parameters, bench).expected_s()
