"""Leaving a table safe within a second: what, in which order, and who waits for whom."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, assert_never

from labctl import last_words
from labctl.configuration.servos import AnalogServo, PiezoOutput, SlowOutput, SoftwareServo
from labctl.configuration.station_file import ServoLoop
from labctl.errors import BadReply, ConnectionLost, NoReply
from labctl.station.asking import asking
from labctl.station.bindings.coming_to_rest import largest_servo_step_v, piezo_to_rest, servo_to_rest
from labctl.station.bindings.converters import SteeredPiezo
from labctl.station.bindings.environment import SHUTTER_S, BoundOven
from labctl.station.bindings.loops import BoundServo
from labctl.station.bindings.ramped_oven import BoundRampedOven
from labctl.station.bindings.software_servo import SoftwareServo as BoundSoftwareServo
from labctl.station.taking_turns import Turns, Wire, take_turns, whole

if TYPE_CHECKING:
    from labctl.station.station import Station

PATIENCE_S: Final = 0.6  # from the call on, for light to be off and servos to be held before others move
SERVO_PATIENCE_S: Final = 3.0  # from the call on, of a piezo that cannot tell where it is before its servo rests
LOCKS_PATIENCE_S: Final = 0.1  # of light, for those who would bring it back: they are refused already
HEAT_PATIENCE_S: Final = 1.0  # of the oven, for all others
LOOK_S: Final = 5e-3  # between two looks of who waits for another
SILENCE: Final = (NoReply, ConnectionLost)
WORTH_ANOTHER_TRY: Final = (*SILENCE, BadReply)
ROLES: Final = ("shutters", "laser", "tones", "analyzer", "servos", "piezos")


def make_safe(station: Station) -> list[str]:
    """Leave the table safe, and return one sentence for each device that could not be made so; never raises.

    First those who would bring back what is switched off, then light, then servos, held and with their outputs brought
    to zero together with the high voltage, then heat. What moves the table meanwhile, in whatever thread, ends with
    `Stopped`. Nothing is trusted that this program did last.

    Where the clock is concurrent each instrument has a thread, and what is behind one instrument is always in one
    thread. Whoever is to go first is waited for `PATIENCE_S` at most, so that a silent instrument keeps nobody waiting
    but what is behind it; where all share one thread, it costs the others one time-out.
    """
    with station.way.taken(), asking("the way to rest"):
        problems = _Descent(station).run()
    last_words.table_made_safe(problems)
    return problems


def _output_of(loop: ServoLoop) -> str:
    """Return the instrument that puts out what a servo of this program says."""
    assert isinstance(loop.servo, SoftwareServo)
    match loop.servo.output:
        case SlowOutput() as slow:
            return slow.instrument
        case PiezoOutput():
            return loop.piezo.instrument
        case never:
            assert_never(never)


class _Descent:
    """One way down. A device is named as in the sentence that tells that it could not be made safe."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._file = station.file
        self._clock = station.clock
        self._began_at = station.clock.now()
        self._locks_ended = threading.Event()
        self._wires: dict[str, Wire] = {}
        self._lanes: dict[str, list[Turns]] = {}  # by instrument
        self._devices: list[str] = []
        self._light: list[str] = []
        self._tried: set[str] = set()
        self._held: set[str] = set()  # loops whose servo is open
        self._problems: dict[str, str] = {}

    def run(self) -> list[str]:
        """Go down and return what could not be made safe, in the order of the devices."""
        for role in ROLES:  # bound in one thread, or two would bind them twice; who uses one tells what is wrong
            with suppress(Exception):
                getattr(self._station, role)
        for servo in self._station.software_servos():
            servo.end_soon()  # none runs after a signal whose light is gone
        self._plan()
        if self._clock.concurrent:
            self._run_in_threads()
        else:
            self._end_locks()
            servos = [loop.servo for loop in self._file.servo_loops.values()]
            slow = {servo.instrument for servo in servos if isinstance(servo, AnalogServo)}
            take_turns(self._clock, [self._lanes[name] for name in sorted(self._lanes, key=lambda name: name in slow)])
        return [self._problems[device] for device in ["the locks", *self._devices] if device in self._problems]

    def _run_in_threads(self) -> None:
        threads = [
            threading.Thread(target=take_turns, args=(self._clock, [lane]), name=f"{instrument} to rest")
            for instrument, lane in self._lanes.items()
        ]
        for thread in threads:
            thread.start()
        self._end_locks()
        for thread in threads:
            thread.join()

    def _end_locks(self) -> None:
        for stop in self._station.before_safe:
            try:
                stop()
            except Exception as error:
                self._note("the locks", error)
        self._locks_ended.set()

    # ---- what there is -----------------------------------------------------------------------------------------------

    def _plan(self) -> None:
        file = self._file
        for name in sorted(file.shutters):
            self._add_light(file.shutters[name].instrument, f"shutter {name}", partial(self._shutter, name))
        if file.laser is not None:
            self._add_light(file.laser.instrument, "laser", lambda: whole(self._station.laser.switch_off))
        for name, tone in file.tones.items():
            self._add(tone.instrument, [f"tone {name}"], partial(self._tone, name))
        if file.analyzer is not None:
            self._add(file.analyzer.instrument, ["analyzer"], lambda: whole(self._station.analyzer.abort))
        for instrument in dict.fromkeys(mirror.instrument for mirror in file.mirrors.values()):
            behind = [f"mirror {name}" for name, mirror in file.mirrors.items() if mirror.instrument == instrument]
            self._add(instrument, behind, partial(self._picomotors, instrument))
        for name in reversed([name for name in file.loops_in_order if name in file.servo_loops]):
            loop = file.servo_loops[name]
            if isinstance(loop.servo, SoftwareServo):
                self._add(_output_of(loop), [f"servo {name}"], partial(self._software_servo, name))
            else:
                self._add(loop.servo.instrument, [f"servo {name}"], partial(self._servo, name))
        amplifiers = {name: loop.piezo.instrument for name, loop in file.loops.items()}
        amplifiers |= {name: piezo.instrument for name, piezo in file.piezos.items()}
        for name, instrument in amplifiers.items():
            self._add(instrument, [f"piezo {name}"], partial(self._piezo, name))
        if file.oven is not None and file.oven.at_shutdown == "off":
            self._add(file.oven.instrument, ["oven"], self._oven)

    def _add_light(self, instrument: str, device: str, turns: Callable[[], Turns]) -> None:
        self._light.append(device)
        self._add(instrument, [device], partial(self._after_locks, turns))

    def _add(self, instrument: str, devices: Sequence[str], turns: Callable[[], Turns]) -> None:
        self._devices += devices
        wire = self._wires.setdefault(instrument, Wire(self._station.driver(instrument).read_identity))
        self._lanes.setdefault(instrument, []).append(self._try(wire, devices, turns))

    def _try(self, wire: Wire, devices: Sequence[str], turns: Callable[[], Turns]) -> Turns:
        """Do `turns`, and once more where a reply was lost; keep what went wrong."""
        for may_be_repeated in (True, False):
            failure: Exception | None = None
            try:
                yield from wire.guard(turns())
            except Exception as error:
                failure = error
            self._tried.update(devices)
            if isinstance(failure, SILENCE):
                wire.doubt()
            for device in devices:
                self._note(device, failure)
            if not (may_be_repeated and isinstance(failure, WORTH_ANOTHER_TRY)):
                return

    def _note(self, device: str, failure: Exception | None) -> None:
        """Keep the first thing that went wrong with a device, unless nothing did in the end."""
        if failure is None:
            self._problems.pop(device, None)
        else:
            self._problems.setdefault(device, f"{device} could not be made safe: {failure}")

    # ---- one device: each looks its role up itself, for one that cannot even be bound is not safe either -------------

    def _shutter(self, name: str) -> Turns:
        self._station.shutters[name].begin_to_close()
        yield SHUTTER_S

    def _tone(self, name: str) -> Turns:
        return whole(self._station.tones[name].switch_off)

    def _picomotors(self, instrument: str) -> Turns:
        driver: Any = self._station.driver(instrument)
        return whole(driver.stop)

    def _software_servo(self, name: str) -> Turns:
        servo = self._station.servos[name]
        assert isinstance(servo, BoundSoftwareServo)
        servo.hold()
        self._held.add(name)
        yield from self._until_dark()
        yield from servo.to_rest()

    def _servo(self, name: str) -> Turns:
        servo, limits = self._station.servos[name], self._station.piezo_limits
        assert isinstance(servo, BoundServo)
        step_v = largest_servo_step_v(limits.fastest_to_safe, limits.servo_gain)
        return servo_to_rest(servo, step_v, self._until_dark, partial(self._held.add, name))

    def _piezo(self, name: str) -> Turns:
        piezo, limits = self._station.piezos[name], self._station.piezo_limits
        yield from self._until_dark()
        # A steered piezo is in its own thread, and lost to a servo that is not yet at rest; and a set point that nobody
        # knows is told by the output alone, less what a servo at rest adds.
        waits_for_servo = isinstance(piezo, SteeredPiezo) or not piezo.set_point_is_known
        if name in self._file.servo_loops and waits_for_servo:
            yield from self._until(lambda: f"servo {name}" in self._tried, SERVO_PATIENCE_S)
        yield from self._until(lambda: self._lets_go_of(name))
        external_is_known = name not in self._file.servo_loops or name in self._held
        yield from piezo_to_rest(piezo, limits.fastest_to_safe, self._clock, external_is_known=external_is_known)

    def _oven(self) -> Turns:
        others = [device for device in self._devices if device != "oven"]
        yield from self._until(lambda: self._tried.issuperset(others), HEAT_PATIENCE_S)
        oven = self._station.oven
        assert isinstance(oven, (BoundOven, BoundRampedOven))
        oven.switch_off()

    # ---- who waits for whom ------------------------------------------------------------------------------------------

    def _after_locks(self, turns: Callable[[], Turns]) -> Turns:
        yield from self._until(self._locks_ended.is_set, LOCKS_PATIENCE_S)
        yield from turns()

    def _until_dark(self) -> Turns:
        return self._until(lambda: self._tried.issuperset(self._light))

    def _lets_go_of(self, piezo: str) -> bool:
        """Return whether the servo that drives a piezo is open, or nothing more can be done about it."""
        return piezo not in self._file.servo_loops or piezo in self._held or f"servo {piezo}" in self._tried

    def _until(self, is_so: Callable[[], bool], patience_s: float = PATIENCE_S) -> Turns:
        while not is_so() and self._clock.now() - self._began_at < patience_s:
            yield LOOK_S
