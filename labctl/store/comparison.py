"""Two runs side by side: what differs in their results, in the settings that they asked for, and in what they were."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from labctl.store.reader import RunReader
from labctl.store.records import InstrumentSnapshot, Manifest, NamedResult, SettingValue
from labctl.store.station_text import parsed_station

DIFFER_BEYOND_SIGMAS = 3.0
_DIGEST_BYTES = 4
_SAME_NUMBER = 1e-9  # relative: what text and floating point make of one number


@dataclass(frozen=True)
class ComparedResult:
    """A result that both runs have.

    `sigmas` is (second - first) over the uncertainty of the difference: NaN for another unit, infinite where two
    numbers without an uncertainty differ.
    """

    first: NamedResult
    second: NamedResult

    @property
    def sigmas(self) -> float:
        """Return the distance of the second from the first in standard deviations."""
        if self.first.unit != self.second.unit:
            return math.nan
        difference = self.second.value - self.first.value
        sigma = math.hypot(self.first.sigma, self.second.sigma)
        if sigma > 0.0:
            return difference / sigma
        return math.copysign(math.inf, difference) if difference else 0.0

    @property
    def differs(self) -> bool:
        """Return whether it is further away than chance would have it."""
        return not abs(self.sigmas) <= DIFFER_BEYOND_SIGMAS


@dataclass(frozen=True)
class ChangedSetting:
    """A setting by its whole name, such as "oven.ch_1.target_temperature_c"; None where a run has it not."""

    name: str
    unit: str
    first: Any
    second: Any


@dataclass(frozen=True)
class RunComparison:
    """What two runs have in common and what not; results with the largest distance first."""

    results: tuple[ComparedResult, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    settings: tuple[ChangedSetting, ...]
    settings_compared: int
    circumstances: tuple[ChangedSetting, ...]


def compare_runs(first: RunReader, second: RunReader) -> RunComparison:
    """Compare two runs. Raises `StoreError` where one cannot be read."""
    before, after = first.results(), second.results()
    common = [ComparedResult(before[name], after[name]) for name in sorted(before.keys() & after.keys())]
    asked = settings_of(first), settings_of(second)
    return RunComparison(
        results=tuple(sorted(common, key=_furthest_first)),
        only_first=tuple(sorted(before.keys() - after.keys())),
        only_second=tuple(sorted(after.keys() - before.keys())),
        settings=tuple(changed_settings(*asked)),
        settings_compared=len(asked[0].keys() | asked[1].keys()),
        circumstances=tuple(changed_circumstances(first.manifest, second.manifest)),
    )


def settings_of(run: RunReader) -> dict[str, tuple[Any, str]]:
    """Return value and unit of every setting by its whole name: as labctl last asked for it, else as it was found."""
    found = {
        f"{instrument.name}.{name}": (setting.value, "")
        for instrument in [*run.manifest.instruments, *run.snapshots()]
        for name, setting in instrument.settings.items()
        if setting.how != "failed"
    }
    asked = {f"{one.instrument}.{one.setting}": (one.value, one.unit) for one in run.asked_settings() or ()}
    return found | asked


def changed_settings(
    first: Mapping[str, tuple[Any, str]], second: Mapping[str, tuple[Any, str]]
) -> list[ChangedSetting]:
    """Return the settings that are not the same in both, by name; one that a run lacks has None there."""
    found = []
    for name in sorted(first.keys() | second.keys()):
        before, after = first.get(name, (None, "")), second.get(name, (None, ""))
        if not same_value(before[0], after[0]):
            found.append(ChangedSetting(name, after[1] or before[1], before[0], after[0]))
    return found


def found_settings(instruments: Iterable[InstrumentSnapshot]) -> dict[str, SettingValue]:
    """Return the settings of instruments as they were found, by their whole name."""
    return {
        f"{instrument.name}.{name}": setting
        for instrument in instruments
        for name, setting in instrument.settings.items()
    }


def changed_circumstances(first: Manifest, second: Manifest) -> list[ChangedSetting]:
    """Return what two runs differ in besides their settings: program, station file, recipe and identities."""
    one, other = _circumstances(first), _circumstances(second)
    return [
        ChangedSetting(name, "", one.get(name), other.get(name))
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    ]


def same_value(one: object, other: object) -> bool:
    """Return whether two values of a setting are the same; numbers that only floating point tells apart are."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other or str(one) == str(other)
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other or math.isclose(one, other, rel_tol=_SAME_NUMBER)
    return one == other or (one is not None and other is not None and str(one) == str(other))


def _circumstances(manifest: Manifest) -> dict[str, object]:
    about: dict[str, object] = {
        "program.git_commit": manifest.git_commit,
        "run.backend": manifest.backend,
        "run.recipe": _digest(manifest.recipe),
        "run.station": manifest.station_name,
    }
    about |= {f"program.{name}": version for name, version in manifest.versions.items()}
    about |= {f"identity.{one.name}": one.identity for one in manifest.instruments}
    about |= {f"parameter.{name}": str(value) for name, value in manifest.parameters.items()}
    return about | {f"station file.{name}": value for name, value in _flat(parsed_station(manifest.station_file))}


def _digest(text: str) -> str:
    """Return what tells two texts apart in a line."""
    digest = hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=_DIGEST_BYTES).hexdigest()
    return f"{len(text.splitlines())} lines, {digest}" if text else ""


def _flat(value: object, path: str = "") -> list[tuple[str, object]]:
    """Return the leaves of nested mappings and lists by their dotted paths."""
    items: Iterable[tuple[object, object]]
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value, start=1)
    else:
        return [(path, value)]
    return [leaf for key, item in items for leaf in _flat(item, f"{path}.{key}" if path else str(key))]


def _furthest_first(compared: ComparedResult) -> tuple[float, str]:
    size = abs(compared.sigmas)
    return (-math.inf if math.isnan(size) else -size, compared.first.name)
