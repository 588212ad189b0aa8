"""How strongly a membrane couples to its cavity: its thermal motion against a phase tone of known depth."""

from __future__ import annotations

import math

import numpy as np
from pymeasure.experiment import FloatParameter, IntegerParameter

from labctl.configuration.station_file import Membranes
from labctl.errors import AnalysisRefused, ConfigurationError
from labctl.estimation.mechanical_modes import fit_modes
from labctl.estimation.optomechanical_coupling import CalibrationTone, OptomechanicalCoupling, fit_coupling
from labctl.spectra.estimate import Estimate
from labctl.spectra.noise_reduction import shot_normalise
from labctl.spectra.trace import Band, Spectrum, Unit
from procedures.base import LabProcedure
from procedures.resonance_search import resonance_hz
from procedures.tones import needed_tone, switched_off_afterwards
from procedures.traces import LOCKING_S, Share, open_beams, sweep, take_trace, trace_s

TONE = "phase_calibration"
SEARCH_S = 3.0  # for estimates
VBW_PER_RBW = 10.0
SETTLE_S = 0.1
TONE_SKIRT_RBW = 5.0  # to either side of the tone, where the filter shows it above a millionth: no point of the mode
SIDE_WIDTHS = 3.0  # to either side of a second mode that are left out


class MeasureOptomechanicalCoupling(LabProcedure):
    """One trace of the thermal line with a phase tone beside it: g0 / kappa, whatever light and detector are.

    Only the ratio of the areas of line and tone counts, so the trace needs no shot noise beside it; what takes from the
    motion on its way, losses, visibility and a phase that shakes, takes as much from the tone. The tone is off
    afterwards, however this ends.
    """

    title = "Optomechanical coupling"
    roles = ("analyzer", "homodyne", "tone")
    sensor = IntegerParameter("Sensor", default=1, minimum=1, maximum=64)
    amplitude = FloatParameter("Amplitude of the generator", units="V", default=0.1, minimum=1e-3, maximum=5.0)
    offset = FloatParameter("Tone from the resonance", units="Hz", default=350.0, minimum=-5000.0, maximum=5000.0)
    span = FloatParameter("Span", units="Hz", default=2000.0, minimum=100.0, maximum=1e6)
    rbw = FloatParameter("Resolution bandwidth", units="Hz", default=10.0, minimum=1.0, maximum=8e6)
    averages = IntegerParameter("Averages", default=300, minimum=1, maximum=10000)
    DATA_COLUMNS = ["Frequency (Hz)", "Relative to floor"]

    def expected_s(self) -> float:
        """Return the time of the trace, and of a look for the resonance, in s."""
        return float(LOCKING_S + SEARCH_S + trace_s(self.rbw, self.averages))

    def measure(self) -> None:
        """Raises `LockError`, or `AnalysisRefused` where mode or tone are not clear."""
        bench = self.on_bench
        needs = [*bench.loops.source, bench.loops.of_sensor(self.sensor)]
        tone = needed_tone(bench, TONE, "The coupling is measured against a tone on the probe's phase")
        depth_rad, membranes = self._depth_rad(), self._membranes()
        open_beams(self)
        f0_hz = resonance_hz(self, self.sensor, needs, Share(0.0, 0.1))
        settings = sweep(f0_hz, self.span, self.rbw, VBW_PER_RBW * self.rbw, self.averages)
        with switched_off_afterwards(tone):
            tone.set_tone(f0_hz + self.offset, self.amplitude)
            tone.switch_on()
            tone_hz = tone.frequency_hz()
            self.wait(SETTLE_S)
            name, port = f"sensor{self.sensor}.tone", f"bhd{self.sensor}"
            trace = take_trace(self, name, port, settings, share=Share(0.1, 1.0), needs=needs)
        temperature_k = Estimate(membranes.temperature.value, membranes.temperature.sigma, "K")
        self._keep_findings(self._fitted(over_floor(trace), CalibrationTone(tone_hz, depth_rad), temperature_k))

    # ---- what is known ----------------------------------------------------------------------------------------------

    def _depth_rad(self) -> Estimate:
        """Return the peak phase of the tone: pi V / V_pi, behind the attenuator between generator and modulator."""
        entry = self.on_bench.station.file.tones[TONE]
        if entry.volts_per_pi is None:
            raise ConfigurationError(
                f"[tones.{TONE}] has no volts_per_pi, and a tone of unknown depth calibrates nothing.",
                remedy="Measure V_pi of the modulator and write it with its uncertainty.",
            )
        volts = self.amplitude * 10.0 ** (-entry.attenuation_db / 20.0)
        value = math.pi * volts / entry.volts_per_pi.value
        return Estimate(value, value * entry.volts_per_pi.sigma / entry.volts_per_pi.value, "rad", "peak phase")

    def _membranes(self) -> Membranes:
        membranes = self.on_bench.station.file.membranes
        if membranes is None:
            raise ConfigurationError(
                "The temperature of the membranes is needed.", remedy="Add [membranes] to the station file."
            )
        return membranes

    # ---- what is found ----------------------------------------------------------------------------------------------

    def _fitted(self, relative: Spectrum, tone: CalibrationTone, temperature_k: Estimate) -> OptomechanicalCoupling:
        """Return the coupling of the stronger mode; a second one that one line does not describe is left out."""
        for frequency, value in zip(relative.frequency_hz, relative.values, strict=True):
            self.row(frequency=frequency, relative_to_floor=value)
        skirt_hz = TONE_SKIRT_RBW * relative.acquisition.rbw_hz
        around = (tone.frequency_hz - skirt_hz, tone.frequency_hz + skirt_hz)
        found = fit_coupling(relative, tone, temperature_k, exclude=(around,))
        if not found.reason:
            return found
        beside = second_mode(relative, around)
        if beside is None:
            self.event("warning", f"sensor{self.sensor}: {found.reason}")
            return found
        self.event(
            "warning", f"sensor{self.sensor}: a second mode from {beside[0]:.0f} to {beside[1]:.0f} Hz is left out."
        )
        return fit_coupling(relative, tone, temperature_k, exclude=(around, beside))

    def _keep_findings(self, found: OptomechanicalCoupling) -> None:
        prefix = f"sensor{self.sensor}"
        entry = self.on_bench.station.file.tones[TONE]
        assert entry.volts_per_pi is not None  # `_depth_rad` looked
        share = entry.volts_per_pi.sigma / entry.volts_per_pi.value
        shared = f"the {100 * share:.2g} % of V_pi in its uncertainty are the same for all sensors of the table"
        self.keep(
            f"{prefix}.g0_over_kappa",
            found.g0_over_kappa,
            convention=f"both in the same unit, as probed, from a phase tone on the probe; {shared}",
        )
        variance = found.phase_variance
        rms_rad = math.sqrt(variance.value)
        self.keep(
            f"{prefix}.phase_rms_rad",
            Estimate(rms_rad, 0.5 * rms_rad * variance.relative_sigma, "rad"),
            convention=f"thermal phase of the reflected probe, one mode; {shared}",
        )
        kappa = self.on_bench.results().get(f"{prefix}.kappa_hz")
        if kappa is not None:
            self.keep(
                f"{prefix}.g0_hz",
                found.g0_hz(Estimate(kappa.value, kappa.sigma, "Hz")),
                convention=f"g0 / 2 pi as probed, from g0_over_kappa and kappa_hz; {shared}",
            )


def over_floor(trace: Spectrum) -> Spectrum:
    """Return the trace over its own median, which a narrow line hardly moves: the unit that the fit is told of is its
    floor, and no result depends on it."""
    level = float(np.median(trace.in_unit(Unit.V2_PER_HZ).values))
    return shot_normalise(trace, Estimate(level, 0.0, str(Unit.V2_PER_HZ), "median of the trace"))


def second_mode(relative: Spectrum, around: Band) -> Band | None:
    """Return where in the trace, less the band `around` the tone, the weaker of two modes is, in Hz; None where two do
    not describe it."""
    whole = (float(relative.frequency_hz[0]), float(relative.frequency_hz[-1]))
    try:
        two = fit_modes(relative.within(whole, (around,)), 2)
    except AnalysisRefused:
        return None
    weaker = min(two.modes, key=lambda mode: mode.peak_to_floor.value * mode.gamma_hz.value)
    width_hz = SIDE_WIDTHS * math.hypot(weaker.gamma_hz.value, relative.acquisition.rbw_hz)
    return weaker.f0_hz.value - width_hz, weaker.f0_hz.value + width_hz
