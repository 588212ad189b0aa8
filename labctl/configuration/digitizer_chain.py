"""The boards of a digitizer: what a chain of them must agree on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from labctl.configuration.faults import Finding, Key, key_text

if TYPE_CHECKING:
    from labctl.configuration.station_file import Digitizer, DigitizerBoard, StationFile


def boards_with_keys(digitizer: Digitizer) -> Iterator[tuple[Key, DigitizerBoard | Digitizer]]:
    """Each board from the first on, with the key of its table."""
    yield ("digitizer",), digitizer
    for index, board in enumerate(digitizer.chain):
        yield ("digitizer", "chain", index), board


def digitizer_findings(station: StationFile) -> Iterator[Finding]:
    """Boards that are in the chain twice, and detectors at more than one input."""
    if station.digitizer is None:
        return
    boards: dict[str, Key] = {}
    detectors: dict[str, Key] = {}
    for here, board in boards_with_keys(station.digitizer):
        other = boards.setdefault(board.instrument, here)
        if other != here:
            yield Finding(
                (*here, "instrument"),
                f"{board.instrument} is in the chain already, in {key_text(other)}",
                "another board, or all its inputs in one table",
            )
        for name in board.inputs:
            at = (*here, "inputs", name)
            first = detectors.setdefault(name, at)
            if first != at:
                yield Finding(at, f"{name} is at {key_text(first)} already", "one input for every detector")
