"""What a terminal shows of a run: one bar for the step, one for the night, lab time, wall time and the time left."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

from labctl.configuration.recipe_file import Step
from labctl.station.station import Station
from labctl.store.records import StepState

MARKS = {
    StepState.DONE: "done",
    StepState.FAILED: "FAILED",
    StepState.SKIPPED: "skipped",
    StepState.STOPPED: "stopped",
}
REFRESH_PER_S = 8
SLOWEST_REPORT_S = 0.1


class NightDisplay:
    """Prints one line a step; on a terminal, bars below it too."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.description:<28}"),
            BarColumn(bar_width=32),
            TaskProgressColumn(),
            TextColumn("{task.fields[times]}"),
            console=console,
            refresh_per_second=REFRESH_PER_S,
            transient=True,
            disable=not console.is_terminal,
        )
        self._night: TaskID | None = None
        self._step: TaskID | None = None
        self._expected_s: dict[str, float] = {}
        self._done_s = 0.0
        self._ended: set[str] = set()
        self._station: Station | None = None
        self._lab_began = 0.0
        self._updated = 0.0

    def night_began(self, run: Path, station: Station, expected_s: dict[str, float]) -> None:
        """Say where the run goes and who answered."""
        self._station, self._lab_began, self._expected_s = station, station.clock.now(), expected_s
        self._console.print(f"{len(station.answers)} instruments answered. Run: {run}", soft_wrap=True, highlight=False)
        hours = sum(expected_s.values()) / 3600
        self._console.print(f"{len(expected_s)} steps, about {hours:.1f} h of lab time.", highlight=False)
        self._night = self._progress.add_task("night", total=sum(expected_s.values()), times="")
        self._step = self._progress.add_task("", total=1.0, times="")
        self._progress.start()

    def warned(self, text: str) -> None:
        """Print it."""
        self._console.print(f"Beware: {text}", soft_wrap=True, highlight=False, markup=False)

    def step_began(self, step: Step, attempt: int) -> None:
        """Show the step."""
        again = f" (try {attempt})" if attempt > 1 else ""
        if self._step is not None:
            self._progress.update(self._step, description=f"{step.name}{again}", completed=0.0)
        self._show(step, 0.0)

    def step_progressed(self, step: Step, fraction: float) -> None:
        """Move the bars; more often than a person can see costs more than it shows."""
        now = time.monotonic()
        if now - self._updated >= SLOWEST_REPORT_S:
            self._updated = now
            self._show(step, fraction)

    def step_ended(self, step: Step, state: StepState, reason: str) -> None:
        """Print how it ended."""
        if step.name not in self._ended:
            self._ended.add(step.name)
            self._done_s += self._expected_s.get(step.name, 0.0)
        count = f"[{len(self._ended)}/{len(self._expected_s)}]"
        line = f"{count:>8} {step.name:<24} {MARKS.get(state, str(state)):<8} {self._times()}"
        self._console.print(line if not reason else f"{line}\n         {reason}", highlight=False, markup=False)
        self._show(step, 0.0)

    def close(self) -> None:
        """Take the bars away."""
        self._progress.stop()

    def wall_s(self) -> float:
        """Return the real time since the display was made, in s."""
        return time.monotonic() - self._began

    def _show(self, step: Step, fraction: float) -> None:
        if self._night is None or self._step is None:
            return
        expected_s = 0.0 if step.name in self._ended else self._expected_s.get(step.name, 0.0)
        done_s = self._done_s + fraction * expected_s
        self._progress.update(self._night, completed=done_s, times=f"{self._times()}  {self._left(done_s)}")
        self._progress.update(self._step, completed=fraction)

    def _times(self) -> str:
        lab_s = 0.0 if self._station is None else self._station.clock.now() - self._lab_began
        return f"lab {clock_text(lab_s)}  wall {clock_text(self.wall_s())}"

    def _left(self, done_s: float) -> str:
        total_s = sum(self._expected_s.values())
        if done_s <= 0.0:
            return "ETA -"
        return f"ETA {clock_text(self.wall_s() * (total_s - done_s) / done_s)}"


def clock_text(seconds: float) -> str:
    """Return h:mm:ss."""
    whole = round(max(0.0, seconds))
    return f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"
