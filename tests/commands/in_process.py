"""The command line without a process of its own: the same entry point, its output and its exit status."""

from __future__ import annotations

import io
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from unittest.mock import patch

from labctl.cli import main


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


def run_labctl(*arguments: object) -> Done:
    """Run `labctl` with `arguments` and return what it printed; signal handlers are left as they were."""
    out, err = io.StringIO(), io.StringIO()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    status: object = 0
    with patch.object(sys, "argv", ["labctl", *map(str, arguments)]), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            status = ended.code
    for number, handler in before.items():
        signal.signal(number, handler)
    assert "Traceback" not in out.getvalue() + err.getvalue()
    return Done(int(str(status or 0)), out.getvalue(), err.getvalue())
