"""`labctl lock --dry-run`: what locking would send, rehearsed on the simulated table; the real one is looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from labctl.commands.lock_session import LockSession, lock_session
from labctl.commands.locking import chosen_loops, lock_console, sayer, warm_the_oven
from labctl.commands.sent_commands import Group, folded, recorded_commands
from labctl.commands.stations import default_station, on_simulated_table
from labctl.configuration.station_file import SimulatedBackend, StationFile
from labctl.configuration.toml_reading import load_station
from labctl.errors import ConnectionLost, LockError
from labctl.station.table_hold import Intent
from procedures.bringing_up import bring_up_all, prepare


def rehearse_locking(names: Sequence[str], station: Path | None, runs: Path | None, everything: bool) -> int:
    """Print the commands that `labctl lock` would send from how the table is now, in their order; return the exit
    status.

    Raises `LockError` after that where the rehearsal did not get all loops locked.
    """
    console = lock_console()
    say = sayer(console)
    path = station or default_station()
    file = load_station(path)
    held = [] if isinstance(file.backend, SimulatedBackend) else _held_now(path, runs, say)
    with lock_session(path, runs, say, file=on_simulated_table(file, None, None)) as twin:
        wanted = chosen_loops(twin, names, everything)
        order = twin.bench.supervisor.with_needs(wanted)
        warm_the_oven(twin, lambda text: None)
        # What holds on the table holds in the rehearsal too, and is not what is asked about.
        already = twin.bench.supervisor.with_needs([name for name in held if name in order])
        failures = dict(_bring_up(twin, already))
        with recorded_commands(twin.bench.station) as sent:
            failures |= _bring_up(twin, [name for name in order if name not in already and name not in failures])
    say(
        "A rehearsal on the simulated table: nothing was sent to the instruments. The numbers on the table will differ."
    )
    if already:
        say(f"Locked and left as they are: {', '.join(already)}.")
    if not sent:
        say("There is nothing to send.")
    _print(console, folded(sent), file)
    if failures:
        raise LockError(f"In the rehearsal: {next(iter(failures.values()))}")
    return 0


def _held_now(path: Path, runs: Path | None, say: Callable[[str], None]) -> list[str]:
    """Return the loops that are locked on the table now; none where it does not answer."""
    try:
        with lock_session(path, runs, say, intent=Intent.LOOK) as session:
            onlooker = session.look()
            held = [name for name, machine in onlooker.machines.items() if machine.is_locked]
            onlooker.stop()
            return held
    except ConnectionLost as error:
        say(f"{error}\nThe table is taken for one with all loops open.")
        return []


def _bring_up(session: LockSession, names: Sequence[str]) -> dict[str, LockError]:
    if not names:
        return {}
    prepare(session.bench.station, names)
    return dict(bring_up_all(session.bench, names, session.wait, lambda name, seconds: None))


def _print(console: Console, groups: Sequence[Group], file: StationFile) -> None:
    if not groups:
        return
    began_at = groups[0].commands[0].at
    table = Table(title=f"What locking would send to {file.station.name}")
    for heading in ("after", "instrument", "what", "on the wire", "times"):
        table.add_column(
            heading, no_wrap=heading != "what", justify="right" if heading in ("after", "times") else "left"
        )
    for group in groups:
        table.add_section()
        for index, one in enumerate(group.commands):
            times = str(one.count) if one.count > 1 else ""
            if group.times > 1 and index == 0:
                table.add_row(
                    "", "", Text(f"{group.times} rounds of these {len(group.commands)}:", style="bold"), "", ""
                )
            table.add_row(f"{one.at - began_at:.1f} s", one.instrument, Text(one.meaning), Text(one.on_the_wire), times)
    console.print(table)
