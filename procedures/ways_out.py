"""What is done about a step that failed, before it is tried again: reconnect, lock anew, align anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from labctl.configuration.recipe_file import Step
from labctl.errors import LabError, StoreError, StoreFull
from labctl.station.revival import revive
from procedures.bench import Bench
from procedures.execution import FAULTS_OF_A_STEP, StopRequest, execute
from procedures.trouble import Rung

REVIVAL_WAITS_S = (2.0, 5.0, 10.0, 30.0, 60.0)  # between looks for who is away: boards reboot in a minute

Tell = Callable[[str, str, str], None]
"""Who is told what was done: level, source, sentence."""


class WaysOut:
    """The ways out of trouble on a bench. None of them ends a night: the next try of the step decides."""

    def __init__(self, bench: Bench, stop: StopRequest, tell: Tell) -> None:
        self._bench = bench
        self._stop = stop
        self._tell = tell

    def take(self, rung: Rung, step: Step) -> None:
        """Go one way for the sake of `step`; for those that need no more than another try nothing is done."""
        if rung is Rung.RELOCK:
            self._release_loops_of(step)
        elif rung is Rung.REALIGN:
            self._realign(step)

    def reconnect(self) -> bool:
        """Bring back what was away before the next try; high voltage that was up is raised again. Return whether
        anything had been lost."""
        station = self._bench.station
        raised = any(piezo.commanded_v for piezo in station.piezos.values())
        revival = revive(station)
        for wait_s in REVIVAL_WAITS_S:
            if not revival.away or self._stop.asked():
                break
            self._bench.clock.sleep(wait_s)
            revival = revival.then(revive(station))
        for sentence in revival.sentences:
            self._tell("warning", "revival", sentence)
        if revival.changed:
            try:
                self._bench.renew_loops()
                if raised:
                    station.raise_piezos()
            except LabError as error:  # the next try meets it again; the rest of the night must not end of it
                self._tell("error", "revival", str(error))
        return revival.changed

    def _release_loops_of(self, step: Step) -> None:
        """Open the loops that a step needs, so that they are locked anew from the beginning."""
        supervisor, entries = self._bench.supervisor, self._bench.station.file.loops
        mine = [
            name
            for name, entry in entries.items()
            if step.sensor is None or getattr(entry, "sensor", None) == step.sensor
        ]
        try:
            supervisor.release(mine)
        except LabError as error:  # the next try meets it again
            self._tell("warning", step.name, str(error))

    def _realign(self, step: Step) -> None:
        again = replace(
            step,
            name=f"realign.{step.sensor}",
            procedure="align_sensor",
            needs=(),
            retries=0,
            parameters={"sensor": step.sensor or 1},
            fresh_s=None,
            moved={},
        )
        try:
            execute(again, self._bench, self._stop, _NoFollower())
        except Exception as error:  # the next try of the step itself decides
            if isinstance(error, StoreError) and not isinstance(error, (*FAULTS_OF_A_STEP, StoreFull)):
                raise
            self._tell("warning", again.name, str(error))


class _NoFollower:
    """Nobody follows what helps another step."""

    def step_progressed(self, step: Step, fraction: float) -> None:
        """Show nothing."""
