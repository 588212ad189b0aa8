"""`labctl analyse KIND FILE`: every kind on data drawn from its closed form, in text, JSON and pictures."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_process import run_labctl

from labctl.physics.cavity import airy_finesse, airy_linewidth
from labctl.physics.constants import SPEED_OF_LIGHT_M_PER_S
from labctl.physics.line_shape import filtered_lorentzian, lorentzian
from labctl.store.records import Manifest, RunState, TraceRecord
from labctl.store.writer import RunWriter

RECORDING = Path(__file__).parents[1] / "data" / "squeezing_aggarwal2020"
PNG = b"\x89PNG\r\n\x1a\n"
F0, GAMMA, HEIGHT = 4.27566e6, 48.0, 20.0
F = np.linspace(F0 - 1000.0, F0 + 1000.0, 1001)


def analyse(*arguments: object) -> dict[str, Any]:
    done = run_labctl("analyse", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def refused(*arguments: object, status: int = 1) -> str:
    done = run_labctl("analyse", *arguments)
    assert done.returncode == status, done.stdout + done.stderr
    assert done.stdout == "" and done.stderr.startswith("labctl: ") and done.stderr.count("\n") == 1
    return done.stderr


def within(found: dict[str, Any], name: str, truth: float, sigmas: float = 4.0) -> None:
    value, sigma = found[name]["value"], found[name]["sigma"]
    assert 0 < sigma < 0.3 * abs(truth)
    assert abs(value - truth) < sigmas * sigma


def columns(path: Path, head: str, *data: Any) -> Path:
    rows = "\n".join(",".join(f"{x:.9g}" for x in row) for row in zip(*data, strict=True))
    path.write_text(f"{head}\n{rows}\n", encoding="utf-8")
    return path


def mode_power(rng: np.random.Generator, rbw_hz: float = 0.0) -> Any:
    line = filtered_lorentzian(F, F0, GAMMA, rbw_hz) if rbw_hz else lorentzian(F, F0, GAMMA)
    return (1 + HEIGHT * line) * rng.gamma(100, 0.01, len(F))


# ---- squeezing -------------------------------------------------------------------------------------------------------

SQUEEZING = ("--shot-band", "20e3", "100e3", "--shot-average", "amplitude", "--band", "43e3", "47e3")


def test_squeezing_of_a_real_recording_to_every_digit(tmp_path: Path) -> None:
    signal, shot = RECORDING / "pos_80mV_FFT1.dat", RECORDING / "shot_1100mV_25kavg.dat"
    plot = tmp_path / "s.png"
    found = analyse("squeezing", signal, "--shot", shot, *SQUEEZING, "--unit", "V", "--plot", plot)
    assert found["shot_level"]["value"] == pytest.approx(1.46328510528e-06, rel=1e-9)
    assert found["band_mean_db"]["value"] == pytest.approx(-0.665, abs=5e-4)
    assert found["minimum_db"]["frequency_hz"] == 41728.0
    assert plot.read_bytes().startswith(PNG)
    out = tmp_path / "s.csv"
    assert found == analyse("squeezing", signal, "--shot", shot, *SQUEEZING, "--out", out)
    with (RECORDING / "published_Fig_3a.csv").open(newline="") as file:
        rows = [list(row.values()) for row in csv.DictReader(file)]
        file.seek(0)
        column = next(csv.reader(file)).index("12.431454388292359")
    written = np.loadtxt(out, delimiter=",", skiprows=4)
    ours = dict(zip(np.round(written[:, 0], 3).tolist(), written[:, 1].tolist(), strict=True))
    assert len(rows) == 470
    for row in rows:
        assert ours[round(1e3 * float(row[0]), 3)] == pytest.approx(float(row[column]), abs=1e-9)


def test_squeezing_from_files_that_say_their_unit(tmp_path: Path) -> None:
    """The same recording in millivolt and kilohertz with a decimal comma, and in dBm into 50 ohm."""
    paths = {}
    for name in ("pos_80mV_FFT1", "shot_1100mV_25kavg"):
        f, v = np.loadtxt(RECORDING / f"{name}.dat").T
        text = "f [kHz];u [mV]\r\n" + "".join(f"{a / 1e3:.6f};{b * 1e3:.12e}\r\n" for a, b in zip(f, v, strict=True))
        paths[name] = tmp_path / f"{name}.csv"
        paths[name].write_text(text.replace(".", ","), encoding="latin-1")
        dbm = 10 * np.log10(v**2 / 50) + 30
        columns(tmp_path / f"{name}.dbm", "f (Hz),level (dBm)", f, dbm)
    milli = analyse("squeezing", paths["pos_80mV_FFT1"], "--shot", paths["shot_1100mV_25kavg"], *SQUEEZING)
    assert milli["shot_level"]["value"] == pytest.approx(1.46328510528e-06, rel=1e-9)
    assert milli["band_mean_db"]["value"] == pytest.approx(-0.664934566750, abs=1e-9)
    level = analyse(
        "squeezing", tmp_path / "pos_80mV_FFT1.dbm", "--shot", tmp_path / "shot_1100mV_25kavg.dbm", *SQUEEZING
    )
    assert level["shot_level"]["unit"] == "dBm"
    assert level["band_mean_db"]["value"] == pytest.approx(-0.664934566750, abs=1e-6)
    mixed = refused("squeezing", paths["pos_80mV_FFT1"], "--shot", tmp_path / "shot_1100mV_25kavg.dbm")
    assert "V" in mixed and "dBm" in mixed


def test_squeezing_refusals(tmp_path: Path) -> None:
    signal = RECORDING / "pos_80mV_FFT1.dat"
    assert "--shot" in refused("squeezing", signal, status=2)
    assert "unknown" in refused("squeezing", signal, "--shot", signal, "--unit", "mV", status=2)
    assert "picture" in refused("squeezing", signal, "--shot", signal, "--plot", tmp_path / "x.pdf", status=2)
    assert "no file" in refused("squeezing", tmp_path / "absent.csv", "--shot", signal)


# ---- mode ------------------------------------------------------------------------------------------------------------


def test_a_mode_in_every_unit(tmp_path: Path) -> None:
    power = 1e-12 * mode_power(np.random.default_rng(1))
    heads = {
        "f (Hz),psd (V^2/Hz)": power,
        "f (Hz),noise (V)": np.sqrt(power),
        "f (Hz),level (dBm)": 10 * np.log10(power / 50) + 30,
        "f (Hz),power (W)": power / 50,
        "f (Hz),noise (V/rtHz)": np.sqrt(power),
        "f (Hz),motion (pm^2/Hz)": power,
    }
    readings = []
    for head, values in heads.items():
        found = analyse("mode", columns(tmp_path / "m.csv", head, F, values))
        within(found, "f0_hz", F0)
        within(found, "gamma_hz", GAMMA)
        within(found, "peak_to_floor", HEIGHT)
        assert found["q"]["value"] == pytest.approx(found["f0_hz"]["value"] / found["gamma_hz"]["value"])
        assert not found["warnings"]
        readings.append(found["gamma_hz"]["value"])
    assert readings == pytest.approx([readings[0]] * len(readings), rel=1e-4)


def test_the_resolution_bandwidth_of_the_header_is_taken_out(tmp_path: Path) -> None:
    power = mode_power(np.random.default_rng(2), rbw_hz=30.0)
    head = "RBW,30 Hz\nY Axis Units,dBm\nf,level"
    path = columns(tmp_path / "m.csv", head, F, 10 * np.log10(power) - 100)
    found = analyse("mode", path)
    within(found, "gamma_hz", GAMMA)
    assert found["rbw_hz"] == 30.0
    bare = columns(tmp_path / "b.csv", "f,level (dBm)", F, 10 * np.log10(power) - 100)
    assert analyse("mode", bare)["gamma_hz"]["value"] > 1.05 * GAMMA
    within(analyse("mode", bare, "--rbw", "30"), "gamma_hz", GAMMA)


def test_one_of_several_modes(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    power = (1 + 20 * lorentzian(F, F0, 48.0) + 8 * lorentzian(F, F0 + 400, 60.0)) * rng.gamma(100, 0.01, len(F))
    path = columns(tmp_path / "two.csv", "f (Hz),psd (V^2/Hz)", F, power)
    strongest = analyse("mode", path, "--plot", tmp_path / "two.png")
    within(strongest, "f0_hz", F0)
    assert strongest["other_lines_hz"] == [pytest.approx(F0 + 400, abs=5)]
    assert (tmp_path / "two.png").read_bytes().startswith(PNG)
    within(analyse("mode", path, "--near", F0 + 410), "f0_hz", F0 + 400)
    within(analyse("mode", path, "--band", F0 + 200, F0 + 900), "f0_hz", F0 + 400)


def test_mode_refusals(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    flat = columns(tmp_path / "flat.csv", "f (Hz),psd (V^2/Hz)", F, rng.gamma(50, 0.02, len(F)))
    assert "no peak" in refused("mode", flat)
    few = columns(tmp_path / "few.csv", "f (Hz),psd (V^2/Hz)", F[:4], [1, 2, 3, 4])
    assert "4 points" in refused("mode", few)
    volts = columns(tmp_path / "t.csv", "t (s),u (V)", F - F[0], rng.random(len(F)))
    assert "axis in s" in refused("mode", volts)
    assert "lies outside" in refused("mode", flat, "--band", "1", "2")
    signs = columns(tmp_path / "n.csv", "f,x", F, rng.normal(1.0, 1.0, len(F)))
    assert "negative" in refused("mode", signs)
    assert "no one column" in refused("mode", flat, "--columns", "1,7")


# ---- ringdown --------------------------------------------------------------------------------------------------------


def test_ringdown_of_amplitude_and_of_decibels(tmp_path: Path) -> None:
    rng, t = np.random.default_rng(5), np.arange(0, 1.5, 1e-3)
    envelope = np.exp(-math.pi * 3.0 * t) + 0.003 * (rng.normal(size=len(t)) + 1j * rng.normal(size=len(t)))
    amplitude = columns(tmp_path / "r.csv", "Time (ms),R (mV)", 1e3 * t, np.abs(envelope))
    found = analyse("ringdown", amplitude, "--f0", "4.3e6", "--plot", tmp_path / "r.png")
    within(found, "gamma_hz", 3.0)
    assert found["q"]["value"] == pytest.approx(4.3e6 / found["gamma_hz"]["value"])
    assert found["interval_s"][0] == pytest.approx(0.0, abs=0.05) and found["interval_s"][1] > 0.4
    assert (tmp_path / "r.png").read_bytes().startswith(PNG)
    level = columns(tmp_path / "d.csv", "t (s),P (dBm)", t, 20 * np.log10(np.abs(envelope)) - 60)
    in_db = analyse("ringdown", level)
    assert in_db["gamma_hz"]["value"] == pytest.approx(found["gamma_hz"]["value"], rel=1e-3)
    assert "q" not in in_db and any("--f0" in note for note in in_db["notes"])


def test_ringdown_of_the_oscillation_itself(tmp_path: Path) -> None:
    rng, t = np.random.default_rng(6), np.arange(0, 1.0, 1e-4)
    y = np.exp(-math.pi * 3.0 * t) * np.cos(2 * math.pi * 731.3 * t) + 0.005 * rng.normal(size=len(t))
    found = analyse("ringdown", columns(tmp_path / "o.csv", "t (s),x (V)", t, y))
    within(found, "gamma_hz", 3.0)
    within(found, "f0_hz", 731.3)
    assert any("demodulated" in note for note in found["notes"])


def test_a_decay_with_two_slopes_is_said(tmp_path: Path) -> None:
    rng, t = np.random.default_rng(7), np.arange(0, 2.0, 1e-3)
    power = 0.7 * np.exp(-2 * math.pi * 8 * t) + 0.3 * np.exp(-2 * math.pi * 1.2 * t) + 1e-4
    power *= 1 + 0.01 * rng.normal(size=len(t))
    found = analyse("ringdown", columns(tmp_path / "two.csv", "t (s),P (W)", t, power))
    assert any("two slopes" in warning for warning in found["warnings"])


def test_ringdown_refusals(tmp_path: Path) -> None:
    rng, t = np.random.default_rng(8), np.arange(0, 1.0, 1e-3)
    flat = columns(tmp_path / "f.csv", "t (s),P (W)", t, rng.gamma(50, 0.02, len(t)))
    assert "labctl:" in refused("ringdown", flat)
    assert "--f0" in refused("ringdown", flat, "--f0", "-3", status=2)
    spectrum = columns(tmp_path / "s.csv", "f (Hz),P (W)", t, rng.random(len(t)))
    assert "axis in Hz" in refused("ringdown", spectrum)


# ---- scans -----------------------------------------------------------------------------------------------------------

SURVIVAL, FSR = 0.55, 299.8e9


def test_a_cavity_scanned_with_a_tuned_laser(tmp_path: Path) -> None:
    rng, nm = np.random.default_rng(9), np.linspace(1545.0, 1555.0, 1500)
    phase = math.pi * SPEED_OF_LIGHT_M_PER_S / (nm * 1e-9) / FSR
    light = 1 + 0.2 * np.sin(nm)
    airy = 1 / (1 + 4 * SURVIVAL / (1 - SURVIVAL) ** 2 * np.sin(phase) ** 2) + 0.01 * rng.normal(size=len(nm))
    scan = columns(tmp_path / "c.csv", "wavelength (nm),T (V)", nm, light * airy)
    reference = columns(tmp_path / "ref.csv", "wavelength (nm),P (V)", nm, light)
    options = ("--reference", reference, "--axis", "wavelength-nm", "--plot", tmp_path / "c.png")
    found = analyse("cavity", scan, *options)
    within(found, "fsr", FSR)
    within(found, "linewidth", float(airy_linewidth(SURVIVAL, FSR)))
    within(found, "finesse", float(airy_finesse(SURVIVAL)))
    within(found, "length_m", SPEED_OF_LIGHT_M_PER_S / (2 * FSR))
    assert (tmp_path / "c.png").read_bytes().startswith(PNG)
    thz = columns(tmp_path / "f.csv", "f (THz),T (V)", 1e-12 * SPEED_OF_LIGHT_M_PER_S / (nm * 1e-9), airy)
    within(analyse("cavity", thz, "--axis", "frequency-hz"), "fsr", FSR)


def test_a_cavity_scanned_with_a_piezo_has_no_length(tmp_path: Path) -> None:
    rng, volts = np.random.default_rng(10), np.linspace(0.0, 100.0, 1500)
    phase = math.pi * (volts / 30.0 + 3e-4 * (volts - 50) ** 2 / 30)
    airy = 1 / (1 + 4 * SURVIVAL / (1 - SURVIVAL) ** 2 * np.sin(phase) ** 2) + 0.01 * rng.normal(size=len(volts))
    path = columns(tmp_path / "p.csv", "ramp (V),trans (mV)", volts, 100 * airy)
    found = analyse("cavity", path, "--axis", "volt")
    within(found, "fsr", 30.0)
    assert found["fsr"]["unit"] == found["linewidth"]["unit"] == "V" and "length_m" not in found
    within(found, "finesse", float(airy_finesse(SURVIVAL)))
    assert "axis in V" in refused("cavity", path, "--axis", "second")
    assert "unknown" in refused("cavity", path, "--axis", "metres", status=2)
    assert "--sidebands" in refused("cavity", path, "--axis", "volt", "--sidebands", "0", status=2)


def test_a_fringe_on_a_ramp_there_and_back(tmp_path: Path) -> None:
    rng, t = np.random.default_rng(11), np.linspace(0, 0.1, 2000)
    ramp = np.where(t < 0.05, 2000 * t, 200 - 2000 * t)
    signal = 0.5 + 0.4 * np.cos(2 * math.pi * ramp / 37.0) + 0.01 * rng.normal(size=len(t))
    path = columns(
        tmp_path / "f.csv", "Time,Ramp,PD\n(s),(V),(mV)", t, ramp + 0.05 * rng.normal(size=len(t)), 1e3 * signal
    )
    found = analyse("fringe", path, "--plot", tmp_path / "f.png")
    assert found["v_pi"]["value"] == pytest.approx(18.5, rel=0.01) and found["v_pi"]["unit"] == "V"
    assert found["contrast"]["value"] == pytest.approx(0.8, rel=0.02)
    assert found["amplitude"]["value"] == pytest.approx(0.4, rel=0.02)
    assert any("turns round" in note for note in found["notes"])
    assert (tmp_path / "f.png").read_bytes().startswith(PNG)
    flat = columns(tmp_path / "n.csv", "V,PD", np.arange(500.0), rng.normal(size=500))
    assert "labctl:" in refused("fringe", flat)


# ---- shot noise against power, density of a record -------------------------------------------------------------------


def test_shot_noise_against_light(tmp_path: Path) -> None:
    rng, light = np.random.default_rng(12), np.array([0, 0, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3])
    power = (1e-13 + 2e-12 * light) * rng.gamma(1e5, 1e-5, len(light))
    path = columns(tmp_path / "l.csv", "P (mW),noise (V)", light, np.sqrt(power))
    found = analyse("shot-linearity", path, "--plot", tmp_path / "l.png")
    within(found, "exponent", 1.0)
    assert found["raw_exponent"]["value"] < 0.97 and found["linear"] is True
    assert any("2 rows without light" in note for note in found["notes"])
    assert (tmp_path / "l.png").read_bytes().startswith(PNG)
    lit = columns(tmp_path / "k.csv", "P (mW),noise (V)", light[2:], np.sqrt(power[2:]))
    given = analyse("shot-linearity", lit, "--dark", f"{math.sqrt(1e-13)}")
    assert given["exponent"]["value"] == pytest.approx(found["exponent"]["value"], abs=0.01)
    without = analyse("shot-linearity", lit)
    assert without["exponent"]["value"] == without["raw_exponent"]["value"]
    assert any("dark noise was not given" in warning for warning in without["warnings"])
    few = columns(tmp_path / "few.csv", "P (mW),noise (V)", light[2:4], np.sqrt(power[2:4]))
    assert "4 light levels" in refused("shot-linearity", few)


def test_density_of_a_record(tmp_path: Path) -> None:
    rng, rate = np.random.default_rng(13), 1e5
    noise = 1e-3 * rng.normal(size=20000)
    path = tmp_path / "record.txt"
    np.savetxt(path, noise, header="ADC (V)")
    found = analyse("psd", path, "--rate", rate, "--out", tmp_path / "p.csv", "--plot", tmp_path / "p.png")
    within(found, "band_mean", 1e-6 / (rate / 2))  # white: variance over half the rate
    assert found["rms"]["value"] == pytest.approx(float(np.std(noise)))
    written = np.loadtxt(tmp_path / "p.csv", delimiter=",", skiprows=2)
    assert len(written) > 1000 and written[:, 1].mean() == pytest.approx(found["band_mean"]["value"], rel=1e-6)
    assert (tmp_path / "p.png").read_bytes().startswith(PNG)
    t = np.arange(20000) / rate
    tone = noise + 0.01 * np.sin(2 * math.pi * 12.5e3 * t)
    timed = columns(tmp_path / "t.csv", "t (ms),u (mV)", 1e3 * t, 1e3 * tone)
    by_time = analyse("psd", timed)
    assert by_time["rate_hz"] == pytest.approx(rate) and by_time["peak_hz"]["value"] == pytest.approx(12.5e3, abs=40)
    quiet = analyse("psd", timed, "--band", "2e4", "4e4")
    within(quiet, "band_mean", 2e-11)
    assert "--rate" in refused("psd", path, status=2)
    assert "its own axis" in refused("psd", timed, "--rate", "5e4")
    uneven = columns(tmp_path / "u.csv", "t (s),u (V)", np.cumsum(rng.random(500)), rng.random(500))
    assert "not evenly sampled" in refused("psd", uneven)


def test_nothing_is_written_over_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "record.csv"
    np.savetxt(path, np.random.default_rng(14).normal(size=1000))
    before = path.read_bytes()
    assert "is one of the recordings" in refused("psd", path, "--rate", "1e3", "--out", path)
    assert path.read_bytes() == before


# ---- labctl's own runs -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with signal, shot and dark noise of a sensor with one mode."""
    manifest = Manifest("20260102-030405-0001", "2026-01-02T03:04:05+00:00", "test", "", "table", "", "simulated")
    writer = RunWriter.create(tmp_path_factory.mktemp("runs"), manifest)
    rng = np.random.default_rng(15)
    conventions: dict[str, float | str] = {"rbw_hz": 10.0, "enbw_hz": 10.645, "vbw_hz": 100.0, "filter": "gaussian"}
    conventions |= {"detector": "sample", "averaging": "power", "averages": 400, "effective_averages": 400.0}
    line = filtered_lorentzian(F, F0, GAMMA, 10.0)
    levels = {"signal": 0.8 + 5 * line + 0.01, "shot": 1.01 + 0 * line, "dark": 0.01 + 0 * line}
    for kind, level in levels.items():
        dbm = 10 * np.log10(level * rng.gamma(400, 1 / 400, len(F))) - 80
        writer.add_trace(
            TraceRecord(f"sensor1.{kind}", "step", "frequency", "Hz", "dBm", F, dbm, conventions, True, "", 0.0, 1.0)
        )
    matrix = np.ones((4, len(F)), dtype=np.complex128)
    writer.add_trace(
        TraceRecord("joint.matrix", "step", "frequency", "Hz", "V^2/Hz", F, matrix, conventions, True, "", 0.0, 1.0)
    )
    writer.finish(RunState.COMPLETE, "", "1 of 1 steps")
    folder = writer.path
    writer.close()
    return folder


