"""`labctl simulate`: what it prints, what it writes, how it ends, and a run of another process on the served table."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from in_process import run_labctl

from labctl.cli import main
from labctl.configuration.templates import template_directory
from labctl.configuration.toml_reading import load_station
from labctl.errors import ConnectionLost
from labctl.station.bring_up import ask_instruments, link_to
from labctl.store.reader import RunReader

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no pseudo terminals there")

LABCTL = [sys.executable, "-m", "labctl"]
PATIENCE_S = 30.0


@dataclass
class Served:
    """A running `labctl simulate`, and what it printed about itself."""

    process: subprocess.Popen[str]
    said: dict[str, Any]

    def address(self, name: str) -> str:
        return str(self.said["instruments"][name]["address"])

    def connect(self, name: str) -> socket.socket:
        _, host, port, _ = self.address(name).split("::")
        return socket.create_connection((host, int(port)), timeout=5.0)

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; return exit status and what was said on stderr."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, errors


@contextmanager
def simulate(*arguments: object) -> Iterator[Served]:
    command = [*LABCTL, "simulate", "--json", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    watchdog = threading.Timer(PATIENCE_S, process.kill)
    watchdog.start()
    try:
        line = process.stdout.readline()
        watchdog.cancel()
        assert line, process.communicate()[1]
        yield Served(process, json.loads(line))
    finally:
        watchdog.cancel()
        if process.poll() is None:
            process.kill()
        process.communicate()


Refused = Callable[..., str]


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Return a runner of `labctl simulate` in this process, for what it refuses; it returns what the operator reads."""

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["labctl", "simulate", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        return printed.err

    return run


def listening(process: int) -> set[str]:
    """Return the addresses of the sockets of a process that wait for others, as the kernel writes them."""
    own = {str(link.readlink()) for link in Path(f"/proc/{process}/fd").iterdir() if link.is_symlink()}
    found = set()
    for protocol, waiting in (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")):
        for line in Path(f"/proc/{process}/net/{protocol}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == waiting and f"socket:[{fields[9]}]" in own:
                found.add(fields[1])
    return found


def test_json_names_every_instrument_and_where_it_answers() -> None:
    station = load_station(template_directory() / "simulated.toml")
    with simulate("--seed", 7, "--scenario", "ideal", "--speed", 2) as served:
        assert served.said["station"] == "simulated table"
        assert (served.said["seed"], served.said["scenario"], served.said["speed"]) == (7, "ideal", 2.0)
        assert served.said["station_file"] is None
        assert list(served.said["instruments"]) == list(station.instruments)
        for name, instrument in station.instruments.items():
            told = served.said["instruments"][name]
            assert (told["driver"], told["model"]) == (instrument.driver, instrument.model)
            assert re.fullmatch(r"TCPIP::127\.0\.0\.1::\d+::SOCKET|ASRL/dev/.+::INSTR", told["address"])
        with served.connect("analyzer") as link:
            link.sendall(b"*IDN?\n")
            assert b"N9020A" in link.recv(1000)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the kernel's tables")
def test_it_listens_on_loopback_only() -> None:
    with simulate() as served:
        found = listening(served.process.pid)
    assert len(found) == 10
    assert {address.split(":")[0] for address in found} == {"0100007F"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(number: int) -> None:
    with simulate() as served, served.connect("scan") as link:
        link.sendall(b"ACQ:SOUR1:DATA?\r\n")
        device = Path(served.address("servos").removeprefix("ASRL").removesuffix("::INSTR"))
        assert device.exists()
        status, errors = served.end(number)
        assert (status, errors) == (0, "")
        assert not device.exists()
        with pytest.raises(ConnectionRefusedError):
            served.connect("analyzer")
        link.settimeout(5.0)
        try:
            while link.recv(1 << 16):
                pass  # up to its end
        except ConnectionResetError:
            pass


def test_without_json_it_prints_a_table_that_people_read() -> None:
    process = subprocess.Popen([*LABCTL, "simulate", "--speed", "60"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C ends" in line:
            break
    process.terminate()
    assert process.wait(PATIENCE_S) == 0
    process.stdout.close()
    text = "".join(lines)
    assert "Serving 18 instruments, lab time runs 60 times as fast as real time." in text
    for words in ("analyzer", "N9020A", "TCPIP::127.0.0.1::", "::SOCKET", "MDT693B", "ASRL/dev/", "::INSTR"):
        assert words in text


def test_a_station_of_real_instruments_is_served_by_their_twins(tmp_path: Path) -> None:
    path = tmp_path / "served.toml"
    with simulate(template_directory() / "table.toml", "--speed", 60, "--write-station", path) as served:
        assert served.said["station"] == "table"
        assert served.said["station_file"] == str(path)
        answered = run_labctl("instruments", path)
    assert answered.returncode == 0, answered.stdout + answered.stderr
    for word in ("N9020A", "8742", "SIM900", "MDT693B", "1091", "REDPITAYA"):
        assert word in answered.stdout
    assert "NO ANSWER" not in answered.stdout
    assert load_station(path).instruments["analyzer"].address == served.address("analyzer")


def test_an_instrument_that_is_missing_is_missing_for_the_other_process(tmp_path: Path) -> None:
    station, path = tmp_path / "station.toml", tmp_path / "served.toml"
    station.write_text(
        f'extends = "{template_directory() / "simulated.toml"}"\n[backend]\n'
        'faults = [{ instrument = "analyzer", kind = "missing" }, { instrument = "oven", kind = "missing" }]\n'
    )
    with simulate(station, "--speed", 60, "--write-station", path):
        served = load_station(path)
        answers = ask_instruments(served, link_to(served))
    for name, answer in answers.items():
        if answer.driver is not None:
            answer.driver.close()
        if name in ("analyzer", "oven"):
            assert isinstance(answer.error, ConnectionLost), name
            assert name in str(answer.error) and served.instruments[name].address in str(answer.error)
        else:
            assert answer.error is None and answer.identity is not None, name


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--scenario", "doom"), "There is no scenario 'doom'. There are ideal, delays, jitter and loss."),
        (("--speed", "0"), "--speed 0 is not above 0."),
        (("--interface", ""), "--interface is empty."),
        (("--port-base", "65530"), "Ports 65530 to 65547 do not exist."),
        (("no-such-station.toml",), "no-such-station.toml"),
    ],
)
def test_what_cannot_be_is_one_sentence(arguments: tuple[str, ...], words: str, refused: Refused) -> None:
    assert words in refused(*arguments)


def test_it_never_overwrites_the_station_that_it_serves(tmp_path: Path, refused: Refused) -> None:
    station = tmp_path / "station.toml"
    text = f'extends = "{template_directory() / "simulated.toml"}"\n'
    station.write_text(text)
    assert "was not written by labctl simulate" in refused(str(station), "--write-station", str(station))
    assert station.read_text() == text


def test_another_process_measures_on_the_served_table(tmp_path: Path) -> None:
    """The reduced form: dark and shot noise of every detector, over sockets and serial ports."""
    path, runs = tmp_path / "served.toml", tmp_path / "runs"
    with simulate("--speed", 60, "--write-station", path) as served:
        done = run_labctl("run", "noise_floor", "--station", path, "--runs", runs)
        assert done.returncode == 0, done.stdout + done.stderr
        assert served.end() == (0, "")
    assert "Run complete, 1 of 1 steps." in done.stdout
    (run,) = [folder for folder in runs.iterdir() if folder.is_dir()]
    reader = RunReader(run)
    assert reader.manifest.backend == "visa"
    clearances = [result for name, result in reader.results().items() if "clearance" in name]
    assert len(clearances) >= 4
    assert all(result.value > 3 and result.sigma > 0 for result in clearances)


@pytest.mark.slow
def test_another_process_brings_the_served_table_from_cold_to_locked(tmp_path: Path) -> None:
    path, runs = tmp_path / "served.toml", tmp_path / "runs"
    with simulate("--speed", 60, "--write-station", path) as served:
        arguments = ("lock_homodyne", "sensor=1", "--from-cold", "--station", path, "--runs", runs)
        done = run_labctl("run", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert served.end() == (0, "")
    assert "Run complete, 3 of 3 steps." in done.stdout
    (run,) = [folder for folder in runs.iterdir() if folder.is_dir()]
    visibility = RunReader(run).results()["sensor1.visibility"]
    assert 0.9 < visibility.value <= 1.0
