"""The procedures by the names that recipes and the command line use."""

from __future__ import annotations

from collections.abc import Mapping

from pymeasure.experiment import Parameter

from procedures.align_sensor import AlignSensor
from procedures.audit_signs import AuditSigns
from procedures.base import LabProcedure
from procedures.cavity_length import CavityLength
from procedures.detector_balance import MeasureDetectorBalance
from procedures.extraction_efficiency import ExtractionEfficiency
from procedures.force import ForceResolution
from procedures.individual_spectrum import IndividualSpectrum
from procedures.joint_spectrum_analyzer import JointSpectrumAnalyzer
from procedures.joint_spectrum_digitizer import JointSpectrumDigitizer
from procedures.joint_stability import JointStability
from procedures.live_spectra import LiveSpectra
from procedures.lock_all import LockAll
from procedures.lock_cavity import LockCavity
from procedures.lock_homodyne import LockHomodyne
from procedures.lock_source import LockSource
from procedures.loop_noise import MeasureLoopNoise
from procedures.network_scaling import NetworkScaling
from procedures.network_weights import NetworkWeights
from procedures.noise_floor import NoiseFloor
from procedures.optomechanical_coupling import MeasureOptomechanicalCoupling
from procedures.parametric_gain import ParametricGainAgainstPump
from procedures.power_balance import PowerBalance
from procedures.ringdown import Ringdown
from procedures.shot_noise_linearity import MeasureShotNoiseLinearity
from procedures.source_squeezing import SourceSqueezing
from procedures.squeezing_against_pump import SqueezingAgainstPump
from procedures.sum_diagnosis import SumDiagnosis
from procedures.tune_oven import TuneOven
from procedures.uniformity import Uniformity
from procedures.warm_oven import WarmOven

PROCEDURES: Mapping[str, type[LabProcedure]] = {
    "warm_oven": WarmOven,
    "tune_oven": TuneOven,
    "lock_source": LockSource,
    "lock_all": LockAll,
    "noise_floor": NoiseFloor,
    "shot_noise_linearity": MeasureShotNoiseLinearity,
    "detector_balance": MeasureDetectorBalance,
    "align_sensor": AlignSensor,
    "lock_cavity": LockCavity,
    "cavity_length": CavityLength,
    "network_weights": NetworkWeights,
    "extraction_efficiency": ExtractionEfficiency,
    "lock_homodyne": LockHomodyne,
    "power_balance": PowerBalance,
    "loop_noise": MeasureLoopNoise,
    "individual_spectrum": IndividualSpectrum,
    "ringdown": Ringdown,
    "optomechanical_coupling": MeasureOptomechanicalCoupling,
    "audit_signs": AuditSigns,
    "joint_spectrum_analyzer": JointSpectrumAnalyzer,
    "joint_spectrum_digitizer": JointSpectrumDigitizer,
    "joint_stability": JointStability,
    "source_squeezing": SourceSqueezing,
    "network_scaling": NetworkScaling,
    "sum_diagnosis": SumDiagnosis,
    "force_resolution": ForceResolution,
    "uniformity": Uniformity,
    "parametric_gain": ParametricGainAgainstPump,
    "squeezing_against_pump": SqueezingAgainstPump,
    "live_spectra": LiveSpectra,
}


def parameters_of(procedure: type[LabProcedure]) -> dict[str, Parameter]:
    """Return the pymeasure parameters of a procedure by attribute name."""
    return {name: value for name in dir(procedure) if isinstance(value := getattr(procedure, name), Parameter)}


def known_procedures() -> dict[str, frozenset[str]]:
    """Return procedure name -> names of its parameters, for checking recipes."""
    return {name: frozenset(parameters_of(procedure)) for name, procedure in PROCEDURES.items()}
