"""`labctl lock`, `labctl unlock` and `labctl locks`."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Final

import typer
from rich.console import Console
from rich.live import Live

from labctl.commands.exit_codes import EXIT_STOPPED
from labctl.commands.lock_session import LockSession, lock_session, stopped_by_signals
from labctl.commands.lock_table import LoopRow, lock_table
from labctl.configuration.recipe_file import Step
from labctl.configuration.station_file import SimulatedBackend
from labctl.errors import ConfigurationError, LabError, LockError, Stopped
from labctl.locks.machine import Level
from labctl.locks.onlooker import HELD_BY_A_PROGRAM, Onlooker
from labctl.locks.servo_loop import ServoLoop
from labctl.locks.supervisor import Supervisor
from labctl.station.table_hold import Intent
from labctl.store.records import StepState
from procedures.bringing_up import bring_up_all, prepare
from procedures.execution import execute

LEFT_ALONE: Final = "It holds by its servo. Nobody asked for it, and what it needs is not locked."
REFRESH_S: Final = 1.0  # of the watched table, in real time
WIDTH_OF_FILES: Final = 200  # columns where the output is no terminal
LONGEST_WARMING_S: Final = 3 * 3600.0


def show_locks(station: Path | None, runs: Path | None, as_json: bool, watch: bool) -> int:
    """Print how every loop is, once or once a second until Ctrl-C; nothing is opened or moved. Return the exit
    status."""
    console = lock_console()
    with lock_session(station, runs, sayer(console), intent=Intent.LOOK) as session:
        onlooker = session.look()
        if watch:
            with stopped_by_signals(session.stop):
                _watch(session, onlooker, console, as_json)
        else:
            _print(session, onlooker, console, as_json)
        onlooker.stop()
    return 0


def lock_loops(
    names: Sequence[str], station: Path | None, runs: Path | None, everything: bool, from_cold: bool | None, watch: bool
) -> int:
    """Lock loops and all that they need, say when each is locked, and leave them locked; return the exit status.

    Raises `LockError` that says which are not locked and why, when all others are.
    """
    console = lock_console()
    say = sayer(console)
    with lock_session(station, runs, say) as session, stopped_by_signals(session.stop):
        wanted = chosen_loops(session, names, everything)
        try:
            _lock(session, wanted, from_cold, say)
            _print(session, session.bench.supervisor, console, as_json=False)
            if watch:
                say("The loops are kept locked until Ctrl-C.")
                _watch(session, session.bench.supervisor, console, as_json=False)
        except Stopped:
            _leave(session, say)
            _print(session, session.look(), console, as_json=False)
            return EXIT_STOPPED
        finally:
            _leave(session, say)
    return 0


def unlock_loops(names: Sequence[str], station: Path | None, runs: Path | None, everything: bool, agreed: bool) -> int:
    """Open loops and all that need them, outputs to 0; return the exit status.

    Raises `LockError` before anything is opened where others need them and nobody agreed.
    """
    console = lock_console()
    say = sayer(console)
    with lock_session(station, runs, say) as session:
        loops, supervisor = session.bench.loops.by_name, session.bench.supervisor
        wanted = chosen_loops(session, names, everything)
        chain = supervisor.that_need(wanted)
        closed = [name for name in chain if _is_closed(session, name)]
        others = [name for name in closed if name not in wanted]
        if others and not agreed:
            _require_agreement(wanted, others)
        for name in wanted:
            if name not in closed:
                said = "is open already." if loops[name].capabilities.holds_alone else f"{HELD_BY_A_PROGRAM}"
                say(f"{name}: {said}")
        errors = []
        for name in closed:
            try:
                loops[name].release()
                say(f"{name}: opened, its output at 0 V.")
            except LabError as error:
                errors.append(error)
    if errors:
        raise errors[0]
    return 0


# ---- the way to locked ----------------------------------------------------------------------------------------------


def _lock(session: LockSession, wanted: Sequence[str], from_cold: bool | None, say: Callable[[str], None]) -> None:
    bench = session.bench
    supervisor = bench.supervisor
    began_at = bench.clock.now()

    def tell(level: Level, loop: str, text: str) -> None:
        say(f"{bench.clock.now() - began_at:7.1f} s  {text}")

    held = _take_over(session, wanted)
    if held:
        say(f"Found locked, and taken over as they are: {', '.join(held)}.")
    supervisor.tell = tell
    session.keeper.start()
    session.check_stop()
    open_loops = [name for name in supervisor.with_needs(wanted) if not supervisor.machines[name].is_locked]
    if not open_loops:
        return
    if from_cold if from_cold is not None else isinstance(session.file.backend, SimulatedBackend):
        warm_the_oven(session, say)
    prepare(bench.station, open_loops)
    failures = bring_up_all(bench, wanted, session.wait, lambda name, seconds: session.keeper.keep())
    if failures:
        raise _not_all(supervisor, wanted, failures)


def _take_over(session: LockSession, wanted: Sequence[str]) -> list[str]:
    """Take over what a first look found locked, and those that this program held itself and is to hold again; return
    the former.

    Those that need a loop that is not locked and not asked for are left alone: a supervisor would hold them.
    """
    loops, supervisor = session.bench.loops.by_name, session.bench.supervisor
    onlooker = session.look()
    found = {name: LEFT_ALONE if machine.is_locked else machine.why for name, machine in onlooker.machines.items()}
    held = [name for name, machine in onlooker.machines.items() if machine.is_locked]
    onlooker.stop()
    asked = supervisor.with_needs(wanted)
    again = [name for name in asked if not loops[name].capabilities.holds_alone and loops[name].remembered()]
    ours = {*held, *asked}
    held = [name for name in held if ours.issuperset(supervisor.with_needs([name]))]
    for name, machine in supervisor.machines.items():
        machine.why = found[name]
    supervisor.take_over({name: loops[name].remembered() for name in (*held, *again)})
    session.wait_until_proven(supervisor)
    return held


def warm_the_oven(session: LockSession, say: Callable[[str], None]) -> None:
    """Bring the oven to its target and wait until it is settled."""
    oven = session.file.oven
    if oven is None:
        return
    say(f"Warming the oven to {oven.target:g} degC.")
    parameters = {"target": oven.target, "ramp": oven.ramp, "tolerance": oven.tolerance}
    execute(
        Step("warm_oven", "warm_oven", None, (), 0, LONGEST_WARMING_S, parameters),
        session.bench,
        session.stop,
        _Silent(),
    )


def _not_all(supervisor: Supervisor, wanted: Sequence[str], failures: Mapping[str, LockError]) -> LockError:
    """Return one error of the first that failed, and what is locked and what is not."""
    locked = [name for name in supervisor.with_needs(wanted) if supervisor.machines[name].is_locked]
    first = next(iter(failures.values()))
    state = f"Locked and left so: {', '.join(locked) or 'none'}; not locked: {', '.join(failures)}."
    return LockError(str(first), remedy=state)


def _leave(session: LockSession, say: Callable[[str], None]) -> None:
    """Keep what is locked, open what is on its way, and end what only this program holds; once is enough."""
    supervisor = session.bench.supervisor
    ours = [
        machine
        for machine in supervisor.machines.values()
        if machine.is_locked and not machine.loop.capabilities.holds_alone
    ]
    session.keeper.stop()
    for name in supervisor.leave("labctl lock has ended."):
        say(f"{name}: opened, for it was not locked yet.")
    for machine in ours:
        machine.loop.hold()
        say(f"{machine.name}: labctl held it itself and ends: it stays where it is and drifts. --watch goes on.")


# ---- the way to open ------------------------------------------------------------------------------------------------


def _is_closed(session: LockSession, name: str) -> bool:
    loop = session.bench.loops.by_name[name]
    return isinstance(loop, ServoLoop) and loop.servo.state().closed


def _require_agreement(wanted: Sequence[str], others: Sequence[str]) -> None:
    question = f"{', '.join(others)} need {'it' if len(wanted) == 1 else 'them'} and would be opened too"
    if sys.stdin.isatty() and typer.confirm(f"{question}. Go on?"):
        return
    raise LockError(f"{question}; nothing was opened.", remedy="Add --yes.")


# ---- what is printed ------------------------------------------------------------------------------------------------


class _Silent:
    """Who hears of a step and says nothing."""

    def step_began(self, step: Step, attempt: int) -> None: ...

    def step_progressed(self, step: Step, fraction: float) -> None: ...

    def step_ended(self, step: Step, state: StepState, reason: str) -> None: ...


def chosen_loops(session: LockSession, names: Sequence[str], everything: bool) -> list[str]:
    """Return the loops that are meant. Raises `ConfigurationError` where it is not clear which, or one is not there."""
    there = session.bench.loops.by_name
    if bool(names) == everything:
        raise ConfigurationError(
            "Which loops?" if not names else "Loops are named, and --all is given too.",
            remedy=f"Name some of {', '.join(there)}, or give --all.",
        )
    session.bench.supervisor.with_needs(names)
    return list(there) if everything else list(dict.fromkeys(names))


def lock_console() -> Console:
    """Return the terminal, or one wide enough for the table."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_OF_FILES)


