"""manifest.json, results.json and end.json: records to JSON and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from labctl.configuration.declared_types import as_declared
from labctl.errors import StoreError
from labctl.store import json_codec
from labctl.store.archive_flag import refuse_archived
from labctl.store.checks import check_manifest, check_result
from labctl.store.digests import SCHEMA_VERSION
from labctl.store.durable import write_durably, write_into_reserve
from labctl.store.failures import reported
from labctl.store.records import EndRecord, InstrumentSnapshot, Manifest, NamedResult, RunState, SettingValue

MANIFEST_FILE = "manifest.json"
RESULTS_FILE = "results.json"
END_FILE = "end.json"
FORMAT = 1  # of results.json and end.json; a higher one is refused
MANIFEST_FORMAT = 2  # since 2 it names the schema of run.db with which the run was begun
SCHEMA_KEY = "schema"

_LONGEST_TEXT = 2000  # characters of a reason or problem in end.json, which must fit into its reserved blocks
_MOST_PROBLEMS = 3
_LONGEST_QUOTED = 200  # characters of what is wrong
_LARGEST_FILE_BYTES = 256 * 2**20  # a night of four sensors has 25 kB

Record = TypeVar("Record")


def write_manifest(folder: Path, text: str) -> None:
    """Write the encoded manifest; raises StoreError."""
    with reported("write the manifest", folder):
        write_durably(folder / MANIFEST_FILE, json_codec.as_bytes(text))


def encode_manifest(manifest: Manifest) -> str:
    """JSON text of a manifest; raises StoreError naming the entry that cannot be kept."""
    about = {"format": MANIFEST_FORMAT, SCHEMA_KEY: SCHEMA_VERSION}
    return json_codec.encode({**about, **json_codec.entries(manifest)}, "manifest", indent=2) + "\n"


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a run folder; raises StoreError when the folder is none."""
    if not (folder / MANIFEST_FILE).is_file():
        raise StoreError(f"{folder} is no run: it holds no {MANIFEST_FILE}.", remedy="Give the folder of a run.")
    return _read(folder / MANIFEST_FILE, _manifest_from, MANIFEST_FORMAT)


def schema_at_begin(folder: Path) -> int:
    """The schema of run.db with which a run was begun; 1 of a run made before it was kept. Raises StoreError."""
    return _read(folder / MANIFEST_FILE, lambda entries: int(entries.get(SCHEMA_KEY, 1)), MANIFEST_FORMAT)


def settings_from(text: str, where: str) -> dict[str, SettingValue]:
    """Settings of an instrument from their JSON text; raises StoreError."""
    return {name: as_declared(SettingValue(**value)) for name, value in json_codec.decode_mapping(text, where).items()}


def results_text(results: Mapping[str, NamedResult]) -> str:
    """The flat map of results.json: sorted by name, no times, so equal results give equal bytes."""
    checked = {name: check_result(result) for name, result in results.items()}
    flat = {
        name: {
            "value": result.value,
            "sigma": result.sigma,
            "unit": result.unit,
            "convention": result.convention,
            "source": result.source,
        }
        for name, result in sorted(checked.items())
    }
    return json.dumps(flat, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_results(folder: Path, results: Mapping[str, NamedResult]) -> None:
    """Write results.json; raises StoreError."""
    with reported("write the results", folder):
        write_durably(folder / RESULTS_FILE, json_codec.as_bytes(results_text(results)))


def read_results(folder: Path) -> dict[str, NamedResult]:
    """results.json of a run folder; raises StoreError."""
    return _read(folder / RESULTS_FILE, _results_from)


def write_end(folder: Path, end: EndRecord) -> None:
    """Write end.json, on a full disk too when its blocks were reserved; raises StoreError."""
    problems = [_cut(problem) for problem in end.problems[:_MOST_PROBLEMS]]
    if len(end.problems) > _MOST_PROBLEMS:
        problems.append(f"and {len(end.problems) - _MOST_PROBLEMS} more")
    cut = replace(end, reason=_cut(end.reason), coverage=_cut(end.coverage), problems=tuple(problems))
    text = json_codec.encode({"format": FORMAT, **json_codec.entries(cut)}, "the end of the run", indent=2) + "\n"
    with reported("write how the run ended", folder):
        refuse_archived(folder)
        write_into_reserve(folder / END_FILE, json_codec.as_bytes(text))


def read_end(folder: Path) -> EndRecord | None:
    """How the run ended, None while end.json is absent; raises StoreError when it cannot be read."""
    if not (folder / END_FILE).is_file():
        return None
    return _read(folder / END_FILE, _end_from)


def _read(path: Path, build: Callable[[dict[str, Any]], Record], newest: int = FORMAT) -> Record:
    with reported(f"read {path.name}", path.parent):
        if path.is_file() and path.stat().st_size > _LARGEST_FILE_BYTES:
            raise StoreError(f"{path} is larger than {_LARGEST_FILE_BYTES >> 20} MB.", remedy="Restore it from a copy.")
        text = path.read_bytes()
    entries = json_codec.decode_mapping(text, str(path))
    try:
        found = entries.pop("format", FORMAT)
        if found > newest:
            raise StoreError(f"{path} has format {found}; this labctl reads up to {newest}.", remedy="Update labctl.")
        return build(entries)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        what = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise StoreError(f"{path} is damaged ({what[:_LONGEST_QUOTED]}).", remedy="Restore it from a copy.") from error


def _manifest_from(entries: dict[str, Any]) -> Manifest:
    schema = entries.pop(SCHEMA_KEY, 1)
    if schema > SCHEMA_VERSION:
        raise StoreError(
            f"The run {entries.get('run_id')} has schema {schema}; this labctl reads up to {SCHEMA_VERSION}.",
            remedy="Update labctl.",
        )
    instruments = [_snapshot_from(entry) for entry in entries.pop("instruments")]
    manifest = as_declared(Manifest(**entries, instruments=instruments))
    check_manifest(manifest)
    return manifest


def _snapshot_from(entries: dict[str, Any]) -> InstrumentSnapshot:
    settings = {name: SettingValue(**value) for name, value in entries.pop("settings").items()}
    return InstrumentSnapshot(**entries, settings=settings)


def _results_from(flat: dict[str, Any]) -> dict[str, NamedResult]:
    return {name: check_result(as_declared(NamedResult(name, **entry))) for name, entry in flat.items()}


def _end_from(entries: dict[str, Any]) -> EndRecord:
    return as_declared(
        EndRecord(
            state=RunState(entries["state"]),
            reason=entries["reason"],
            coverage=entries["coverage"],
            ended=entries["ended"],
            recovered_at=entries.get("recovered_at"),
            problems=tuple(entries.get("problems", ())),
        )
    )


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + " ... (cut)"
