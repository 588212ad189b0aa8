"""Parking: what the program held comes to rest, what holds by itself is not touched, and who is away costs nobody."""

from __future__ import annotations

import pytest
from software_station import software_station
from station_bench import open_bench

from drivers.base import Driver
from labctl.configuration.station_file import Instrument
from labctl.configuration.templates import template_directory
from labctl.configuration.toml_reading import load_station
from labctl.errors import ConnectionLost
from labctl.station.absent import absent_driver
from labctl.station.driver_registry import REGISTRY
from labctl.station.opening import Answer
from labctl.station.parking import instruments_to_park, park, what_is_parked
from labctl.station.station import Station

STEP_V = 0.04  # of the DAC behind its amplifier
AWAY = ConnectionLost("it", "is away")
OPTIONS = {
    "newport-8742": {"chain": [1]},
    "thorlabs-ell14": {"addresses": [0]},
    "srs-sim900": {"slots": {"1": "SIM960"}},
}


def test_the_table_is_parked_and_its_locks_are_not_touched() -> None:
    bench = open_bench(software_station())
    station = bench.station
    tone = next(iter(station.tones.values()))
    tone.set_tone(4.3e6, 0.01)
    tone.switch_on()
    station.servos["lo1"].set_output(2.0)
    bench.sent.clear()
    assert park(station) == []
    assert not tone.is_on()
    assert bench.servo("lo1").output_volts() == pytest.approx(0.0, abs=0.51 * STEP_V)
    assert set(bench.sent) <= set(instruments_to_park(station.file))
    assert not any(name.startswith(("piezo", "servos", "oven", "rotators")) for name in bench.sent)
    assert "servo lo1 at 0 V" in what_is_parked(station.file) and "picomotors stopped" in what_is_parked(station.file)


def test_who_is_away_is_named_and_the_others_are_parked() -> None:
    bench = open_bench(software_station())
    before = bench.station
    file = before.file
    answers = {name: before.answers[name] for name in instruments_to_park(file) if name != "analyzer"}
    answers["laser"] = Answer("laser", absent_driver("laser", file.instruments["laser"], AWAY), None, None, 0.0)
    tone = next(iter(before.tones.values()))
    tone.set_tone(4.3e6, 0.01)
    tone.switch_on()
    problems = park(Station(file, answers, before.clock))
    assert problems == ["laser could not be parked: it: is away."]
    assert not tone.is_on()


@pytest.mark.parametrize("kind", REGISTRY)
def test_every_driver_can_stand_for_an_instrument_that_is_away(kind: str) -> None:
    entry = {"driver": kind, "address": "TCPIP::10.0.0.1::5025::SOCKET", "model": "it", **OPTIONS.get(kind, {})}
    driver = absent_driver("it", Instrument.model_validate(entry), AWAY)
    assert isinstance(driver, Driver)
    with pytest.raises(ConnectionLost) as raised:
        driver.read_identity()
    assert raised.value is AWAY
    driver.close()


def test_a_table_of_nobody_is_made_safe_as_far_as_it_goes_and_no_error_escapes() -> None:
    file = load_station(template_directory() / "simulated.toml")
    answers = {
        name: Answer(name, absent_driver(name, instrument, AWAY), None, None, 0.0)
        for name, instrument in file.instruments.items()
    }
    bench = open_bench(software_station())
    problems = Station(file, answers, bench.station.clock).make_safe()
    assert sum("shutter" in problem for problem in problems) == 3
    assert sum("servo" in problem for problem in problems) >= 6
