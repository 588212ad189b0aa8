"""Gauges, rotators, the laser, tones and power meters in a station file: what they may not say."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labctl.configuration.station_file import StationFile
from labctl.configuration.toml_reading import check_file, load_station

INSTRUMENTS: dict[str, dict[str, Any]] = {
    "vacuum": {"driver": "pfeiffer-tpg", "address": "ASRL/dev/ttyUSB10::INSTR", "model": "TPG362"},
    "ion": {"driver": "mks-937b", "address": "ASRL/dev/ttyUSB11::INSTR", "model": "937B"},
    "plates": {
        "driver": "thorlabs-ell14",
        "address": "ASRL/dev/ttyUSB12::INSTR",
        "model": "ELL14",
        "addresses": [0, 3],
    },
    "laser": {"driver": "santec-tsl570", "address": "TCPIP::10.0.0.1::5000::SOCKET", "model": "TSL-570"},
    "generator": {"driver": "keysight-33500", "address": "TCPIP::10.0.0.2::5025::SOCKET", "model": "33522B"},
    "meter": {"driver": "thorlabs-pm100", "address": "TCPIP::10.0.0.3::5025::SOCKET", "model": "PM100D"},
}

ROLES: dict[str, Any] = {
    "gauges": {"chamber": {"instrument": "vacuum", "channel": 1}, "pump": {"instrument": "ion", "channel": 5}},
    "rotators": {
        "signal": {"instrument": "plates", "address": 0},
        "pump": {"instrument": "plates", "address": 3},
    },
    "laser": {
        "instrument": "laser",
        "minimum_wavelength": "1540 nm",
        "maximum_wavelength": "1560 nm",
        "minimum_power": "0.03 mW",
        "maximum_power": "20 mW",
    },
    "tones": {
        "drive": {
            "instrument": "generator",
            "output": 2,
            "minimum_frequency": "1 MHz",
            "maximum_frequency": "10 MHz",
            "minimum_amplitude": "1 mV",
            "maximum_amplitude": "0.5 V",
        }
    },
    "power_meters": {
        "probe": {"instrument": "meter", "minimum_wavelength": "1500 nm", "maximum_wavelength": "1600 nm"}
    },
}


def _set(content: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    for key, value in changes.items():
        *path, last = key.split("/")
        place = content
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return content


@pytest.fixture
def larger(table: dict[str, Any]) -> dict[str, Any]:
    """The reference table with every instrument and role of this file."""
    table["instruments"] |= copy.deepcopy(INSTRUMENTS)
    return table | copy.deepcopy(ROLES)


def test_every_table_is_read_in_si_units(larger: dict[str, Any], write: Callable[..., Path]) -> None:
    station = load_station(write(larger))
    assert station.instruments["plates"].addresses == (0, 3)
    assert station.gauges["pump"].channel == 5
    assert station.rotators["pump"].address == 3
    assert station.laser is not None
    assert (station.laser.minimum_wavelength, station.laser.maximum_power) == (1.54e-6, 0.02)
    assert station.tones["drive"].maximum_frequency == 10e6
    assert station.power_meters["probe"].attenuation_db == 0.0


def test_every_table_may_be_left_out(table: dict[str, Any]) -> None:
    station = StationFile.model_validate(table)
    assert station.laser is None
    assert not (station.gauges or station.rotators or station.tones or station.power_meters)


@pytest.mark.parametrize(
    ("changes", "key", "problem", "allowed"),
    [
        ({"gauges/chamber/channel": 7}, "gauges.chamber.channel", "7 is too high", "from 1 to 6"),
        ({"gauges/chamber/channel": 3}, "gauges.chamber.channel", "a pfeiffer-tpg has no channel 3", "1 or 2"),
        (
            {"gauges/other": {"instrument": "vacuum", "channel": 1}},
            "gauges.other.channel",
            "channel 1 of vacuum is used by gauges.chamber.channel already",
            "another channel",
        ),
        (
            {"gauges/chamber/instrument": "laser"},
            "gauges.chamber.instrument",
            '"laser" has the driver santec-tsl570, which is no vacuum gauge',
            "pfeiffer-tpg or mks-937b",
        ),
        ({"gauges/chamber/instrument": "vacum"}, "gauges.chamber.instrument", 'did you mean "vacuum"', "one of"),
        ({"rotators/pump/address": 16}, "rotators.pump.address", "16 is too high", "from 0 to 15"),
        ({"rotators/pump/address": 1}, "rotators.pump.address", "1 is not among the addresses of plates", "0 or 3"),
        (
            {"rotators/pump/address": 0},
            "rotators.pump.address",
            "address 0 of plates is used by rotators.signal.address already",
            "another address",
        ),
        ({"instruments/plates/addresses": [0, 3, 3]}, "instruments.plates.addresses", "3 is listed twice", "once"),
        ({"instruments/plates/addresses": []}, "instruments.plates.addresses", "too few", "1 to 16 addresses"),
        (
            {"instruments/oven/addresses": [1]},
            "instruments.oven.addresses",
            "the driver meerstetter-tec has no addresses",
            'driver = "thorlabs-ell14"',
        ),
        ({"laser/minimum_power": "1 uW"}, "laser.minimum_power", "1e-06 W is outside", "3e-05 W to 0.02 W"),
        ({"laser/maximum_wavelength": "1064 nm"}, "laser.maximum_wavelength", "", "1.24e-06 m to 1.68e-06 m"),
        (
            {"laser/minimum_wavelength": "1570 nm"},
            "laser.minimum_wavelength",
            "1.57e-06 m is above the maximum, 1.56e-06 m",
            "a wavelength up to 1.56e-06 m",
        ),
        ({"laser/maximum_power": "1 V"}, "laser.maximum_power", "is a voltage, not a power", "above 0 W"),
        ({"tones/drive/maximum_amplitude": "6 V"}, "tones.drive.maximum_amplitude", "6 V is outside", "to 5 V"),
        ({"tones/drive/maximum_frequency": "1 GHz"}, "tones.drive.maximum_frequency", "outside", "1.2e+08 Hz"),
        ({"tones/drive/output": 3}, "tones.drive.output", "3 is too high", "1 or 2"),
        (
            {"tones/line": {**ROLES["tones"]["drive"]}},
            "tones.line.output",
            "output 2 of generator is used by tones.drive.output already",
            "another output",
        ),
        ({"power_meters/probe/attenuation_db": 61.0}, "power_meters.probe.attenuation_db", "too high", "-60 to 60"),
        (
            {"power_meters/second": {**ROLES["power_meters"]["probe"]}},
            "power_meters.second.instrument",
            "head 1 of meter is used by power_meters.probe.instrument already",
            "another head",
        ),
        (
            {"instruments/oven/driver": "thorlabs-ted4015", "oven/channel": 2},
            "oven.channel",
            "a thorlabs-ted4015 has no channel 2",
            "1",
        ),
    ],
)
def test_a_fault_is_one_line(
    larger: dict[str, Any],
    write: Callable[..., Path],
    changes: dict[str, Any],
    key: str,
    problem: str,
    allowed: str,
) -> None:
    faults = [fault for fault in check_file(write(_set(larger, changes))) if fault.key == key]
    (fault,) = faults
    assert problem in fault.problem
    assert allowed in fault.allowed


@pytest.mark.parametrize("channel", ["y", "z"])
def test_an_amplifier_with_one_output_has_no_other(
    table: dict[str, Any], write: Callable[..., Path], channel: str
) -> None:
    table["instruments"]["piezo_d"] |= {"driver": "thorlabs-mdt694b", "model": "MDT694B"}
    assert check_file(write(table)) == []
    table["piezos"]["cavity4"]["channel"] = channel
    (fault,) = check_file(write(table))
    assert fault.key == "piezos.cavity4.channel"
    assert f"a thorlabs-mdt694b has no channel {channel}" in fault.problem
    assert '"x"' in fault.allowed
