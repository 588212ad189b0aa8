"""From a station file to a simulated table: one twin for each instrument, wired as the file says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import get_args

import numpy as np

from labctl.configuration.instrument_kinds import SERVO_MODULE
from labctl.configuration.servos import AnalogServo as AnalogServoEntry
from labctl.configuration.station_file import CavityLoop, HomodyneLoop, SimulatedBackend, StationFile
from labctl.errors import ConfigurationError
from labctl.simulation.analog_servo import AnalogServo
from labctl.simulation.board_ports import BoardPins, BoardSlowInputs
from labctl.simulation.converters import LoopConverters
from labctl.simulation.design import design_of, truth_of
from labctl.simulation.instruments.agilent_33500 import Simulated33500
from labctl.simulation.instruments.keysight_x_series import SimulatedXSeries
from labctl.simulation.instruments.meerstetter_tec import SimulatedTEC
from labctl.simulation.instruments.mks_937b import SimulatedMKS937B
from labctl.simulation.instruments.newport_8742 import SimulatedNewport8742
from labctl.simulation.instruments.pfeiffer_tpg import Model as TpgModel
from labctl.simulation.instruments.pfeiffer_tpg import SimulatedTPG
from labctl.simulation.instruments.redpitaya_chain import TriggerCable
from labctl.simulation.instruments.redpitaya_stemlab import SimulatedRedPitaya
from labctl.simulation.instruments.rohde_schwarz_fsv import SimulatedFSV
from labctl.simulation.instruments.santec_tsl import SimulatedTSL570
from labctl.simulation.instruments.srs_sim900 import SimulatedSIM900
from labctl.simulation.instruments.thorlabs_ell14 import SimulatedELL14Bus
from labctl.simulation.instruments.thorlabs_mdt693b import SimulatedMDT693B
from labctl.simulation.instruments.thorlabs_pm100 import SimulatedPM100
from labctl.simulation.instruments.thorlabs_ted4015 import SimulatedTED4015
from labctl.simulation.loop_records import LoopRecords
from labctl.simulation.output_wiring import follow_outputs
from labctl.simulation.pick_off import picked_off
from labctl.simulation.piezo import CAVITY_STACK, MIRROR_STACK, PiezoChannel
from labctl.simulation.ports import FastInputs, GeneratorPort, PiezoPort
from labctl.simulation.sensor_plant import LightOnDetector, SensorPlant
from labctl.simulation.shared_records import SharedRecords
from labctl.simulation.simulation import Simulation
from labctl.simulation.surroundings import Chamber, MeteredLight, TonePort, WavePlate
from labctl.simulation.table import TICK_S, AnalyzerInput, DetectorInputs, LengthScan, SimulatedTable
from labctl.simulation.truth import generator
from labctl.simulation.wire import WireInstrument

__all__ = ["Simulation", "simulate"]

TRANSMISSION_MONITOR_V = 1.0


def simulate(station: StationFile) -> Simulation:
    """Build the table of a station file whose backend is simulated.

    Raises `ConfigurationError` when the backend is another.
    """
    backend = station.backend
    if not isinstance(backend, SimulatedBackend):
        raise ConfigurationError(
            "This station file names real instruments.", remedy='Set [backend] kind = "simulated".'
        )
    wiring = _Wiring(station, backend)
    instruments = {name: wiring.build(name) for name in station.instruments}
    follow_outputs(station, wiring.table, wiring.piezos, wiring.servos, wiring.plates)
    return Simulation.switched_on(station, wiring.table, instruments, backend.faults, wiring.rng, wiring.wake_up)


class _Wiring:
    def __init__(self, station: StationFile, backend: SimulatedBackend) -> None:
        self._station = station
        self._seed = backend.seed
        gain = 1.0 if station.piezo_limits is None else station.piezo_limits.servo_gain
        self.piezos = {name: PiezoChannel(gain, MIRROR_STACK) for name in station.servo_loops}
        cavities = [name for name, loop in station.loops.items() if isinstance(loop, CavityLoop)]
        self.piezos |= {name: PiezoChannel(gain, CAVITY_STACK) for name in (*cavities, *station.piezos)}
        self.plates = {name: WavePlate() for name in station.rotators}
        self.table = SimulatedTable(
            truth_of(station), _light(station), self.piezos, gain, backend.disturbances, self.plates
        )
        self.servos = {
            "opa_length": self.table.source.length_servo,
            "pump_phase": self.table.source.phase_servo,
            **{f"lo{n}": sensor.servo for n, sensor in enumerate(self.table.sensors, start=1)},
        }
        for name, servo in self.servos.items():
            if name in self.piezos:
                self.piezos[name].wire_servo(servo.output_volts)
        signals: dict[str, Callable[[], float]] = {name: servo.measured_volts for name, servo in self.servos.items()}
        signals |= {f"lo{n}": sensor.dc_volts for n, sensor in enumerate(self.table.sensors, start=1)}
        self._loop_records = self._error_records()
        self._converters = LoopConverters(station, self.servos, signals, self._seed)
        for name in station.gauges:
            chamber = self.table.chambers[name] = Chamber(generator(self._seed, f"gauge {name}"), TICK_S)
            self.table.attach(chamber)
        self.table.tones |= {name: TonePort(self.table.now) for name in station.tones}
        self._pins = {name: BoardPins(self._pins_changed) for name in station.instruments}
        self._records = SharedRecords(self.table.detectors, len(self.table.sensors))
        self._trigger_cables = [TriggerCable() for _ in (station.digitizer.chain if station.digitizer else ())]

    def build(self, name: str) -> WireInstrument:
        """Return the twin of one instrument."""
        instrument = self._station.instruments[name]
        return _BUILDERS[instrument.driver](self, name)

    def wake_up(self, name: str) -> WireInstrument:
        """Return the instrument as after power-on: its digital pins float, and what they drove falls to low."""
        self._pins[name].levels.clear()
        self._pins_changed()
        self.table.outputs.power_cycled(name)
        return self.build(name)

    def rng(self, name: str) -> np.random.Generator:
        """Return the random numbers of one instrument."""
        return generator(self._seed, f"instrument {name}")

    def analyzer(self, name: str) -> WireInstrument:
        source = AnalyzerInput(self.table.detectors, self._rf_position)
        return SimulatedXSeries(self.table, source, self.rng(name), model=self._station.instruments[name].model)

    def rohde_schwarz_analyzer(self, name: str) -> WireInstrument:
        source = AnalyzerInput(self.table.detectors, self._rf_position)
        return SimulatedFSV(self.table, source, self.rng(name), model=self._station.instruments[name].model)

    def picomotors(self, name: str) -> WireInstrument:
        axes = {}
        for mirror_name, mirror in self._station.mirrors.items():
            if mirror.instrument == name:
                sensor = self.table.sensors[int(mirror_name.removeprefix("sensor")) - 1]
                axes[mirror.controller, mirror.pitch] = sensor.pitch
                axes[mirror.controller, mirror.yaw] = sensor.yaw
        return SimulatedNewport8742(self.table, axes, chain=self._station.instruments[name].chain)

    def servo_mainframe(self, name: str) -> WireInstrument:
        servos: dict[int, AnalogServo] = {
            loop.servo.slot: self.servos[loop_name]
            for loop_name, loop in self._station.loops.items()
            if isinstance(loop.servo, AnalogServoEntry) and loop.servo.instrument == name and loop_name in self.servos
        }
        for slot, module in self._station.instruments[name].slots.items():
            if module == SERVO_MODULE and slot not in servos:
                servos[slot] = self._converters.idle_servo()
        return SimulatedSIM900(self.table, servos, self.rng(name))

    def piezo_amplifier(self, name: str) -> WireInstrument:
        return SimulatedMDT693B(self.table, self._piezo_channels(name), self.rng(name))

    def one_piezo_amplifier(self, name: str) -> WireInstrument:
        return SimulatedMDT693B(self.table, self._piezo_channels(name), self.rng(name), model="MDT694B")

    def _piezo_channels(self, name: str) -> dict[str, PiezoPort]:
        channels: dict[str, PiezoPort] = {
            loop.piezo.channel: self.piezos[loop_name]
            for loop_name, loop in self._station.loops.items()
            if loop.piezo.instrument == name
        }
        channels |= {
            piezo.channel: self.piezos[piezo_name]
            for piezo_name, piezo in self._station.piezos.items()
            if piezo.instrument == name
        }
        return channels

    def temperature_controller(self, name: str) -> WireInstrument:
        oven = self._station.oven
        ports = {oven.channel: self.table.oven} if oven is not None and oven.instrument == name else {}
        return SimulatedTEC(self.table, ports, self.rng(name))

    def bench_temperature_controller(self, name: str) -> WireInstrument:
        return SimulatedTED4015(self.table, self.table.oven, self.rng(name))

    def _chambers(self, name: str) -> dict[int, Chamber]:
        gauges = self._station.gauges.items()
        return {gauge.channel: self.table.chambers[key] for key, gauge in gauges if gauge.instrument == name}

    def pfeiffer_gauges(self, name: str) -> WireInstrument:
        wanted = self._station.instruments[name].model
        model: TpgModel = next((known for known in get_args(TpgModel) if known == wanted), "TPG362")
        return SimulatedTPG(self.table, self._chambers(name), self.rng(name), model=model)

    def mks_gauges(self, name: str) -> WireInstrument:
        return SimulatedMKS937B(self.table, self._chambers(name))

    def rotation_mounts(self, name: str) -> WireInstrument:
        plates = {address: WavePlate() for address in self._station.instruments[name].addresses}
        for key, rotator in self._station.rotators.items():
            if rotator.instrument == name:
                plates[rotator.address] = self.plates[key]
        return SimulatedELL14Bus(self.table, plates, self.rng(name))

    def tunable_laser(self, name: str) -> WireInstrument:
        return SimulatedTSL570(self.table, self.table.laser)

    def tone_generator(self, name: str) -> WireInstrument:
        tones = self._station.tones.items()
        ports = {tone.output: self.table.tones[key] for key, tone in tones if tone.instrument == name}
        return Simulated33500(self.table, ports, model=self._station.instruments[name].model)

    def power_meter(self, name: str) -> WireInstrument:
        light = self._station.light
        assert light is not None  # a simulated table needs it
        place = next((key for key, meter in self._station.power_meters.items() if meter.instrument == name), "")
        watts, wavelength_m = {
            "pump": (self.table.pump_w, 0.5 * light.wavelength),
            "local_oscillator": (picked_off(self.table.local_oscillator_w, self._seed), light.wavelength),
        }.get(place, (self._first_probe_w, light.wavelength))
        metered = MeteredLight(watts, wavelength_m, self.rng(name))
        return SimulatedPM100(self.table, metered, model=self._station.instruments[name].model)

    def _first_probe_w(self) -> float:
        return self.table.sensors[0].probe_power_w if self.table.sensors else 0.0

    def digitizer(self, name: str) -> WireInstrument:
        boards = () if self._station.digitizer is None else self._station.digitizer.boards
        place = next((place for place, board in enumerate(boards) if board.instrument == name), None)
        if place is None:
            return self._red_pitaya(name, self._slow_board_inputs(name), {}, "4-input")
        detectors = {number: int(label.removeprefix("bhd")) - 1 for label, number in boards[place].inputs.items()}
        cables = [None, *self._trigger_cables, None][place : place + 2]
        return self._red_pitaya(name, DetectorInputs(self._records, detectors), {}, "4-input", *cables)

    def scan_board(self, name: str) -> WireInstrument:
        scan = self._station.scan
        if scan is None or scan.instrument != name:
            return self._red_pitaya(name, self._slow_board_inputs(name), {}, "125-14")
        length = LengthScan(
            self.table.source,
            self.piezos["opa_length"],
            scan.volts_per_volt,
            scan.error_input,
            scan.transmission_input,
            self._seed,
        )
        length.amplitude_track = self.table.outputs.kept("scan.amplitude", length.amplitude_track, instrument=name)
        return self._red_pitaya(name, length, {scan.output: length}, "125-14")

    def _slow_board_inputs(self, name: str) -> FastInputs:
        """Return what a board sees that neither digitizes the detectors nor scans the source: error signals of
        homodyne loops, or the inputs of loops that labctl closes itself."""
        return self._loop_records.get(name) or self._converters.fast_inputs(name)

    def _error_records(self) -> dict[str, LoopRecords]:
        """Return what the boards see that record error signals of homodyne loops, by their names."""
        wired: dict[str, dict[int, SensorPlant]] = {}
        for loop in self._station.loops.values():
            if isinstance(loop, HomodyneLoop) and loop.error is not None:
                sensor = self.table.sensors[loop.sensor - 1]
                wired.setdefault(loop.error.instrument, {})[loop.error.input] = sensor
        records = {name: LoopRecords(sensors, self._seed) for name, sensors in wired.items()}
        for record in records.values():
            self.table.attach(record)
        return records

    def _red_pitaya(
        self,
        name: str,
        fast: FastInputs,
        outputs: Mapping[int, GeneratorPort],
        variant: str,
        from_before: TriggerCable | None = None,
        to_next: TriggerCable | None = None,
    ) -> WireInstrument:
        board = SimulatedRedPitaya(
            self.table,
            fast,
            self._slow_inputs(name),
            self._pins[name],
            outputs,
            self.rng(name),
            variant=variant,
            from_before=from_before,
            to_next=to_next,
        )
        slow = self._converters.slow_outputs(name)
        for pin in slow.tracks:
            slow.tracks[pin] = self.table.outputs.kept(f"dac.{name}.{pin}", slow.tracks[pin], instrument=name)
        board.pins.drive(slow)
        return board

    def _slow_inputs(self, name: str) -> BoardSlowInputs:
        sources: dict[str, Callable[[], float]] = {}
        for monitor_name, monitor in self._station.monitors.items():
            if monitor.instrument == name:
                signal = self._monitor_signal(monitor_name)
                sources[monitor.input] = _shifted(signal, monitor.offset, monitor.gain)
        return BoardSlowInputs(sources)

    def _monitor_signal(self, name: str) -> Callable[[], float]:
        source = self.table.source
        if name == "opa_transmission":
            return lambda: TRANSMISSION_MONITOR_V * source.transmission_now()
        if name == "seed_power":
            return source.seed_monitor_volts
        if name.startswith("cavity"):
            sensor = self.table.sensors[int(name.removeprefix("cavity")) - 1]
            return lambda: sensor.cavity.transmission_volts(self.table.cavity_light(sensor))
        if name.startswith("lo"):
            return self.table.sensors[int(name.removeprefix("lo")) - 1].dc_volts
        return self._converters.monitor_signal(name)

    def _pins_changed(self) -> None:
        for name, shutter in self._station.shutters.items():
            is_open = self._pins[shutter.instrument].level(shutter.pin) == shutter.open_level
            if self.table.shutters.get(name) != is_open:
                self.table.set_shutter(name, is_open)

    def _rf_position(self) -> str | None:
        switch = self._station.rf_switch
        if switch is None:
            return "sum"
        pins = self._pins[switch.instrument]
        code = sum(pins.level(pin) << bit for bit, pin in enumerate(switch.pins))
        return next((position for position, value in switch.positions.items() if value == code), None)


def _light(station: StationFile) -> LightOnDetector:
    design = design_of(station)
    return LightOnDetector(
        probe_power_w=design.probe_power_w,
        local_oscillator_w=design.local_oscillator_w,
        responsivity_a_per_w=design.responsivity_a_per_w,
        dc_volts_per_ampere=design.dc_volts_per_ampere,
        quantum_efficiency=design.quantum_efficiency,
    )


def _shifted(signal: Callable[[], float], offset_v: float, gain: float) -> Callable[[], float]:
    return lambda: offset_v + gain * signal()


_BUILDERS: dict[str, Callable[[_Wiring, str], WireInstrument]] = {
    "keysight-x-series": _Wiring.analyzer,
    "newport-8742": _Wiring.picomotors,
    "srs-sim900": _Wiring.servo_mainframe,
    "thorlabs-mdt693b": _Wiring.piezo_amplifier,
    "meerstetter-tec": _Wiring.temperature_controller,
    "redpitaya-4-input": _Wiring.digitizer,
    "redpitaya-125-14": _Wiring.scan_board,
    "rohde-schwarz-fsv": _Wiring.rohde_schwarz_analyzer,
    "thorlabs-mdt694b": _Wiring.one_piezo_amplifier,
    "pfeiffer-tpg": _Wiring.pfeiffer_gauges,
    "mks-937b": _Wiring.mks_gauges,
    "thorlabs-ell14": _Wiring.rotation_mounts,
    "santec-tsl570": _Wiring.tunable_laser,
    "keysight-33500": _Wiring.tone_generator,
    "thorlabs-pm100": _Wiring.power_meter,
    "thorlabs-ted4015": _Wiring.bench_temperature_controller,
}
