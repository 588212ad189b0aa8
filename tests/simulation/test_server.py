"""The served table as programs see it: real sockets, real pseudo terminals, real drivers over pyvisa-py."""

from __future__ import annotations

import os
import random
import socket
import statistics
import struct
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import serial
from server_bench import PATIENCE_S, Host, device_of, listening, place_of, port_of, serving, simulated_station

from labctl.errors import ConfigurationError, LabError
from labctl.simulation import network_port
from labctl.simulation.server import TableServer
from labctl.station.opening import open_instruments, require_all

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no pseudo terminals there")

SPEED = 20.0
CR_LF = b"\r\n"
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@pytest.fixture(scope="module")
def server() -> Iterator[TableServer]:
    with serving(speed=SPEED) as served:
        yield served


# ---- who answers ----------------------------------------------------------------------------------------------------


def test_every_real_driver_finds_its_instrument_over_pyvisa_py(server: TableServer) -> None:
    station = simulated_station()
    instruments = {
        name: instrument.model_copy(update={"address": server.addresses[name]})
        for name, instrument in station.instruments.items()
    }
    answers = open_instruments(station.model_copy(update={"instruments": instruments}), "@py", concurrent=True)
    drivers = require_all(answers)
    try:
        assert set(drivers) == set(station.instruments)
        for name, answer in answers.items():
            assert answer.identity is not None
            assert station.instruments[name].model in answer.identity.model
        assert drivers["servos"].modules[3].setpoint == pytest.approx(0.0, abs=1e-3)
        assert drivers["digitizer"].sample_rate_hz > 0
    finally:
        for driver in drivers.values():
            driver.close()


def test_addresses_are_what_the_station_has(server: TableServer) -> None:
    for name, instrument in simulated_station().instruments.items():
        assert server.addresses[name].startswith(instrument.address[:4])
        assert server.addresses[name] != instrument.address


def test_a_raw_socket_speaks_ieee_488_2(server: TableServer) -> None:
    with Host(server.addresses["analyzer"]) as host:
        host.send("*CLS")
        assert host.ask("*IDN?").split(",")[1] == "N9020A"
        assert host.ask("SYST:ERR?") == '+0,"No error"'
        assert int(host.ask("*STB?")) & 4 == 0
        host.send("NONSENSE 1")
        assert int(host.ask("*STB?")) & 4 == 4  # the error queue has something
        assert int(host.ask("*ESR?")) & 32 == 32  # a command error
        assert host.ask("SYST:ERR?").startswith("-113,")
        assert host.ask("*IDN?;*ESR?;*OPC?").endswith(";0;1")


def test_pyserial_reads_the_piezo_driver_and_the_oven(server: TableServer) -> None:
    with serial.Serial(device_of(server.addresses["piezo_a"]), 115_200, timeout=PATIENCE_S) as port:
        port.write(b"echo=0\r")
        assert port.read_until(b">").endswith(b"[Echo Off]\r>")
        port.write(b"id?\r")
        assert b"Model MDT693B" in port.read_until(b">")
    with serial.Serial(device_of(server.addresses["oven"]), 57_600, timeout=PATIENCE_S) as port:
        port.write(b"#0015AB?IF3781\r")  # with a wrong checksum: silence
        port.timeout = 0.2
        assert port.read(1) == b""
        port.timeout = PATIENCE_S
        port.write(b"#0015AB?IF" + crc(b"#0015AB?IF") + b"\r")
        assert port.read_until(b"\r").startswith(b"!0015AB8065-TEC")


def crc(frame: bytes) -> bytes:
    """Return CRC-16/XMODEM as hex digits, bit by bit."""
    value = 0
    for byte in frame:
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ 0x1021) & 0xFFFF if value & 0x8000 else value << 1
    return b"%04X" % value


def test_the_picomotor_controller_greets_as_telnet_does(server: TableServer) -> None:
    with Host(server.addresses["picomotors"], CR_LF) as host:
        assert host.bytes(6) == b"\xff\xfd\x03\xff\xfb\x01"
        assert host.ask("*IDN?").startswith("New_Focus 8742")


