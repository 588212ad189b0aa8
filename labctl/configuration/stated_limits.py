"""The limits that a station file states, to be held against those of another time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from labctl.configuration.station_file import StationFile

TABLES: Final = ("piezo_limits", "mirror_limits", "loops", "oven", "laser", "tones", "rotators", "power_meters")
WHOLE_TABLES: Final = ("interlocks",)
NAMES: Final = ("minimum", "maximum", "slew", "output_limit", "ramp", "steps_per")


def stated_limits(file: StationFile) -> dict[str, object]:
    """Return each limit and each setting of an interlock by its key, such as "piezo_limits.maximum"; SI units, degC."""
    content = file.model_dump(mode="json")
    return {
        key: value
        for table in (*TABLES, *WHOLE_TABLES)
        for key, value in _leaves(table, content.get(table))
        if table in WHOLE_TABLES or key.rpartition(".")[2].startswith(NAMES)
    }


def changed_limits(before: StationFile, now: StationFile) -> list[str]:
    """Return one sentence for each limit that is not what it was, or that is new or gone."""
    old, new = stated_limits(before), stated_limits(now)
    return [
        f"The limit {key} is {_said(new, key)}; it was {_said(old, key)}."
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]


def _said(limits: Mapping[str, object], key: str) -> str:
    return str(limits[key]) if limits.get(key) is not None else "not set"


def _leaves(key: str, value: Any) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(f"{key}.{name}", inner)
    else:
        yield key, value
