"""The smaller commands."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from in_process import run_labctl

from labctl.commands.nights import _needed_by
from labctl.commands.stations import default_station
from labctl.configuration.templates import template_directory
from labctl.configuration.toml_reading import load_recipe, load_station
from procedures.catalogue import known_procedures

RECORDING = Path(__file__).parent.parent / "data" / "squeezing_aggarwal2020"


def labctl(*arguments: object) -> str:
    done = run_labctl(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_analyse_squeezing_gives_the_published_level_of_a_real_recording() -> None:
    output = labctl(
        *("analyse", "squeezing", RECORDING / "pos_80mV_FFT1.dat", "--shot", RECORDING / "shot_1100mV_25kavg.dat"),
        *(
            "--shot-band",
            "20e3",
            "100e3",
            "--shot-average",
            "amplitude",
            "--band",
            "43e3",
            "47e3",
            "--unit",
            "V",
            "--json",
        ),
    )
    found = json.loads(output)
    assert found["shot_level"]["value"] == pytest.approx(1.46328510528e-06, rel=1e-9)
    assert found["band_mean_db"]["value"] == pytest.approx(-0.665, abs=5e-4)
    assert found["shot_level"]["sigma"] > 0 and found["band_mean_db"]["sigma"] > 0


def test_analyse_without_bands_takes_the_whole_axis(tmp_path: Path) -> None:
    text = "\n".join(f"{f} {1e-6 * (1 + 0.01 * (f % 7))}" for f in range(0, 40000, 100))
    for name in ("signal.txt", "shot.txt"):
        (tmp_path / name).write_text(text)
    output = labctl(
        "analyse", "squeezing", tmp_path / "signal.txt", "--shot", tmp_path / "shot.txt", "--out", tmp_path / "o.csv"
    )
    assert "band mean" in output and "100 to 39900 Hz" in output
    assert len((tmp_path / "o.csv").read_text().splitlines()) > 390


def test_instruments_lists_who_answered() -> None:
    output = labctl("instruments")
    for word in ("N9020A", "8742", "SIM900", "MDT693B", "1091", "REDPITAYA"):
        assert word in output


def test_a_single_procedure_runs_what_it_needs_on_a_cold_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, waits = re.subn("soak = [0-9.]+", "soak = 0.0", (template_directory() / "overnight.toml").read_text())
    assert waits == 1  # five hours of lab time, which show nothing here
    (tmp_path / "overnight.toml").write_text(recipe)
    monkeypatch.setattr("labctl.commands.nights.template_directory", lambda: tmp_path)
    output = labctl("run", "lock_source", "--runs", tmp_path)
    assert "Run complete, 2 of 2 steps." in output
    for needed in ("warm_oven", "lock_source"):
        assert needed in output
    assert "oven.temperature_c" in labctl("show", "last", "--runs", tmp_path)
    assert "complete" in labctl("runs", "--runs", tmp_path)


def test_what_a_procedure_needs_is_brought_for_its_sensor_alone() -> None:
    file = load_station(default_station())
    recipe = load_recipe(template_directory() / "overnight.toml", known_procedures())
    needed = _needed_by(recipe, file, "lock_homodyne", 3)
    assert [step.procedure for step in needed] == [
        "warm_oven",
        "lock_source",
        "network_weights",
        "extraction_efficiency",
    ]
    assert needed[-1].parameters["sensor"] == 3


def test_help_needs_no_numpy() -> None:
    """Help must answer at once, so the commands import what they need only when they run."""
    script = "import sys; sys.argv = ['labctl', '--help']\nfrom labctl.cli import main\n"
    script += "try:\n main()\nexcept SystemExit: pass\n"
    script += "print([m for m in ('numpy', 'scipy', 'pyvisa', 'pymeasure', 'h5py', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_talk_sends_questions_and_asks_before_anything_else(tmp_path: Path) -> None:
    log = tmp_path / "traffic.log"
    assert "3.000000000000E+06" in labctl("talk", "analyzer", "BAND?", "--log", log)
    assert "> BAND?" in log.read_text()
    refused = run_labctl("talk", "analyzer", "BAND 10")
    assert refused.returncode == 1 and "Add --write" in refused.stderr
    labctl("talk", "analyzer", "BAND 10", "--write")
