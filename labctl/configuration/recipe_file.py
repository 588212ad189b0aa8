"""The recipe file: the steps of a night, what each needs, and their order.

A step that is fresh is not done again: it was last done less than `fresh` ago, what it needs was not done
after it, and no quantity in `moved` has moved further since. With `optional` a night without it is complete all the
same, and those that need it go on without it; with `spares_sensors` it is done with the sensors that work. `value` is
what it is worth where a night is short.

A step with `for_each = "sensor"` stands for one step a sensor, `lock_homodyne.1` and so on. Where such a step needs
another such step, sensor n needs sensor n; any other step that needs one waits for all sensors.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field, PlainValidator, ValidationInfo, model_validator

from labctl.configuration.dependencies import cycle_in, in_order_of_needs
from labctl.configuration.explanations import raise_findings
from labctl.configuration.faults import Allowed, Finding, Key, guess, refusal, shown
from labctl.configuration.quantities import PositiveDuration, PositiveTemperatureDifference
from labctl.configuration.tables import Name, Names, PositiveNumber, ShortText, Table
from labctl.errors import ConfigurationError

KnownProcedures = Mapping[str, Collection[str]]
"""Name of each procedure -> names of its parameters."""

SENSOR_PARAMETER = "sensor"
"""The parameter that tells a procedure which sensor a `for_each` step is for, counted from 1."""

_RETRIES = 1
_TIME_LIMIT_S = 3600.0
_LONGEST_LIST = 64

ParameterValue = bool | int | float | str | tuple[bool | int | float | str, ...]


def _parameter(value: object) -> ParameterValue:
    if isinstance(value, list | tuple) and len(value) <= _LONGEST_LIST:
        return tuple(_plain_value(item) for item in value)
    return _plain_value(value)


def _plain_value(value: object) -> bool | int | float | str:
    if not isinstance(value, bool | int | float | str):
        raise refusal(f"{shown(value)} cannot be a parameter")
    if isinstance(value, float) and not math.isfinite(value):
        raise refusal(f"{shown(value)} is not a finite number")
    return value


Budget = Annotated[int, Field(ge=0, le=1000), Allowed("a whole number from 0 to 1000")]
Retries = Annotated[int, Field(ge=0, le=20), Allowed("a whole number from 0 to 20")]
Parameter = Annotated[
    ParameterValue,
    PlainValidator(_parameter),
    Allowed(f"a finite number, text, true or false, or a list of at most {_LONGEST_LIST} of them"),
]


class Defaults(Table):
    """How often a step that failed is tried again, and how long it may take (s), where the step does not say."""

    retries: Retries = _RETRIES
    time_limit: PositiveDuration = _TIME_LIMIT_S


class Pause(Table):
    """When nothing is measured: pressure above `vacuum_above` (Pa), oven more than `oven_off` (K) from its target, or,
    with `locks`, a loop that has spent its relocks. The run goes on once all has been well for `settle` (s), and ends
    after `longest` (s).
    """

    vacuum_above: PositiveNumber | None = None
    oven_off: PositiveTemperatureDifference | None = None
    locks: bool = False
    settle: PositiveDuration = 60.0
    longest: PositiveDuration = 7200.0


class Budgets(Table):
    """How often in a night each way out of trouble is taken: tried again, reconnected, locked anew, aligned anew."""

    retry: Budget = 40
    reconnect: Budget = 20
    relock: Budget = 20
    realign: Budget = 8


class RecipeStep(Table):
    """A step as the file has it; `retries` and `time_limit` (s) are None where the defaults hold, `fresh` in s.

    `moved` names quantities by the last part of their results: that of the step's own sensor, or of any.
    """

    name: Name
    procedure: Name
    for_each: Literal["sensor"] | None = None
    needs: Names = ()
    retries: Retries | None = None
    time_limit: PositiveDuration | None = None
    fresh: PositiveDuration | None = None
    moved: Mapping[Name, PositiveNumber] = Field(default_factory=dict)
    optional: bool = False
    spares_sensors: bool = False
    value: PositiveNumber = 1.0
    parameters: Mapping[Name, Parameter] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """A step to be run: names of the steps that it needs, `retries` after a failure, `time_limit` in s.

    `sensor` is the sensor's number from 1, or None; a step for a sensor has it among its `parameters` too.
    """

    name: str
    procedure: str
    sensor: int | None
    needs: tuple[str, ...]
    retries: int
    time_limit: float
    parameters: Mapping[str, ParameterValue]
    fresh_s: float | None = None
    moved: Mapping[str, float] = field(default_factory=dict)
    is_optional: bool = False
    spares_sensors: bool = False
    value: float = 1.0


class Recipe(Table):
    """A whole recipe."""

    title: ShortText
    defaults: Defaults = Field(default_factory=Defaults)
    pause: Pause = Field(default_factory=Pause)
    budgets: Budgets = Field(default_factory=Budgets)
    steps: Annotated[
        tuple[RecipeStep, ...],
        Field(alias="step", strict=False, min_length=1, max_length=500),
        Allowed("1 to 500 [[step]] tables"),
    ]

    @model_validator(mode="after")
    def _fits_together(self, info: ValidationInfo) -> Recipe:
        context: Mapping[str, object] = info.context if isinstance(info.context, dict) else {}
        dropped = context.get("dropped", frozenset())
        known = context.get("known_procedures")
        findings = [*_names_and_needs(self.steps, dropped if isinstance(dropped, frozenset) else frozenset())]
        findings += _sensor_given(self.steps)
        findings += _moved_without_fresh(self.steps)
        if isinstance(known, Mapping):
            findings += _procedures(self.steps, known)
        raise_findings(findings)
        return self

    def expand(self, sensors: int) -> tuple[Step, ...]:
        """The steps of a table with `sensors` sensors, each after those that it needs, otherwise in the file's order.

        Raises ConfigurationError if `sensors` is less than 1.
        """
        if sensors < 1:
            raise ConfigurationError(f"A recipe cannot be expanded for {sensors} sensors; allowed: 1 or more.")
        per_sensor = {step.name for step in self.steps if step.for_each}
        steps = {
            step.name: step
            for written in self.steps
            for step in self._steps_of(written, sensors, frozenset(per_sensor))
        }
        return tuple(steps[name] for name in in_order_of_needs({step.name: step.needs for step in steps.values()}))

    def _steps_of(self, written: RecipeStep, sensors: int, per_sensor: frozenset[str]) -> Iterator[Step]:
        numbers = range(1, sensors + 1)
        for sensor in numbers if written.for_each else (None,):
            needs = [
                name
                for need in written.needs
                for name in _needed(need, [sensor] if sensor else numbers, split=need in per_sensor)
            ]
            own: dict[str, ParameterValue] = {SENSOR_PARAMETER: sensor} if sensor else {}
            yield Step(
                name=f"{written.name}.{sensor}" if sensor else written.name,
                procedure=written.procedure,
                sensor=sensor,
                needs=tuple(dict.fromkeys(needs)),
                retries=self.defaults.retries if written.retries is None else written.retries,
                time_limit=self.defaults.time_limit if written.time_limit is None else written.time_limit,
                parameters=MappingProxyType({**written.parameters, **own}),
                fresh_s=written.fresh,
                moved=MappingProxyType(dict(written.moved)),
                is_optional=written.optional,
                spares_sensors=written.spares_sensors,
                value=written.value,
            )


def _needed(need: str, sensors: Collection[int], *, split: bool) -> list[str]:
    return [f"{need}.{sensor}" for sensor in sensors] if split else [need]


def _names_and_needs(steps: tuple[RecipeStep, ...], dropped: frozenset[Key]) -> Iterator[Finding]:
    names = Counter(step.name for step in steps)
    for name, count in names.items():
        if count > 1:
            yield Finding(("step", name, "name"), f'{count} steps are called "{name}"', "a name of its own")
    for step in steps:
        for need in step.needs:
            if need not in names and ("step", need) not in dropped:
                problem = f'no step is called "{need}"{guess(need, names)}'
                yield Finding(("step", step.name, "needs"), problem, f"names of steps: {', '.join(names)}")
    if cycle := cycle_in({step.name: step.needs for step in steps}):
        problem = f"the steps need each other in a circle: {' -> '.join(cycle)}"
        yield Finding(("step", cycle[0], "needs"), problem, "needs that come to an end")


def _sensor_given(steps: tuple[RecipeStep, ...]) -> Iterator[Finding]:
    for step in steps:
        if step.for_each and SENSOR_PARAMETER in step.parameters:
            yield Finding(
                ("step", step.name, "parameters", SENSOR_PARAMETER),
                "is given, although for_each sets it",
                'either for_each = "sensor" or a sensor among the parameters',
            )


def _moved_without_fresh(steps: tuple[RecipeStep, ...]) -> Iterator[Finding]:
    for step in steps:
        if step.moved and step.fresh is None:
            yield Finding(("step", step.name, "moved"), "means nothing without fresh", 'fresh = "6 h" beside it')


def _procedures(steps: tuple[RecipeStep, ...], known: KnownProcedures) -> Iterator[Finding]:
    for step in steps:
        here = ("step", step.name)
        if step.procedure not in known:
            problem = f'no procedure is called "{step.procedure}"{guess(step.procedure, known)}'
            yield Finding((*here, "procedure"), problem, f"one of {', '.join(sorted(known))}")
            continue
        parameters = known[step.procedure]
        taken = ", ".join(sorted(parameters)) or "no parameters"
        for name in step.parameters:
            if name not in parameters:
                problem = f"{step.procedure} has no such parameter{guess(name, parameters)}"
                yield Finding((*here, "parameters", name), problem, taken)
        if step.for_each and SENSOR_PARAMETER not in parameters:
            problem = f"{step.procedure} does not take a sensor"
            yield Finding((*here, "for_each"), problem, f'a procedure with the parameter "{SENSOR_PARAMETER}"')
