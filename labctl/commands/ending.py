"""How a command ends: with one sentence for the operator whatever went wrong, a line in the log, never a traceback."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import NoReturn

import typer

from labctl import last_words, logs
from labctl.commands.exit_codes import EXIT_CONFIGURATION, EXIT_DEFECT, EXIT_FAILED, EXIT_STOPPED
from labctl.errors import ConfigurationError, LabError

DEBUG_VARIABLE = "LABCTL_DEBUG"
MOST_REPORTS = 5  # of defects that one command outlives

log = logging.getLogger(__name__)


def run_command(app: Callable[[], None]) -> None:
    """Run the command line under the log of the program; exit as it did, or with a status that says what went wrong.

    With LABCTL_DEBUG=1 errors go on as they are.
    """
    from labctl.commands.crash_report import crash_folder
    from labctl.host import hard_crashes

    last_words.forget()
    logs.surroundings.last_run = ""
    with ExitStack() as around:
        try:
            around.enter_context(logs.set_up())
        except ValueError as error:
            typer.echo(f"labctl: {logs.LEVELS_VARIABLE}: {error}", err=True)
            sys.exit(EXIT_CONFIGURATION)
        around.enter_context(hard_crashes.recorded(crash_folder()))
        around.enter_context(_threads_told())
        around.enter_context(_defects_told())
        log.info("begins: %s", " ".join(sys.argv[1:]))
        _run(app, time.monotonic())


def _run(app: Callable[[], None], began_at: float) -> None:
    try:
        app()
    except SystemExit as ended:
        _tell_end(ended.code, began_at)
        if _interrupt_behind(ended):
            _end_aborted()
        raise
    except LabError as error:
        _tell_end(f"{type(error).__name__}: {error}", began_at)
        _reraise_for_debugging()
        typer.echo(f"labctl: {error}", err=True)
        sys.exit(EXIT_CONFIGURATION if isinstance(error, ConfigurationError) else EXIT_FAILED)
    except KeyboardInterrupt:
        _tell_end("aborted", began_at)
        _end_aborted()
    except Exception as error:
        log.exception("defect", extra={"told": True})
        _reraise_for_debugging()
        _report(error)
        sys.exit(EXIT_DEFECT)


def _end_aborted() -> NoReturn:
    """Say that the command was aborted; where a table was open, with a report of what it was doing."""
    if last_words.table.opened:
        error = sys.exception()
        _report(
            error.__context__.__cause__ if isinstance(error, SystemExit) and error.__context__ else error, aborted=True
        )
    else:
        typer.echo("labctl: aborted.", err=True)
    sys.exit(EXIT_STOPPED)


def _report(error: BaseException | None, *, aborted: bool = False) -> None:
    from labctl.commands.crash_report import crash_sentence, report_crash

    told = error or RuntimeError("nothing is known of the error")
    typer.echo(crash_sentence(told, report_crash(told, sys.argv), aborted=aborted), err=True)


@contextmanager
def _threads_told() -> Iterator[None]:
    """Have an error that ends a thread of the block told as one that ends the command, which goes on without it."""
    if threading.excepthook is not threading.__excepthook__:  # somebody looks after them already
        yield
        return

    def tell(failed: threading.ExceptHookArgs) -> None:
        if failed.exc_value is None or isinstance(failed.exc_value, SystemExit):
            return
        name = failed.thread.name if failed.thread is not None else "unknown"
        error = failed.exc_value
        with suppress(Exception):
            _tell_defect(f"thread {name}", error)

    threading.excepthook = tell
    try:
        yield
    finally:
        threading.excepthook = threading.__excepthook__


@contextmanager
def _defects_told() -> Iterator[None]:
    """Have the first few defects that the command outlives written down, one report each."""
    left = [MOST_REPORTS]

    def tell(where: str, error: BaseException) -> None:
        left[0] -= 1
        if left[0] >= 0:
            _tell_defect(where, error)

    before, last_words.defects.on_defect = last_words.defects.on_defect, tell
    try:
        yield
    finally:
        last_words.defects.on_defect = before


def _tell_defect(where: str, error: BaseException) -> None:
    """Log a defect that the command outlives with its traceback, write a report, and say so."""
    from labctl.commands.crash_report import report_crash

    log.error("%s ended by a defect", where, exc_info=(type(error), error, error.__traceback__), extra={"told": True})
    report = report_crash(error, sys.argv) or "none could be written"
    log.warning(
        "%s: unexpected %s: %s. A defect; labctl goes on. Report: %s", where, type(error).__name__, error, report
    )


def _reraise_for_debugging() -> None:
    if os.environ.get(DEBUG_VARIABLE):
        raise  # noqa: PLE0704 - called from where an error is handled


def _interrupt_behind(ended: SystemExit) -> bool:
    """Return whether a Ctrl-C is behind an exit: the command line makes the one of the other."""
    before = ended.__context__
    return ended.code == EXIT_STOPPED and before is not None and isinstance(before.__cause__, KeyboardInterrupt)


def _tell_end(how: object, began_at: float) -> None:
    log.info("ended after %.1f s: %s", time.monotonic() - began_at, how if how is not None else 0)
