"""`labctl report --reveal`: what was true of the simulated table of a run."""

from __future__ import annotations

from pathlib import Path

from labctl.report.truth_section import Revelation
from labctl.simulation import reveal


def revelation_of(run: Path) -> Revelation:
    """Return it for the run in this folder; raises `StoreError` where nobody knows."""
    return reveal.reveal(run)
