"""Tell somebody about the end or a stall of a run, by a command of the operator's choice: mail, a webhook, a light."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from dataclasses import asdict, dataclass

LONGEST_S = 60.0


@dataclass(frozen=True)
class Notice:
    """What the command is told, as JSON at its standard input and in LABCTL_EVENT, LABCTL_RUN and LABCTL_TEXT."""

    event: str  # "end" or "stall"
    run: str
    state: str
    text: str


def notify(command: str, notice: Notice) -> str:
    """Run the operator's command and return what went wrong with it, "" where nothing did. Never raises: that nobody
    could be told costs no data."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        return f"{command!r} cannot be read: {error}"
    if not words:
        return "the command to notify with is empty"
    told = {"LABCTL_EVENT": notice.event, "LABCTL_RUN": notice.run, "LABCTL_TEXT": notice.text}
    try:
        done = subprocess.run(
            words,
            input=json.dumps(asdict(notice)),
            text=True,
            capture_output=True,
            timeout=LONGEST_S,
            env={**os.environ, **told},
            check=False,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return f"{words[0]} could not be run: {error}"
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        return f"{words[0]} ended with {done.returncode}" + (f": {said[-1]}" if said else "")
    return ""
