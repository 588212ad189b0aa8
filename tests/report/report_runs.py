"""Run folders for the tests of the report, written by the store from traces drawn with a fixed seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labctl.physics.line_shape import filtered_lorentzian
from labctl.store.records import (
    EventRecord,
    InstrumentSnapshot,
    Manifest,
    NamedResult,
    RunState,
    SettingValue,
    StepRecord,
    StepState,
    TraceRecord,
)
from labctl.store.writer import RunWriter

SHOT_DBM, DARK_DBM = -80.0, -100.0
F0_HZ = (4.2761e6, 4.3012e6, 4.3379e6, 4.3651e6)
GAMMA_HZ, PEAK, FLOOR, JOINT, JOINT_BEST = 41.3, 5.2, 0.832, 0.427, 0.351
AVERAGES = 900
RBW_HZ = 10.0


@dataclass
class Night:
    """What a run folder is to hold; tests change one thing at a time."""

    sensors: int = 4
    title: str = "a night"
    traces: bool = True
    results: bool = True
    steps: list[StepRecord] = field(default_factory=list)
    events: list[EventRecord] = field(default_factory=list)
    extra_traces: list[TraceRecord] = field(default_factory=list)
    extra_results: list[NamedResult] = field(default_factory=list)
    end: RunState | None = RunState.COMPLETE
    reason: str = ""
    manifest: dict[str, Any] = field(default_factory=dict)


def write_night(runs: Path, run_id: str, night: Night) -> Path:
    """Write the run and return its folder; without an end it is a crashed run."""
    writer = RunWriter.create(runs, manifest(run_id, night.title, **night.manifest))
    for step in night.steps or steps(night.sensors):
        writer.step(step)
    if night.traces:
        writer.add_traces(traces(night.sensors))
    writer.add_traces(night.extra_traces) if night.extra_traces else None
    for result in [*(results(night.sensors) if night.results else []), *night.extra_results]:
        writer.add_result(result)
    for event in night.events:
        writer.add_event(event)
    if night.end is None:
        writer.close()
    else:
        writer.finish(night.end, night.reason, "12 of 15 steps")
    return writer.path


def manifest(run_id: str, title: str, **changes: Any) -> Manifest:
    entries: dict[str, Any] = {
        "created": "2026-01-02T21:04:05+00:00",
        "station_file": '[station]\nname = "bench"\n',
        "station_name": "bench",
        "recipe": 'title = "a night"\n',
        "backend": "simulated",
        "seed": 7,
        "scenario": "delays",
        "parameters": {"rbw": 10.0},
        "versions": {"numpy": "2.0", "labctl": "0.1.0"},
        "git_commit": "0123abcd",
        "instruments": [
            InstrumentSnapshot(
                "analyzer",
                "drivers.keysight.x_series",
                "TCPIP::10.0.0.1::5025::SOCKET",
                "Keysight Technologies,N9020A,MY0001,A.1",
                {"rbw_hz": SettingValue(10.0, 1.5, "read"), "gain": SettingValue(None, 1.5, "failed")},
            )
        ],
    }
    return Manifest(run_id=run_id, title=title, **(entries | changes))


def steps(sensors: int) -> list[StepRecord]:
    done: list[tuple[str, str, dict[str, Any]]] = [
        ("warm_oven", "warm_oven", {}),
        ("noise_floor", "noise_floor", {}),
        ("lock_source", "lock_source", {}),
        *((f"lock_homodyne.{n}", "lock_homodyne", {"sensor": n}) for n in range(1, sensors + 1)),
        *((f"individual_spectrum.{n}", "individual_spectrum", {"sensor": n}) for n in range(1, sensors + 1)),
        ("joint_analyzer", "joint_spectrum_analyzer", {}),
        ("joint_digitizer", "joint_spectrum_digitizer", {}),
        ("source_squeezing", "source_squeezing", {}),
    ]
    return [
        StepRecord(name, procedure, StepState.DONE, 1, 600.0 * i, 600.0 * (i + 1), parameters=parameters)
        for i, (name, procedure, parameters) in enumerate(done)
    ]


def results(sensors: int) -> list[NamedResult]:
    """Numbers that none of the published ones equals."""
    found = [
        ("oven.temperature_c", 35.00123, 0.0021, "degC"),
        ("source.pump_parameter", 0.5417, 0.0123, ""),
        ("source.parametric_gain", 4.7612, 0.251, ""),
        ("joint.clearance_db", 20.117, 0.013, "dB"),
        ("joint.raw_db", -3.6541, 0.0112, "dB"),
        ("joint.digital_db", -3.6412, 0.031, "dB"),
        ("joint.rephased_db", -4.5431, 0.032, "dB"),
        ("individual.mean_db", -0.7912, 0.0041, "dB"),
        ("network.channel_efficiency", 0.8133, 0.011, ""),
        ("source.squeezing_db", -6.8712, 0.214, "dB"),
    ]
    for n in range(1, sensors + 1):
        found += [
            (f"sensor{n}.f0_hz", F0_HZ[(n - 1) % 4] + 0.37, 0.24, "Hz"),
            (f"sensor{n}.gamma_hz", GAMMA_HZ + 0.11 * n, 0.53, "Hz"),
            (f"sensor{n}.peak_to_shot", PEAK + 0.013 * n, 0.071, ""),
            (f"sensor{n}.individual_db", 10 * np.log10(FLOOR) + 0.001 * n, 0.0083, "dB"),
            (f"sensor{n}.marginal_db", -0.7712 - 0.001 * n, 0.031, "dB"),
            (f"sensor{n}.conditional_db", -1.6712 - 0.001 * n, 0.031, "dB"),
            (f"sensor{n}.clearance_db", 19.87 + 0.1 * n, 0.021, "dB"),
            (f"sensor{n}.visibility", 0.9312 + 0.001 * n, 0.0082, ""),
            (f"sensor{n}.lock_residual_rad", 0.0211, 0.0021, "rad"),
        ]
    return [
        NamedResult(name, float(value), sigma, unit, "as in the test", "a_step") for name, value, sigma, unit in found
    ]


def traces(sensors: int) -> list[TraceRecord]:
    """Every trace of a whole night, drawn from Gamma(K, S/K) with a fixed seed."""
    random = np.random.default_rng(4)
    found = []
    for n in range(1, sensors + 1):
        f0 = F0_HZ[(n - 1) % 4]
        f = np.linspace(f0 - 1000.0, f0 + 1000.0, 401)
        line = filtered_lorentzian(f, f0, GAMMA_HZ, RBW_HZ)
        flat = np.ones_like(f)
        found += [
            analyzer_trace(random, f"sensor{n}.signal", f, FLOOR + PEAK * line),
            analyzer_trace(random, f"sensor{n}.shot", f, flat),
            analyzer_trace(random, f"sensor{n}.dark", f, 0.0 * flat),
            analyzer_trace(random, f"joint.signal_at_sensor{n}", f, JOINT + PEAK / sensors * line),
        ]
    f = np.linspace(4.31e6, 4.33e6, 401)
    for kind, level in (("signal", JOINT), ("shot", 1.0), ("dark", 0.0)):
        found.append(analyzer_trace(random, f"joint.{kind}", f, level * np.ones_like(f)))
    return [*found, *matrix_traces(random, sensors)]


def analyzer_trace(
    random: np.random.Generator, name: str, f: NDArray[np.float64], ratio: NDArray[np.float64], **changes: Any
) -> TraceRecord:
    """Light `ratio` times shot noise, on top of dark noise, as dBm within the noise bandwidth."""
    dark, shot = 10 ** (DARK_DBM / 10), 10 ** (SHOT_DBM / 10)
    power = random.gamma(AVERAGES, (dark + shot * ratio) / AVERAGES)
    conventions = {
        "rbw_hz": RBW_HZ,
        "enbw_hz": 1.0645 * RBW_HZ,
        "vbw_hz": 100.0,
        "filter": "gaussian",
        "detector": "average",
        "averaging": "power",
        "averages": AVERAGES,
        "effective_averages": float(AVERAGES),
        "sidedness": "one-sided",
    }
    entries: dict[str, Any] = {"valid": True, "invalid_reason": "", "values": 10 * np.log10(power)}
    return TraceRecord(
        name=name,
        step="a_step",
        axis_name="frequency",
        axis_unit="Hz",
        values_unit="dBm",
        axis=f,
        conventions=conventions,
        started_at=700.0,
        ended_at=760.0,
        **(entries | changes),
    )


def matrix_traces(random: np.random.Generator, sensors: int) -> list[TraceRecord]:
    """Cross-spectral matrices of detectors that share one squeezed beam but not one delay."""
    f = np.arange(4.256e6, 4.386e6, 954.0)
    averages = 300
    u = np.exp(1j * np.linspace(-0.6, 0.6, sensors)) / np.sqrt(sensors)
    shapes = {
        "signal": np.eye(sensors) + (JOINT_BEST - 1.0) * np.outer(u, u.conj()),
        "shot": np.eye(sensors, dtype=complex),
        "dark": 0.0 * np.eye(sensors, dtype=complex),
    }
    return [
        TraceRecord(
            name=f"joint.matrix_{kind}",
            step="joint_digitizer",
            axis_name="frequency",
            axis_unit="Hz",
            values_unit="V^2/Hz",
            axis=f,
            values=_wishart(random, shape + 0.01 * np.eye(sensors), averages, len(f)),
            conventions={
                "rows": "cross-spectral matrix C_jk, row j * M + k",
                "channels": sensors,
                "effective_averages": float(averages),
                "enbw_hz": 1431.0,
                "window": "hann",
                "averaging": "power",
                "sidedness": "one-sided",
            },
            valid=True,
            invalid_reason="",
            started_at=8000.0,
            ended_at=8010.0,
        )
        for kind, shape in shapes.items()
    ]


def _wishart(random: np.random.Generator, shape: NDArray[Any], averages: int, bins: int) -> NDArray[np.complex128]:
    m = len(shape)
    root = np.linalg.cholesky(shape)
    noise = random.standard_normal((bins, m, averages, 2)) @ np.array([1.0, 1j]) / np.sqrt(2.0)
    x = root @ noise
    csd = 1e-14 * (x @ x.conj().transpose(0, 2, 1)) / averages
    return np.ascontiguousarray(csd.reshape(bins, m * m).T)
