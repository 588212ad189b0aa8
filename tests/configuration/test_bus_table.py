"""The `[bus]` table: what may be written there, and from where commands are taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from labctl.configuration.bus import PORT, Bus
from labctl.configuration.templates import template_directory
from labctl.configuration.toml_reading import load_station
from labctl.errors import ConfigurationError


def load(tmp_path: Path, text: str) -> Bus:
    path = tmp_path / "station.toml"
    path.write_text(f'extends = "{template_directory() / "simulated.toml"}"\n[bus]\n{text}\n', encoding="utf-8")
    return load_station(path).bus


def test_without_a_word_it_is_this_machine_alone(tmp_path: Path) -> None:
    bus = load(tmp_path, "")
    assert (bus.prefix, bus.interface, bus.port) == ("labctl", "127.0.0.1", PORT)
    assert [bus.may_control(peer) for peer in ("127.0.0.1", "::1", "10.1.2.3", "0.0.0.0")] == [True, True, False, False]


def test_everything_may_be_written(tmp_path: Path) -> None:
    bus = load(
        tmp_path,
        'prefix = "lab-2:squeezer"\ninterface = "::1"\nport = 0\nallow_control_from = ["10.1.2.0/24", "fd00::5"]\n'
        "spectra_per_second = 5",
    )
    assert (bus.prefix, bus.interface, bus.port, bus.spectra_per_second) == ("lab-2:squeezer", "::1", 0, 5.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('prefix = "2lab"', "bus.prefix: .*up to 4 names of letters"),
        ('prefix = "a:b:c:d:e"', "bus.prefix"),
        ('prefix = "lab ctl"', "bus.prefix"),
        ('prefix = "lab\\n"', "bus.prefix"),
        ('prefix = ""', "bus.prefix"),
        ('interface = "localhost"', "'localhost' is no IP address; allowed: the IP address of an interface"),
        ('interface = "10.0.0.1/8"', "is no IP address"),
        ("port = 65536", "bus.port.*whole number from 0"),
        ("port = -1", "bus.port"),
        ("port = 5075.5", "bus.port"),
        ('allow_control_from = ["control-room"]', "'control-room' is neither an IP address nor a network"),
        ('allow_control_from = ["10.1.2.3/24"]', "neither an IP address nor a network"),
        ('allow_control_from = "10.1.2.3"', "a list of at most 64 addresses"),
        ("spectra_per_second = 0", "above 0 and up to 50"),
        ("spectra_per_second = inf", "above 0 and up to 50"),
        ('interfaces = "127.0.0.1"', "interfaces"),
    ],
)
def test_faults_are_told_in_words(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        load(tmp_path, text)


@pytest.mark.parametrize(
    ("allowed", "peer", "may"),
    [
        (("10.1.2.3",), "10.1.2.3", True),
        (("10.1.2.3",), "10.1.2.4", False),
        (("10.1.2.0/24",), "10.1.2.255", True),
        (("10.1.2.0/24",), "10.1.3.0", False),
        (("10.1.2.0/24",), "::ffff:10.1.2.7", True),  # as a socket for both families writes it
        (("10.1.2.0/24",), "::ffff:10.1.3.7", False),
        (("127.0.0.1",), "::ffff:127.0.0.1", True),
        (("::ffff:10.1.2.7",), "10.1.2.7", True),
        (("::ffff:10.1.2.0/120",), "10.1.2.7", True),
        (("fd00::/64",), "fd00::1:2", True),
        (("fd00::/64",), "fd00:0:0:1::2", False),
        (("fe80::/10",), "fe80::1%eth0", True),
        (("0.0.0.0/0",), "203.0.113.9", True),
        (("0.0.0.0/0",), "fd00::1", False),
        ((), "127.0.0.1", False),
        (("127.0.0.1",), "", False),
        (("127.0.0.1",), "localhost", False),
        (("127.0.0.1",), "127.0.0.1:5075", False),
    ],
)
def test_commands_are_taken_from_addresses_and_networks(allowed: tuple[str, ...], peer: str, may: bool) -> None:
    assert Bus(allow_control_from=allowed).may_control(peer) is may
