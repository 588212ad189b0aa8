"""How much of the light before the network the detectors see."""

from __future__ import annotations

import math

import numpy as np

from labctl.errors import ConfigurationError
from labctl.spectra.estimate import Estimate
from procedures.bench import Bench


def channel_efficiency(bench: Bench) -> Estimate:
    """Return propagation x quantum efficiency x visibility^2, mean over the sensors by their shares of the light, where
    these were measured.

    The paths are stated one by one, so their uncertainties average out; quantum efficiency and the powers behind the
    visibilities are common. Raises `StoreError` where a visibility is missing.
    """
    file = bench.station.file
    if file.detectors is None:
        raise ConfigurationError("The station file has no [detectors].", remedy="Add their quantum efficiency.")
    numbers, known = range(1, file.station.sensors + 1), bench.results()
    shares = np.array([known[name].value if (name := f"sensor{n}.weight") in known else 1.0 for n in numbers])
    shares /= shares.sum()
    paths = [sensor.propagation_efficiency for sensor in file.sensors]
    seen = [bench.result(f"sensor{n}.visibility") for n in numbers]
    quantum = file.detectors.quantum_efficiency
    each = np.array([p.value * quantum.value * v.value**2 for p, v in zip(paths, seen, strict=True)])
    mean = float(shares @ each)
    of_paths = math.sqrt(sum((s * p.sigma / p.value) ** 2 for s, p in zip(shares, paths, strict=True)))
    of_visibilities = float(np.mean([2.0 * v.sigma / v.value for v in seen]))
    relative = math.hypot(of_paths, quantum.sigma / quantum.value, of_visibilities)
    return Estimate(mean, mean * relative, "", "propagation x quantum efficiency x visibility^2, mean over the sensors")
