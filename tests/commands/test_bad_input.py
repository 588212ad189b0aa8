"""What the operator reads when something is wrong: one message with the remedy, and nothing is half done."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from in_process import run_labctl as labctl

from labctl.store.reader import RunReader
from labctl.store.records import RunState

SLOW = re.compile(r'procedure = "(noise_floor|individual_spectrum|source_squeezing)"')  # and not needed by the others
StationMaker = Callable[[str], Path]


def fault(instrument: str, kind: str, after: str = "0 s") -> str:
    return f'[backend]\nfaults = [{{ instrument = "{instrument}", kind = "{kind}", after = "{after}" }}]\n'


@pytest.mark.parametrize(
    ("instrument", "kind", "words"),
    [
        ("oven", "missing", ["oven: cannot be reached", "cabled"]),
        ("analyzer", "wrong_model", ["analyzer: expected a N9020A", "found ACME", "station file"]),
        ("piezo_b", "silent", ["piezo_b: did not answer in time", "switched on"]),
        ("servos", "garbage", ["servos: answered bytes that are no text", "baud rate"]),
    ],
)
def test_an_instrument_that_fails_at_the_start_is_named(
    station_with: StationMaker, tmp_path: Path, instrument: str, kind: str, words: list[str]
) -> None:
    done = labctl("overnight", station_with(fault(instrument, kind)), "--runs", tmp_path / "runs")
    assert done.returncode == 1
    for word in ["1 of 18 instruments did not open; nothing was moved", *words]:
        assert word in done.stderr
    assert not (tmp_path / "runs").exists()


def test_an_instrument_that_dies_in_the_night_fails_what_needs_it_and_nothing_else(
    station_with: StationMaker, short_recipe: Path, tmp_path: Path
) -> None:
    station, recipe = station_with(fault("analyzer", "silent", after="60 s")), tmp_path / "recipe.toml"
    steps = re.split(r"(?=\[\[step)", short_recipe.read_text(encoding="utf-8"))
    recipe.write_text("".join(step for step in steps if not SLOW.search(step)), encoding="utf-8")
    done = labctl("overnight", station, "--recipe", recipe, "--runs", tmp_path / "runs", "--no-report")
    assert done.returncode == 1
    assert "analyzer: did not answer in time" in done.stdout
    assert "NOT SAFE: analyzer could not be made safe" in done.stdout
    (run,) = [path for path in (tmp_path / "runs").iterdir() if path.is_dir()]
    reader = RunReader(run)
    assert reader.state is RunState.FAILED and "analyzer" in reader.reason
    assert "joint.digital_db" in reader.results()
    assert "joint.raw_db" not in reader.results()


def test_check_names_every_fault_at_once(station_with: StationMaker) -> None:
    station = station_with(
        'colour = "red"\n[analyzer]\nlongest_sweep = "10 V"\n[loops.lo1]\nunity_gain = "-3 kHz"\n'
        'servo = { instrument = "servos", slot = 4 }\n'
    )
    done = labctl("check", station)
    assert done.returncode == 2
    for words in ("colour: is not a known key", '"10 V" is a voltage, not a duration', '"-3 kHz" is too low'):
        assert words in done.stderr
    assert "3 faults." in done.stderr


def test_two_loops_on_one_servo_slot_are_refused(station_with: StationMaker, tmp_path: Path) -> None:
    station = station_with('[loops.lo1]\nservo = { instrument = "servos", slot = 4 }\n')
    done = labctl("overnight", station, "--runs", tmp_path / "runs")
    assert done.returncode == 2
    assert "lo1" in done.stderr and "lo2" in done.stderr and "slot" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_negative_bandwidth_in_a_recipe_is_refused_before_anything_moves(short_recipe: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(short_recipe.read_text().replace("averages = 400", "averages = 400, rbw = -10.0"))
    for done in (labctl("check", recipe), labctl("overnight", "--recipe", recipe, "--runs", tmp_path / "runs")):
        assert done.returncode == 2
        assert "rbw = -10.0 is not allowed; allowed: 1 to 8e+06 Hz" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_sweep_of_days_is_refused_with_the_arithmetic(tmp_path: Path) -> None:
    done = labctl("run", "noise_floor", "span=2e4", "rbw=10", "vbw=1", "averages=10000", "--runs", tmp_path)
    assert done.returncode == 1
    assert "more than the 1.0 h" in done.stdout and "longest_sweep" in done.stdout


def test_a_run_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    done = labctl("overnight", "--runs", in_the_way / "runs")
    assert done.returncode == 1
    assert str(in_the_way) in done.stderr
    assert in_the_way.read_text() == ""


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limit there")
def test_a_full_disk_ends_the_run_truthfully_and_keeps_what_there_is(short_recipe: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk: writes beyond it fail in the middle of the night."""
    script = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "sys.argv = ['labctl', 'overnight', '--recipe', sys.argv[1], '--runs', sys.argv[2], '--no-report']\n"
        "from labctl.cli import main\nmain()\n"
    )
    command = [sys.executable, "-c", script, str(short_recipe), str(tmp_path / "runs")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert str(tmp_path / "runs") in done.stderr
    (run,) = [path for path in (tmp_path / "runs").iterdir() if path.is_dir()]
    reader = RunReader(run)
    assert reader.state is RunState.FAILED
    assert {"sensor1.dark_floor"} <= {trace.name for trace in reader.traces()}
    assert len(reader.trace("sensor1.dark_floor").values) == 561


def test_unknown_names_are_answered_with_the_known_ones(tmp_path: Path) -> None:
    assert "There are warm_oven" in labctl("run", "make_coffee").stderr
    assert "sensor" in labctl("run", "lock_homodyne", "senor=2").stderr
    assert "delays" in labctl("overnight", "--scenario", "sunshine").stderr
    assert "nothing" in labctl("show", "yesterday", "--runs", tmp_path).stderr
    assert labctl("check", tmp_path / "none.toml").returncode == 2
    assert labctl("nonsense").returncode == 2


def test_init_copies_the_files_once(tmp_path: Path) -> None:
    assert labctl("init", tmp_path / "mine").returncode == 0
    assert labctl("check", *sorted((tmp_path / "mine").glob("*.toml"))).returncode == 0
    again = labctl("init", tmp_path / "mine")
    assert again.returncode == 2 and "table.toml" in again.stderr


def test_a_second_dead_instrument_does_not_end_the_night_of_the_first(
    station_with: StationMaker, short_recipe: Path, tmp_path: Path
) -> None:
    """One comes back and calls for high voltage while a piezo driver stays away: what needs neither still runs."""
    faults = (
        '{ instrument = "scan", kind = "power_cycle", after = "686 s", lasting = "8 s" }, '
        '{ instrument = "piezo_b", kind = "silent", after = "686 s" }'
    )
    station = station_with(f"[backend]\nfaults = [{faults}]\n")
    done = labctl("overnight", station, "--recipe", short_recipe, "--runs", tmp_path / "runs", "--no-report")
    assert done.returncode == 1
    assert "of 15 steps" in done.stdout and "lock_homodyne.1" in done.stdout
    assert "NOT SAFE: piezo" in done.stdout
    (run,) = [path for path in (tmp_path / "runs").iterdir() if path.is_dir()]
    reader = RunReader(run)
    assert reader.state is RunState.FAILED
    assert any(event.source == "revival" and "piezo_b" in event.text for event in reader.events())