def test_all_instruments_are_of_one_table(server: TableServer) -> None:
    """Pins of the scan board open a shutter and turn the RF switch: the analyzer sees shot noise, or nothing."""
    with Host(server.addresses["scan"], CR_LF) as board, Host(server.addresses["analyzer"]) as analyzer:
        analyzer.send("*CLS;:INIT:CONT 0;:ABOR;:FREQ:STAR 4.0E6;:FREQ:STOP 4.2E6;:SWE:POIN 101;:FORM ASC,8")
        analyzer.send(":DET:TRAC1 AVER;:AVER:TYPE RMS;:TRAC1:TYPE WRIT;:UNIT:POW DBM;:BAND 10E3")
        assert analyzer.ask("SYST:ERR?") == '+0,"No error"'
        level_dbm = {}
        for position, code in (("bhd1", 0), ("nothing", 7)):
            for pin, level in (("DIO1_P", 1), *((f"DIO{3 + bit}_P", code >> bit & 1) for bit in range(3))):
                board.send(f"DIG:PIN:DIR OUT,{pin}")
                board.send(f"DIG:PIN {pin},{level}")
            assert board.ask("DIG:PIN? DIO3_P") == str(code & 1)
            pairs = [float(text) for text in analyzer.ask(":READ:SAN1?").split(",")]
            level_dbm[position] = statistics.mean(pairs[1::2])
    assert level_dbm["bhd1"] > level_dbm["nothing"] + 6.0


def wait(seconds: float) -> None:
    threading.Event().wait(seconds)


# ---- time -----------------------------------------------------------------------------------------------------------


def test_a_reply_comes_within_a_few_milliseconds(server: TableServer) -> None:
    for name, end in (("analyzer", b"\n"), ("scan", CR_LF)):
        with Host(server.addresses[name], end) as host:
            took = []
            for _ in range(50):
                asked_at = time.perf_counter()
                host.ask("*IDN?")
                took.append(time.perf_counter() - asked_at)
        assert statistics.median(took) < 5e-3, name


def test_a_sweep_takes_its_lab_time_at_the_speed_of_the_table(server: TableServer) -> None:
    sweep_s = 6.0
    with Host(server.addresses["analyzer"]) as host:
        host.send(f"*CLS;:INIT:CONT 0;:ABOR;:SWE:TIME {sweep_s};:TRAC1:TYPE WRIT")
        assert host.ask("SYST:ERR?") == '+0,"No error"'
        began = time.perf_counter()
        host.send(":INIT:IMM;*OPC?")
        assert host.line() == "1"
        took = time.perf_counter() - began
    assert sweep_s / SPEED - 0.02 <= took < sweep_s / SPEED + 1.0


def test_bytes_leave_a_serial_instrument_at_its_baud() -> None:
    with serving(speed=1.0) as server, serial.Serial(device_of(server.addresses["servos"]), 9600, timeout=5.0) as port:
        began = time.perf_counter()
        port.write(b"*IDN?\n")
        reply = port.read_until(b"\n")
        took = time.perf_counter() - began
    assert b"SIM900" in reply
    on_the_line = (len(b"*IDN?\n") + len(reply)) * 10 / 9600
    assert on_the_line - 2e-3 <= took < on_the_line + 0.5


def test_a_table_that_cannot_keep_up_says_so_once_and_still_answers() -> None:
    told: list[str] = []
    with serving(speed=1e6, on_trouble=told.append) as server, Host(server.addresses["analyzer"]) as host:
        deadline = time.monotonic() + 2 * PATIENCE_S
        while not told and time.monotonic() < deadline:
            asked_at = time.perf_counter()
            assert "N9020A" in host.ask("*IDN?")
            assert time.perf_counter() - asked_at < 1.0
        wait(0.1)
    assert len(told) == 1
    assert "fell behind" in told[0] and "--speed" in told[0]