def sayer(console: Console) -> Callable[[str], None]:
    """Return who prints a sentence as it is."""
    return lambda text: console.print(text, markup=False, highlight=False, soft_wrap=True)


def _print(session: LockSession, supervisor: Supervisor, console: Console, as_json: bool) -> None:
    rows = session.rows(supervisor)
    if as_json:
        typer.echo(json.dumps(_entry(session, rows)))
    else:
        console.print(lock_table(rows, session.file.station.name))


def _entry(session: LockSession, rows: Sequence[LoopRow]) -> dict[str, object]:
    return {
        "station": session.file.station.name,
        "lab_time_s": session.bench.clock.now(),
        "loops": [row.entry() for row in rows],
    }


def _watch(session: LockSession, supervisor: Supervisor, console: Console, as_json: bool) -> None:
    """Print the table once a second until somebody asks to stop; an onlooker looks again at what it had not found
    closed."""
    clock, beat, turn = session.bench.clock, threading.Event(), 0
    live = Live(console=console, auto_refresh=False) if console.is_terminal and not as_json else None
    with suppress(Stopped), live or nullcontext():
        while True:
            rows = session.rows(supervisor)
            if live is not None:
                live.update(lock_table(rows, session.file.station.name), refresh=True)
            elif as_json:
                typer.echo(json.dumps(_entry(session, rows)))
            else:
                console.print(lock_table(rows, session.file.station.name))
            session.check_stop()
            beat.wait(REFRESH_S)  # real seconds, whatever lab time does
            if not clock.concurrent:
                clock.sleep(REFRESH_S)
            session.check_stop()
            if isinstance(supervisor, Onlooker):
                turn = _look_again(session, supervisor, turn)


def _look_again(session: LockSession, onlooker: Onlooker, turn: int) -> int:
    """Look at the next loop that is not locked; return whose turn is next."""
    open_loops = [name for name, machine in onlooker.machines.items() if not machine.is_locked]
    if open_loops:
        onlooker.look(session.known.loops, [open_loops[turn % len(open_loops)]])
    return turn + 1
