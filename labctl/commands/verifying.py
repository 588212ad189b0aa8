"""`labctl verify` and `labctl archive`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from labctl.commands.exit_codes import EXIT_FAILED
from labctl.errors import StoreError
from labctl.store.archive import archive, unarchive
from labctl.store.archive_flag import is_archived
from labctl.store.catalogue import Catalogue
from labctl.store.verify import Verdict, verify


def verify_runs(idents: Sequence[str], runs: Path) -> int:
    """Check runs and print what is wrong with each and what to do; return the exit status, 0 where all are well.

    A run that cannot be checked counts as one that is not well. Raises `StoreError` where the runs cannot be listed.
    """
    catalogue, well = Catalogue(runs), True
    for ident in idents:
        try:
            folder = catalogue.find(ident)
            verdict = verify(folder)
        except StoreError as error:
            typer.echo(f"{ident}: {error}")
            well = False
            continue
        _tell(folder, verdict)
        well = well and verdict.is_well
    return 0 if well else EXIT_FAILED


def archive_run(ident: str, runs: Path, *, undo: bool) -> None:
    """Make a run read-only once it was verified, or writable again, and say so. Raises `StoreError`."""
    folder = Catalogue(runs).find(ident)
    if undo:
        unarchive(folder)
        typer.echo(f"{folder.name}: writable again.")
        return
    if is_archived(folder):
        typer.echo(f"{folder.name}: archived already.")
        return
    archive(folder)
    typer.echo(f"{folder.name}: verified and archived, read-only.")


def _tell(folder: Path, verdict: Verdict) -> None:
    if verdict.is_well:
        typer.echo(f"{folder.name}: well. Checked: {', '.join(verdict.checked)}.")
    else:
        count = len(verdict.faults)
        typer.echo(f"{folder.name}: {count} fault{'s' if count > 1 else ''}.")
        for fault in verdict.faults:
            typer.echo(f"  {fault.what} {fault.remedy}".rstrip())
    for note in verdict.notes:
        typer.echo(f"  note: {note}")
