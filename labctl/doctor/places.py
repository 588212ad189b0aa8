"""Where runs are written: may this user, does the disk keep what it is told to, is it local, is there room."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from labctl.configuration.station_file import StationFile
from labctl.configuration.templates import template_directory
from labctl.configuration.toml_reading import load_recipe
from labctl.doctor.findings import Check, Finding, Patient, Voice
from labctl.host.durability import sync_file
from labctl.host.file_systems import file_system_of
from labctl.host.resources import groups_that_may_open, most_open_files
from procedures.catalogue import known_procedures
from procedures.planned_times import planned_s
from procedures.preflight import LEAST_FREE_BYTES, projected_bytes

DISK = "disk"
PERMISSIONS = "permissions"
SYNCS = 5
SLOW_SYNC_S = 0.05  # a trace is one such write: slower ones are felt in the pace of a night
BROKEN_SYNC_S = 1.0
PROBE_BYTES = 16 * 1024
LEAST_INODES = 10_000
NIGHT_S = 8 * 3600.0  # where no station says how long its night is
ENOUGH_OPEN_FILES = 256


def checks() -> list[Check]:
    """Return the checks of these groups."""
    return [
        Check(PERMISSIONS, "runs folder", _runs_folder),
        Check(PERMISSIONS, "serial ports", _serial_ports, needs_station=True),
        Check(PERMISSIONS, "open files", _open_files),
        Check(DISK, "file system", _file_system),
        Check(DISK, "free space", _free_space),
    ]


def _runs_folder(patient: Patient) -> Iterator[Finding]:
    say = Voice(PERMISSIONS, "runs folder")
    place = nearest(patient.runs)
    try:
        sync_s = _sync_time_s(place)
    except OSError as error:
        yield say.fault(
            f"{place} cannot be written ({error.strerror}).", "Give rights to it, or another folder with --runs."
        )
        return
    text = f"{place} can be written; {PROBE_BYTES // 1024} KiB are on the disk within {1e3 * sync_s:.1f} ms."
    if sync_s > BROKEN_SYNC_S:
        yield say.fault(text, "Put the runs on another disk: a night writes thousands of such records.")
    elif sync_s > SLOW_SYNC_S:
        yield say.warning(text, "Put the runs on a faster disk, or expect a slower night.")
    else:
        yield say.ok(text)


def _sync_time_s(place: Path) -> float:
    """Return how long it takes until a record is on the disk, in s; the file goes again."""
    times = []
    with tempfile.TemporaryFile(dir=place) as file:
        for _ in range(SYNCS):
            began_at = time.perf_counter()
            file.write(os.urandom(PROBE_BYTES))
            file.flush()
            sync_file(file.fileno())
            times.append(time.perf_counter() - began_at)
    return statistics.median(times)


def _serial_ports(patient: Patient) -> Iterator[Finding]:
    say = Voice(PERMISSIONS, "serial ports")
    assert patient.file is not None
    wanted = {name: serial_device(one.address) for name, one in patient.file.instruments.items()}
    devices = {name: device for name, device in wanted.items() if device is not None}
    if patient.file.backend.kind != "visa" or not devices:
        yield say.ok("The station has none on this machine.")
        return
    good, missing = 0, []
    for name, device in devices.items():
        if not device.exists():
            missing.append(f"{device} ({name})")
        elif not os.access(device, os.R_OK | os.W_OK):
            group = groups_that_may_open(device)
            remedy = f"sudo usermod -aG {group} $USER, then log in again." if group else "Give this user rights to it."
            yield say.fault(f"{name}: this user may not open {device}.", remedy)
        else:
            good += 1
    if missing:
        yield say.fault(f"Not there: {', '.join(missing)}.", "Plug them in, or correct their addresses.")
    if good:
        yield say.ok(f"{good} of {len(devices)} can be opened by this user.")


def serial_device(address: str) -> Path | None:
    """Return the device file of a serial VISA address, None of any other."""
    name = address.removeprefix("ASRL").partition("::")[0]
    return Path(name) if address.startswith("ASRL/") else None


def _open_files(patient: Patient) -> Iterator[Finding]:
    say = Voice(PERMISSIONS, "open files")
    most = most_open_files()
    if most is None:
        yield say.ok("The system does not say how many files may be open.")
    elif most < ENOUGH_OPEN_FILES:
        yield say.warning(f"Only {most} files may be open at once.", "ulimit -n 1024")
    else:
        yield say.ok(f"{most} files may be open at once.")


def _file_system(patient: Patient) -> Iterator[Finding]:
    say = Voice(DISK, "file system")
    place = nearest(patient.runs)
    system = file_system_of(place)
    if system.is_networked:
        yield say.warning(
            f"{place} lies on another machine ({system.kind or 'network'}).",
            "Put the runs on a local disk: the database of a run needs locks that network file systems do not keep.",
        )
    elif system.is_networked is None:
        yield say.ok(f"{place}: the system does not say what kind of disk it is; the runs need a local one.")
    else:
        yield say.ok(f"{place} is local ({system.kind}).")


def _free_space(patient: Patient) -> Iterator[Finding]:
    say = Voice(DISK, "free space")
    place = nearest(patient.runs)
    night_s = NIGHT_S if patient.file is None else _night_s(patient.file)
    free = shutil.disk_usage(place).free
    needed = projected_bytes(patient.runs, night_s) + LEAST_FREE_BYTES
    text = f"{free / 1e9:.1f} GB free; a night of {night_s / 3600:.1f} h may need {needed / 1e9:.1f} GB."
    if free < needed:
        yield say.fault(text, "Make room, or give another folder with --runs.")
    elif free < 3.0 * needed:
        yield say.warning(text, "Make room soon: it is enough for this night and not for many more.")
    else:
        yield say.ok(text)
    if hasattr(os, "statvfs"):
        found = os.statvfs(place)
        if found.f_files > 0 and found.f_favail < LEAST_INODES:
            yield say.fault(
                f"Room for only {found.f_favail} more files.", "Delete many small files on that disk, or use another."
            )


def _night_s(file: StationFile) -> float:
    """Return how long the night of the shipped recipe takes on this station, in s of lab time."""
    recipe = load_recipe(template_directory() / "overnight.toml", known_procedures())
    return sum(planned_s(recipe.expand(file.station.sensors), file).values())


def nearest(folder: Path) -> Path:
    """Return a folder, or the nearest one above it that is there."""
    return next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