def test_a_mode_and_squeezing_of_a_run(run_folder: Path, tmp_path: Path) -> None:
    """Shot and dark noise beside the signal are found, and the run's conventions are used."""
    found = analyse("mode", run_folder / "sensor1.signal", "--plot", tmp_path / "m.png")
    within(found, "gamma_hz", GAMMA)
    within(found, "peak_to_shot", 5.0)
    within(found, "floor", 0.8)
    assert found["rbw_hz"] == 10.0 and found["p_value"] > 1e-4
    assert (tmp_path / "m.png").read_bytes().startswith(PNG)
    squeezing = analyse("squeezing", run_folder / "sensor1.signal", "--band", F0 + 600, F0 + 990)
    assert squeezing["band_mean_db"]["value"] == pytest.approx(10 * math.log10(0.8), abs=0.05)
    assert squeezing["shot_level"]["unit"] == "dBm"


def test_a_run_is_found_by_its_id_or_as_the_last(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (run_folder.parent.parent / "runs").symlink_to(run_folder.parent)
    monkeypatch.chdir(run_folder.parent.parent)
    for name in ("last/sensor1.signal", "20260102/sensor1.signal"):
        within(analyse("mode", name), "gamma_hz", GAMMA)
    assert "sensor1.shot" in refused("mode", "last")


def test_traces_that_do_not_fit_are_refused(run_folder: Path) -> None:
    assert "several traces: joint.matrix, sensor1.dark" in refused("mode", run_folder)
    assert "no trace" in refused("mode", run_folder / "sensor9.signal")
    assert "matrices" in refused("mode", run_folder / "joint.matrix")
    assert "axis in Hz" in refused("ringdown", run_folder / "sensor1.signal")
