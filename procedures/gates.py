"""What physics does not allow is no result: the step fails and is tried again, and the value of before stays."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labctl.configuration.station_file import StationFile
from labctl.errors import LabError
from labctl.estimation.mechanical_mode import ModeFit
from labctl.spectra.estimate import Estimate, from_decibels
from labctl.store.records import NamedResult

CLEAR_SIGMAS: Final = 4.0  # beyond which chance is no explanation
LARGEST_RELATIVE_SIGMA: Final = 0.5
DAMPING_FACTOR: Final = 4.0  # of the design: gas or a broken membrane
LONGEST_REFERENCE_AGE_S: Final = 3600.0  # between signal and its shot noise: powers drift by per cents within hours
POOR_FIT_CHI2: Final = 3.0  # per degree of freedom
CLIPPED_V: Final[Mapping[str, float]] = {"LV": 0.95, "HV": 19.0}  # at the ends of an input's range


class GateRefused(LabError):
    """A number that cannot be: it is not kept, and what was known before still holds."""


@dataclass(frozen=True)
class Gate:
    """What must hold for the results whose names fit `pattern`; `fault` returns what is wrong, "" where nothing is."""

    pattern: str
    fault: Callable[[str, Estimate, StationFile], str]


def require_plausible(
    name: str, found: Estimate, file: StationFile, known: Callable[[], Mapping[str, NamedResult]]
) -> None:
    """Raise `GateRefused` with the reason where a result cannot be right; `known` gives the results so far, and is
    asked only then."""
    for gate in GATES:
        if fnmatch.fnmatchcase(name, gate.pattern) and (fault := gate.fault(name, found, file)):
            before = known().get(name)
            kept = "" if before is None else f" {before.value:.6g} {before.unit} of before stays."
            raise GateRefused(
                f"{name} = {found} is refused: {fault}.{kept}",
                remedy="Look at the traces of the step; it is tried again.",
            )


def require_fresh_reference(what: str, signal_ended_at: float, reference_at: float) -> None:
    """Raise `GateRefused` where shot noise was taken too long after, or before, its signal; lab times in s."""
    age_s = abs(reference_at - signal_ended_at)
    if age_s > LONGEST_REFERENCE_AGE_S:
        raise GateRefused(
            f"{what}: its shot noise is {age_s / 60.0:.0f} min away from its signal, and good for "
            f"{LONGEST_REFERENCE_AGE_S / 60.0:.0f} min.",
            remedy="Both are taken again.",
        )


def require_unclipped(record: NDArray[np.float64], file: StationFile) -> None:
    """Raise `GateRefused` where a detector reaches the end of the digitizer's range in a record, (M, n) in V."""
    if file.digitizer is None:
        return
    largest = np.max(np.abs(record), axis=1)
    if (clipped := np.flatnonzero(largest >= CLIPPED_V[file.digitizer.gain])).size:
        names = ", ".join(f"bhd{index + 1}" for index in clipped)
        raise GateRefused(
            f"The record of {names} reaches the end of the digitizer's range and is cut off.",
            remedy="Take less light on the local oscillators, or more attenuation before the digitizer.",
        )


def require_good_fit(what: str, fit: ModeFit) -> None:
    """Raise `GateRefused` where a fitted mode leaves much more than noise."""
    if math.isfinite(fit.chi2_per_dof) and fit.chi2_per_dof > POOR_FIT_CHI2:
        raise GateRefused(
            f"{what}: the fit leaves {fit.chi2_per_dof:.1f} times the noise (chi2 per degree of freedom): a second "
            "mode, a line, or a resonance that moved?",
            remedy="Look at its residuals in the report; it is measured again.",
        )


# ---- what each kind of number may be --------------------------------------------------------------------------------


def _positive(name: str, found: Estimate, file: StationFile) -> str:
    if found.value <= 0.0:
        return "it cannot be 0 or less"
    if found.relative_sigma > LARGEST_RELATIVE_SIGMA:
        return "its uncertainty is as large as itself"
    return ""


def _at_most_one(name: str, found: Estimate, file: StationFile) -> str:
    too_much = found.value - 1.0 > CLEAR_SIGMAS * found.sigma
    return "more than all of the light cannot interfere" if too_much else _positive(name, found, file)


def _near_its_resonance(name: str, found: Estimate, file: StationFile) -> str:
    sensor = file.sensors[int(name.partition(".")[0].removeprefix("sensor")) - 1]
    away_hz = abs(found.value - sensor.resonance)
    return "" if away_hz <= sensor.search_span else f"it is {away_hz:.0f} Hz from where the station file has it"


def _like_the_design(name: str, found: Estimate, file: StationFile) -> str:
    if file.membranes is None or found.value <= 0.0:
        return _positive(name, found, file)
    factor = max(found.value / file.membranes.damping, file.membranes.damping / found.value)
    return "" if factor <= DAMPING_FACTOR else f"the design has {file.membranes.damping:g} Hz"


def _within_the_loss(name: str, found: Estimate, file: StationFile) -> str:
    """Vacuum enters by every loss: noise below 1 - efficiency cannot be, whatever the source."""
    if file.detectors is None or not file.sensors:
        return ""
    quantum = file.detectors.quantum_efficiency
    paths = [sensor.propagation_efficiency for sensor in file.sensors]
    most = max(path.value for path in paths) * quantum.value
    sigma = max(path.sigma for path in paths) + quantum.sigma
    variance = from_decibels(found)
    least = 1.0 - most - CLEAR_SIGMAS * sigma
    if variance.value + CLEAR_SIGMAS * variance.sigma < least:
        return f"losses of the station file allow {10.0 * math.log10(max(least, 1e-9)):.1f} dB at most"
    return ""


GATES: Final = (
    Gate("sensor*.visibility", _at_most_one),
    Gate("sensor*.f0_hz", _near_its_resonance),
    Gate("sensor*.gamma_hz", _like_the_design),
    Gate("sensor*.gamma_ringdown_hz", _like_the_design),
    *(
        Gate(pattern, _positive)
        for pattern in (
            "sensor*.fsr_hz",
            "sensor*.kappa_hz",
            "sensor*.finesse",
            "sensor*.g0_over_kappa",
            "sensor*.peak_to_shot",
            "source.threshold_w",
            "source.pump_parameter",
            "source.total_efficiency",
        )
    ),
    *(
        Gate(pattern, _within_the_loss)
        for pattern in (
            "joint.raw_db",
            "joint.digital_db",
            "joint.rephased_db",
            "sensor*.individual_db",
            "sensor*.marginal_db",
            "sensor*.conditional_db",
            "advantage.m*_joint_db",
        )
    ),
)
