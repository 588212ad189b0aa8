"""What the sum of all detectors loses against what the detectors promise one by one, and to what."""

from __future__ import annotations

import math

from pymeasure.experiment import FloatParameter

from labctl.estimation.lost_squeezing import Lost, Promise, channel_delays, less, lost_squeezing
from labctl.estimation.summing_errors import expected_joint
from labctl.spectra.estimate import Estimate, from_decibels, in_decibels
from procedures.channel_efficiency import channel_efficiency
from procedures.frequencies import exclusions
from procedures.joint_spectrum_digitizer import JointSpectrumDigitizer
from procedures.kept_records import JointRecords

CLEAR_SIGMAS = 3.0  # by which the sum must fall short to be told so
LOOKING_S = 1.0  # at records that are there
CAUSES = {
    "delays": "delays between the detectors",
    "jitter": "phase noise",
    "loss": "loss of light beyond the budget",
}


class SumDiagnosis(JointSpectrumDigitizer):
    """Compare the hardware sum with what the individual spectra promise, and split what is lost: delays, phase noise,
    loss beyond the budget.

    Nothing moves: it works on the records of the joint spectrum, which it takes itself only if there are none yet.
    """

    title = "What the sum loses"
    source_efficiency = FloatParameter(
        "Efficiency of the source by its design, escape and path to the network", default=0.885, minimum=0.01, maximum=1
    )
    source_efficiency_sigma = FloatParameter(
        "Uncertainty of the efficiency of the source", default=0.005, minimum=0.0, maximum=1.0
    )
    source_hwhm = FloatParameter(
        "Half linewidth of the source cavity by its design", units="Hz", default=51.5e6, minimum=1e3, maximum=1e12
    )
    DATA_COLUMNS = ["Detector", "Delay (s)"]

    def expected_s(self) -> float:
        """Return about a second: the records are there as a rule."""
        return LOOKING_S

    def measure(self) -> None:
        """Raises `StoreError` when a result that it needs is missing, `LockError` when it has to record and cannot,
        `AnalysisRefused` when the records do not carry the numbers."""
        if self.on_bench.station.file.station.sensors < 2:
            self.event("info", "A single detector has no sum that could lose anything.")
            return
        compared = self._compare_with_promise()
        promise = self._source()
        kept = self.on_bench.joint_records or self.take()
        lost = self._split(kept, promise)
        self.event("info", f"{compared} {_cause(lost)}")
        self.progress(1.0)

    def _compare_with_promise(self) -> str:
        """Keep what the individual spectra promise of the hardware sum and what it lacks of that; return a sentence."""
        sensors = range(1, self.on_bench.station.file.station.sensors + 1)
        alone = [from_decibels(self._estimate(f"sensor{n}.individual_db")) for n in sensors]
        promised = in_decibels(expected_joint(alone))
        raw = self._estimate("joint.raw_db")
        missing = Estimate(raw.value - promised.value, math.hypot(raw.sigma, promised.sigma), "dB")
        self.keep("joint.promised_db", promised, convention="1 - M (1 - mean of the individual variances)")
        self.keep("joint.missing_db", missing, convention="hardware sum over what the individual spectra promise")
        if missing.value < CLEAR_SIGMAS * missing.sigma:
            return f"The hardware sum shows the {promised.value:.2f} dB that the single detectors promise."
        return (
            f"The hardware sum lacks {missing.value:.2f} +- {missing.sigma:.2f} dB of the {promised.value:.2f} dB that "
            "the single detectors promise."
        )

    def _source(self) -> Promise:
        """Return what pump parameter and efficiencies promise."""
        channel = channel_efficiency(self.on_bench)
        design = Estimate(self.source_efficiency, self.source_efficiency_sigma)
        total = design.value * channel.value
        relative = math.hypot(design.relative_sigma, channel.relative_sigma)
        found = [sensor.resonance for sensor in self.on_bench.station.file.sensors]
        middle_hz = 0.5 * (min(found) + max(found))
        pump = self._estimate("source.pump_parameter")
        return Promise(pump, Estimate(total, total * relative), middle_hz / self.source_hwhm)

    def _split(self, kept: JointRecords, promise: Promise) -> Lost:
        """Keep the delays and what each cause takes."""
        skip = exclusions(self.on_bench)
        delays = channel_delays(less(kept.signal, kept.dark), less(kept.shot, kept.dark), skip)
        lost = lost_squeezing(kept.signal, kept.shot, kept.dark, kept.pieces, delays, promise, skip)
        for number, delay in enumerate(delays.each(), start=1):
            self.keep(f"joint.delay{number}_s", delay)
            self.row(detector=number, delay=delay.value)
        self.keep("joint.rms_delay_s", delays.rms())
        self.keep("joint.common_jitter_rad", lost.common_jitter)
        self.keep("joint.private_jitter_rad", lost.private_jitter)
        for name, decibels in lost.by_cause().items():
            self.keep(f"joint.lost_to_{name}_db", decibels)
        return lost

    def _estimate(self, name: str) -> Estimate:
        found = self.on_bench.result(name)
        return Estimate(found.value, found.sigma, found.unit, found.convention)


def _cause(lost: Lost) -> str:
    """Return the cause in a sentence."""
    each = lost.by_cause()
    told = [f"{CAUSES[name]} ({each[name].value:.2f} +- {each[name].sigma:.2f} dB)" for name in lost.causes()]
    if not told:
        return "No delays, phase noise, or loss beyond the budget stand out."
    return f"The noise reduction is lost to {' and '.join(told)}."
