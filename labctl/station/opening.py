"""Open every instrument of a station: together, each with its own time-out, and tell all that failed at once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyvisa

from drivers.base import Driver, Identity
from labctl.configuration.station_file import Instrument, StationFile
from labctl.errors import ConnectionLost, InstrumentError, LabError, StationNotOpened, WrongInstrument
from labctl.station.driver_registry import REGISTRY
from labctl.station.recent_traffic import recent_traffic

MOST_THREADS = 32


@dataclass(frozen=True)
class Answer:
    """What one instrument said when it was opened: its driver and identity, or the error; `latency_s` is real time."""

    name: str
    driver: Driver | None
    identity: Identity | None
    error: LabError | None
    latency_s: float


def open_instruments(station: StationFile, visa_library: Any, *, concurrent: bool, **extra: Any) -> dict[str, Answer]:
    """Open all instruments of a station and return what each answered; nothing is raised for a single instrument."""
    items = list(station.instruments.items())
    if not concurrent:
        return {name: _open(name, instrument, visa_library, extra.get(name, {})) for name, instrument in items}
    with ThreadPoolExecutor(max_workers=MOST_THREADS, thread_name_prefix="open") as pool:
        futures = {
            name: pool.submit(_open, name, instrument, visa_library, extra.get(name, {})) for name, instrument in items
        }
        return {name: future.result() for name, future in futures.items()}


def require_all(answers: Mapping[str, Answer]) -> dict[str, Driver]:
    """Return the drivers. Raises `StationNotOpened` with every instrument that failed, after closing the others."""
    failed = [answer for answer in answers.values() if answer.error is not None]
    drivers = {name: answer.driver for name, answer in answers.items() if answer.driver is not None}
    if not failed:
        return drivers
    for driver in drivers.values():
        _close_quietly(driver)
    raise StationNotOpened({answer.name: answer.error for answer in failed if answer.error}, len(answers))


def _open(name: str, instrument: Instrument, visa_library: Any, extra: Mapping[str, Any]) -> Answer:
    entry = REGISTRY[instrument.driver]
    started = time.perf_counter()
    driver: Driver | None = None
    try:
        driver = entry.driver(
            instrument.address,
            name=name,
            visa_library=visa_library,
            timeout=round(1000 * instrument.timeout),
            log=recent_traffic(name),
            **entry.keywords(instrument),
            **extra,
        )
        identity = driver.read_identity()
        require_model(name, instrument, identity)
        driver.initialise()
    except LabError as error:
        _close_quietly(driver)
        return Answer(name, None, None, _with_place(instrument, error), time.perf_counter() - started)
    except (pyvisa.errors.Error, OSError, ValueError) as error:
        _close_quietly(driver)
        return Answer(name, None, None, _cannot_open(name, instrument, error), time.perf_counter() - started)
    return Answer(name, driver, identity, None, time.perf_counter() - started)


def require_model(name: str, instrument: Instrument, identity: Identity) -> None:
    """Raise `WrongInstrument` where another model answers than the station file names."""
    if instrument.model.lower() not in identity.model.lower():
        raise WrongInstrument(
            name,
            f"expected a {instrument.model} at {instrument.address}, found {identity}",
            command="identity query",
            remedy="Check the address, or correct model in the station file.",
        )


def _with_place(instrument: Instrument, error: LabError) -> LabError:
    """Return the error of a driver, saying what was expected where; drivers know neither."""
    if instrument.address not in str(error):
        error.args = (f"{error} The station file expects {instrument.model} at {instrument.address}.",)
    if not error.remedy:
        error.remedy = "Check the address and the cable."
        error.args = (f"{error} {error.remedy}",)
    return error


def _cannot_open(name: str, instrument: Instrument, error: Exception) -> InstrumentError:
    text = error.description if isinstance(error, pyvisa.errors.VisaIOError) else str(error)
    reason = text.strip().rstrip(".").splitlines()[0] if text.strip() else type(error).__name__
    return ConnectionLost(
        name,
        f"cannot be reached at {instrument.address} ({reason})",
        remedy="Check that it is switched on and cabled, and its address in the station file.",
    )


def _close_quietly(driver: Driver | None) -> None:
    if driver is None:
        return
    try:
        driver.close()
    except (LabError, pyvisa.errors.Error, OSError):
        return  # it is gone already