def test_a_command_may_come_byte_by_byte(server: TableServer) -> None:
    with Host(server.addresses["analyzer"]) as host:
        for byte in b"*IDN?\n":
            host.link.sendall(bytes([byte]))
            wait(1e-3)
        assert "N9020A" in host.line()


# ---- several hosts --------------------------------------------------------------------------------------------------


def test_a_second_host_is_turned_away_at_once_and_the_first_goes_on(server: TableServer) -> None:
    with Host(server.addresses["analyzer"]) as first, Host(server.addresses["analyzer"]) as second:
        assert second.is_closed_by_the_other_side()
        assert "N9020A" in first.ask("*IDN?")


def test_who_comes_after_a_host_has_left_is_let_in_and_finds_its_commands_done(server: TableServer) -> None:
    for number in range(100):
        with Host(server.addresses["analyzer"]) as host:
            host.send(f":SWE:POIN {101 + number}")
        with Host(server.addresses["analyzer"]) as host:
            assert int(float(host.ask(":SWE:POIN?"))) == 101 + number


def test_a_host_that_closed_its_side_still_gets_its_reply(server: TableServer) -> None:
    with Host(server.addresses["analyzer"]) as host:
        host.send("*IDN?")
        host.link.shutdown(socket.SHUT_WR)
        assert "N9020A" in host.line()
        assert host.is_closed_by_the_other_side()


def test_hosts_of_a_red_pitaya_have_replies_formats_and_errors_of_their_own(server: TableServer) -> None:
    address = server.addresses["digitizer"]
    with Host(address, CR_LF) as one, Host(address, CR_LF) as two:
        one.send("ACQ:DATA:FORMAT BIN")
        one.send("ACQ:NONSENSE")
        assert two.ask("ACQ:DATA:FORMAT?") == "ASCII"
        assert one.ask("ACQ:DATA:FORMAT?") == "BIN"
        assert two.ask("SYST:ERR:COUN?") == "0"
        assert one.ask("SYST:ERR:COUN?") == "1"
        one.send("ACQ:DATA:Units RAW")  # which belongs to the board
        assert one.ask("ACQ:DATA:Units?") == two.ask("ACQ:DATA:Units?") == "RAW"
        one.link.sendall(b"*ID")  # half a command of one does not spoil the other's
        assert two.ask("*IDN?").startswith("REDPITAYA")
        one.send("N?")
        assert one.line().startswith("REDPITAYA")
        for host in (one, two, one, two):
            host.send("ACQ:BUF:SIZE?" if host is one else "ACQ:DEC?")
        assert [one.line(), one.line()] == ["16384", "16384"]
        assert "16384" not in (two.line(), two.line())
        one.send("ACQ:DATA:Units VOLTS")


def test_the_places_at_a_red_pitaya_end(server: TableServer) -> None:
    hosts = []
    try:
        for _ in range(network_port.MOST_CONNECTIONS):
            hosts.append(Host(server.addresses["scan"], CR_LF))
            assert hosts[-1].ask("*IDN?").startswith("REDPITAYA")
        with Host(server.addresses["scan"], CR_LF) as late:
            assert late.is_closed_by_the_other_side()
        hosts.pop().close()
        hosts.append(Host(server.addresses["scan"], CR_LF))
        assert hosts[-1].ask("*IDN?").startswith("REDPITAYA")
    finally:
        for host in hosts:
            host.close()


# ---- hosts that misbehave -------------------------------------------------------------------------------------------


