"""The run of a recipe: order, needs, retries, stops, and a safe table on every way out. The station is the simulated
one; its procedures are small scripted ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from ideal_table import RECIPE, station_at
from pymeasure.experiment import FloatParameter, IntegerParameter

from labctl.configuration.recipe_file import Step
from labctl.configuration.toml_reading import load_recipe
from labctl.errors import ConfigurationError, LabError, LockError, StoreError
from labctl.spectra.estimate import Estimate
from labctl.station.bring_up import open_station
from labctl.station.station import Station
from labctl.store.records import AskedSetting, EventRecord, RunState, StepRecord, StepState
from procedures.base import LabProcedure
from procedures.bench import Bench, MemoryRecord
from procedures.catalogue import PROCEDURES, known_procedures
from procedures.overnight import Outcome, RecipeRun, StopRequest, check_parameters, make_procedure
from procedures.step_queue import StepQueue

Action = Callable[["Scripted"], None]


@dataclass
class Script:
    """What each step does at each of its tries, and in which order steps ran."""

    actions: dict[str, list[Action]] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)


class Scripted(LabProcedure):
    """Does what the script says for its step: the first action at the first try, and so on; then nothing."""

    title = "Scripted"
    roles = ("analyzer",)
    sensor = IntegerParameter("Sensor", default=0)
    dose = FloatParameter("Dose", units="V", default=1.0, minimum=0.0, maximum=2.0)
    DATA_COLUMNS = ["Lab time (s)"]
    script = Script()

    def measure(self) -> None:
        self.on_bench.station.shutters["pump"].open()
        self.script.ran.append(self.step_name)
        self.progress(0.5)
        waiting = self.script.actions.get(self.step_name, [])
        if waiting:
            waiting.pop(0)(self)


@dataclass
class KeepingJournal(MemoryRecord):
    """A journal in memory that can fail like a full disk."""

    steps: list[StepRecord] = field(default_factory=list)
    settings: dict[tuple[str, str], AskedSetting] = field(default_factory=dict)
    full: bool = False

    def step(self, record: StepRecord) -> None:
        self._write()
        self.steps.append(record)

    def keep_settings(self, asked: Sequence[AskedSetting]) -> None:
        self._write()
        self.settings |= {(one.instrument, one.setting): one for one in asked}

    def add_event(self, event: EventRecord) -> None:
        self._write()
        super().add_event(event)

    def add_result(self, result: object) -> None:
        self._write()
        super().add_result(result)  # type: ignore[arg-type]

    def _write(self) -> None:
        if self.full:
            raise StoreError("The disk is full.", remedy="Make room.")

    def states(self, name: str) -> list[tuple[int, StepState]]:
        return [(record.attempt, record.state) for record in self.steps if record.name == name]


@dataclass
class Hearing:
    """A listener that keeps what it is told."""

    told: list[tuple[str, str, object]] = field(default_factory=list)

    def step_began(self, step: Step, attempt: int) -> None:
        self.told.append(("began", step.name, attempt))

    def step_progressed(self, step: Step, fraction: float) -> None:
        self.told.append(("progressed", step.name, fraction))

    def step_ended(self, step: Step, state: StepState, reason: str) -> None:
        self.told.append(("ended", step.name, state))


@dataclass
class Night:
    """One run of scripted steps."""

    station: Station
    script: Script
    journal: KeepingJournal = field(default_factory=KeepingJournal)
    listener: Hearing = field(default_factory=Hearing)

    def __post_init__(self) -> None:
        self.bench = Bench.of(self.station, self.journal)
        self.stop = StopRequest(self.station.clock)

    def run(self, *steps: Step, leave_as_is: bool = False) -> Outcome:
        run = RecipeRun(StepQueue(steps), self.bench, self.journal, self.listener, self.stop, leave_as_is=leave_as_is)
        return run.run()

    def safe(self) -> bool:
        return not any(shutter.is_open() for shutter in self.station.shutters.values())

    def last_states(self) -> dict[str, StepState]:
        return {record.name: record.state for record in self.journal.steps}


def step(name: str, *needs: str, retries: int = 0, time_limit: float = 100.0, **parameters: float) -> Step:
    return Step(name, "scripted", None, needs, retries, time_limit, parameters)


def fail(message: str = "no light", error: type[Exception] = LabError) -> Action:
    def act(procedure: Scripted) -> None:
        raise error(message)

    return act


@pytest.fixture(scope="module")
def station() -> Iterator[Station]:
    opened = open_station(station_at(9))
    yield opened
    opened.close()


@pytest.fixture
def night(station: Station, monkeypatch: pytest.MonkeyPatch) -> Night:
    monkeypatch.setitem(PROCEDURES, "scripted", Scripted)  # type: ignore[arg-type]
    monkeypatch.setattr(Scripted, "script", Script())
    return Night(station, Scripted.script)


def test_steps_run_in_order_and_the_table_is_safe_afterwards(night: Night) -> None:
    outcome = night.run(step("a"), step("b", "a"), step("c", "a", "b"))
    assert night.script.ran == ["a", "b", "c"]
    assert outcome == Outcome(RunState.COMPLETE, "", "3 of 3 steps")
    assert night.safe()
    assert night.journal.states("b") == [(1, StepState.WAITING), (1, StepState.RUNNING), (1, StepState.DONE)]
    assert [record.state for record in night.journal.steps[:3]] == [StepState.WAITING] * 3  # the plan comes first
    assert night.listener.told[:3] == [("began", "a", 1), ("progressed", "a", 0.5), ("ended", "a", StepState.DONE)]


def test_a_complete_table_may_be_left_as_it_is_but_a_failed_one_never(night: Night) -> None:
    assert night.run(step("a"), leave_as_is=True).state is RunState.COMPLETE
    assert not night.safe()
    night.script.actions["b"] = [fail()]
    assert night.run(step("b"), leave_as_is=True).state is RunState.FAILED
    assert night.safe()


def test_what_needs_a_failed_step_is_skipped_and_the_rest_goes_on(night: Night) -> None:
    night.script.actions["a"] = [fail("no light")]
    outcome = night.run(step("a"), step("b", "a"), step("c", "b"), step("d"))
    assert night.script.ran == ["a", "d"]
    assert night.last_states() == {
        "a": StepState.FAILED,
        "b": StepState.SKIPPED,
        "c": StepState.SKIPPED,
        "d": StepState.DONE,
    }
    assert outcome == Outcome(RunState.FAILED, "a: no light", "1 of 4 steps")
    assert [record.reason for record in night.journal.steps if record.state is StepState.SKIPPED] == [
        "needs a",
        "needs b",
    ]
    assert ("ended", "b", StepState.SKIPPED) in night.listener.told
    assert night.safe()


def test_a_step_is_tried_again_until_it_succeeds(night: Night) -> None:
    night.script.actions["a"] = [fail("once"), fail("twice")]
    outcome = night.run(step("a", retries=3), step("b", "a"))
    assert night.script.ran == ["a", "a", "a", "b"]
    assert outcome.state is RunState.COMPLETE
    assert [attempt for attempt, state in night.journal.states("a") if state is StepState.FAILED] == [1, 2]
    assert night.journal.states("a")[-1] == (3, StepState.DONE)
    repeats = [event.text for event in night.journal.events if event.level == "warning"]
    assert repeats == ["Try 1 failed and will be repeated: once", "Try 2 failed and will be repeated: twice"]
    assert [event.text for event in night.journal.events if event.level == "error"] == ["once", "twice"]


def test_a_step_fails_when_its_tries_are_used_up(night: Night) -> None:
    night.script.actions["a"] = [fail(f"try {n}") for n in range(1, 6)]
    outcome = night.run(step("a", retries=2))
    assert night.script.ran == ["a"] * 3
    assert outcome == Outcome(RunState.FAILED, "a: try 3", "0 of 1 steps")


def test_several_failures_are_counted_and_the_first_is_told(night: Night) -> None:
    night.script.actions |= {name: [fail(f"{name} broke")] for name in ("a", "c")}
    outcome = night.run(step("a"), step("b"), step("c"))
    assert outcome.reason == "a: a broke (c failed too)"
    assert outcome.coverage == "1 of 3 steps"


def test_an_unexpected_error_fails_its_step_alone(night: Night) -> None:
    night.script.actions["a"] = [fail("division", ZeroDivisionError)]
    outcome = night.run(step("a"), step("b"))
    assert outcome.reason == "a: unexpected ZeroDivisionError: division"
    assert night.last_states()["b"] is StepState.DONE
    assert night.safe()


def test_a_stop_ends_the_step_and_those_after_it_wait(night: Night) -> None:
    def ask_and_wait(procedure: Scripted) -> None:
        night.stop.ask()
        procedure.wait(1000.0)

    night.script.actions["b"] = [ask_and_wait]
    began_at = night.station.clock.now()
    outcome = night.run(step("a"), step("b", retries=3), step("c"))
    assert outcome == Outcome(RunState.STOPPED, "stopped by the operator", "1 of 3 steps")
    assert night.script.ran == ["a", "b"]
    assert night.last_states() == {"a": StepState.DONE, "b": StepState.STOPPED, "c": StepState.WAITING}
    assert night.safe()
    assert night.station.clock.now() - began_at < 20.0  # most of it to make the table safe


def test_a_stop_between_steps(night: Night) -> None:
    night.script.actions["a"] = [lambda procedure: night.stop.ask()]
    outcome = night.run(step("a"), step("b"))
    assert outcome.state is RunState.STOPPED
    assert night.script.ran == ["a"]
    assert night.last_states()["a"] is StepState.DONE
    assert night.safe()


def test_a_failure_during_a_stop_is_not_repeated(night: Night) -> None:
    def ask_and_fail(procedure: Scripted) -> None:
        night.stop.ask()
        raise LockError("lost")

    night.script.actions["a"] = [ask_and_fail]
    outcome = night.run(step("a", retries=5))
    assert night.script.ran == ["a"]
    assert outcome.state is RunState.STOPPED
    assert outcome.reason.startswith("stopped by the operator")


def test_a_step_beyond_its_time_limit_is_a_failure_that_is_repeated(night: Night) -> None:
    night.script.actions["a"] = [lambda procedure: procedure.wait(1000.0)]
    outcome = night.run(step("a", retries=1, time_limit=30.0))
    assert outcome.state is RunState.COMPLETE
    failed = next(record for record in night.journal.steps if record.state is StepState.FAILED)
    assert failed.reason.startswith("a took longer than its 30 s")
    assert failed.started_at is not None
    assert failed.ended_at is not None
    assert 30.0 < failed.ended_at - failed.started_at < 32.0


def test_a_record_that_fails_makes_the_table_safe_and_is_told(night: Night) -> None:
    def fill(procedure: Scripted) -> None:
        night.journal.full = True
        procedure.keep("x", Estimate(1.0, 0.1))

    night.script.actions["b"] = [fill]
    with pytest.raises(StoreError, match=r"The disk is full\. Make room\."):
        night.run(step("a"), step("b", retries=3), step("c"))
    assert night.script.ran == ["a", "b"]
    assert night.safe()
    assert night.station.leases.holders() == {}


def test_a_journal_that_fails_at_the_start_moves_nothing(night: Night) -> None:
    night.journal.full = True
    with pytest.raises(StoreError):
        night.run(step("a"))
    assert night.script.ran == []
    assert night.safe()


def test_an_interrupt_from_the_keyboard_makes_the_table_safe(night: Night) -> None:
    night.script.actions["a"] = [fail("", KeyboardInterrupt)]  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        night.run(step("a"))
    assert night.safe()
    assert night.station.leases.holders() == {}


PUMP = ("scan", "pin_DIO2_P.level")


def test_what_was_asked_is_kept_at_every_step_and_once_more_when_the_table_is_safe(night: Night) -> None:
    seen: list[AskedSetting] = []
    night.script.actions["b"] = [lambda procedure: seen.append(night.journal.settings[PUMP])]
    night.run(step("a"), step("b"))
    assert seen == [AskedSetting(*PUMP, 1, "", "a")]  # a crash of the second step would leave this
    assert night.journal.settings[PUMP] == AskedSetting(*PUMP, 0, "", "make safe")


def test_what_was_asked_is_kept_while_a_long_step_runs(night: Night) -> None:
    seen: list[AskedSetting | None] = []

    def wait(procedure: Scripted) -> None:
        seen.append(night.journal.settings.get(PUMP))
        procedure.wait(310.0)
        seen.append(night.journal.settings.get(PUMP))

    night.script.actions["a"] = [wait]
    night.run(step("a", time_limit=1000.0))
    assert seen == [None, AskedSetting(*PUMP, 1, "", "a")]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_every_way_out_keeps_what_was_asked(night: Night, error: type[Exception]) -> None:
    night.script.actions["a"] = [fail("", error)]
    with pytest.raises(error):
        night.run(step("a"))
    assert night.journal.settings[PUMP] == AskedSetting(*PUMP, 0, "", "make safe")


def test_settings_that_cannot_be_kept_at_the_very_end_are_told_but_hide_no_other_error(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_safe = night.station.make_safe

    def make_safe_and_fill() -> list[str]:
        night.journal.full = True
        return make_safe()

    monkeypatch.setattr(night.station, "make_safe", make_safe_and_fill)
    with pytest.raises(StoreError, match="The disk is full"):
        night.run(step("a"))
    night.journal.full = False
    night.script.actions["b"] = [fail("", KeyboardInterrupt)]  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        night.run(step("b"))


def test_a_device_that_cannot_be_made_safe_is_told_and_fails_the_run(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = "shutter pump could not be made safe: stuck."
    made_safe = night.station.make_safe
    monkeypatch.setattr(night.station, "make_safe", lambda: [*made_safe(), problem])
    outcome = night.run(step("a"))
    assert outcome == Outcome(RunState.FAILED, problem, "1 of 1 steps", (problem,))
    assert night.journal.events[-1].text == problem
    night.script.actions["b"] = [lambda procedure: night.stop.ask()]
    stopped = night.run(step("b"))
    assert stopped.state is RunState.STOPPED
    assert stopped.reason == f"stopped by the operator; {problem}"


def test_a_role_in_use_fails_the_step_that_wants_it(night: Night) -> None:
    with night.station.leases.hold(["analyzer"], "somebody at the bench"):
        outcome = night.run(step("a"))
    assert "somebody at the bench" in outcome.reason
    assert night.script.ran == []


def test_results_of_earlier_steps_are_there_for_later_ones(night: Night) -> None:
    seen: list[float] = []
    night.script.actions["a"] = [lambda procedure: procedure.keep("x", Estimate(4.5, 0.1, "V", "as read"))]
    night.script.actions["b"] = [lambda procedure: seen.append(procedure.on_bench.result("x").value)]
    assert night.run(step("a"), step("b")).state is RunState.COMPLETE
    assert seen == [4.5]
    kept = night.journal.named["x"]
    assert (kept.sigma, kept.unit, kept.convention, kept.source) == (0.1, "V", "as read", "a")


def test_instruments_that_stop_answering_are_noticed_while_a_step_runs(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    health = night.station.health

    def with_a_silent_oven() -> list[object]:
        found = health()
        return [*found, type(found[0])("oven", False, 0.1, "oven: nothing came back.")]

    monkeypatch.setattr(night.station, "health", with_a_silent_oven)
    night.script.actions["a"] = [lambda procedure: procedure.wait(700.0)]
    outcome = night.run(step("a", time_limit=1000.0))
    assert outcome.state is RunState.COMPLETE
    assert [event.text for event in night.journal.events] == ["oven: nothing came back."] * 2


# ---- parameters ------------------------------------------------------------------------------------------------------


def test_parameters_reach_the_procedure(night: Night) -> None:
    procedure = make_procedure("scripted", {"sensor": 3, "dose": 0.25}, night.bench)
    assert (procedure.sensor, procedure.dose) == (3, 0.25)
    assert make_procedure("scripted", {}, night.bench).dose == 1.0


def test_a_value_outside_its_range_is_refused_by_name(night: Night) -> None:
    with pytest.raises(LabError, match=r"scripted: dose = 3\.0 is not allowed"):
        make_procedure("scripted", {"dose": 3.0}, night.bench)


def test_all_wrong_values_of_a_recipe_are_told_at_once(night: Night) -> None:
    steps = [step("a", dose=-1.0), step("b", dose=1.0), step("c", dose=9.0)]
    with pytest.raises(ConfigurationError) as caught:
        check_parameters(steps)
    assert str(caught.value).splitlines() == [
        "step a: dose = -1.0 is not allowed; allowed: 0 to 2 V",
        "step c: dose = 9.0 is not allowed; allowed: 0 to 2 V",
    ]


def test_the_shipped_recipe_fits_the_procedures() -> None:
    recipe = load_recipe(RECIPE, known_procedures())
    steps = recipe.expand(4)
    check_parameters(steps)
    names = [step.name for step in steps]
    assert names[0] == "warm_oven"
    assert names.index("lock_homodyne.4") < names.index("joint_digitizer") < names.index("source_squeezing")
    for each in steps:
        assert {need for need in each.needs if names.index(need) > names.index(each.name)} == set()
