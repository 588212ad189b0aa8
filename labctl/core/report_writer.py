"""Writes the report of a run that ended, in a process of its own: drawing takes seconds, and a table must not wait."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from labctl.store.records import EventLevel

LONGEST_S: Final = 600.0
MOST_TEXT: Final = 300  # characters of what a failed one said

Say = Callable[[EventLevel, str, str], None]


def write_report_aside(run: Path, say: Say) -> threading.Thread:
    """Begin to write the report of `run`; `say` is told when it is there, or why it is not."""

    def write() -> None:
        command = [sys.executable, "-m", "labctl", "report", "--figures", str(run)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            say("warning", "report", f"The report of {run.name} was not written ({error}).")
            return
        if done.returncode:
            said = (done.stderr or done.stdout).strip()[-MOST_TEXT:]
            say("warning", "report", f"The report of {run.name} was not written: {said}")
        else:
            say("info", "report", f"The report of {run.name} is written.")

    thread = threading.Thread(target=write, name="labctl report", daemon=True)
    thread.start()
    return thread