def test_a_host_that_does_not_read_holds_up_nobody_and_fills_no_memory() -> None:
    question = "ACQ:SOUR1:DATA?"
    with serving(speed=SPEED) as server, Host(server.addresses["scan"], CR_LF) as greedy:
        greedy.send("ACQ:DATA:FORMAT BIN")
        greedy.link.setblocking(False)
        offered = (question.encode() + CR_LF) * 2_000_000
        accepted = 0
        with Host(server.addresses["analyzer"]) as other:
            for _ in range(200):
                try:
                    accepted += greedy.link.send(offered[accepted:])
                except BlockingIOError:
                    wait(2e-3)
                asked_at = time.perf_counter()
                assert "N9020A" in other.ask("*IDN?")
                assert time.perf_counter() - asked_at < 1.0
        assert accepted < len(offered)
        (connection,) = port_of(server, "scan")._connections
        block = 2 + 5 + 4 * 16384
        assert len(connection.outgoing) <= network_port.MOST_OUTGOING_BYTES + network_port.MOST_REPLIES * block
        assert len(connection.incoming) <= network_port.MOST_INCOMING_BYTES + (1 << 14)
        with Host(server.addresses["scan"], CR_LF) as second:  # another client of the same board is not held up either
            assert second.ask("*IDN?").startswith("REDPITAYA")
        greedy.link.settimeout(PATIENCE_S)
        for _ in range(min(200, accepted // len(question) - 2)):  # and nothing is lost when it reads at last
            assert greedy.bytes(7) == b"#565536"
            assert np.all(np.isfinite(np.frombuffer(greedy.bytes(65536), ">f4")))


def test_a_host_that_does_not_read_loses_its_place_to_the_next() -> None:
    with serving(speed=SPEED) as server, Host(server.addresses["analyzer"]) as greedy:
        greedy.send(":INIT:CONT 0;:SWE:POIN 40001;:FORM REAL,64")
        assert greedy.ask(":SWE:POIN?").startswith("40001")
        greedy.link.sendall(b":TRAC:DATA? TRACE1\n" * (2 * network_port.MOST_INCOMING_BYTES // 19))
        (connection,) = port_of(server, "analyzer")._connections
        deadline = time.monotonic() + PATIENCE_S
        while connection.reads and time.monotonic() < deadline:
            wait(0.01)
        assert not connection.reads
        with Host(server.addresses["analyzer"]) as host:
            assert "N9020A" in host.ask("*IDN?")


@pytest.mark.parametrize("name", ["analyzer", "picomotors", "digitizer", "scan"])
def test_a_network_instrument_survives_hosts_that_break(server: TableServer, name: str) -> None:
    rng = random.Random(name)
    place = place_of(server.addresses[name])
    for _ in range(30):
        with socket.create_connection(place, timeout=PATIENCE_S) as link:
            link.sendall(rng.randbytes(rng.randrange(2000)))
            link.sendall(b"*IDN?\r\n" * rng.randrange(3))
            if rng.random() < 0.5:
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    with Host(server.addresses[name], CR_LF) as host:
        if name == "picomotors":
            host.bytes(6)
        host.send("*IDN?")
        identity = host.bytes(28)
        assert any(word in identity for word in (b"N9020A", b"8742", b"REDPITAYA"))


@pytest.mark.parametrize(("name", "baud"), [("servos", 9600), ("piezo_b", 115_200), ("oven", 57_600)])
def test_a_serial_instrument_survives_hosts_that_break(server: TableServer, name: str, baud: int) -> None:
    rng = random.Random(name)
    for _ in range(5):
        with serial.Serial(device_of(server.addresses[name]), baud, timeout=0.02) as port:
            port.write(rng.randbytes(300))
    with serial.Serial(device_of(server.addresses[name]), baud, timeout=0.3) as port:
        port.write(b"\r\n")
        while port.read(100):
            pass
        question = {"servos": b"xyx\n*IDN?\n", "piezo_b": b"id?\r", "oven": b"#000001?IF" + crc(b"#000001?IF") + b"\r"}
        port.write(question[name])
        port.timeout = 1.0
        reply = port.read(400)
    assert any(word in reply for word in (b"SIM900", b"MDT693B", b"8065-TEC"))


def test_a_serial_line_that_nobody_reads_loses_bytes_and_goes_on() -> None:
    with serving(speed=100.0) as server:
        device = device_of(server.addresses["piezo_a"])
        with serial.Serial(device, 115_200, timeout=PATIENCE_S, write_timeout=PATIENCE_S) as port:
            for _ in range(100):  # replies of 150 bytes each, more than the system keeps
                port.write(b"id?\r")
                wait(2e-3)
            wait(0.5)
            port.reset_input_buffer()
            port.write(b"echo=0\r")
            assert b"Echo Off" in port.read_until(b"[Echo Off]\r>")


def test_a_defect_of_one_twin_is_told_once_and_leaves_the_others_alone() -> None:
    told: list[str] = []
    with serving(on_trouble=told.append) as server:

        def fail(data: bytes) -> None:
            raise ZeroDivisionError("of a twin")

        port_of(server, "analyzer")._wire.on_bytes = fail
        for _ in range(2):
            with Host(server.addresses["analyzer"]) as host:
                host.send("*IDN?")
                assert host.is_closed_by_the_other_side()
        with Host(server.addresses["scan"], CR_LF) as host:
            assert host.ask("*IDN?").startswith("REDPITAYA")
    assert len(told) == 1
    assert "analyzer" in told[0] and "of a twin" in told[0]


# ---- faults of the station file -------------------------------------------------------------------------------------


def test_faults_of_the_station_file_are_on_the_wire() -> None:
    faults = [
        {"instrument": "analyzer", "kind": "silent"},
        {"instrument": "scan", "kind": "garbage"},
        {"instrument": "digitizer", "kind": "missing"},
        {"instrument": "piezo_a", "kind": "missing"},
        {"instrument": "piezo_b", "kind": "wrong_model"},
    ]
    with serving(simulated_station(faults=faults)) as server:
        with Host(server.addresses["analyzer"]) as host:
            host.link.settimeout(0.3)
            for _ in range(3 * network_port.MOST_REPLIES):
                host.send("*IDN?")
            with pytest.raises(TimeoutError):
                host.line()
        with Host(server.addresses["scan"], CR_LF) as host:
            host.send("*IDN?")
            assert b"REDPITAYA" not in host.bytes(24)
        with pytest.raises(ConnectionRefusedError):
            Host(server.addresses["digitizer"])
        assert not os.path.exists(device_of(server.addresses["piezo_a"]))  # noqa: PTH110
        with serial.Serial(device_of(server.addresses["piezo_b"]), 115_200, timeout=PATIENCE_S) as port:
            port.write(b"id?\r")
            assert b"ACME" in port.read_until(b"\n")


def test_a_silent_instrument_goes_on_taking_commands() -> None:
    faults = [{"instrument": "scan", "kind": "silent", "after": 6.0, "lasting": 8.0}]
    station = simulated_station(faults=faults)
    with serving(station, speed=SPEED) as server, Host(server.addresses["scan"], CR_LF) as host:
        assert host.ask("*IDN?").startswith("REDPITAYA")
        host.send("DIG:PIN:DIR OUT,DIO1_P")
        assert host.ask("DIG:PIN? DIO1_P") == "0"
        wait(6.0 / SPEED + 0.1)
        for _ in range(3 * network_port.MOST_REPLIES):
            host.send("*IDN?")
        host.send("DIG:PIN DIO1_P,1")
        wait(8.0 / SPEED + 0.1)
        assert host.ask("DIG:PIN? DIO1_P") == "1"  # and nothing comes late


def test_a_broken_link_closes_the_connection_and_comes_back() -> None:
    faults = [{"instrument": "analyzer", "kind": "dropped", "after": 4.0, "lasting": 10.0}]
    with serving(simulated_station(faults=faults), speed=SPEED) as server:
        with Host(server.addresses["analyzer"]) as host:
            assert "N9020A" in host.ask("*IDN?")
            assert host.is_closed_by_the_other_side()
        with Host(server.addresses["analyzer"]) as host:
            assert host.is_closed_by_the_other_side()
        wait(10.0 / SPEED + 0.2)
        with Host(server.addresses["analyzer"]) as host:
            assert "N9020A" in host.ask("*IDN?")


# ---- ports ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the kernel's tables")
@pytest.mark.parametrize("interface", ["127.0.0.1", "127.0.0.2"])
def test_it_listens_on_the_interface_that_was_named_and_nowhere_else(interface: str) -> None:
    before = listening()
    with serving(interface=interface) as server:
        found = listening() - before
        on_the_network = {place_of(address) for address in server.addresses.values() if address.startswith("TCPIP")}
        assert len(on_the_network) == 10
        assert found == on_the_network
        assert {host for host, _ in found} == {interface}
    assert listening() - before == set()


def test_loopback_is_the_default(server: TableServer) -> None:
    places = [place_of(address) for address in server.addresses.values() if address.startswith("TCPIP")]
    assert {host for host, _ in places} == {"127.0.0.1"}


def test_ports_count_from_the_base_in_the_order_of_the_station() -> None:
    names = list(simulated_station().instruments)
    base = free_range(len(names))
    with serving(port_base=base) as server:
        for place, name in enumerate(names):
            if server.addresses[name].startswith("TCPIP"):
                assert place_of(server.addresses[name]) == ("127.0.0.1", base + place)
        with pytest.raises(LabError, match=rf"analyzer cannot be served on port {base} of 127.0.0.1"):
            TableServer(simulated_station(), port_base=base)
    with serving(port_base=base):  # at once again
        pass


def free_range(count: int) -> int:
    """Return the first of `count` ports in a row that nobody has."""
    for base in range(42_000, 60_000, count):
        links = [socket.socket() for _ in range(count)]
        try:
            for offset, link in enumerate(links):
                link.bind(("127.0.0.1", base + offset))
        except OSError:
            continue
        finally:
            for link in links:
                link.close()
        return base
    raise AssertionError("no free ports")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"port_base": 65_530}, "Ports 65530 to 65547 do not exist"),
        ({"port_base": -1}, "do not exist"),
        ({"speed": 0.0}, "--speed 0 is not above 0"),
        ({"speed": float("nan")}, "--speed nan"),
        ({"speed": float("inf")}, "--speed inf"),
        ({"interface": ""}, "--interface is empty"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        TableServer(simulated_station(), **options)


@pytest.mark.parametrize("interface", ["no.such.host.invalid", "192.0.2.1", "::1"])
def test_an_interface_that_is_not_ours_is_refused_and_leaves_nothing_open(interface: str) -> None:
    before = len(os.listdir("/proc/self/fd")) if sys.platform.startswith("linux") else 0  # noqa: PTH208
    with pytest.raises(LabError, match="analyzer cannot be served") as refusal:
        TableServer(simulated_station(), interface=interface)
    assert "--interface" in refusal.value.remedy
    if before:
        assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_system_without_pseudo_terminals_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pty", None)
    with pytest.raises(LabError, match="servos: this system has no pseudo terminals"):
        TableServer(simulated_station())


def test_a_serial_instrument_behind_a_network_address_keeps_its_baud() -> None:
    station = simulated_station()
    servos = station.instruments["servos"].model_copy(update={"address": "TCPIP::10.0.0.1::4001::SOCKET"})
    station = station.model_copy(update={"instruments": {"servos": servos}})
    with serving(station, speed=1.0) as server, Host(server.addresses["servos"]) as host:
        began = time.perf_counter()
        reply = host.ask("*IDN?")
        assert time.perf_counter() - began >= (len("*IDN?\n") + len(reply)) * 10 / 9600 - 2e-3
        assert "SIM900" in reply


def test_a_server_that_was_stopped_before_it_served_returns_at_once() -> None:
    with TableServer(simulated_station()) as server:
        server.stop()
        began = time.monotonic()
        server.serve()
        assert time.monotonic() - began < PATIENCE_S
