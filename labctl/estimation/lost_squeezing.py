"""What takes the noise reduction of a sum of M detectors on one squeezed beam: delays, phase noise, or loss.

Each has a mark of its own in records that were taken together. Delays turn the phases of the shared noise with
frequency and can be undone. Phase noise makes the noise of the re-phased sum come and go (`noise_fluctuations`), where
it is common, and adds noise that the detectors do not share, where it is private (`phase_jitter`). What is left,
against the variance 1 - eta 4x / ((1 + x)^2 + F^2) of a source whose pump parameter x the gain of its seed tells, is
loss beyond the efficiency eta that is known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labctl.errors import AnalysisRefused
from labctl.estimation.cross_spectrum import BandMatrix, ComplexArray, CrossSpectrum
from labctl.estimation.estimate import DB_PER_NEPER, Estimate
from labctl.estimation.network import NetworkCovariance, relative_to_shot, weighted_sum
from labctl.estimation.noise_fluctuations import fluctuation, root
from labctl.estimation.phase_jitter import Beside, SharedSource, phase_jitter
from labctl.estimation.phase_slope import fit_phase_slope
from labctl.physics.opa import quadrature_variances
from labctl.spectra.acquisition import FloatArray
from labctl.spectra.trace import Band

LEAST_LOST_DB = 0.2
"""Less is not worth a cause."""
NAMED_SIGMAS = 3.0
"""By which a loss must stand out to be named."""
RELATIVE_STEP = 1e-4


@dataclass(frozen=True)
class Promise:
    """What is known of the source and the way from it: pump parameter, efficiency from the crystal to the records, and
    the analysis frequency over the half linewidth of its cavity."""

    pump: Estimate
    efficiency: Estimate
    sideband_over_hwhm: float

    def squeezed(self) -> Estimate:
        """Return the variance of the sum that follows."""
        x, eta = self.pump, self.efficiency
        value = self._squeezed_at(x.value, eta.value)
        by_pump = self._squeezed_at(x.value * (1 + RELATIVE_STEP), eta.value) - value
        by_efficiency = self._squeezed_at(x.value, eta.value * (1 - RELATIVE_STEP)) - value
        sigma = math.hypot(by_pump * x.relative_sigma, by_efficiency * eta.relative_sigma) / RELATIVE_STEP
        return Estimate(value, sigma, "", "joint variance that pump parameter and efficiency promise")

    def lossless(self) -> tuple[float, float]:
        """Return V- and V+ in front of all loss."""
        low, high = quadrature_variances(self.pump.value, self.sideband_over_hwhm, 1.0)
        return float(low), float(high)

    def swing(self) -> Estimate:
        """Return V+ - V- in front of all loss."""
        low, high = self.lossless()
        more = quadrature_variances(self.pump.value * (1 + RELATIVE_STEP), self.sideband_over_hwhm, 1.0)
        change = float(more[1] - more[0]) - (high - low)
        return Estimate(high - low, abs(change) / RELATIVE_STEP * self.pump.relative_sigma)

    def _squeezed_at(self, pump: float, efficiency: float) -> float:
        return float(quadrature_variances(pump, self.sideband_over_hwhm, efficiency)[0])


@dataclass(frozen=True)
class Lost:
    """What the joint noise loses to each, in dB, and the rms phases behind the second, in rad."""

    delays: Estimate
    jitter: Estimate
    loss: Estimate
    common_jitter: Estimate
    private_jitter: Estimate

    def by_cause(self) -> dict[str, Estimate]:
        """Return what each takes, in dB, by its name."""
        return {"delays": self.delays, "jitter": self.jitter, "loss": self.loss}

    def causes(self) -> tuple[str, ...]:
        """Return the names of those that stand out, the worst first."""
        large = {n: e for n, e in self.by_cause().items() if e.value > LEAST_LOST_DB}
        # Phase noise has shown that it is there before it has a size; that of the others is all there is.
        clear = {n: e for n, e in large.items() if n == "jitter" or e.value > NAMED_SIGMAS * e.sigma}
        return tuple(sorted(clear, key=lambda name: -clear[name].value))


@dataclass(frozen=True, eq=False)
class ChannelDelays:
    """Delays of M channels against their mean, s: later is positive; `covariance` (M, M)."""

    delays_s: FloatArray
    covariance: FloatArray

    def each(self) -> list[Estimate]:
        """Return them one by one."""
        sigma = np.sqrt(self.covariance.diagonal())
        convention = "later than the mean of all, from the phases of the shared noise"
        return [Estimate(float(d), float(s), "s", convention) for d, s in zip(self.delays_s, sigma, strict=True)]

    def rms(self) -> Estimate:
        """Return their root mean square, what the noise of the fit adds to it taken out."""
        m = len(self.delays_s)
        square = float(np.mean(self.delays_s**2) - np.trace(self.covariance) / m)
        gradient = 2.0 * self.delays_s / m
        by_noise = 2.0 * float(np.sum(self.covariance**2)) / m**2
        sigma = math.sqrt(float(gradient @ self.covariance @ gradient) + by_noise)
        return root(Estimate(square, sigma), "s", "rms over the detectors")

    def coherence(self, frequency_hz: float) -> Estimate:
        """Return |sum e^{2 pi i f t}|^2 / M^2: the share of the noise reduction that a plain sum keeps."""
        turn = 2.0 * math.pi * frequency_hz
        phases = np.exp(1j * turn * self.delays_s)
        total, m = phases.sum(), len(phases)
        gradient = 2.0 * np.real(np.conj(total) * 1j * turn * phases) / m**2
        # What the noise of the delays takes by itself, to second order.
        bias = turn**2 * float(np.trace(self.covariance)) / m
        sigma = math.sqrt(float(gradient @ self.covariance @ gradient) + 2.0 * (bias / m) ** 2)
        return Estimate(min(abs(total) ** 2 / m**2 + bias, 1.0), sigma, "", "share of the noise reduction kept")


def channel_delays(signal: CrossSpectrum, shot: CrossSpectrum, exclude: Sequence[Band]) -> ChannelDelays:
    """Return the delays of the channels from the phases of their shared noise, dark noise subtracted before.

    Raises AnalysisRefused as `fit_phase_slope` does.
    """
    fit = fit_phase_slope(signal, shot, exclude=exclude)
    m = len(fit.delays_s)
    centred = np.eye(m) - 1.0 / m
    covariance = np.zeros((m, m))
    covariance[1:, 1:] = fit.fit.covariance[-(m - 1) :, -(m - 1) :]
    return ChannelDelays(centred @ fit.delays_s, np.asarray(centred @ covariance @ centred.T))


def less(spectrum: CrossSpectrum, dark: CrossSpectrum) -> CrossSpectrum:
    """Return a spectrum with dark noise subtracted."""
    return CrossSpectrum(spectrum.frequency_hz, spectrum.csd - dark.csd, spectrum.averages, spectrum.enbw_hz)


def in_step(spectrum: CrossSpectrum, delays_s: FloatArray, exclude: Sequence[Band]) -> BandMatrix:
    """Return the mean over the band of a matrix whose channels are put in step before."""
    turn = np.exp(2j * np.pi * np.multiply.outer(spectrum.frequency_hz, delays_s))
    csd = spectrum.csd * turn.conj()[:, :, None] * turn[:, None, :]
    band = (float(spectrum.frequency_hz[0]), float(spectrum.frequency_hz[-1]))
    inside = [edges for edges in exclude if edges[1] > band[0] and edges[0] < band[1]]
    return CrossSpectrum(spectrum.frequency_hz, csd, spectrum.averages, spectrum.enbw_hz).mean_over(band, inside)


def lost_squeezing(
    signal: CrossSpectrum,
    shot: CrossSpectrum,
    dark: CrossSpectrum,
    pieces: ComplexArray,
    delays: ChannelDelays,
    promise: Promise,
    exclude: Sequence[Band],
) -> Lost:
    """Split what a plain sum loses. `pieces` (R, P, M, M) are matrices of consecutive pieces of the signal's records,
    resonances left out.

    Raises AnalysisRefused for too few averages, and for noise that no phase noise of this source gives.
    """
    parts = [in_step(part, delays.delays_s, exclude) for part in (signal, shot, dark)]
    network = relative_to_shot(*parts)
    middle_hz = float(signal.frequency_hz.mean())
    weights = np.exp(2j * np.pi * middle_hz * delays.delays_s) / np.sqrt(
        (parts[1].matrix - parts[2].matrix).diagonal().real
    )
    powers = np.real(np.einsum("i,rpij,j->rp", weights.conj(), pieces, weights))
    shaken = fluctuation(powers)
    joint = _joint(network, powers)
    # Dark noise does not come and go, and is in the powers of the pieces.
    with_dark = joint.value + float((parts[2].matrix * np.outer(weights.conj(), weights)).sum().real) / len(weights)
    added = Estimate(with_dark * shaken.added.value, with_dark * shaken.added.sigma)
    still = Estimate(joint.value - added.value, math.hypot(joint.sigma, added.sigma))
    promised = promise.squeezed()
    common, private = _jitters(network, added, still, promise)
    return Lost(
        delays=_lost_to_delays(delays.coherence(middle_hz), joint),
        jitter=_decibels(joint.value / still.value, added.sigma / still.value, "phase noise, re-phased sum"),
        loss=_decibels(
            still.value / promised.value,
            math.hypot(still.relative_sigma, promised.relative_sigma),
            "without delays and phase noise, over what pump parameter and efficiencies promise",
        ),
        common_jitter=common,
        private_jitter=private,
    )


def _joint(network: NetworkCovariance, powers: FloatArray) -> Estimate:
    """Return the variance of the plain sum of the network, its sigma from how the records scatter if that is more."""
    variance = weighted_sum(network).variance
    each = powers.mean(axis=1) / powers.mean()
    by_chance = 1.0 / network.averages
    scatter = float(each.var(ddof=1)) / len(each)
    relative = math.sqrt(max(by_chance, scatter) + 1.0 / network.shot_averages)
    return Estimate(variance.value, variance.value * relative, "", variance.convention)


def _jitters(
    network: NetworkCovariance, added: Estimate, still: Estimate, promise: Promise
) -> tuple[Estimate, Estimate]:
    """Return common and private rms phases. The sum shakes by the common one and the mean of the private ones."""
    low, high = promise.lossless()
    efficiency = min((1.0 - still.value) / (1.0 - low), 1.0)
    if not efficiency > 0.0:
        raise AnalysisRefused(f"A joint variance of {still} is that of no squeezed light.", remedy=_noisiest(network))
    source = SharedSource(Estimate(low, 0.0), Estimate(high, 0.0), Estimate(efficiency, 0.0))
    try:
        private = phase_jitter(network, source, Beside.JOINT).private_variance
    except AnalysisRefused as error:
        raise AnalysisRefused(str(error), remedy=_noisiest(network)) from error
    swing = promise.swing()
    steep = efficiency * swing.value
    both = Estimate(added.value / steep, math.hypot(added.sigma, added.value * swing.relative_sigma) / steep)
    m = network.channels
    common = Estimate(both.value - private.value / m, math.hypot(both.sigma, private.sigma / m))
    return (
        root(common, "rad", "rms phase noise that all detectors share, slower than a fraction of a ms"),
        root(private, "rad", "rms phase noise of each detector alone, mean over the detectors"),
    )


def _noisiest(network: NetworkCovariance) -> str:
    """Return which detector to look at first."""
    alone = network.covariance.diagonal().real
    sensor = int(np.argmax(alone)) + 1
    return f"Alone, sensor {sensor} is the noisiest with {alone.max():.2f} of its shot noise: look at lo{sensor} first."


def _lost_to_delays(coherence: Estimate, joint: Estimate) -> Estimate:
    plain = 1.0 - coherence.value * (1.0 - joint.value)
    sigma = math.hypot((1.0 - joint.value) * coherence.sigma / plain, (1.0 - coherence.value) * joint.relative_sigma)
    return _decibels(plain / joint.value, sigma, "plain sum of the records over the re-phased one")


def _decibels(ratio: float, relative_sigma: float, convention: str) -> Estimate:
    if not ratio > 0.0:
        raise AnalysisRefused(
            f"A ratio of {ratio:.3g} has no decibels.", remedy="Check the locks and take more records."
        )
    return Estimate(DB_PER_NEPER * math.log(ratio), DB_PER_NEPER * relative_sigma, "dB", convention)
