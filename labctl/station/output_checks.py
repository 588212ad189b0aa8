"""What the hardware says of its outputs, held against what was asked of them: one output every few seconds, in turn.

A difference counts when it lasts while nothing else is asked of that output, so that no motion is disturbed and none is
taken for a fault. An output that nobody has asked anything of is not judged.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from drivers.meerstetter.tec import MeerstetterTEC
from labctl.configuration.servos import AnalogServo
from labctl.errors import LabError
from labctl.station.bindings.rotation import ANGLE_TOLERANCE_DEG, BoundRotator, apart_deg
from labctl.station.clock import Registration
from labctl.station.ledger import same

if TYPE_CHECKING:
    from labctl.station.station import Station

PERIOD_S: Final = 10.0
"""Between two looks, of lab time: at one output, and at those in doubt."""
LASTS_S: Final = 20.0
"""How long a difference has to last."""
PIEZO_TOLERANCE_V: Final = 5.0  # read-backs are off by a volt or two
SERVO_TOLERANCE_V: Final = 0.05  # limits go in steps of 10 mV, and the output is measured
LASER_TOLERANCE: Final = 0.1  # relative, of the laser's own monitor
OVEN_OFF_TOLERANCES: Final = 40.0  # of [oven] tolerance, once the oven was within it
SAME_V: Final = 1.0  # a dither or a slow drift that is followed asks for the same


@dataclass(frozen=True)
class Answer:
    """What was asked of an output (None: nothing that could be judged now), and what is wrong ("" nothing)."""

    asked: Any = None
    problem: str = ""


UNKNOWN: Final = Answer()
Check = Callable[[], Answer]
Told = Callable[[str, str], None]


@dataclass
class _Doubt:
    asked: Any
    since: float
    told: bool = False


class OutputChecks:
    """Looks at the outputs of a station in turn; `tell` and `clear` are given a name such as "output lo1" and a
    sentence, once each for a difference that lasts and for its end."""

    def __init__(self, station: Station, tell: Told, clear: Told) -> None:
        self._station = station
        self._tell = tell
        self._clear = clear
        self._oven_settled_at_c = math.nan  # the target at which the oven was seen settled
        self._checks = self._all_checks()
        self._next = 0
        self._doubts: dict[str, _Doubt] = {}
        self._registration: Registration | None = None

    def start(self) -> None:
        """Begin to look; nothing where that began before, or there is no output."""
        if self._registration is None and self._checks:
            self._registration = self._station.clock.every(PERIOD_S, self.look, "checks of outputs")

    def stop(self) -> None:
        """Look no more."""
        if self._registration is not None:
            self._registration.cancel()
            self._registration = None

    @property
    def names(self) -> list[str]:
        """Return the names of all outputs that are looked at."""
        return list(self._checks)

    @property
    def differences(self) -> list[str]:
        """Return the names of outputs whose difference has lasted."""
        return [name for name, doubt in self._doubts.items() if doubt.told]

    def look(self) -> None:
        """Look at the next output and at those in doubt."""
        if self._station.way.is_taken:
            return
        names = list(self._checks)
        following = names[self._next % len(names)]
        self._next += 1
        for name in dict.fromkeys([*self._doubts, following]):
            self._look_at(name)

    def _look_at(self, name: str) -> None:
        try:
            answer = self._checks[name]()
        except LabError:  # who does not answer is for others to tell
            return
        doubt, now = self._doubts.get(name), self._station.clock.now()
        if not answer.problem:
            if doubt is not None:
                del self._doubts[name]
                if doubt.told:
                    self._clear(name, f"{name} is again what it was asked to be.")
        elif doubt is None or not _as_asked(doubt.asked, answer.asked):
            told = doubt is not None and doubt.told
            self._doubts[name] = _Doubt(answer.asked, now, told)
        elif not doubt.told and now - doubt.since >= LASTS_S:
            doubt.told = True
            self._tell(name, f"{name}: {answer.problem}, for {now - doubt.since:.0f} s; nothing was done about it.")

    # ---- which outputs there are ------------------------------------------------------------------------------------

    def _all_checks(self) -> dict[str, Check]:
        file = self._station.file
        checks: dict[str, Check] = {f"shutter {name}": partial(self._shutter, name) for name in file.shutters}
        checks |= {f"piezo {name}": partial(self._piezo, name) for name in [*file.loops, *file.piezos]}
        checks |= {
            f"servo {name}": partial(self._servo, name)
            for name, loop in file.servo_loops.items()
            if isinstance(loop.servo, AnalogServo)
        }
        checks |= {f"rotator {name}": partial(self._rotator, name) for name in file.rotators}
        if file.laser is not None:
            checks["laser power"] = self._laser
        if file.oven is not None:
            checks["oven target"] = self._oven
        return checks

    def _asked(self, instrument: str, setting: str) -> Any:
        """Return what a setting was last asked to be, or None; `setting` is its path or the end of one."""
        asked = self._station.ledger.wanted(instrument)
        found = [value for path, value in asked.items() if path == setting or path.endswith(f".{setting}")]
        return found[-1] if found else None

    # ---- one output -------------------------------------------------------------------------------------------------

    def _piezo(self, name: str) -> Answer:
        piezo = self._station.piezos[name]
        commanded_v = piezo.commanded_v
        if commanded_v is None:
            return UNKNOWN
        missing_v = piezo.missing_v()
        if abs(missing_v) <= PIEZO_TOLERANCE_V:
            return Answer(commanded_v)
        return Answer(
            commanded_v,
            f"measures {missing_v:+.1f} V off the {commanded_v:.2f} V that were asked for, servo included (allowed "
            f"{PIEZO_TOLERANCE_V:g} V)",
        )

    def _servo(self, name: str) -> Answer:
        loop = self._station.file.servo_loops[name]
        assert isinstance(loop.servo, AnalogServo)
        driver: Any = self._station.driver(loop.servo.instrument)
        module, limit_v = driver.modules[loop.servo.slot], loop.output_limit
        if self._asked(loop.servo.instrument, f"module_{loop.servo.slot}.upper_limit") is None:
            return UNKNOWN  # nobody has set it up
        low_v, high_v, output_v = module.lower_limit, module.upper_limit, module.output
        if low_v < -limit_v - SERVO_TOLERANCE_V or high_v > limit_v + SERVO_TOLERANCE_V:
            return Answer(
                limit_v, f"its module is limited to {low_v:g} V to {high_v:g} V, and not to +-{limit_v:g} V of the file"
            )
        if abs(output_v) > limit_v + SERVO_TOLERANCE_V:
            return Answer(limit_v, f"puts out {output_v:.3g} V, beyond its limit of +-{limit_v:g} V")
        return Answer(limit_v)

    def _shutter(self, name: str) -> Answer:
        entry = self._station.file.shutters[name]
        driver: Any = self._station.driver(entry.instrument)
        asked = self._asked(entry.instrument, f"pin_{entry.pin}.level")
        if asked is None:
            return UNKNOWN
        level = int(driver.pins[entry.pin].level)
        if level == int(asked):
            return Answer(asked)
        word = "open" if int(asked) == entry.open_level else "closed"
        return Answer(asked, f"its drive line {entry.pin} is at {level}, although it was {word} (level {int(asked)})")

    def _rotator(self, name: str) -> Answer:
        rotator = self._station.rotators[name]
        assert isinstance(rotator, BoundRotator)
        asked_deg = rotator.left_at_deg
        if asked_deg is None:
            return UNKNOWN
        now_deg = rotator.angle_deg()
        if rotator.left_at_deg != asked_deg or apart_deg(now_deg, asked_deg) <= ANGLE_TOLERANCE_DEG:
            return Answer(asked_deg)
        return Answer(asked_deg, f"stands at {now_deg:.2f} degrees, and was turned to {asked_deg:.2f}")

    def _laser(self) -> Answer:
        assert self._station.file.laser is not None
        asked_w = self._asked(self._station.file.laser.instrument, "power_setpoint")
        laser = self._station.laser
        if asked_w is None or not laser.is_tuned() or not laser.is_on():
            return UNKNOWN
        power_w = laser.power_w()
        if abs(power_w - asked_w) <= LASER_TOLERANCE * asked_w:
            return Answer(asked_w)
        return Answer(asked_w, f"measures {1e3 * power_w:.4g} mW, and was set to {1e3 * asked_w:.4g} mW")

    def _oven(self) -> Answer:
        entry = self._station.file.oven
        assert entry is not None
        asked_c = self._asked(entry.instrument, "target_temperature_c")
        if asked_c is None or not self._asked(entry.instrument, "output_enabled"):
            return UNKNOWN
        driver: Any = self._station.driver(entry.instrument)
        holder = driver.channels[entry.channel] if isinstance(driver, MeerstetterTEC) else driver
        target_c = holder.target_temperature_c
        if not same(asked_c, target_c, "target_temperature_c"):
            return Answer(asked_c, f"regulates to {target_c:.4f} degC, and was asked for {asked_c:.4f} degC")
        if not self._station.oven.regulating():
            return Answer(asked_c, f"does not regulate, and was asked for {asked_c:.4f} degC")
        off_k = self._station.oven.temperature_c() - asked_c
        if abs(off_k) <= entry.tolerance:
            self._oven_settled_at_c = asked_c
        allowed_k = OVEN_OFF_TOLERANCES * entry.tolerance
        if self._oven_settled_at_c == asked_c and abs(off_k) > allowed_k:
            return Answer(
                asked_c, f"is {off_k:+.3f} K off {asked_c:.4f} degC, where it had settled (allowed {allowed_k:g} K)"
            )
        return Answer(asked_c)


def _as_asked(one: Any, other: Any) -> bool:
    """Return whether two looks found the same asked for."""
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= SAME_V
    return bool(one == other)
