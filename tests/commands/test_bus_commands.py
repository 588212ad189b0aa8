"""The commands around the bus, as somebody at a terminal uses them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from in_process import Done, run_labctl

from labctl.bus.client import BusClient, CoreAddress
from labctl.bus.messages import ChannelRow, EventRow
from labctl.bus.names import TABLES
from labctl.configuration.templates import template_directory
from labctl.configuration.toml_reading import load_station
from labctl.core import serving
from labctl.core.card import cards
from labctl.core.core import Core
from labctl.store.catalogue import Catalogue
from labctl.store.records import NamedResult
from procedures.night import table_in_use

PATIENCE_S = 20.0


@pytest.fixture(autouse=True, scope="module")
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No card of any other core is seen, and no other program sees ours."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patched.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patched.setattr(serving, "write_report_aside", lambda run, say: None)
        yield


def wait_until(what: Callable[[], object]) -> None:
    pause = threading.Event()
    for _ in range(int(PATIENCE_S / 0.02)):
        if what():
            return
        pause.wait(0.02)
    raise AssertionError(f"it did not come about within {PATIENCE_S:g} s")


@dataclass
class Operator:
    """Does something while `labctl serve` runs in this process, then ends it with a signal, as systemd would."""

    act: Callable[[CoreAddress], None]
    faults: list[BaseException] = field(default_factory=list)

    def __call__(self) -> None:
        try:
            wait_until(cards)
            card = cards()[0]
            self.act(CoreAddress(card.host, card.port, card.prefix))
        except BaseException as fault:
            self.faults.append(fault)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)


def serve(act: Callable[[CoreAddress], None], *arguments: object) -> Done:
    """Run `labctl serve` until `act` is done, and return what it said."""
    operator = Operator(act)
    thread = threading.Thread(target=operator)
    kept = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # should it end before the signal comes
    thread.start()
    try:
        done = run_labctl("serve", "--port", 0, "--speed", 200, *arguments)
    finally:
        thread.join()
        signal.signal(signal.SIGTERM, kept)
    if operator.faults:
        raise operator.faults[0]
    return done


# ---- what is shown of a core ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    """A core on a table that stands still."""
    file = load_station(template_directory() / "simulated.toml")
    file = file.model_copy(update={"bus": file.bus.model_copy(update={"port": 0})})
    with table_in_use(file, 1.0) as table, serving.on_the_bus(table, tmp_path_factory.mktemp("runs")) as core:
        core.board.result_added(NamedResult("joint.rephased_db", -5.25, 0.125, "dB", "below shot noise", "joint"))
        wait_until(lambda: core.bench.clock.now() >= 0.0)
        yield core


def test_the_cores_of_this_machine_are_told(core: Core) -> None:
    assert run_labctl("bus").stdout == f"127.0.0.1:{core.port}/labctl\n"


def test_every_channel_is_one_line_as_it_is_called(core: Core) -> None:
    lines = run_labctl("bus", "--list").stdout.splitlines()
    assert lines[0] == f"# 127.0.0.1:{core.port}/labctl"
    assert all(line.startswith("labctl:") for line in lines[1:])
    by_name = {line.split()[0]: line for line in lines[1:]}
    assert f"labctl:{TABLES[ChannelRow]}" in by_name  # no emoji of ":bus:"
    assert re.search(r"labctl:lo1:error +scalar +rad +error of lo1$", by_name["labctl:lo1:error"])
    assert "command" in by_name["labctl:command:stop"]
    assert len({line.index(" scalar ") for line in lines if " scalar " in line}) == 1


def test_an_archiver_is_told_numbers_and_states(core: Core) -> None:
    kept = json.loads(run_labctl("bus", "--archiver", "--connect", f"127.0.0.1:{core.port}").stdout)
    assert {"pv": "pva://labctl:lo1:state", "samplingperiod": "1.0", "samplingmethod": "MONITOR"} in kept
    names = [entry["pv"] for entry in kept]
    assert "pva://labctl:oven:value" in names or "pva://labctl:lo1:error" in names
    assert not [name for name in names if "heartbeat" in name or ":list" in name or ":command:" in name]
    assert len(set(names)) == len(names)


def test_values_are_printed_once(core: Core) -> None:
    done = run_labctl("watch", "labctl:lo1:*", "--once", "--connect", f"127.0.0.1:{core.port}/labctl")
    assert done.returncode == 0
    lines = dict(line.split("  ", 2)[1:] for line in done.stdout.splitlines())
    assert lines["labctl:lo1:state"] == "off"
    assert lines["labctl:lo1:error"].startswith("nan rad")
    assert re.match(r"\d\d:\d\d:\d\d\.\d{3}  ", done.stdout) or done.stdout.startswith("--:--:--.---")
    result = run_labctl("watch", "*rephased*", "--once").stdout
    assert "labctl:joint:rephased_db  -5.25 dB" in result
    assert "labctl:joint:rephased_db_sigma  0.125 dB" in result


def test_a_pattern_that_fits_nothing_is_told(core: Core) -> None:
    done = run_labctl("watch", "lo1:*", "--once")
    assert done.returncode == 1
    assert "No value of a core fits 'lo1:*'; labctl bus --list shows what there is." in done.stdout


def test_the_heartbeat_is_printed_where_it_is_asked_for(core: Core) -> None:
    assert "heartbeat" not in run_labctl("watch", "labctl:core:*", "--once").stdout
    assert "heartbeat" in run_labctl("watch", "*:heartbeat", "--once").stdout


def test_values_are_printed_until_a_signal(core: Core) -> None:
    def change() -> None:
        threading.Event().wait(1.0)
        core.stop("smoke", "somebody")
        threading.Event().wait(0.5)
        core.reset("looked", "somebody")
        threading.Event().wait(0.5)
        os.kill(os.getpid(), signal.SIGINT)

    operator = threading.Thread(target=change)
    operator.start()
    done = run_labctl("watch", "labctl:core:stop")
    operator.join()
    assert done.returncode == 0
    told = [line.split("  ", 2)[2] for line in done.stdout.splitlines()]
    assert told == ["released", "stopped  MAJOR somebody: smoke", "released"]


# ---- errors ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.mark.parametrize("arguments", [("bus",), ("bus", "--list"), ("watch", "--once")])
def test_without_a_core_it_is_said_what_to_do(no_core: None, arguments: tuple[str, ...]) -> None:
    done = run_labctl(*arguments)
    assert done.returncode == 1
    assert done.stderr == (
        "labctl: No core runs on this machine. Start one with labctl serve, or name one with --connect.\n"
    )


@pytest.mark.parametrize("address", ["", ":5075", "host:port", "host:0", "host:99999"])
def test_an_address_that_is_none_is_one_error(no_core: None, address: str) -> None:
    done = run_labctl("bus", "--list", "--connect", address)
    assert done.returncode == 1
    assert "is no address of a core. Write HOST, HOST:PORT or HOST:PORT/PREFIX." in done.stderr


def test_a_core_that_does_not_answer_is_one_error(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BusClient.get, "__defaults__", (0.3,))
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        for address in (f"127.0.0.1:{deaf.getsockname()[1]}", f"127.0.0.1:{core.port}/other"):
            done = run_labctl("watch", "--once", "--connect", address)
            assert done.returncode == 1
            assert "There is no " in done.stderr
            assert "labctl serve" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--interface", "nonsense"), 2, "'nonsense' is no address to listen on"),
        (("--interface", "192.0.2.7"), 1, "The bus cannot listen on 192.0.2.7"),
        (("--port", "70000"), 2, "--port"),
        (("--speed", "0"), 2, "--speed"),
        (("--scenario", "dream"), 2, "There is no scenario 'dream'"),
    ],
)
def test_what_cannot_be_served_is_one_error(
    tmp_path: Path, arguments: tuple[str, ...], status: int, words: str
) -> None:
    done = run_labctl("serve", "--port", "0", "--runs", tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert words in done.stderr
    assert "defect" not in done.stderr


def test_a_prefix_that_is_none_is_one_error(station_with: Callable[[str], Path]) -> None:
    done = run_labctl("serve", station_with('[bus]\nprefix = "1:2"\n'))
    assert done.returncode == 2
    assert 'bus.prefix: "1:2" does not fit here; allowed: up to 4 names' in done.stderr


def test_a_night_can_do_without_its_bus() -> None:
    assert "--no-bus" in run_labctl("overnight", "--help").stdout


# ---- serve ----------------------------------------------------------------------------------------------------------


def test_serve_says_where_it_is_and_ends_at_a_signal(tmp_path: Path, no_core: None) -> None:
    seen: list[CoreAddress] = []
    done = serve(seen.append, "--runs", tmp_path)
    assert done.returncode == 0
    assert f"Serving simulated table at {seen[0]}. Ctrl-C ends, and leaves the table as it is." in done.stdout
    assert cards() == []
    assert Catalogue(tmp_path).list() == []


def test_a_signal_while_a_run_goes_on_stops_it_and_keeps_its_data(tmp_path: Path, no_core: None) -> None:
    def run_something(address: CoreAddress) -> None:
        client = BusClient(address, "test")
        client.follow()
        lease = client.command("take_control").text
        client.command("add_step", lease=lease, procedure="warm_oven")
        client.command("start_queue", lease=lease, title="warm")
        wait_until(lambda: client.latest.run is not None and client.latest.run.step == "warm_oven")
        client.close()

    done = serve(run_something, "--runs", tmp_path)
    assert done.returncode == 0
    assert "Stopping the run: its data are kept. Once more aborts." in done.stdout
    (run,) = Catalogue(tmp_path).list()
    assert (run.title, run.state, run.reason) == ("warm", "stopped", "stopped by the operator")


def test_a_port_in_use_is_replaced_and_that_is_told(
    tmp_path: Path, no_core: None, station_with: Callable[[str], Path]
) -> None:
    told: list[str] = []

    def look(address: CoreAddress) -> None:
        assert address.port != taken
        client = BusClient(address, "test")
        client.follow()
        wait_until(lambda: client.latest.rows(EventRow))
        told.extend(row.text for row in client.latest.rows(EventRow))
        client.close()

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        done = serve(look, station_with("[bus]\n"), "--runs", tmp_path, "--port", taken)
    assert done.returncode == 0
    assert [text for text in told if text.startswith(f"Port {taken} is in use; this core listens on ")]
