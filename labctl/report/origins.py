"""Which procedure gives which result, and why a result is missing."""

from __future__ import annotations

import re

from labctl.report.contents import RunContents
from labctl.report.wording import STEP_MARKS
from labctl.store.records import StepRecord, StepState

_PROCEDURES = {  # the first that gives it, where others make it better
    "oven.temperature_c": "warm_oven",
    "source.pump_parameter": "lock_source",
    "source.parametric_gain": "lock_source",
    "source.squeezing_db": "source_squeezing",
    "individual.mean_db": "source_squeezing",
    "network.channel_efficiency": "source_squeezing",
    "joint.clearance_db": "noise_floor",
    "joint.raw_db": "joint_spectrum_analyzer",
    "joint.digital_db": "joint_spectrum_digitizer",
    "joint.rephased_db": "joint_spectrum_digitizer",
    "sensor.marginal_db": "joint_spectrum_digitizer",
    "sensor.conditional_db": "joint_spectrum_digitizer",
    **{
        f"network.stage_{name}": "network_weights"
        for name in ("zero_deg", "extinction", "tap", "largest_tap", "play_deg")
    },
    "sensor.weight": "network_weights",
    "sensor.light_scale": "network_weights",
    "sensor.extraction": "extraction_efficiency",
    "sensor.extraction_deg": "extraction_efficiency",
    "sensor.probe_share": "power_balance",
    "sensor.fringe_share": "power_balance",
    **{f"audit.sensor_{name}": "audit_signs" for name in ("sign", "tone_rad", "delay_s")},
    "sensor.lock_residual_rad": "lock_homodyne",
    "sensor.visibility": "lock_homodyne",
    "sensor.f0_hz": "individual_spectrum",
    "sensor.gamma_hz": "individual_spectrum",
    "sensor.peak_to_shot": "individual_spectrum",
    "sensor.individual_db": "individual_spectrum",
    "sensor.clearance_db": "noise_floor",
    "sensor.shot_exponent": "shot_noise_linearity",
    "sensor.dark_intercept": "shot_noise_linearity",
    "sensor.balance": "detector_balance",
    "sensor.common_mode_rejection_db": "detector_balance",
    "sensor.fsr_hz": "cavity_length",
    "sensor.fsr_two_colour_hz": "cavity_length",
    "sensor.length_m": "cavity_length",
    "sensor.finesse": "cavity_length",
    "sensor.kappa_hz": "cavity_length",
    "sensor.gamma_ringdown_hz": "ringdown",
    "sensor.gamma_difference_sigmas": "ringdown",
    "sensor.g0_over_kappa": "optomechanical_coupling",
    "sensor.g0_hz": "optomechanical_coupling",
    "sensor.phase_rms_rad": "optomechanical_coupling",
    "sensor.inconsistency": "uniformity",
    "sensor.inconsistency_off": "uniformity",
    "sensor.inconsistency_signed": "uniformity",
    "sensor.inconsistency_gamma": "uniformity",
    "sensor.inconsistency_coupling": "uniformity",
    "sensor.inconsistency_linewidth": "uniformity",
    **{
        f"sensor.force_{kind}_{where}": "force_resolution"
        for kind in ("coherent", "separable", "entangled", "conditional")
        for where in ("on", "off")
    },
    "force.detuning_hz": "force_resolution",
    "source.threshold_w": "parametric_gain",
    "source.antisqueezing_db": "squeezing_against_pump",
    "source.total_efficiency": "squeezing_against_pump",
    "source.phase_noise_rad": "squeezing_against_pump",
    "joint.promised_db": "sum_diagnosis",
    "joint.missing_db": "sum_diagnosis",
    "joint.delay_s": "sum_diagnosis",
    "joint.rms_delay_s": "sum_diagnosis",
    "joint.common_jitter_rad": "sum_diagnosis",
    "joint.private_jitter_rad": "sum_diagnosis",
    "joint.lost_to_delays_db": "sum_diagnosis",
    "joint.lost_to_jitter_db": "sum_diagnosis",
    "joint.lost_to_loss_db": "sum_diagnosis",
    **{f"joint.night_{name}": "joint_stability" for name in ("mean_db", "scatter_db", "drift_db_per_h")},
    **{
        f"advantage.m_{name}": "network_scaling"
        for name in ("joint_db", "percent", "rmse_entangled", "rmse_separable", "rmse_marginal")
    },
}
_OF_ONE = re.compile(r"\b(sensor|stage|m|delay)[0-9]+(?=[._])")
"""Sensors, stages of the network, numbers of sensors and delays, which are counted in the names of results."""
_NUMBERED = re.compile(r"sensor([0-9]+)\.")
_SENSOR_PARAMETER = "sensor"


def procedure_of(result: str) -> str | None:
    """Return which procedure gives a result first, None for what none gives."""
    return _PROCEDURES.get(_OF_ONE.sub(r"\1", result))


def why_missing(result: str, run: RunContents) -> str:
    """Why the run has no such result, in one clause, from its step journal."""
    procedure = procedure_of(result)
    if procedure is None:
        return "no step of the run gives it" if run.steps else "the run has no steps in its journal"
    return why_unmeasured(procedure, run, _sensor_of(result))


def why_unmeasured(procedure: str, run: RunContents, sensor: int | None = None) -> str:
    """Why nothing came of a procedure, for one sensor where the procedure serves one at a time."""
    steps = [step for step in run.steps if step.procedure == procedure and _serves(step, sensor)]
    if not steps:
        return f"no step of the run is a {procedure}" if run.steps else "the run has no steps in its journal"
    last = steps[-1]
    if last.state is StepState.DONE:
        return f"step {last.name} was done without giving it"
    reason = f" ({last.reason})" if last.reason else ""
    return f"step {last.name}: {STEP_MARKS[last.state].word}{reason}"


def _sensor_of(result: str) -> int | None:
    found = _NUMBERED.match(result)
    return int(found[1]) if found else None


def _serves(step: StepRecord, sensor: int | None) -> bool:
    return sensor is None or step.parameters.get(_SENSOR_PARAMETER, sensor) == sensor
