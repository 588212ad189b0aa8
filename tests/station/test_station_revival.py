"""Instruments that were away come back with their settings, and nothing moves behind anybody's back."""

from __future__ import annotations

from pathlib import Path

import pytest

from labctl.configuration.instrument_faults import InstrumentFault
from labctl.configuration.station_file import StationFile
from labctl.configuration.templates import template_directory
from labctl.configuration.toml_reading import load_station
from labctl.errors import ConnectionLost, LabError
from labctl.station.bring_up import link_to, open_station
from labctl.station.ledger import SettingsLedger, same
from labctl.station.revival import revive
from labctl.station.station import Station

AWAY_S = 30.0


def station_with_fault(instrument: str, kind: str, after: float = 60.0, lasting: float | None = AWAY_S) -> Station:
    file = load_station(template_directory() / "simulated.toml")
    fault = InstrumentFault(instrument=instrument, kind=kind, after=after, lasting=lasting)
    backend = file.backend.model_copy(update={"faults": (fault,)})
    changed: StationFile = file.model_copy(update={"backend": backend})
    return open_station(changed, link_to(changed))


def pass_time(station: Station, until: float) -> None:
    station.clock.sleep(until - station.clock.now())


def test_a_power_cycle_is_noticed_and_settings_that_move_nothing_are_put_back() -> None:
    station = station_with_fault("analyzer", "power_cycle")
    analyzer = station.driver("analyzer")
    analyzer.resolution_bandwidth_hz = 100.0
    analyzer.average_type = "RMS"
    pass_time(station, 70.0)
    with pytest.raises(ConnectionLost, match="analyzer"):
        _ = analyzer.resolution_bandwidth_hz
    assert revive(station).away == ("analyzer",)

    pass_time(station, 60.0 + AWAY_S + 1.0)
    revival = revive(station)
    assert revival.away == () and revival.changed
    assert any("resolution_bandwidth_hz: wanted 100.0" in text and "put back" in text for text in revival.sentences)
    assert analyzer.resolution_bandwidth_hz == pytest.approx(100.0)
    assert not revive(station).changed


def test_a_cable_that_was_pulled_costs_no_setting() -> None:
    station = station_with_fault("digitizer", "dropped")
    station.digitizer.record()
    pass_time(station, 61.0)
    with pytest.raises(LabError):
        station.digitizer.record()
    pass_time(station, 60.0 + AWAY_S + 1.0)
    assert revive(station).sentences == ("digitizer answers again.",)
    assert station.digitizer.record().shape == (4, 16384)


def test_what_moves_heat_or_light_is_only_reported() -> None:
    station = station_with_fault("oven", "power_cycle")
    station.oven.set_target(30.0, 0.02)
    pass_time(station, 60.0 + AWAY_S + 1.0)
    revival = revive(station)
    target = [text for text in revival.sentences if "target_temperature_c" in text]
    assert len(target) == 1 and "left as it is" in target[0]
    assert not station.oven.regulating()


def test_high_voltage_that_fell_is_found_although_no_set_point_can_be_read() -> None:
    station = station_with_fault("piezo_a", "power_cycle")
    station.raise_piezos()
    assert station.clock.now() < 60.0
    assert revive(station).sentences == ()
    pass_time(station, 60.0 + AWAY_S + 1.0)
    revival = revive(station)
    lost = [text for text in revival.sentences if text.startswith("piezo ")]
    assert [text.split()[1] for text in lost] == ["opa_length", "pump_phase", "lo1"]
    assert station.piezos["lo1"].commanded_v is None
    station.raise_piezos()
    assert revive(station).sentences == ()


def test_another_instrument_behind_the_address_is_not_taken_for_the_old_one() -> None:
    station = station_with_fault("piezo_b", "wrong_model", lasting=None)
    pass_time(station, 61.0)
    revival = revive(station)
    assert revival.away == ("piezo_b",)


def test_the_ledger_keeps_the_last_value_and_compares_as_instruments_round() -> None:
    ledger = SettingsLedger()
    keep = ledger.keeper_for("servos")
    keep("module_1.integral_gain", 1234.0)
    keep("module_1.integral_gain", 99.0)
    assert ledger.wanted("servos") == {"module_1.integral_gain": 99.0}
    assert same(1234.0, 1200.0, "integral_gain") and not same(1234.0, 1400.0, "integral_gain")
    assert same("RMS", "rms") and not same("RMS", "LOG")
    assert same(True, 1) and not same(True, False)


def test_nothing_differs_after_a_whole_bring_up(tmp_path: Path) -> None:
    """Every setting that the roles make can be read back as it was made: the comparison raises no false alarm."""
    file = load_station(template_directory() / "simulated.toml")
    station = open_station(file, link_to(file))
    station.raise_piezos()
    station.oven.set_target(30.0, 0.02)
    for shutter in station.shutters.values():
        shutter.open()
    station.rf_switch.select("sum")
    station.servos["lo1"].set_output(0.3)
    station.scan.sweep(0.1)
    station.digitizer.record()
    assert revive(station).sentences == ()
