"""The settings of a station's instruments now, against those that its last run asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from drivers.base import Driver
from labctl.configuration.station_file import SimulatedBackend, StationFile
from labctl.errors import StoreError
from labctl.station.read_back import Comparison, Verdict, compare
from labctl.store.last_settings import last_settings
from labctl.store.records import AskedSetting, RunSummary

MOST_LISTED = 30  # settings that differ; --json has all
NO_DRIVER = "the instrument did not answer"
NO_INSTRUMENT = "the station file has no such instrument"


@dataclass(frozen=True)
class ComparedSetting:
    """What the last run asked of a setting, and what was found now."""

    asked: AskedSetting
    now: Comparison

    @property
    def name(self) -> str:
        """Instrument and setting: "servos.module_1.integral_gain"."""
        return f"{self.asked.instrument}.{self.asked.setting}"


@dataclass(frozen=True)
class ComparedSettings:
    """Every setting that the last run asked for, in its order; `remark` says what nobody can see from the settings."""

    run: RunSummary | None
    settings: tuple[ComparedSetting, ...] = ()
    remark: str = ""

    def of(self, verdict: Verdict) -> list[ComparedSetting]:
        """Return those that compare so."""
        return [one for one in self.settings if one.now.verdict is verdict]

    def differing(self, instrument: str) -> str:
        """Return how many settings of an instrument differ; "" where none was compared."""
        verdicts = [one.now.verdict for one in self.settings if one.asked.instrument == instrument]
        if not {Verdict.SAME, Verdict.DIFFERS} & set(verdicts):
            return ""
        return str(verdicts.count(Verdict.DIFFERS))


def compare_with_last_run(file: StationFile, runs: Path, drivers: Mapping[str, Driver | None]) -> ComparedSettings:
    """Read back what the last run of the station in `runs` asked of its instruments; None is one that did not answer.

    Never raises: where there is nothing to compare, the remark says why.
    """
    try:
        last = last_settings(runs, file.station.name, file.backend.kind)
    except StoreError as error:
        return ComparedSettings(None, remark=f"The last run cannot be read, so nothing is compared. {error}")
    if last is None:
        nothing = f"No run of {file.station.name!r} in {runs} has asked for settings: there is nothing to compare."
        return ComparedSettings(None, remark=nothing)
    if last.settings is None:
        return ComparedSettings(
            last.run, remark=f"Run {last.run.run_id} was made before settings were kept: there is nothing to compare."
        )
    found: dict[tuple[str, str], Comparison] = {}
    for instrument in dict.fromkeys(asked.instrument for asked in last.settings):
        wanted = {asked.setting: asked.value for asked in last.settings if asked.instrument == instrument}
        for one in _compare_instrument(instrument, wanted, drivers):
            found[instrument, one.setting] = one
    compared = (ComparedSetting(asked, found[asked.instrument, asked.setting]) for asked in last.settings)
    remark = (
        "This simulated table was switched on a moment ago and knows nothing of that run."
        if isinstance(file.backend, SimulatedBackend)
        else ""
    )
    return ComparedSettings(last.run, tuple(compared), remark)


def _compare_instrument(
    instrument: str, wanted: Mapping[str, Any], drivers: Mapping[str, Driver | None]
) -> list[Comparison]:
    driver = drivers.get(instrument)
    if driver is not None:
        return compare(driver, wanted)
    verdict, problem = (Verdict.UNREAD, NO_DRIVER) if instrument in drivers else (Verdict.GONE, NO_INSTRUMENT)
    return [Comparison(instrument, path, value, None, verdict, problem) for path, value in wanted.items()]


def print_settings(console: Console, compared: ComparedSettings) -> None:
    """Print how many settings differ and which, and what could not be verified."""

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    run = compared.run
    if run is None or not compared.settings:
        say(compared.remark)
        return
    differing = compared.of(Verdict.DIFFERS)
    read_back = len(differing) + len(compared.of(Verdict.SAME))
    say(
        f"Last run {run.run_id} ({run.state}): {len(differing)} of {read_back} settings that can be read back differ "
        "from what it asked for."
    )
    if differing:
        if compared.remark:
            say(compared.remark)
        console.print(_differences(differing[:MOST_LISTED]))
    if len(differing) > MOST_LISTED:
        say(f"... and {len(differing) - MOST_LISTED} more; --json lists all.")
    unverifiable = compared.of(Verdict.WRITE_ONLY)
    if unverifiable:
        say(f"Can only be written, so nobody can verify them: {_listed(unverifiable)}.")
    for verdict, what in ((Verdict.UNREAD, "Could not be read"), (Verdict.GONE, "No longer there")):
        for problem, settings in _by_problem(compared.of(verdict)).items():
            say(f"{what}: {_listed(settings)} ({problem.rstrip('.')}).")


def settings_entry(compared: ComparedSettings) -> dict[str, Any]:
    """Return everything as it goes into JSON."""
    run = compared.run
    return {
        "last_run": None if run is None else {"run": run.run_id, "created": run.created, "state": str(run.state)},
        "remark": compared.remark,
        "settings": [
            {
                "instrument": one.asked.instrument,
                "setting": one.asked.setting,
                "wanted": one.asked.value,
                "found": one.now.found,
                "unit": one.asked.unit,
                "asked_in": one.asked.source,
                "verdict": str(one.now.verdict),
                "problem": one.now.problem,
            }
            for one in compared.settings
        ],
    }


def _differences(settings: Sequence[ComparedSetting]) -> Table:
    table = Table()
    table.add_column("setting", no_wrap=True)
    for column in ("wanted", "found", "unit", "asked in"):
        table.add_column(column)
    for one in settings:
        table.add_row(one.name, _shown(one.asked.value), _shown(one.now.found), one.asked.unit, one.asked.source)
    return table


def _listed(settings: Sequence[ComparedSetting]) -> str:
    by_instrument: dict[str, list[str]] = {}
    for one in settings:
        by_instrument.setdefault(one.asked.instrument, []).append(one.asked.setting)
    return "; ".join(f"{instrument} {', '.join(names)}" for instrument, names in by_instrument.items())


def _by_problem(settings: Sequence[ComparedSetting]) -> dict[str, list[ComparedSetting]]:
    grouped: dict[str, list[ComparedSetting]] = {}
    for one in settings:
        grouped.setdefault(one.now.problem, []).append(one)
    return grouped


def _shown(value: Any) -> str:
    return f"{value:.9g}" if isinstance(value, float) else str(value)
