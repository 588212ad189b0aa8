"""Gauges, rotators, a tunable laser, tones, power meters and other makers' instruments, from a station file over the
wire."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from station_bench import CONFIG, Bench, open_bench

from drivers.rohdeschwarz.fsv import RohdeSchwarzFSV
from drivers.sweep import SweepSettings
from drivers.thorlabs.ted4015 import ThorlabsTED4015
from labctl.configuration.toml_reading import load_station
from labctl.errors import InstrumentError, LimitError
from labctl.simulation.instruments.thorlabs_ell14 import SimulatedELL14Bus
from labctl.simulation.instruments.thorlabs_ell14_rotator import Imperfections
from labctl.simulation.instruments.thorlabs_mdt693b import SimulatedMDT693B
from labctl.simulation.instruments.thorlabs_ted4015 import SimulatedTED4015
from labctl.station.roles import PressureState
from labctl.station.station import Station

MORE = """
[instruments.vacuum]
driver = "pfeiffer-tpg"
address = "ASRL/dev/ttyUSB10::INSTR"
model = "TPG362"

[instruments.other_vacuum]
driver = "mks-937b"
address = "ASRL/dev/ttyUSB11::INSTR"
model = "937B"

[instruments.plates]
driver = "thorlabs-ell14"
address = "ASRL/dev/ttyUSB12::INSTR"
model = "ELL14"
addresses = [0, 3]

[instruments.laser]
driver = "santec-tsl570"
address = "TCPIP::192.168.10.21::5000::SOCKET"
model = "TSL-570"

[instruments.generator]
driver = "keysight-33500"
address = "TCPIP::192.168.10.22::5025::SOCKET"
model = "33522B"

[instruments.meter]
driver = "thorlabs-pm100"
address = "TCPIP::192.168.10.23::5025::SOCKET"
model = "PM100D"

[gauges.chamber]
instrument = "vacuum"
channel = 1

[gauges.pump]
instrument = "other_vacuum"
channel = 1

[rotators.signal_plate]
instrument = "plates"
address = 0

[rotators.pump_plate]
instrument = "plates"
address = 3

[laser]
instrument = "laser"
minimum_wavelength = "1540 nm"
maximum_wavelength = "1560 nm"
minimum_power = "0.1 mW"
maximum_power = "5 mW"

[tones.drive]
instrument = "generator"
output = 1
minimum_frequency = "1 MHz"
maximum_frequency = "10 MHz"
minimum_amplitude = "1 mV"
maximum_amplitude = "0.5 V"

[power_meters.probe]
instrument = "meter"
minimum_wavelength = "1500 nm"
maximum_wavelength = "1600 nm"
"""

SWAPPED = """
[instruments.analyzer]
driver = "rohde-schwarz-fsv"
address = "TCPIP::192.168.10.11::5025::SOCKET"
model = "FSW-13"

[instruments.piezo_d]
driver = "thorlabs-mdt694b"
address = "ASRL/dev/ttyACM3::INSTR"
model = "MDT694B"

