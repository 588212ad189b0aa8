"""The wires of converters on the simulated table: what slow outputs drive, what inputs see, and modules left over."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from software_station import FAST_INPUT, PIEZO, SLOW_OUTPUT, software_station
from stepped_time import SteppedTime

from drivers.redpitaya.stemlab import RedPitaya125_14
from drivers.srs.sim900 import SIM900
from labctl.configuration.station_file import StationFile
from labctl.configuration.toml_reading import station_text
from labctl.simulation.converters import SteadyInputs
from labctl.simulation.instruments.redpitaya_stemlab import SimulatedRedPitaya
from labctl.simulation.visa_library import simulated_library
from labctl.simulation.wiring import simulate

CONFIG = Path(__file__).parents[2] / "config" / "simulated.toml"
ADDRESS = "TCPIP::192.168.10.14::5000::SOCKET"
STEP_V = 1.8 / 255


class Nothing:
    """Ports that nothing is connected to."""

    def volts(self, name: str) -> float:
        return 0.0

    def set_level(self, pin: str, level: int) -> None: ...

    def level(self, pin: str) -> int:
        return 0


class Driven:
    """Slow outputs that remember what was put out."""

    def __init__(self) -> None:
        self.put: list[tuple[str, float]] = []

    def set_volts(self, name: str, volts: float) -> None:
        self.put.append((name, volts))


def test_slow_outputs_drive_in_steps_and_a_reset_brings_them_to_zero() -> None:
    time, driven = SteppedTime(), Driven()
    board = SimulatedRedPitaya(
        time, SteadyInputs({}, np.random.default_rng(1)), Nothing(), Nothing(), {}, np.random.default_rng(1)
    )
    board.pins.drive(driven)
    assert driven.put == [(f"AOUT{number}", 0.0) for number in range(4)]  # as after power-on
    driver = RedPitaya125_14(ADDRESS, visa_library=simulated_library(time, {ADDRESS: board}))
    driven.put.clear()
    driver.slow_outputs["AOUT2"].voltage = 1.0
    driver.slow_outputs["AOUT0"].voltage = 1.8
    assert driven.put == [("AOUT2", pytest.approx(1.0, abs=0.5 * STEP_V)), ("AOUT0", pytest.approx(1.8))]
    assert driven.put[0][1] == pytest.approx(driver.slow_outputs["AOUT2"].voltage, abs=1e-5)
    driver.write("ANALOG:RST")
    driver.check_errors()
    assert dict(driven.put) == {f"AOUT{number}": 0.0 for number in range(4)}


def test_a_slow_output_is_the_servo_of_its_loop_and_no_other_pin_is() -> None:
    simulation = simulate(software_station(output=SLOW_OUTPUT | {"pin": "AOUT1", "offset": 0.5, "gain": -10.0}))
    table, scan = simulation.table, simulation.instruments["scan"]
    servo = table.sensors[0].servo
    assert servo.output_volts() == pytest.approx(5.0)  # -10 (0 V - 0.5 V)
    scan.on_bytes(b"ANALOG:PIN AOUT0,1.8\r\n")
    assert servo.output_volts() == pytest.approx(5.0)
    scan.on_bytes(b"ANALOG:PIN AOUT1,1.8\r\n")
    assert servo.output_volts() == pytest.approx(-13.0)
    table.elapse(5.0)
    assert servo.output_volts() == pytest.approx(-13.0)  # it is a piece of wire: nothing closes there
    assert simulation.instruments["piezo_a"]._channels["z"].piezo.external_volts() == pytest.approx(-195.0)


def test_a_loop_over_the_set_point_of_its_piezo_leaves_the_external_input_alone() -> None:
    table = simulate(software_station(output=PIEZO)).table
    table.elapse(5.0)
    assert table.sensors[0].servo.output_volts() == 0.0
    assert not table.sensors[0].servo.settings.closed


def test_a_fast_input_sees_the_detector_and_noise() -> None:
    simulation = simulate(software_station(source=FAST_INPUT))
    inputs = simulation.instruments["spare"]
    assert isinstance(inputs, SimulatedRedPitaya)
    record = SteadyInputs({2: lambda: 0.1}, np.random.default_rng(2)).capture([1, 2], 0.0, 1e6, 10_000, 4)
    assert np.all(record[0] == 0.0)
    assert record[1].mean() == pytest.approx(0.1, abs=5 * 0.75e-3 / 100)
    assert record[1].std() == pytest.approx(0.75e-3, rel=0.05)  # 1.5 mV of a single sample, four averaged


def test_a_monitor_that_only_a_loop_reads_shows_its_error_signal() -> None:
    content = json.loads(station_text(CONFIG))
    content["monitors"]["pump_error"] = {"instrument": "digitizer", "input": "AIN2", "offset": 1.0, "gain": 2.0}
    content["monitors"]["spare"] = {"instrument": "digitizer", "input": "AIN3", "offset": 1.0, "gain": 2.0}
    content["loops"]["pump_phase"] |= {
        "unity_gain": 2.0,
        "servo": {
            "kind": "software",
            "input": {"kind": "monitor", "name": "pump_error"},
            "output": PIEZO,
            "rate": 50.0,
        },
    }
    simulation = simulate(StationFile.model_validate(content))
    simulation.table.source.phase_servo._plant = lambda output_v: 0.25
    board = simulation.instruments["digitizer"]
    assert isinstance(board, SimulatedRedPitaya)
    assert board.pins._slow_inputs.volts("AIN3") == 1.0
    assert board.pins._slow_inputs.volts("AIN2") == pytest.approx(1.0 + 2.0 * 0.25, abs=0.01)


def test_modules_that_no_loop_uses_are_seated_all_the_same() -> None:
    file = software_station()
    simulation = simulate(file)
    entry = file.instruments["servos"]
    mainframe = SIM900(entry.address, slots=(1, 2, 3, 4, 5, 6), visa_library=simulation.library)
    mainframe.initialise()
    idle = mainframe.modules[3]
    idle.open_loop()
    idle.manual_output = 1.0
    assert idle.manual_output == pytest.approx(1.0)
    assert simulation.table.sensors[0].servo.output_volts() == pytest.approx(-4.5)  # that of the loop is elsewhere
