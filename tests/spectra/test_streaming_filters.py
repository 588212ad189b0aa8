"""What a down-conversion guarantees, from its taps and from tones sent through the compiled loops."""

import numpy as np
import pytest

from labctl.errors import AnalysisRefused
from labctl.spectra.anti_alias import amplitude_response, spread_moving_averages, spread_response
from labctl.spectra.decimator import Decimator
from labctl.spectra.down_conversion import design_down_conversion

BAND = (4.22e6, 4.42e6)


def level_db(conversion, tones_hz):
    """Level at the output of each complex tone exp(2 pi i f t), f of either sign, in dB: its cosine and sine go through
    as two channels."""
    turns = np.asarray(tones_hz)[:, None] / conversion.sample_rate_hz
    phase = 2 * np.pi * turns * np.arange(conversion.reach + 100 * conversion.decimation)
    y = [Decimator(conversion, len(phase)).push(part.astype(np.float32)) for part in (np.cos(phase), np.sin(phase))]
    return 20 * np.log10(np.abs(y[0] + 1j * y[1]).max(axis=1) + 1e-12)


@pytest.mark.parametrize("decimation", [2, 7, 10])
@pytest.mark.parametrize("order", [2, 3, 4])
def test_moving_averages_have_their_closed_response(decimation, order):
    nu = np.linspace(-0.5, 0.5, 1001)
    taps = spread_moving_averages(decimation, order, 0.01)
    assert len(taps) == order * (decimation - 1) + 1
    assert taps == pytest.approx(taps[::-1], abs=1e-15)
    assert spread_response(nu, decimation, order, 0.01) == pytest.approx(amplitude_response(nu, taps), abs=1e-12)


def test_spread_notches_stop_more_than_plain_ones():
    half, decimation, order = 0.0016, 50, 3
    folding = 1 / decimation + np.linspace(-half, half, 201)
    spread = np.abs(spread_response(folding, decimation, order, half)).max()
    plain = np.abs(spread_response(folding, decimation, order, 0.0)).max()
    assert 20 * np.log10(plain / spread) == pytest.approx(12.0, abs=1.0)  # 2^(order - 1)


@pytest.mark.parametrize("rate_hz", [15.625e6, 31.25e6, 62.5e6, 100e6, 125e6])
@pytest.mark.parametrize("band", [BAND, (4.3e6, 4.302e6), (0.5e6, 6.5e6), (10e3, 90e3), (7.0e6, 7.8e6)])
def test_every_design_keeps_its_promise(rate_hz, band):
    conversion = design_down_conversion(rate_hz, band)
    assert conversion.ripple_db <= 0.01
    assert conversion.stop_band_db >= 90.0
    assert conversion.output_rate_hz >= 1.25 * (band[1] - band[0])
    assert conversion.decimation * conversion.output_rate_hz == pytest.approx(rate_hz)


def test_the_digitizers_rates_come_down_to_whole_hertz():
    rates = {rate: design_down_conversion(rate, BAND).output_rate_hz for rate in (15.625e6, 62.5e6, 125e6)}
    assert rates == {15.625e6: 312.5e3, 62.5e6: 250e3, 125e6: 250e3}


@pytest.mark.parametrize("rate_hz", [15.625e6, 125e6])
def test_tones_in_the_band_pass_within_the_ripple(rate_hz):
    conversion = design_down_conversion(rate_hz, BAND)
    tones = np.linspace(*BAND, 9)
    assert np.abs(level_db(conversion, tones)).max() < conversion.ripple_db + 1e-4


@pytest.mark.parametrize("rate_hz", [15.625e6, 125e6])
def test_tones_that_fold_into_the_band_are_stopped(rate_hz):
    """Edges and centre of the band moved by the output rate, the nearest ones and some of all others, and an offset."""
    conversion = design_down_conversion(rate_hz, BAND)
    k = np.random.default_rng(1).choice(np.arange(2, conversion.decimation - 1), 25, replace=False)
    offsets = np.array([1, conversion.decimation - 1, *k])[:, None] * conversion.output_rate_hz
    tones = (np.array([BAND[0], conversion.centre_hz, BAND[1]]) + offsets).ravel()
    assert level_db(conversion, tones).max() < -90.0
    assert (
        level_db(conversion, [0.0, -conversion.centre_hz]).max() < -70.0
    )  # fold beside the band, far down all the same


def test_what_folds_beside_the_band_is_not_promised():
    conversion = design_down_conversion(125e6, BAND)
    assert level_db(conversion, [conversion.centre_hz + conversion.output_rate_hz / 2])[0] > -20.0


def test_more_stop_band_can_be_asked_for():
    assert design_down_conversion(125e6, BAND, stop_band_db=110.0).stop_band_db >= 110.0


def test_a_band_as_wide_as_the_rate_is_only_mixed():
    conversion = design_down_conversion(15.625e6, (1e6, 7.8e6))
    assert conversion.decimation == 1
    assert np.abs(level_db(conversion, [1.0e6, 4e6, 7.5e6])) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("band", [(4.4e6, 4.2e6), (4.3e6, 4.3e6), (-1e3, 1e5), (7.7e6, 7.9e6), (np.nan, 1e6)])
def test_bands_that_cannot_be_are_refused(band):
    with pytest.raises(AnalysisRefused, match="does not lie between"):
        design_down_conversion(15.625e6, band)


@pytest.mark.parametrize("decimation", [0, 625])
def test_decimation_without_a_transition_is_refused(decimation):
    with pytest.raises(AnalysisRefused, match="Decimation"):
        design_down_conversion(125e6, BAND, decimation=decimation)


def test_demands_that_no_design_meets_are_refused():
    with pytest.raises(AnalysisRefused, match="No design"):
        design_down_conversion(125e6, BAND, ripple_db=1e-9)
