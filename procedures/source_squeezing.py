"""What the night says of the source: mean individual noise reduction, and the squeezing before all losses."""

from __future__ import annotations

import math

import numpy as np

from labctl.estimation.network import remove_loss
from labctl.spectra.estimate import Estimate, from_decibels, in_decibels
from procedures.base import LabProcedure

LOOKING_S = 0.1  # at results that are there, for estimates


class SourceSqueezing(LabProcedure):
    """Combine the results of a run; nothing moves."""

    title = "Source squeezing"
    DATA_COLUMNS = ["Sensor", "Efficiency"]

    def expected_s(self) -> float:
        """Return next to nothing, in s."""
        return LOOKING_S

    def measure(self) -> None:
        """Raises `StoreError` when a result that it needs is missing."""
        self._individual_mean()
        efficiency = self._efficiency()
        self.keep("network.channel_efficiency", efficiency)
        joint = from_decibels(self._estimate("joint.rephased_db"))
        source = in_decibels(remove_loss(joint, efficiency))
        self.keep(
            "source.squeezing_db",
            source,
            convention="re-phased joint noise with the channel efficiency taken out; before the network",
        )

    def _individual_mean(self) -> None:
        """Mean over the sensors; their uncertainties are independent."""
        alone = [self._estimate(f"sensor{n}.individual_db") for n in self._sensors()]
        mean = float(np.mean([e.value for e in alone]))
        sigma = math.sqrt(sum(e.sigma**2 for e in alone)) / len(alone)
        self.keep(
            "individual.mean_db",
            Estimate(mean, sigma, "dB", "mean over the sensors of the noise beside the mode over shot noise"),
        )

    def _efficiency(self) -> Estimate:
        """Return propagation x quantum efficiency x visibility^2, mean over the sensors.

        What the sensors share (quantum efficiency, powers behind the visibility) does not average out, so no
        uncertainty is divided.
        """
        file = self.on_bench.station.file
        assert file.detectors is not None
        quantum = file.detectors.quantum_efficiency
        values, relative = [], []
        for n in self._sensors():
            path, visibility = file.sensors[n - 1].propagation_efficiency, self._estimate(f"sensor{n}.visibility")
            values.append(path.value * quantum.value * visibility.value**2)
            relative.append(
                math.hypot(path.sigma / path.value, quantum.sigma / quantum.value, 2.0 * visibility.relative_sigma)
            )
            self.row(sensor=n, efficiency=values[-1])
        mean = float(np.mean(values))
        return Estimate(mean, mean * float(np.mean(relative)), "", "propagation x quantum efficiency x visibility^2")

    def _sensors(self) -> range:
        return range(1, self.on_bench.station.file.station.sensors + 1)

    def _estimate(self, name: str) -> Estimate:
        found = self.on_bench.result(name)
        return Estimate(found.value, found.sigma, found.unit, found.convention)
