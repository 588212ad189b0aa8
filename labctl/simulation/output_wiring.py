"""Which outputs a simulated table has, by the names of its station file, and how fast that lets them be."""

from __future__ import annotations

from collections.abc import Mapping

from labctl.configuration.servos import AnalogServo as AnalogServoEntry
from labctl.configuration.servos import SlowOutput, SoftwareServo
from labctl.configuration.station_file import StationFile
from labctl.simulation.analog_servo import AnalogServo
from labctl.simulation.output_limits import SERVO_V_PER_S, servo_v_per_s_to_rest
from labctl.simulation.output_record import OutputTrack
from labctl.simulation.piezo import PiezoChannel
from labctl.simulation.surroundings import WavePlate
from labctl.simulation.table import SimulatedTable


def follow_outputs(
    station: StationFile,
    table: SimulatedTable,
    piezos: Mapping[str, PiezoChannel],
    servos: Mapping[str, AnalogServo],
    plates: Mapping[str, WavePlate],
) -> None:
    """Let the record of the table follow everything that drives it. Piezos, servos and plates by their names.

    piezo.NAME.setting is what the amplifier was told, piezo.NAME.voltage what is on the piezo, with the servo's part.
    servo.NAME.open_above and open_below are the magnitude of the output of an open loop on either side of 0 V,
    servo.NAME.opening by how much it jumped when the loop was opened.
    """
    _follow_piezos(station, table, piezos)
    _follow_servos(station, table, servos)
    _follow_oven(station, table)
    _follow_light(station, table)
    for name, plate in plates.items():
        table.outputs.add(f"rotator.{name}.angle", plate.angle_track)
    for name, mirror in station.mirrors.items():
        sensor = table.sensors[int(name.removeprefix("sensor")) - 1]
        table.outputs.add(f"mirror.{name}.pitch", sensor.pitch.move_track, instrument=mirror.instrument)
        table.outputs.add(f"mirror.{name}.yaw", sensor.yaw.move_track, instrument=mirror.instrument)


def _follow_piezos(station: StationFile, table: SimulatedTable, piezos: Mapping[str, PiezoChannel]) -> None:
    limits = station.piezo_limits
    slew, to_rest = (None, None) if limits is None else (limits.slew, limits.fastest_to_safe)
    entries = {name: loop.piezo.instrument for name, loop in station.loops.items()}
    entries |= {name: piezo.instrument for name, piezo in station.piezos.items()}
    for name, channel in piezos.items():
        table.outputs.add(
            f"piezo.{name}.setting", channel.setting_track, rate=slew, rate_to_rest=to_rest, instrument=entries[name]
        )
        table.outputs.add(f"piezo.{name}.voltage", channel.voltage_track)


def _follow_servos(station: StationFile, table: SimulatedTable, servos: Mapping[str, AnalogServo]) -> None:
    for name, loop in station.servo_loops.items():
        if name not in servos:
            continue
        entry = loop.servo
        instrument = entry.instrument if isinstance(entry, AnalogServoEntry) else None
        if isinstance(entry, SoftwareServo) and isinstance(entry.output, SlowOutput):
            instrument = entry.output.instrument
        servo = servos[name]
        table.outputs.add(f"servo.{name}.output", servo.output_track, instrument=instrument)
        table.outputs.add(f"servo.{name}.opening", servo.opening_track)
        if isinstance(entry, AnalogServoEntry):
            rate, to_rest = SERVO_V_PER_S, servo_v_per_s_to_rest(station)
            for side, track in zip(("above", "below"), servo.open_tracks, strict=True):
                name_of_side = f"servo.{name}.open_{side}"
                table.outputs.add(name_of_side, track, rate=rate, rate_to_rest=to_rest, instrument=instrument)


def _follow_oven(station: StationFile, table: SimulatedTable) -> None:
    oven = station.oven
    if oven is None:
        return
    record, plant = table.outputs, table.oven
    record.add("oven.target", plant.target_track, rate=oven.ramp, instrument=oven.instrument)
    record.add("oven.crystal", plant.crystal_track)
    record.add("oven.regulated", plant.rate_track, rate=oven.ramp)  # the crystal, once a second
    record.add("oven.heater", plant.heater_track, instrument=oven.instrument)


def _follow_light(station: StationFile, table: SimulatedTable) -> None:
    record = table.outputs
    record.add("light.pump", table.pump_track)
    record.add("light.local_oscillator", table.local_oscillator_track)
    for number, sensor in enumerate(table.sensors, start=1):
        record.add(f"light.probe{number}", sensor.probe_track)
    if station.laser is not None:
        record.add("laser.power", table.laser.power_track, instrument=station.laser.instrument)
        record.add("laser.wavelength", table.laser.wavelength_track, instrument=station.laser.instrument)
    for name, tone in station.tones.items():
        record.add(f"tone.{name}.amplitude", table.tones[name].amplitude_track, instrument=tone.instrument)
        record.add(f"tone.{name}.frequency", table.tones[name].frequency_track, instrument=tone.instrument)
    for name, shutter in station.shutters.items():
        track = table.shutter_tracks[name] = OutputTrack("")
        track.at(float(table.shutters.get(name, False)))
        record.add(f"shutter.{name}", track, instrument=shutter.instrument)
