"""Parking a table whose program died: what only the program held comes to rest, what holds by itself is left holding.

| device | when parked | why |
|---|---|---|
| tones, length scan | off | they shake what the next measurement needs at rest |
| picomotors | stopped | nobody counts their steps any more |
| tunable laser | off | its light is of use only to the measurement that ended |
| analyzer | sweep aborted | it would show a record of nothing |
| DACs of software servos | ramped to 0 V | nobody closes their loops any more |
| hardware servos | as they are: closed, set points and gains too | they hold by themselves; a successor takes over |
| high voltage | as it is | the servos act around it; a step would cost every lock |
| shutters, wave plates | as they are | the locks need the light |
| oven | regulates on | hours of warming; its controller needs no program |

All of them one after the other where they share an instrument, instruments side by side where the clock allows it.
`labctl.station.safe_state` is the way to nothing at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from labctl.configuration.servos import SlowOutput, SoftwareServo
from labctl.configuration.station_file import ServoLoop, StationFile
from labctl.errors import BadReply, NoReply
from labctl.station.bindings.converters import SlowDac
from labctl.station.bindings.software_servo import SoftwareServo as BoundSoftwareServo
from labctl.station.clock import wait_out

if TYPE_CHECKING:
    from labctl.station.station import Station

WORTH_ANOTHER_TRY: Final = (NoReply, BadReply)  # of a link that works: it may carry half a reply for who is dead


def park(station: Station) -> list[str]:
    """Park the table and return one sentence for each device that could not be; never raises.

    What moves the table meanwhile, in whatever thread, ends with `Stopped`. Of the station's instruments only those of
    `instruments_to_park` need to be open; what is behind one that the station was made without is left out.
    """
    lanes: dict[str, list[_Device]] = {}
    for device in _devices(station.file):
        if device.instrument in station.answers:
            lanes.setdefault(device.instrument, []).append(device)
    with station.way.taken():
        for servo in station.software_servos():
            servo.hold()
            servo.forget_output()
        if not station.clock.concurrent or not lanes:
            return [problem for lane in lanes.values() for problem in _park_all(station, lane)]
        with ThreadPoolExecutor(max_workers=len(lanes), thread_name_prefix="parking") as pool:
            told = pool.map(partial(_park_all, station), lanes.values())
            return [problem for problems in told for problem in problems]


def instruments_to_park(file: StationFile) -> list[str]:
    """Return the names of the instruments that parking talks to: neither hardware servos nor high voltage."""
    return list(dict.fromkeys(device.instrument for device in _devices(file)))


def what_is_parked(file: StationFile) -> str:
    """Return what parking brings to rest, for people: "tone force1 off, picomotors stopped"."""
    return ", ".join(device.parked for device in _devices(file))


@dataclass(frozen=True)
class _Device:
    """Something that is parked: its name, how it is then, the instrument that it is behind, and how it is done."""

    name: str
    parked: str
    instrument: str
    act: Callable[[Station], None]


def _devices(file: StationFile) -> Iterator[_Device]:
    """Yield what is to be parked: first what shakes and shines, then what moves slowly."""
    for name, tone in file.tones.items():
        yield _Device(f"tone {name}", f"tone {name} off", tone.instrument, partial(_switch_tone_off, name))
    if file.laser is not None:
        yield _Device("laser", "laser off", file.laser.instrument, lambda station: station.laser.switch_off())
    if file.scan is not None:
        yield _Device("length scan", "length scan off", file.scan.instrument, _end_scan)
    if file.analyzer is not None:
        instrument = file.analyzer.instrument
        yield _Device("analyzer", "analyzer aborted", instrument, lambda station: station.analyzer.abort())
    for instrument in dict.fromkeys(mirror.instrument for mirror in file.mirrors.values()):
        yield _Device(instrument, f"{instrument} stopped", instrument, partial(_stop_motors, instrument))
    for name, loop in file.servo_loops.items():
        if isinstance(loop.servo, SoftwareServo) and isinstance(loop.servo.output, SlowOutput):
            servo, output = loop.servo, loop.servo.output
            act = partial(_ramp_down, name, loop, servo, output)
            yield _Device(f"servo {name}", f"servo {name} at 0 V", output.instrument, act)


def _park_all(station: Station, lane: Sequence[_Device]) -> list[str]:
    problems = []
    for device in lane:
        for last in (False, True):
            try:
                device.act(station)
            except Exception as error:  # one device that fails must not keep the others from rest
                if last or not isinstance(error, WORTH_ANOTHER_TRY):
                    problems.append(f"{device.name} could not be parked: {error}")
                    break
            else:
                break
    return problems


def _switch_tone_off(name: str, station: Station) -> None:
    station.tones[name].switch_off()


def _end_scan(station: Station) -> None:
    assert station.file.scan is not None
    board: Any = station.driver(station.file.scan.instrument)
    board.outputs[station.file.scan.output].on = False


def _stop_motors(instrument: str, station: Station) -> None:
    controller: Any = station.driver(instrument)
    controller.stop()


def _ramp_down(name: str, loop: ServoLoop, servo: SoftwareServo, output: SlowOutput, station: Station) -> None:
    """Bring the DAC of a software servo to 0 V no faster than its slew; its input is not looked at."""
    board: Any = station.driver(output.instrument)
    limits = station.piezo_limits
    dac = SlowDac(board, output.pin, output.offset, output.gain)
    bound = BoundSoftwareServo(
        name,
        dac.put,
        lambda: 0.0,
        station.clock,
        period_s=servo.period_s,
        output_limit_v=loop.output_limit,
        slew_v_per_s=servo.slew_v_per_s(limits.slew, limits.servo_gain),
        present_v=dac.volts,
        way=station.way,
    )
    for wait_s in bound.to_rest():
        wait_out(station.clock, wait_s)
