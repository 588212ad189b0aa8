"""A table that is not there, for the tests of the screens: it records what it is asked, and tells what a test puts in.

`core_row`, `run_row`, `alarm_row` and `spectrum` make the rows of an ordinary night; keywords change single fields.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from labctl.bus.commands import COMMANDS
from labctl.bus.latest import Latest
from labctl.bus.messages import AlarmRow, CoreRow, RunRow, Severity
from labctl.bus.replies import Reply
from labctl.bus.spectra import LiveSpectrum

NAN = float("nan")
NOW = 1_764_000_000.0


@dataclass
class StubCommander:
    """Records commands as (name, arguments), and answers at once from `answers` and `refusals` by their names.

    With `answers_at_once` False nothing is answered before `answer_all`.
    """

    has_control: bool = True
    answers: dict[str, Reply] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)
    answers_at_once: bool = True
    sent: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    waiting: list[Callable[[], None]] = field(default_factory=list)

    def send(
        self,
        command: str,
        then: Callable[[Reply], None] | None = None,
        refused: Callable[[str], None] | None = None,
        **arguments: object,
    ) -> None:
        """Check the command as a core does, note it, and answer."""
        COMMANDS[command].model_validate({"client": "test", **arguments})
        self.sent.append((command, arguments))

        def answer() -> None:
            if command in self.refusals:
                if refused is not None:
                    refused(self.refusals[command])
            elif then is not None:
                then(self.answers.get(command, Reply()))

        self.waiting.append(answer)
        if self.answers_at_once:
            self.answer_all()

    def answer_all(self) -> None:
        """Answer what was not answered."""
        waiting, self.waiting = self.waiting, []
        for answer in waiting:
            answer()

    def names(self) -> list[str]:
        """Return the names of the commands, in order."""
        return [name for name, _ in self.sent]


@dataclass
class StubTable:
    """A link to a table that is not there; counts what the window asks of it."""

    name: str = "stub:5075/labctl"
    latest: Latest = field(default_factory=Latest)
    commander: StubCommander = field(default_factory=StubCommander)
    is_connected: bool = True
    starts: int = 0
    stops: int = 0
    closes: int = 0

    def start(self) -> None:
        """Count."""
        self.starts += 1

    def stop(self) -> None:
        """Count."""
        self.stops += 1

    def close(self) -> None:
        """Count."""
        self.closes += 1

    def tell(self, now: float = NOW, **core: Any) -> None:
        """Be heard at `now`, with that core and a running run."""
        self.latest.hear(now, now)
        self.latest.put_rows(CoreRow, [core_row(now=now, **core)])
        self.latest.put_rows(RunRow, [run_row()])
        self.latest.put_spectrum(spectrum(taken_at=now - 0.033))

    def alarms(self, *rows: AlarmRow) -> None:
        """Replace the alarms."""
        self.latest.put_rows(AlarmRow, rows)


def core_row(**changes: Any) -> CoreRow:
    """Return a core that runs in real time, with nobody in control."""
    row = CoreRow(
        prefix="labctl", station="simulated table", backend="simulated", version="0.1.0", pid=1, sensors=4,
        started_at=NOW - 3600, now=NOW, lab_time_s=3600.0, speed=1.0, control_holder="", control_until=NAN,
        stopped=False, stop_reason="", stopped_by="", stopped_at=NAN,
    )  # fmt: skip
    return replace(row, **changes)


def run_row(**changes: Any) -> RunRow:
    """Return a run in its ninth step."""
    row = RunRow(
        run_id="20251124-overnight-07", title="overnight 07", state="running", reason="", step="lock_homodyne[2]",
        step_number=9, steps=31, step_fraction=0.3, fraction=0.41, eta_s=4 * 3600 + 720, started_at=NOW - 3600,
    )  # fmt: skip
    return replace(row, **changes)


def alarm_row(**changes: Any) -> AlarmRow:
    """Return an active alarm that nobody acknowledged."""
    row = AlarmRow(
        identity=1, source="lo2", text="LO2 lock lost", severity=Severity.MAJOR, active=True, acknowledged=False,
        acknowledged_by="", raised_at=NOW - 20, cleared_at=NAN, shelved_until=NAN, shelved_why="", count=1,
        consequences="joint invalid",
    )  # fmt: skip
    return replace(row, **changes)


def spectrum(channel: str = "joint", points: int = 501, **changes: Any) -> LiveSpectrum:
    """Return a flat spectrum about 4.3 MHz."""
    fields: dict[str, Any] = {
        "channel": channel, "kind": "psd", "frequency_hz": np.linspace(4.2e6, 4.4e6, points),
        "psd_v2_per_hz": np.full(points, 1e-14), "rbw_hz": 10.0, "vbw_hz": 1.0, "averages": 50, "averages_asked": 50,
        "averaging": "power", "source": "digitizer", "step": "measure_joint", "valid": True, "reason": "",
        "taken_at": NOW,
    }  # fmt: skip
    return LiveSpectrum(**{**fields, **changes})
