"""One simulated 8742 controller: its commands, its four axes, its error queue and the motor that moves."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from labctl.simulation.instruments.newport_8742_errors import ErrorQueue, Fault
from labctl.simulation.instruments.step_train import StepTrain
from labctl.simulation.ports import CountedMoves, MirrorPort

INT32 = (-(2**31), 2**31 - 1)
FASTEST_STEPS_PER_S = 2000
FASTEST_TINY_STEPS_PER_S = 1750
STEEPEST_STEPS_PER_S2 = 200_000
NO_MOTOR, UNKNOWN_MOTOR, TINY_MOTOR, STANDARD_MOTOR = 0, 1, 2, 3
MOTOR_CHECK_S = 0.4
REBOOT_S = 5.0

_COMMAND = re.compile(r"(\d*)(HOSTNAME|\*?[A-Z]+)(.*)")
_QUERIES = ("MD", "TP", "TE", "TB", "*IDN", "VE")
_INTEGER = re.compile(r"[+-]?\d+")
_NETWORK = {
    "HOSTNAME": "8742-{serial}",
    "IPADDR": "192.168.10.12",
    "GATEWAY": "192.168.10.1",
    "NETMASK": "255.255.255.0",
    "IPMODE": "1",
    "MACADDR": "5827809, 20",
}


@dataclass(frozen=True)
class AxisSettings:
    """What `SM` saves of an axis."""

    motor: int
    velocity: int = FASTEST_STEPS_PER_S
    acceleration: int = 100_000


@dataclass
class Axis:
    """One output: settings, count, and the mirror that its motor turns (None: nothing connected)."""

    number: int
    mirror: MirrorPort | None
    settings: AxisSettings
    count: int = 0
    target: int = 0
    home: int = 0
    stuck: bool = False

    def fault(self, kind: int) -> Fault:
        """Return the error `kind` of this axis."""
        return Fault(100 * self.number + kind)


@dataclass
class PicomotorUnit:
    """One controller of the chain; `execute` takes one command and returns its reply, None for silence."""

    address: int
    serial: str
    mirrors: Mapping[int, MirrorPort]
    errors: ErrorQueue = field(default_factory=ErrorQueue)
    booted_at: float = -math.inf

    def __post_init__(self) -> None:
        self._check_mode = 0
        self._advanced_to = -math.inf
        self._checking_until = -math.inf
        self._train: StepTrain | None = None
        self._moving: Axis | None = None
        self._sent = 0
        self.axes = {n: Axis(n, self.mirrors.get(n), self._factory(n)) for n in (1, 2, 3, 4)}
        self._saved = self._settings()
        self._of_axis: dict[str, Callable[[Axis, str], str | None]] = {
            "PA": self._absolute,
            "PR": self._relative,
            "MV": self._endless,
            "MD": self._done,
            "TP": self._count,
            "DH": self._home,
            "VA": self._velocity,
            "AC": self._acceleration,
            "QM": self._motor,
        }
        self._of_controller: dict[str, Callable[[str], str | None]] = {
            "AB": self._abort,
            "MC": self._motor_check,
            "ZZ": self._check_configuration,
            "SM": self._save,
            "*RCL": self._recall,
            "XX": self._purge,
            "RS": self._reboot,
            "*RST": self._reboot,
            "TE": self._error_code,
            "TB": self._error_text,
            "*IDN": self._identity,
            "VE": self._version,
            "SA": self._address,
        }

    def execute(self, command: str, now: float) -> str | None:
        """Execute one command, upper case and without blanks, at lab time `now` (s)."""
        self.advance(now)
        try:
            return self._dispatch(command)
        except Fault as fault:
            self.errors.add(fault)
            return None

    def advance(self, now: float) -> None:
        """Send the mirror the steps due by `now` (s); time never runs backwards."""
        self._advanced_to = now = max(now, self._advanced_to)
        if self._train is None or self._moving is None or self._moving.mirror is None or self._moving.stuck:
            return  # a stuck motor takes no step, and its motion never ends by itself
        sent = self._train.steps_at(now)
        if sent != self._sent:
            self._moving.count += sent - self._sent
            self._moving.mirror.step(sent - self._sent)
            self._sent = sent
        if now >= self._train.ends_at:
            self._train = None

    def _dispatch(self, command: str) -> str | None:
        fields = _COMMAND.fullmatch(command)
        if fields is None:
            raise Fault(6)
        axis, name, argument = fields.groups()
        if name in _QUERIES and argument != "?":
            raise Fault(6)
        if name == "ST":
            self._stop(axis)
            return None
        if name in self._of_axis:
            return self._of_axis[name](self._axis(axis), argument)
        if axis:
            raise Fault(6)
        if name in self._of_controller:
            return self._of_controller[name](argument)
        if name in _NETWORK:  # the network is set up once and for all: settings are accepted and without effect
            return _NETWORK[name].format(serial=self.serial) if argument == "?" else None
        raise Fault(6)

    def _axis(self, number: str) -> Axis:
        if not number:
            raise Fault(37)
        axis = self.axes.get(int(number))
        if axis is None:
            raise Fault(9)
        return axis

    # ---- motion -----------------------------------------------------------------------------------------------------

    def _absolute(self, axis: Axis, argument: str) -> str | None:
        if argument == "?":
            return str(axis.target)
        self._move_to(axis, _integer(argument, INT32, axis.fault(1)))
        return None

    def _relative(self, axis: Axis, argument: str) -> str | None:
        if argument == "?":
            return str(axis.target)
        target = axis.count + _integer(argument, INT32, axis.fault(1))
        if not INT32[0] <= target <= INT32[1]:
            raise axis.fault(1)
        self._move_to(axis, target)
        return None

    def _move_to(self, axis: Axis, target: int) -> None:
        self._prepare(axis)
        axis.target = target
        settings = axis.settings
        steps = target - axis.count
        self._start(axis, StepTrain.of(steps, self._advanced_to, settings.velocity, settings.acceleration))

    def _endless(self, axis: Axis, argument: str) -> str | None:
        if argument == "?":
            backwards = self._train is not None and self._moving is axis and self._train.direction < 0
            return "-" if backwards else "+"
        if argument not in ("+", "-"):
            raise Fault(7 if argument else 38)
        self._prepare(axis)
        direction, settings = 1 if argument == "+" else -1, axis.settings
        self._start(axis, StepTrain(direction, self._advanced_to, settings.velocity, settings.acceleration))
        return None

    def _prepare(self, axis: Axis) -> None:
        self._refuse_in_motion(axis)
        if axis.mirror is None:
            raise axis.fault(8)
        if axis.settings.motor == NO_MOTOR:
            if self._check_mode & 1:
                raise axis.fault(0)
            self._check_axis(axis)

    def _start(self, axis: Axis, train: StepTrain) -> None:
        self._moving, self._train, self._sent = axis, train, 0
        mirror: object = axis.mirror
        if isinstance(mirror, CountedMoves):
            mirror.begin_move()

    def _refuse_in_motion(self, axis: Axis | None = None) -> None:
        if self._train is not None or self._advanced_to < self._checking_until:
            raise (axis or self._moving or self.axes[1]).fault(14)

    def _stop(self, number: str) -> None:
        axis = self._axis(number) if number else self._moving
        if self._train is not None and axis is self._moving:
            self._train = None if axis is not None and axis.stuck else self._train.braked(self._advanced_to)
            self.advance(self._advanced_to)

    def _abort(self, argument: str) -> None:
        self._train = None

    def _done(self, axis: Axis, argument: str) -> str:
        moving = self._train is not None and self._moving is axis
        return "0" if moving or self._advanced_to < self._checking_until else "1"

    def _count(self, axis: Axis, argument: str) -> str:
        return str(axis.count)

    def _home(self, axis: Axis, argument: str) -> str | None:
        if argument == "?":
            return str(axis.home)
        self._refuse_in_motion(axis)
        axis.home = axis.count = axis.target = _integer(argument or "0", INT32, axis.fault(1))
        return None

    def _motor_check(self, argument: str) -> None:
        self._refuse_in_motion()
        self._checking_until = self._advanced_to + MOTOR_CHECK_S
        for axis in self.axes.values():
            self._check_axis(axis)

    def _check_axis(self, axis: Axis) -> None:
        found = NO_MOTOR if axis.mirror is None else STANDARD_MOTOR
        axis.settings = replace(axis.settings, motor=found)
        if axis.mirror is not None:
            axis.mirror.step(-1)
            axis.mirror.step(+1)

    # ---- settings ---------------------------------------------------------------------------------------------------

    def _velocity(self, axis: Axis, argument: str) -> str | None:
        if argument == "?":
            return str(axis.settings.velocity)
        velocity = _integer(argument, (1, INT32[1]), axis.fault(1))
        tiny = axis.settings.motor == TINY_MOTOR
        if velocity > (FASTEST_TINY_STEPS_PER_S if tiny else FASTEST_STEPS_PER_S):
            raise axis.fault(10)
        axis.settings = replace(axis.settings, velocity=velocity)
        return None

    def _acceleration(self, axis: Axis, argument: str) -> str | None:
        if argument == "?":
            return str(axis.settings.acceleration)
        acceleration = _integer(argument, (1, INT32[1]), axis.fault(1))
        if acceleration > STEEPEST_STEPS_PER_S2:
            raise axis.fault(11)
        axis.settings = replace(axis.settings, acceleration=acceleration)
        return None

    def _motor(self, axis: Axis, argument: str) -> str | None:
        if argument == "?":
            return str(axis.settings.motor)
        motor = _integer(argument, (NO_MOTOR, STANDARD_MOTOR), axis.fault(1))
        axis.settings = replace(axis.settings, motor=motor)
        return None

    def _check_configuration(self, argument: str) -> str | None:
        if argument == "?":
            return str(self._check_mode)
        self._check_mode = _integer(argument, (0, 3), Fault(7))
        return None

    def _address(self, argument: str) -> str | None:
        if argument == "?":
            return str(self.address)
        self.address = _integer(argument, (1, 31), Fault(7))
        return None

    def _settings(self) -> dict[int, AxisSettings]:
        return {number: axis.settings for number, axis in self.axes.items()}

    def _factory(self, number: int) -> AxisSettings:
        return AxisSettings(STANDARD_MOTOR if number in self.mirrors else NO_MOTOR)

    def _take_over(self, settings: Mapping[int, AxisSettings]) -> None:
        for number, axis in self.axes.items():
            axis.settings = settings[number]

    def _save(self, argument: str) -> None:
        self._saved = self._settings()

    def _recall(self, argument: str) -> None:
        self._refuse_in_motion()
        saved = _integer(argument, (0, 1), Fault(7))
        self._take_over(self._saved if saved else {number: self._factory(number) for number in self.axes})

    def _purge(self, argument: str) -> None:
        self._refuse_in_motion()
        self._saved = {number: self._factory(number) for number in self.axes}

    def _reboot(self, argument: str) -> None:
        self._train = None
        self.errors.clear()
        self._take_over(self._saved)
        for axis in self.axes.values():
            axis.count = axis.target = axis.home = 0
        self.booted_at = self._advanced_to + REBOOT_S

    # ---- what it says of itself -------------------------------------------------------------------------------------

    def _error_code(self, argument: str) -> str:
        return str(self.errors.next_code())

    def _error_text(self, argument: str) -> str:
        return self.errors.next_text()

    def _identity(self, argument: str) -> str:
        return f"New_Focus 8742 v1.9 10/23/12 SN{self.serial}"

    def _version(self, argument: str) -> str:
        return "8742 Version 1.9 11/01/12"


def _integer(argument: str, bounds: tuple[int, int], out_of_range: Fault) -> int:
    if not argument:
        raise Fault(38)
    if not _INTEGER.fullmatch(argument):
        raise Fault(7)
    number = int(argument)
    if not bounds[0] <= number <= bounds[1]:
        raise out_of_range
    return number
