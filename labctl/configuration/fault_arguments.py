"""Faults as the command line writes them: INSTRUMENT[.CHANNEL]:KIND[@AFTER][+LASTING], such as
`piezo_a:silent@20min+30s` or `servos.3:railed_output`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from labctl.configuration.faults import Finding, key_text
from labctl.configuration.inspection import Inspection
from labctl.configuration.instrument_faults import MOST_FAULTS, InstrumentFault, fault_findings, read_fault
from labctl.configuration.station_file import SimulatedBackend, StationFile
from labctl.errors import ConfigurationError

SYNTAX = "INSTRUMENT[.CHANNEL]:KIND[@AFTER][+LASTING]"
EXAMPLE = "piezo_a:silent@20min+30s"

_FAULT = re.compile(
    r"(?P<instrument>[^.:@+]+)(\.(?P<channel>[^:@+]+))?:(?P<kind>[^@+]+)"
    r"(@(?P<after>.+?))?((?<![\d.][eE])\+(?P<lasting>.+))?"  # the plus of 1e+3 parts nothing
)


def fault_entry(text: str) -> dict[str, Any]:
    """Return what a station file would have in `faults` for one fault of the command line, units as they were written.

    Raises ConfigurationError where it has another form; names and values are not looked at.
    """
    match = _FAULT.fullmatch(text)
    if match is None:
        raise ConfigurationError(f"--fault {text}: this is not {SYNTAX}.", remedy=f"Write it as in {EXAMPLE}.")
    entry = {key: value.strip() for key, value in match.groupdict().items() if value is not None}
    return {key: _number_or_text(value) if key in ("after", "lasting") else value for key, value in entry.items()}


def with_faults(station: StationFile, written: Sequence[str]) -> StationFile:
    """Return the station with faults of the command line after those of its file.

    Raises ConfigurationError where the station is not simulated, and with everything that is wrong with the faults.
    """
    if not written:
        return station
    backend = station.backend
    if not isinstance(backend, SimulatedBackend):
        raise ConfigurationError(
            "--fault needs the simulated table, and this station file names real instruments.",
            remedy="Leave --fault out.",
        )
    wrong: list[str] = []
    added: list[InstrumentFault] = []
    places = [key_text(("backend", "faults", index)) for index in range(len(backend.faults))]
    for text in written:
        try:
            added.append(read_fault(fault_entry(text)))
            places.append(f"--fault {text}")
        except ConfigurationError as error:
            wrong += [line if line.startswith("--fault") else f"--fault {text}: {line}" for line in _lines(error)]
    faults = (*backend.faults, *added)
    if len(faults) > MOST_FAULTS:
        wrong.append(f"--fault: there are {len(faults)} faults with those of the file; allowed: at most {MOST_FAULTS}")
    wrong += _told(fault_findings(Inspection(station), faults), places)
    if wrong:
        raise ConfigurationError("\n".join(wrong))
    return station.model_copy(update={"backend": backend.model_copy(update={"faults": faults})})


def _told(findings: Iterator[Finding], places: Sequence[str]) -> Iterator[str]:
    for finding in findings:
        index = finding.key[2]
        assert isinstance(index, int)
        yield f"{places[index]}: {finding.problem}; allowed: {finding.allowed}"


def _lines(error: ConfigurationError) -> list[str]:
    return str(error).splitlines()


def _number_or_text(text: str) -> float | str:
    """Return a plain number as the SI number that it is in a file, and anything else as it is."""
    try:
        return text if "_" in text else float(text)
    except ValueError:
        return text
