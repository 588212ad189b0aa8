"""Every instrument with every fault of its wire: one message that names it, no hang, and back to work afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from labctl.configuration.station_file import WireFault
from labctl.configuration.templates import template_directory
from labctl.configuration.toml_reading import load_station
from labctl.errors import InstrumentError
from labctl.simulation.faults import FaultKind
from labctl.station.bring_up import link_to, open_station
from labctl.station.revival import revive
from labctl.station.station import Station
from procedures.traces import sweep

AFTER_S, LASTING_S = 20.0, 200.0
LONGEST_LAB_S = 120.0  # for one operation that fails
LONGEST_WALL_S = 20.0

OPERATIONS: dict[str, Callable[[Station], object]] = {
    "analyzer": lambda s: s.analyzer.configure_sweep(sweep(4.3e6, 2000.0, 10.0, 100.0, 5)),
    "picomotors": lambda s: s.mirrors["sensor1"].move("pitch", 10),
    "servos": lambda s: s.servos["lo1"].set_output(0.1),
    "piezo_a": lambda s: s.piezos["lo1"].ramp_to(5.0),
    "oven": lambda s: s.oven.temperature_c(),
    "digitizer": lambda s: s.digitizer.record(),
    "scan": lambda s: s.shutters["signal"].open(),
}
KINDS = [kind for kind in FaultKind if kind is not FaultKind.MISSING]
DETECTED_FOR_SURE = set(KINDS) - {FaultKind.CORRUPT}  # a flipped bit can turn one number into another
CHECKED_LINKS = {"oven"}  # a checksum on every frame


def open_with(instrument: str, kind: FaultKind) -> Station:
    file = load_station(template_directory() / "simulated.toml")
    fault = WireFault(instrument=instrument, kind=kind.value, after=AFTER_S, lasting=LASTING_S)
    changed = file.model_copy(update={"backend": file.backend.model_copy(update={"faults": (fault,)})})
    return open_station(changed, link_to(changed))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("instrument", OPERATIONS)
def test_fault(instrument: str, kind: FaultKind) -> None:
    station = open_with(instrument, kind)
    operation = OPERATIONS[instrument]
    operation(station)
    assert station.clock.now() < AFTER_S, "the instrument worked before the fault"

    station.clock.sleep(AFTER_S - station.clock.now() + 0.1)
    wall, lab = time.perf_counter(), station.clock.now()
    try:
        operation(station)
    except InstrumentError as error:
        assert instrument in str(error)
        assert len(str(error).splitlines()) == 1
    else:
        assert kind not in DETECTED_FOR_SURE and instrument not in CHECKED_LINKS, "the fault went unnoticed"
    assert time.perf_counter() - wall < LONGEST_WALL_S
    assert station.clock.now() - lab < LONGEST_LAB_S

    station.clock.sleep(AFTER_S + LASTING_S + 10.0 - station.clock.now())
    assert revive(station).away == ()
    operation(station)
    assert station.driver(instrument).read_identity().model
