"""The squeezing that a table is expected to have, to say what the phase of a lock costs: from what its last runs found
and, where they found nothing, from its station file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from labctl.configuration.station_file import StationFile
from labctl.errors import StoreError
from labctl.physics.lock_tolerance import decibels_lost
from labctl.physics.squeezing import after_loss
from labctl.store.catalogue import Catalogue
from labctl.store.reader import RunReader

GAIN: Final = "source.parametric_gain"
EFFICIENCY: Final = "network.channel_efficiency"
RUNS_LOOKED_AT: Final = 10


@dataclass(frozen=True)
class ExpectedSqueezing:
    """Variances of the squeezed and the antisqueezed quadrature of the detected light, 1 being shot noise."""

    squeezed: float
    antisqueezed: float

    @classmethod
    def of_gain(cls, gain: float, efficiency: float) -> ExpectedSqueezing | None:
        """Return what a source far below its bandwidth gives that amplifies its seed `gain` times: with
        x = 1 - 1 / sqrt(gain), V-+ = 1 -+ 4 x / (1 +- x)^2 before the loss. None where there is no gain."""
        if not gain > 1.0:
            return None
        x = 1.0 - 1.0 / math.sqrt(gain)
        squeezed, antisqueezed = 1.0 - 4.0 * x / (1.0 + x) ** 2, 1.0 + 4.0 * x / (1.0 - x) ** 2
        return cls(float(after_loss(squeezed, efficiency)), float(after_loss(antisqueezed, efficiency)))

    def lost_db(self, residual_rad: float) -> float:
        """Return what this rms phase costs in the joint noise if every detector has it, in dB."""
        return float(decibels_lost(self.squeezed, self.antisqueezed, residual_rad))


def expected_squeezing(file: StationFile, runs: Path) -> ExpectedSqueezing | None:
    """Return the squeezing by gain and efficiency of the last runs or else of the station file; None where neither
    knows them."""
    gain, efficiency = _last_values(file, runs, (GAIN, EFFICIENCY))
    if gain is None and file.light is not None:
        gain = file.light.seed_gain_expected
    if efficiency is None and file.detectors is not None and file.sensors:
        paths = [sensor.propagation_efficiency.value for sensor in file.sensors]
        efficiency = file.detectors.quantum_efficiency.value * float(np.mean(paths))
    return None if gain is None or efficiency is None else ExpectedSqueezing.of_gain(gain, efficiency)


def _last_values(file: StationFile, runs: Path, names: Sequence[str]) -> list[float | None]:
    """Return each result as the newest run of this station has it that has it, None where none has."""
    found: dict[str, float] = {}
    try:
        of_station = [
            run
            for run in Catalogue(runs).list()
            if (run.station_name, run.backend) == (file.station.name, file.backend.kind)
        ]
        for run in of_station[:RUNS_LOOKED_AT]:
            results = RunReader(run.path).results()
            found = {name: results[name].value for name in names if name in results} | found
            if len(found) == len(names):
                break
    except StoreError:  # a run that cannot be read is told by the commands that are about runs
        pass
    return [found.get(name) for name in names]
