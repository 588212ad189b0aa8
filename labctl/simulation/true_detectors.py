"""What is true of the detectors of a simulated table, and of its light shared among fewer of its sensors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from labctl.simulation.true_number import TrueNumber
from labctl.simulation.working_point import WorkingPoint

TURNED_SINCE = "As the plates were left: they were turned since, and came back to a part in a thousand."
HEALTHY = "Photodiodes are equal, and nothing saturates, on a table without disturbances."


def detector_numbers(point: WorkingPoint) -> Iterator[TrueNumber]:
    """Give what is true of every detector, and the light in front of it."""
    shares = point.weights()
    for index, share in enumerate(shares):
        name = f"sensor{index + 1}"
        yield TrueNumber(f"{name}.balance", 0.0, "", remark=HEALTHY)
        yield TrueNumber(f"{name}.shot_exponent", 1.0, "", remark=HEALTHY)
        yield TrueNumber(f"{name}.dark_intercept", 1.0, "", remark=HEALTHY)
        yield TrueNumber(f"{name}.probe_share", float(share), "", remark=TURNED_SINCE, counted=False)


def shared_numbers(point: WorkingPoint) -> Iterator[TrueNumber]:
    """Give the joint noise with the light shared evenly among the first k sensors, k = 1 to M."""
    for count in range(1, len(point.sensors) + 1):
        first = tuple(replace(sensor, weight=1.0 / count) for sensor in point.sensors[:count])
        design = replace(
            point.design,
            quadratures=point.design.quadratures[:count],
            unity_gain_hz=point.design.unity_gain_hz[:count],
        )
        light = WorkingPoint(replace(point.truth, sensors=first), design).light().matrix()
        joint = float(np.linalg.eigvalsh(light)[0])
        yield TrueNumber(f"advantage.m{count}_joint_db", 10.0 * math.log10(joint), "dB")
