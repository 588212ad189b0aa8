"""Nights with every trace and result that the figures of the publication are drawn from, made from closed forms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from report_runs import AVERAGES, F0_HZ, FLOOR, GAMMA_HZ, JOINT, PEAK, RBW_HZ, Night, analyzer_trace, write_night

from labctl.configuration.templates import template_directory
from labctl.configuration.toml_reading import station_text
from labctl.physics.line_shape import filtered_lorentzian
from labctl.physics.opa import parametric_gain, quadrature_variances
from labctl.store.records import NamedResult, TraceRecord

DETUNING_HZ = 1600.0
THRESHOLD_W, EFFICIENCY = 0.030, 0.885
THERMAL_N = 6.0e-15  # two-sided, N/rtHz
CONDITIONAL = 0.675


def paper_night(sensors: int = 4, **changes: Any) -> Night:
    """A night of every step: the spectra of `report_runs` and all else beside them."""
    night = Night(sensors=sensors, **changes)
    station = json.loads(station_text(template_directory() / "simulated.toml"))
    station["membranes"] |= {"damping": "41 Hz", "linewidth": 58.9e9, "coupling": 21.0}
    night.manifest = {"station_file": json.dumps(station)}
    night.extra_traces = [*source_traces(), *(trace for n in range(1, sensors + 1) for trace in sensor_traces(n))]
    night.extra_traces += network_traces(sensors)
    night.extra_results = paper_results(sensors)
    return night


def write_paper_night(runs: Path, sensors: int = 4) -> Path:
    """Write it and return its folder."""
    return write_night(runs, f"paper{sensors}", paper_night(sensors))


def paper_results(sensors: int) -> list[NamedResult]:
    found = [
        ("force.detuning_hz", DETUNING_HZ, 0.0, "Hz"),
        ("source.threshold_w", THRESHOLD_W, 0.0004, "W"),
        ("source.total_efficiency", EFFICIENCY, 0.01, ""),
        ("source.phase_noise_rad", 0.012, 0.004, "rad"),
        ("advantage.m2_rmse_entangled", 0.2101, 0.0008, ""),
        ("advantage.m2_rmse_separable", 0.2311, 0.0009, ""),
        ("advantage.m2_percent", 10.0, 0.6, "%"),
        ("advantage.m4_rmse_entangled", 0.1461, 0.0007, ""),
        ("advantage.m4_rmse_separable", 0.1803, 0.0009, ""),
        ("advantage.m4_percent", 23.4, 0.7, "%"),
    ]
    for n in range(1, sensors + 1):
        found += [
            (f"sensor{n}.g0_hz", 21.0 + 0.3 * (n % 4 - 1.5), 0.5, "Hz"),
            (f"sensor{n}.kappa_hz", 58.9e9 + 0.2e9 * (n % 3 - 1), 0.15e9, "Hz"),
            (f"sensor{n}.gamma_ringdown_hz", GAMMA_HZ + 0.05 * n, 0.09, "Hz"),
        ]
        for kind, variance in force_variances(sensors).items():
            on, off = (float(force(np.array(offset), variance)) for offset in (0.0, DETUNING_HZ))
            found += [
                (f"sensor{n}.force_{kind}_on", on, 0.01 * on, "N/√Hz"),
                (f"sensor{n}.force_{kind}_off", off, 0.01 * off, "N/√Hz"),
            ]
    return [
        NamedResult(name, value, sigma, unit, "two-sided, common force", "a_step") for name, value, sigma, unit in found
    ]


def force_variances(sensors: int) -> dict[str, float]:
    """Noise over shot noise of each reading, as the rows of a force trace have it."""
    return {"coherent": 1.0, "separable": FLOOR, "entangled": JOINT, "conditional": CONDITIONAL}


def force(offset_hz: np.ndarray[Any, Any], variance: float) -> np.ndarray[Any, Any]:
    """Force resolution at an offset from the mode, N/rtHz, two-sided."""
    return np.asarray(THERMAL_N * np.sqrt(1.0 + variance / PEAK * (1.0 + (2.0 * offset_hz / GAMMA_HZ) ** 2)))


def sensor_traces(n: int) -> list[TraceRecord]:
    random = np.random.default_rng(n)
    f0 = F0_HZ[(n - 1) % 4]
    offset = np.linspace(-4000.0, 4000.0, 2001)
    rows = [force(offset, v) * random.normal(1.0, 0.02, len(offset)) for v in force_variances(4).values()]
    laser = np.linspace(1.931e14, 1.9375e14, 801)
    airy = 1.0 / (1.0 + 10.8 * np.sin(np.pi * laser / (299.8e9 + 1e8 * n)) ** 2)
    volts = np.linspace(20.0, 130.0, 400)
    power = np.geomspace(0.5e-3, 5e-3, 8)
    noise = 1e-14 * (power / 5e-3 + 0.01)
    time_s = np.arange(0.0, 0.06, 1e-4)
    envelope = 0.1 * np.exp((-np.pi * GAMMA_HZ + 40j) * time_s) + 1e-4 * random.normal(size=(len(time_s), 2)) @ [1, 1j]
    f = np.linspace(f0 - 600.0, f0 + 600.0, 241)
    tone = 300.0 * np.exp(-0.5 * ((f - f0 - 300.0) / 4.0) ** 2)
    plate = np.linspace(0.0, 90.0, 46)
    return [
        record(
            f"sensor{n}.force",
            "frequency",
            "Hz",
            f0 + offset,
            "N/√Hz",
            rows,
            sidedness="two-sided",
            force="common force",
        ),
        record(
            f"sensor{n}.laser_scan", "optical frequency", "Hz", laser, "V", [airy + random.normal(0, 0.01, 801)] * 2
        ),
        record(f"sensor{n}.piezo_scan", "piezo", "V", volts, "V", 1.0 / (1.0 + 10.8 * np.sin(0.05 * volts + n) ** 2)),
        record(f"sensor{n}.shot_against_power", "power", "W", power, "V^2/Hz", [noise, 0.01 * noise]),
        record(f"sensor{n}.ringdown", "time", "s", time_s, "V", envelope, carrier_hz=f0),
        record(
            f"sensor{n}.extraction_scan", "angle", "deg", plate, "V", 1.0 - 0.9 * np.cos(np.radians(4 * plate)) ** 2
        ),
        analyzer_trace(random, f"sensor{n}.tone", f, 1.0 + tone + PEAK * filtered_lorentzian(f, f0, GAMMA_HZ, RBW_HZ)),
    ]


def source_traces() -> list[TraceRecord]:
    power = THRESHOLD_W * np.linspace(0.1, 0.8, 8)
    x = np.sqrt(power / THRESHOLD_W)
    up, down = parametric_gain(x, 0.0), parametric_gain(x, np.pi)
    low, high = quadrature_variances(x, 0.08, EFFICIENCY)
    phase = np.linspace(-np.pi, np.pi, 200)
    return [
        record("source.gain_against_pump", "power", "W", power, "1", [up, 0.02 * up, down, 0.02 * down]),
        record("source.gain_against_phase", "phase", "rad", phase, "1", [parametric_gain(0.54, phase)]),
        record("source.squeezing_against_pump", "power", "W", power, "1", [low, 0.02 * low, high, 0.02 * high]),
    ]


def network_traces(sensors: int) -> list[TraceRecord]:
    angle = np.linspace(0.0, 90.0, 46)
    scans = []
    for stage in range(1, sensors):
        share = np.sin(np.radians(2.0 * angle)) ** 2
        rest = [(1.0 - share) * (j >= stage) / (sensors - stage) for j in range(sensors)]
        rest[stage - 1] = share
        scans.append(record(f"network.stage{stage}_scan", "angle", "deg", angle, "V", rest))
    return scans


def record(
    name: str, axis_name: str, axis_unit: str, axis: ArrayLike, unit: str, values: ArrayLike, **conventions: str | float
) -> TraceRecord:
    return TraceRecord(
        name=name,
        step="a_step",
        axis_name=axis_name,
        axis_unit=axis_unit,
        values_unit=unit,
        axis=np.asarray(axis, dtype=float),
        values=np.asarray(values),
        conventions={"averages": AVERAGES, **conventions},
        valid=True,
        invalid_reason="",
        started_at=900.0,
        ended_at=960.0,
    )
