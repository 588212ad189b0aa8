"""A station whose first homodyne loop labctl closes itself, from the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from in_process import run_labctl

STATION = """
[loops.lo1]
unity_gain = "3 Hz"

[loops.lo1.servo]
kind = "software"
input = { kind = "monitor", name = "lo1" }
output = { kind = "slow_output", instrument = "scan", pin = "AOUT0", offset = "0.9 V", gain = 5.0 }
rate = "50 Hz"
"""


def test_it_is_checked_and_its_instruments_answer(station_with: Callable[[str], Path]) -> None:
    good = run_labctl("check", station_with(STATION))
    assert (good.returncode, good.stdout.strip()) == (0, "No faults.")
    listed = run_labctl("instruments", station_with(STATION))
    assert listed.returncode == 0
    assert "STEMlab 125-14" in listed.stdout
    bad = run_labctl("check", station_with(STATION.replace("3 Hz", "3 kHz").replace("AOUT0", "DIO0")))
    assert bad.returncode == 2
    assert 'loops.lo1.servo.output.pin: "DIO0" is not one of the choices; allowed: "AOUT0"' in bad.stderr


@pytest.mark.slow
def test_it_locks_and_says_that_it_ends_with_the_program(
    station_with: Callable[[str], Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ran = run_labctl("run", "lock_homodyne", "sensor=1", "--station", station_with(STATION), "--runs", tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "Run complete, 3 of 3 steps." in ran.stdout
    assert "lo1: its servo is this program, which ends: the output stays where it is." in caplog.text
    shown = run_labctl("show", "last", "--runs", tmp_path)
    assert "sensor1.lock_residual_rad" in shown.stdout