[instruments.oven]
driver = "thorlabs-ted4015"
address = "TCPIP::192.168.10.24::5025::SOCKET"
model = "TED4015"
"""


def bench_with(tables: str, folder: Path) -> Bench:
    """Open the simulated table of the shipped files with more tables, from a file of its own."""
    path = folder / "more.toml"
    path.write_text(f'extends = "{CONFIG}"\n{tables}', encoding="utf-8")
    return open_bench(load_station(path))


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return bench_with(MORE, tmp_path_factory.mktemp("more"))


@pytest.fixture(scope="module")
def swapped(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return bench_with(SWAPPED, tmp_path_factory.mktemp("swapped"))


@pytest.mark.parametrize("name", ["chamber", "pump"])
def test_a_gauge_says_the_pressure_of_the_chamber(more: Bench, name: str) -> None:
    reading = more.station.gauges[name].read()
    assert reading.state is PressureState.VALID
    # A full-range gauge has a gain that is off by tens of percent.
    assert reading.pressure_pa == pytest.approx(more.table.chambers[name].pressure_pa(), rel=0.5)
    assert 1e-5 < more.table.chambers[name].pressure_pa() < 1e-4


def test_pressures_drift_and_each_gauge_its_own_way(more: Bench) -> None:
    before = [chamber.pressure_pa() for chamber in more.table.chambers.values()]
    more.clock.sleep(60.0)
    after = [chamber.pressure_pa() for chamber in more.table.chambers.values()]
    assert len({*before, *after}) == 4


def test_a_rotator_turns_its_own_plate(more: Bench) -> None:
    rotators, plates = more.station.rotators, more.table.wave_plates
    rotators["signal_plate"].move_to(45.0)
    rotators["pump_plate"].move_to(300.0)
    assert rotators["signal_plate"].angle_deg() == pytest.approx(45.0, abs=0.2)
    assert plates["signal_plate"].angle_deg == pytest.approx(45.0, abs=0.2)
    assert plates["pump_plate"].angle_deg == pytest.approx(300.0, abs=0.2)


@pytest.mark.parametrize("angle_deg", [-1.0, 361.0, math.nan])
def test_a_rotator_refuses_what_is_no_angle_of_one_turn(more: Bench, angle_deg: float) -> None:
    more.forget()
    with pytest.raises(LimitError):
        more.station.rotators["signal_plate"].move_to(angle_deg)
    assert not more.sent["plates"]


def _with_stiff_plates(more: Bench, imperfections: Imperfections) -> None:
    twin = more.simulation.instruments["plates"]
    assert isinstance(twin, SimulatedELL14Bus)
    for unit in twin._units:
        unit._imperfections = imperfections


def test_a_plate_that_always_sticks_is_tried_twice_and_refused(tmp_path: Path) -> None:
    bench = bench_with(MORE, tmp_path)
    rotator = bench.station.rotators["signal_plate"]
    rotator.move_to(10.0)
    _with_stiff_plates(bench, Imperfections(timeout_probability=1.0))
    bench.forget()
    with pytest.raises(InstrumentError, match="mechanical timeout"):
        rotator.move_to(90.0)
    assert bench.sent["plates"].count(b"0ma") == 2


def test_a_plate_that_stops_short_without_a_word_is_found_out(tmp_path: Path) -> None:
    bench = bench_with(MORE, tmp_path)
    rotator = bench.station.rotators["signal_plate"]
    rotator.move_to(10.0)
    _with_stiff_plates(bench, Imperfections(shortfall_probability=1.0))
    with pytest.raises(InstrumentError, match="was sent to 200 degrees"):
        rotator.move_to(200.0)


@pytest.mark.parametrize("left_at_deg", [60.0, 0.0, 360.0])
def test_a_plate_that_lost_its_supply_unnoticed_is_homed_before_it_turns(tmp_path: Path, left_at_deg: float) -> None:
    fault = '[[backend.faults]]\ninstrument = "plates"\nkind = "power_cycle"\nafter = 30.0\nlasting = 20.0\n'
    bench = bench_with(MORE + fault, tmp_path)
    rotator, plate = bench.station.rotators["signal_plate"], bench.table.wave_plates["signal_plate"]
    rotator.move_to(20.0)
    rotator.move_to(left_at_deg)
    assert bench.sent["plates"].count(b"0ho") == 1
    bench.clock.sleep(100.0)
    rotator.move_to(40.0)
    assert plate.angle_deg == pytest.approx(40.0, abs=0.2)


def test_the_laser_tunes_and_shines(more: Bench) -> None:
    laser, light = more.station.laser, more.table.laser
    laser.tune(1550e-9)
    laser.set_power(1e-3)
    laser.switch_on()
    assert laser.is_on() and light.on
    assert light.wavelength_m() == pytest.approx(1550e-9, abs=1e-13)
    assert light.power_w() == pytest.approx(1e-3, rel=1e-2)
    assert laser.power_w() == pytest.approx(1e-3, rel=5e-2)
    laser.switch_off()
    assert not light.on and light.power_w() == 0.0


def test_the_laser_refuses_what_the_station_file_forbids(more: Bench) -> None:
    more.forget()
    with pytest.raises(LimitError, match=r"\[laser\] minimum_wavelength"):
        more.station.laser.tune(1565e-9)
    with pytest.raises(LimitError, match=r"\[laser\] minimum_power"):
        more.station.laser.set_power(6e-3)
    assert not more.sent["laser"]


def test_a_tone_comes_out_within_its_limits(more: Bench) -> None:
    tone = more.station.tones["drive"]
    tone.set_tone(4.276e6, 0.1)
    tone.switch_on()
    waveform = more.table.tones["drive"].waveform
    assert waveform.on and waveform.frequency_hz == pytest.approx(4.276e6)
    assert waveform.amplitude_v == pytest.approx(0.2)  # open circuit
    more.forget()
    with pytest.raises(LimitError, match=r"tones\.drive.* minimum_amplitude"):
        tone.set_tone(4.276e6, 0.6)
    with pytest.raises(LimitError, match=r"tones\.drive.* minimum_frequency"):
        tone.set_tone(11e6, 0.1)
    assert not more.sent["generator"]


def test_a_power_meter_sees_the_probe_and_must_know_its_wavelength(
    more: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = more.station.power_meters["probe"]
    with pytest.raises(InstrumentError, match="was not told a wavelength"):
        meter.power_w()
    with pytest.raises(LimitError, match=r"power_meters\.probe"):
        meter.set_wavelength(1064e-9)
    meter.set_wavelength(1550e-9)
    assert meter.power_w() < 1e-7
    more.station.shutters["signal"].open()
    monkeypatch.setattr(more.table.source, "probe_power_ratio", lambda: 0.8)  # as with the source locked
    more.clock.sleep(0.2)
    assert meter.power_w() == pytest.approx(more.table.sensors[0].probe_power_w, rel=0.05)
    sensor = more.table.sensors[0]
    shone_w = 0.8 * sensor.share / sensor.truth.weight * 5e-6
    assert sensor.probe_power_w == pytest.approx(shone_w, rel=0.03)  # as well as the file knows its power
    assert sensor.share == pytest.approx(sensor.truth.weight, rel=0.05)  # as its wave plates were left


def test_making_safe_ends_laser_and_tones(tmp_path: Path) -> None:
    bench = bench_with(MORE, tmp_path)
    station: Station = bench.station
    station.laser.tune(1550e-9)
    station.laser.set_power(1e-3)
    station.laser.switch_on()
    station.tones["drive"].set_tone(4e6, 0.1)
    station.tones["drive"].switch_on()
    assert bench.table.laser.on and bench.table.tones["drive"].waveform.on
    bench.forget()
    assert station.make_safe() == []
    assert not bench.table.laser.on and not bench.table.tones["drive"].waveform.on
    others = [bench.order.index(name) for name in ("servos", "piezo_a")]
    assert max(bench.order.index("laser"), bench.order.index("generator")) < min(others)


def test_making_safe_goes_on_past_a_laser_that_is_gone(tmp_path: Path) -> None:
    bench = bench_with(MORE, tmp_path)
    bench.station.tones["drive"].set_tone(4e6, 0.1)
    bench.station.tones["drive"].switch_on()
    bench.station.driver("laser").close()
    (problem,) = bench.station.make_safe()
    assert problem.startswith("laser could not be made safe")
    assert not bench.table.tones["drive"].waveform.on


def test_health_and_snapshot_know_the_new_instruments(more: Bench) -> None:
    assert all(health.answers for health in more.station.health())
    settings = {(setting.instrument, setting.name): setting for setting in more.station.settings()}
    for key in [("vacuum", "unit"), ("laser", "wavelength_setpoint"), ("meter", "attenuation_db")]:
        assert settings[key].value and not settings[key].problem


# ---- other makers' instruments in the roles that the table has anyway ------------------------------------------------


def test_another_makers_analyzer_takes_the_trace(swapped: Bench) -> None:
    assert isinstance(swapped.station.driver("analyzer"), RohdeSchwarzFSV)
    analyzer = swapped.station.analyzer
    swapped.station.rf_switch.select("bhd1")
    swapped.station.shutters["local_oscillator"].open()
    accepted = analyzer.configure_sweep(SweepSettings(4.270e6, 4.282e6, 601, 200.0, 200.0, 2))
    assert (accepted.points, accepted.averages) == (601, 2)
    analyzer.start()
    assert analyzer.is_sweeping()
    swapped.clock.sleep(1.05 * analyzer.duration_s() + 5.0)
    assert not analyzer.is_sweeping()
    trace = analyzer.read_trace()
    assert trace.shape == (601,) and np.all(np.isfinite(trace)) and np.ptp(trace) > 0.1


def test_another_makers_analyzer_is_held_to_the_longest_sweep(swapped: Bench) -> None:
    with pytest.raises(LimitError, match="longest_sweep"):
        swapped.station.analyzer.configure_sweep(SweepSettings(1e6, 10e6, 1001, 10.0, 10.0, 100_000))


def test_the_amplifier_with_one_channel_raises_its_piezo(swapped: Bench) -> None:
    assert isinstance(swapped.simulation.instruments["piezo_d"], SimulatedMDT693B)
    swapped.station.piezos["cavity4"].ramp_to(75.0)
    assert swapped.voltages["cavity4"][-1][1] == pytest.approx(75.0)


def test_an_oven_without_a_ramp_of_its_own_is_ramped(tmp_path: Path) -> None:
    bench = bench_with(SWAPPED, tmp_path)
    driver, oven = bench.station.driver("oven"), bench.station.oven
    assert isinstance(driver, ThorlabsTED4015)
    assert isinstance(bench.simulation.instruments["oven"], SimulatedTED4015)
    start_c = oven.temperature_c()
    oven.set_target(35.0, 0.02)
    assert driver.target_temperature_c == pytest.approx(start_c, abs=0.01)
    assert oven.regulating()
    bench.clock.sleep(100.5)
    assert driver.target_temperature_c == pytest.approx(start_c + 2.0, abs=0.05)
    bench.station.rebind()  # one ramp goes on
    bench.station.oven.set_target(34.0, 0.02)
    bench.clock.sleep(600.0)
    assert driver.target_temperature_c == pytest.approx(34.0, abs=1e-6)
    assert bench.station.oven.temperature_c() == pytest.approx(34.0, abs=0.1)
    assert bench.station.oven.regulating()


def test_an_oven_without_a_ramp_keeps_the_limits_and_goes_off(tmp_path: Path) -> None:
    bench = bench_with(SWAPPED + '\n[oven]\nat_shutdown = "off"\n', tmp_path)
    oven, driver = bench.station.oven, bench.station.driver("oven")
    assert isinstance(driver, ThorlabsTED4015)
    bench.forget()
    for target_c, ramp_k_per_s in ((46.0, 0.02), (14.0, 0.02), (35.0, 0.03), (35.0, 0.0), (math.nan, 0.02)):
        with pytest.raises(LimitError):
            oven.set_target(target_c, ramp_k_per_s)
    assert not bench.sent["oven"]
    oven.set_target(35.0, 0.02)
    bench.clock.sleep(10.5)
    assert bench.station.make_safe() == []
    left_c = driver.target_temperature_c
    bench.clock.sleep(10.0)
    assert not driver.output_enabled and not oven.regulating()
    assert driver.target_temperature_c == left_c
