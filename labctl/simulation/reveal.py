"""What the named results of a night ought to be, from the truth file of its run alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labctl.errors import StoreError
from labctl.simulation.disturbances import Happening
from labctl.simulation.sensor_plant import ELECTRONIC_NOISE_V, RESONANCE_DRIFT_HZ
from labctl.simulation.true_detectors import detector_numbers, shared_numbers
from labctl.simulation.true_number import TrueNumber
from labctl.simulation.true_physics import cavity_numbers, force_numbers, source_numbers, sum_numbers
from labctl.simulation.true_settings import as_set, plate_numbers
from labctl.simulation.truth import Scenario
from labctl.simulation.truth_file import TruthFile, read_truth
from labctl.simulation.working_point import WorkingPoint

RECORD_MARGIN_HZ = 200e3  # of the joint records, to either side of the outermost resonances
RECORD_POINTS = 65
UNITY_GAIN_SPREAD = 0.08  # of the loops about their design, from slopes that are known to a few per cent
ANALYZER_OWN_DB = 0.011  # what the analyzer's own noise takes off a clearance of 20 dB
ANALYZER_SPREAD_DB = 0.005  # by how much that depends on level and attenuation
HAPPENINGS_TOLD = 12

_DRIFTS = (
    f"It drifts by {RESONANCE_DRIFT_HZ:g} Hz rms within hours: the true value is the middle, ± is the drift, and the "
    "distance counts both."
)
_DESIGN_PEAK = (
    "A design value: alignment, cavity length and light of the night lower it by some per cent, and no file knows them."
)
_SHARED = "Shares its records with the re-phased sum."
_POWERS = "Its uncertainty is mostly that of the powers that the station file states, which all sensors share."
_JITTER = (
    "The estimate takes the phase noise of this scenario for weaker squeezing; the true value is that of the light."
)
_UNSEEN = "The phase noise of this scenario is not in the DC signal of the detector, so not in this number."


@dataclass(frozen=True)
class Revelation:
    """Numbers by the names of results, and sentences on what else was the case."""

    numbers: tuple[TrueNumber, ...]
    remarks: tuple[str, ...]


def reveal(run: Path) -> Revelation:
    """Return what was true of the simulated table of the run in this folder.

    Raises `StoreError` where it has no truth file, or one that cannot be read, or whose numbers are those of no table.
    """
    file = read_truth(run)
    try:
        return _revealed(file)
    except (ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
        raise StoreError(
            f"The truth of {run.name} is damaged: its numbers are those of no table ({error}).",
            remedy="Leave --reveal out.",
        ) from error


def _revealed(file: TruthFile) -> Revelation:
    point = WorkingPoint(as_set(file.truth, file.plates_deg), file.design)
    conditional = _conditional(point.records(_record_band(point)))
    raw = float(point.plain_sum(_quiet_hz(point)))
    numbers = (
        *_table_numbers(point),
        *source_numbers(point),
        *plate_numbers(file.truth, file.plates_deg),
        *sum_numbers(point),
        *_sensor_numbers(point),
        *cavity_numbers(point),
        *detector_numbers(point),
        *shared_numbers(point),
        *force_numbers(point, conditional, raw),
    )
    return Revelation(numbers, tuple(_remarks(file)))


def _table_numbers(point: WorkingPoint) -> Iterator[TrueNumber]:
    truth = point.truth
    squeezed, _ = point.source()
    records = point.records(_record_band(point))
    sum_of_all = records.real.sum() / len(records)
    quiet_hz = _quiet_hz(point)
    follows = "Follows from other numbers of this table."
    yield TrueNumber("source.pump_parameter", truth.pump, "")
    yield TrueNumber("source.parametric_gain", 1.0 / (1.0 - truth.pump) ** 2, "", remark=follows, counted=False)
    remark = _JITTER if truth.scenario is Scenario.JITTER else follows
    yield TrueNumber("source.squeezing_db", _db(squeezed), "dB", remark=remark, counted=False)
    efficiency = float(np.mean(point.efficiency()))
    yield TrueNumber("network.channel_efficiency", efficiency, "", remark=follows, counted=False)
    yield TrueNumber(
        "joint.clearance_db", _db(point.summed_clearance(quiet_hz)) - ANALYZER_OWN_DB, "dB", ANALYZER_SPREAD_DB
    )
    yield TrueNumber("joint.raw_db", _db(float(point.plain_sum(quiet_hz))), "dB")
    yield TrueNumber("joint.digital_db", _db(sum_of_all), "dB", remark=_SHARED, counted=False)
    yield TrueNumber("joint.rephased_db", _db(float(np.linalg.eigvalsh(records)[0])), "dB")
    mean_db = float(np.mean(10.0 * np.log10(point.light().marginal())))
    yield TrueNumber("individual.mean_db", mean_db, "dB", remark=follows, counted=False)


def _sensor_numbers(point: WorkingPoint) -> Iterator[TrueNumber]:
    marginal, conditional = point.light().marginal(), _conditional(point.records(_record_band(point)))
    residual_rad = np.hypot(point.loop_residual_rad(), ELECTRONIC_NOISE_V / point.fringe_v())
    visibility = point.visibility()
    unseen = _UNSEEN if point.truth.scenario is Scenario.JITTER else ""
    for index, sensor in enumerate(point.sensors):
        name = f"sensor{index + 1}"
        alone_db = _db(float(marginal[index]))
        clearance_db = _db(float(point.clearance(sensor.f0_hz)[index])) - ANALYZER_OWN_DB
        residual = float(residual_rad[index])
        sign = float(point.design.quadratures[index])
        yield TrueNumber(f"audit.{name}_sign", sign, "", remark="As the station file has it.", counted=False)
        yield TrueNumber(f"{name}.f0_hz", sensor.f0_hz, "Hz", RESONANCE_DRIFT_HZ, _DRIFTS)
        yield TrueNumber(f"{name}.gamma_hz", sensor.gamma_hz, "Hz")
        yield TrueNumber(f"{name}.peak_to_shot", sensor.peak_to_shot, "", remark=_DESIGN_PEAK, counted=False)
        yield TrueNumber(f"{name}.individual_db", alone_db, "dB")
        yield TrueNumber(f"{name}.marginal_db", alone_db, "dB")
        yield TrueNumber(f"{name}.conditional_db", _db(conditional[index]), "dB", remark=_SHARED, counted=False)
        yield TrueNumber(f"{name}.clearance_db", clearance_db, "dB", ANALYZER_SPREAD_DB)
        yield TrueNumber(f"{name}.visibility", float(visibility[index]), "", remark=_POWERS)
        yield TrueNumber(f"{name}.lock_residual_rad", residual, "rad", UNITY_GAIN_SPREAD * residual, unseen)


def _remarks(file: TruthFile) -> Iterator[str]:
    yield (
        "True values are those of the table at its working point, undisturbed: every loop at its point, mirrors as "
        "they were when it was switched on."
    )
    if file.disturbances:
        yield f"Switched on besides: {'; '.join(map(_disturbance_text, file.disturbances))}."
    else:
        yield "No disturbance was switched on."
    if file.happened is None:
        yield "The run did not come to its end, so what happened to the table meanwhile was not kept."
    elif file.happened:
        yield f"What happened: {_happenings_text(file.happened)}."


def _disturbance_text(disturbance: Mapping[str, object]) -> str:
    settings = [
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in disturbance.items()
        if name != "kind" and value is not None
    ]
    return f"{disturbance.get('kind')} ({', '.join(settings)})" if settings else f"{disturbance.get('kind')}"


def _happenings_text(happened: tuple[Happening, ...]) -> str:
    told = [f"{happening.kind} at {happening.at:.1f} s" for happening in happened[:HAPPENINGS_TOLD]]
    more = len(happened) - len(told)
    return ", ".join(told) + (f", and {more} more" if more else "") + " of lab time"


def _quiet_hz(point: WorkingPoint) -> float:
    """Return the middle of the widest gap between resonances, where the hardware sum is measured; near the only one if
    there is one."""
    found = sorted(sensor.f0_hz for sensor in point.sensors)
    gaps = [(above - below, 0.5 * (above + below)) for below, above in itertools.pairwise(found)]
    return max(gaps, default=(0.0, found[0]))[1]


def _record_band(point: WorkingPoint) -> NDArray[np.float64]:
    found = [sensor.f0_hz for sensor in point.sensors]
    return np.linspace(min(found) - RECORD_MARGIN_HZ, max(found) + RECORD_MARGIN_HZ, RECORD_POINTS)


def _conditional(covariance: NDArray[np.complex128]) -> list[float]:
    return [float(variance) for variance in 1.0 / np.diag(np.linalg.inv(covariance)).real]


def _db(ratio: float) -> float:
    return float(10.0 * np.log10(ratio))
