"""A real recording analysed as its authors did, and synthetic ones in every unit."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

from labctl.errors import AnalysisRefused
from labctl.estimation import squeezing_file
from labctl.estimation.squeezing_file import analyse_squeezing, write_spectrum_csv
from labctl.spectra.text_file import read_two_columns

DATA = Path(__file__).parents[1] / "data" / "squeezing_aggarwal2020"
SIGNAL, SHOT, DARK = DATA / "pos_80mV_FFT1.dat", DATA / "shot_1100mV_25kavg.dat", DATA / "dark.dat"
ANGLE_COLUMN = "12.431454388292359"


def real(**changes):
    settings = {"shot_band": (20e3, 100e3), "band": (43e3, 47e3), "shot_average": "amplitude", "unit": "V"}
    return analyse_squeezing(SIGNAL, SHOT, **(settings | changes))


def test_the_real_recording_gives_the_authors_numbers():
    analysis = real()
    assert analysis.shot_level.value == pytest.approx(1.46328510528e-06, rel=1e-9)
    assert analysis.shot_level.unit == "V"
    assert analysis.band_mean_db.value == pytest.approx(-0.665, abs=5e-4)
    assert analysis.minimum_db.value == pytest.approx(-0.834, abs=5e-4)
    assert analysis.minimum_frequency_hz == 41728.0


def test_the_published_column_is_met_to_rounding():
    analysis = real()
    with (DATA / "published_Fig_3a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    published = {round(1e3 * float(next(iter(row.values()))), 3): float(row[ANGLE_COLUMN]) for row in rows}
    ours = dict(zip(np.round(analysis.frequency_hz, 3).tolist(), analysis.noise_db.tolist(), strict=True))
    assert len(published) == 470
    for frequency, noise_db in published.items():
        assert ours[frequency] == pytest.approx(noise_db, abs=1e-9)


def test_the_recording_s_own_scatter_tells_its_averages():
    """5000 averages of the signal (25 points) and 25 000 of shot noise: found from scatter alone within 4 sigma."""
    analysis = real()
    assert analysis.signal_averages == pytest.approx(5000, rel=4 * math.sqrt(3 / 25))
    assert analysis.shot_averages == pytest.approx(25000, rel=0.5)  # the recording is not quite white


def test_uncertainties_of_the_real_recording():
    analysis = real(signal_averages=5000, shot_averages=25000)
    single_point_db = 4.343 / math.sqrt(5000)
    assert analysis.minimum_db.sigma == pytest.approx(single_point_db, rel=0.01)
    assert analysis.band_mean_db.sigma == pytest.approx(single_point_db / math.sqrt(32 / 1.944), rel=0.05)
    assert real().band_mean_db.sigma == pytest.approx(analysis.band_mean_db.sigma, rel=0.4)
    assert analysis.shot_level.relative_sigma == pytest.approx(2.7e-4, rel=0.1)
    assert abs(analysis.shot_in_band_db.value) < 0.05


def test_dark_noise_taken_out_deepens_the_squeezing():
    """Dark noise 12.4 dB below shot: -0.665 dB becomes 10 log10((s - d)/(1 - d))."""
    with_dark = real(dark_path=DARK)
    s, d = 10**-0.0665, 10**-1.24
    assert with_dark.band_mean_db.value == pytest.approx(10 * math.log10((s - d) / (1 - d)), abs=0.01)
    assert with_dark.shot_level.value < real().shot_level.value


def test_json_has_the_agreed_keys():
    report = json.loads(json.dumps(real().to_json()))
    for key, unit in (("shot_level", "V"), ("band_mean_db", "dB"), ("minimum_db", "dB")):
        assert report[key]["unit"] == unit
        assert report[key]["sigma"] > 0
    assert report["band_mean_db"]["value"] == pytest.approx(-0.665, abs=5e-4)
    assert report["minimum_db"]["frequency_hz"] == 41728.0


def test_spectrum_is_written_and_reads_back(tmp_path):
    analysis = real()
    write_spectrum_csv(analysis, tmp_path / "out.csv")
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert SIGNAL.name in lines[0]
    table = np.loadtxt(lines[4:], delimiter=",")
    assert table[:, 0] == pytest.approx(analysis.frequency_hz)
    assert table[:, 1] == pytest.approx(analysis.noise_db, abs=1e-6)
    assert table[:, 2] == pytest.approx(analysis.point_sigma_db, abs=1e-6)
    with pytest.raises(AnalysisRefused, match="cannot be written"):
        write_spectrum_csv(analysis, tmp_path / "absent" / "out.csv")
    with pytest.raises(AnalysisRefused, match="one of the recordings"):
        write_spectrum_csv(analysis, SIGNAL)


def synthetic(folder, name, seed, level, convert, k=500, n=400):
    f = np.arange(n) * 128.0
    power = np.random.default_rng(seed).gamma(k, level / k, n)
    path = folder / name
    path.write_text("\n".join(f"{x} {y:.12e}" for x, y in zip(f, convert(power), strict=True)))
    return path


@pytest.mark.parametrize(
    ("unit", "convert"),
    [
        ("V", np.sqrt),
        ("W", lambda p: p / 50),
        ("V^2/Hz", lambda p: p / 192.0),
        ("dBm", lambda p: 10 * np.log10(p / 50 / 1e-3)),
        ("dB", lambda p: 10 * np.log10(p) + 17.0),
    ],
)
def test_every_unit_gives_the_same_decibels(tmp_path, unit, convert):
    signal = synthetic(tmp_path, "signal.dat", 1, 0.5e-12, convert)
    shot = synthetic(tmp_path, "shot.dat", 2, 1e-12, convert)
    settings = {"shot_band": (5e3, 50e3), "band": (10e3, 40e3)}
    analysis = analyse_squeezing(signal, shot, unit=unit, **settings)
    in_volts = analyse_squeezing(
        synthetic(tmp_path, "s.dat", 1, 0.5e-12, np.sqrt), synthetic(tmp_path, "n.dat", 2, 1e-12, np.sqrt), **settings
    )
    assert analysis.band_mean_db.value == pytest.approx(in_volts.band_mean_db.value, abs=1e-6)
    assert analysis.band_mean_db.sigma == pytest.approx(in_volts.band_mean_db.sigma, rel=1e-4)
    assert abs(analysis.band_mean_db.value + 3.0103) < 4 * analysis.band_mean_db.sigma
    assert analysis.shot_level.unit == unit
    level_file = read_two_columns(shot).values[40:390]
    expected = 10 * np.log10((10 ** (level_file / 10)).mean()) if "dB" in unit else level_file.mean()
    assert analysis.shot_level.value == pytest.approx(expected, rel=1e-3)
    assert analysis.signal_averages == pytest.approx(500, rel=0.4)


def test_decibels_come_from_the_functions_that_the_table_uses(monkeypatch):
    called = []
    genuine = squeezing_file.band_ratio_db

    def watched(*args, **kwargs):
        called.append(args)
        return genuine(*args, **kwargs)

    monkeypatch.setattr(squeezing_file, "band_ratio_db", watched)
    real()
    assert called
    assert genuine.__module__ == "labctl.spectra.noise_reduction"


def test_refusals(tmp_path):
    with pytest.raises(AnalysisRefused, match="no file"):
        analyse_squeezing(tmp_path / "absent.dat", SHOT, shot_band=(20e3, 100e3), band=(43e3, 47e3))
    for change, words in (
        ({"unit": "furlong"}, "none of V"),
        ({"shot_average": "median"}, "none of power"),
        ({"shot_average": "decibel"}, "not of decibels"),
        ({"band": (90e3, 120e3)}, "leaves the spectrum"),
        ({"band": (47e3, 43e3)}, "empty"),
        ({"band": (43e3, 43.2e3)}, "too few"),
        ({"shot_band": (200e3, 300e3)}, "leaves the spectrum"),
    ):
        with pytest.raises(AnalysisRefused, match=words):
            real(**change)
    other_axis = synthetic(tmp_path, "other.dat", 3, 1.0, np.sqrt, n=801)
    text = other_axis.read_text().replace("\n128.0 ", "\n129.0 ", 1)
    other_axis.write_text(text)
    with pytest.raises(AnalysisRefused, match="different frequency axes"):
        analyse_squeezing(other_axis, SHOT, shot_band=(20e3, 100e3), band=(43e3, 47e3))
    negative = synthetic(tmp_path, "negative.dat", 3, 1.0, np.negative, n=801)
    with pytest.raises(AnalysisRefused, match="negative"):
        analyse_squeezing(negative, SHOT, shot_band=(20e3, 100e3), band=(43e3, 47e3))
