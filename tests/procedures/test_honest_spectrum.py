"""From light to a number with its uncertainty: do the uncertainties of an individual spectrum tell the truth?

The loops are set by somebody who knows the table; the beams, the analyzer, its wire, the traces and the analysis are
those of a night. Pulls (estimate - truth) / sigma must have mean 0 and mean square 1, within 99.9 % bounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from ideal_table import OpenTable, lock_homodyne, lock_source, open_table, station_at
from numpy.typing import NDArray
from scipy import stats

from labctl.locks.homodyne import TOLERANCE
from labctl.locks.loop import ActuatorState, Capabilities, Reading, Verdict
from labctl.locks.states import Acquisition, LockState, Reach, Step
from labctl.locks.supervisor import Supervisor
from procedures.bench import Bench, MemoryRecord
from procedures.individual_spectrum import IndividualSpectrum

QUANTITIES = ("f0_hz", "gamma_hz", "peak_to_shot", "individual_db")
SETTINGS = {"span": 2000.0, "rbw": 10.0, "vbw": 100.0, "averages": 400}
CONFIDENCE = 0.999


class LoopByTruth:
    """A loop that somebody else looks after."""

    name = "by truth"
    unit = "rad"
    tolerance = TOLERANCE
    capabilities = Capabilities(holds_alone=True, unwinds=False)
    period_v = math.inf

    def acquisition(self, reach: Reach) -> Acquisition:
        yield Step(LockState.ENGAGE)

    def read(self) -> Reading:
        return Reading(0.0, 0.0, 1.0)

    def confirm(self) -> Verdict:
        return Verdict(True)

    def actuator(self) -> ActuatorState:
        return ActuatorState(0.0, True, 0.0, -1.0, 1.0)


@dataclass(frozen=True)
class LoopsByTruth:
    """Every loop of a table that is locked already."""

    source = ()
    homodyne = ()
    on_probe = ()

    def of_sensor(self, sensor: int) -> LoopByTruth:
        return LoopByTruth()


def measured(opened: OpenTable, sensor: int) -> dict[str, tuple[float, float]]:
    """Run the procedure on one sensor and return value and sigma of each quantity."""
    record = MemoryRecord()
    loop = LoopByTruth()
    supervisor = Supervisor({loop.name: loop}, {}, opened.station.clock)  # type: ignore[dict-item]
    bench = Bench(opened.station, record, LoopsByTruth(), supervisor)  # type: ignore[arg-type]
    procedure = IndividualSpectrum.bind(bench)()
    procedure.set_parameters(SETTINGS | {"sensor": sensor})
    procedure.should_stop = lambda: False
    procedure.emit = lambda topic, row: None
    procedure.startup()
    try:
        procedure.execute()
    finally:
        procedure.shutdown()
        supervisor.stop()
    found = {name: record.named[f"sensor{sensor}.{name}"] for name in QUANTITIES}
    return {name: (result.value, result.sigma) for name, result in found.items()}


def pulls_of_table(seed: int) -> list[list[float]]:
    """Return the pulls of each sensor of one table, in the order of `QUANTITIES`."""
    opened = open_table(station_at(seed, "delays"))
    lock_source(opened.table)
    for sensor in opened.table.sensors:  # a resonance that drifts meanwhile is no error of the fit
        sensor._detuning.advance = lambda: 0.0  # type: ignore[method-assign]
    rows = []
    for number, sensor in enumerate(opened.table.truth.sensors, start=1):
        lock_homodyne(opened.table)
        state = opened.table.detectors.state()
        variance, peak = float(state.light().marginal()[number - 1]), float(state.mode_peaks()[number - 1])
        truth = (float(state.modes.f0_hz[number - 1]), sensor.gamma_hz, peak, 10.0 * math.log10(variance))
        found = measured(opened, number)
        rows.append([(found[name][0] - true) / found[name][1] for name, true in zip(QUANTITIES, truth, strict=True)])
    opened.station.close()
    return rows


def check(pulls: NDArray[np.float64]) -> None:
    count = len(pulls)
    tail = (1.0 - CONFIDENCE) / 2.0 / len(QUANTITIES)  # of all quantities together
    largest_mean = stats.norm.isf(tail) / math.sqrt(count)
    low, high = stats.chi2.ppf([tail, 1.0 - tail], count) / count
    for name, column in zip(QUANTITIES, pulls.T, strict=True):
        assert abs(column.mean()) < largest_mean, f"{name}: mean pull {column.mean():+.2f}"
        assert low < np.mean(column**2) < high, f"{name}: rms pull {np.sqrt(np.mean(column**2)):.2f}"


def test_uncertainties_of_eight_spectra() -> None:
    check(np.array([row for seed in (31, 32) for row in pulls_of_table(seed)]))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_uncertainties_of_sixty_spectra() -> None:
    check(np.array([row for seed in range(41, 56) for row in pulls_of_table(seed)]))
