"""Rotation mounts, such as those of wave plates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from drivers.errors import InstrumentError, Refused
from drivers.thorlabs.ell14 import LONGEST_MOVE_S, PAUSE_BETWEEN_MOVES_S
from drivers.thorlabs.ell14_rotator import Rotator as RotationMount
from drivers.thorlabs.elliptec import DEGREES_PER_REVOLUTION, RotatorStatus
from labctl.errors import BadReply
from labctl.station.clock import Clock, wait_out
from labctl.station.limits import Limit
from labctl.station.right_of_way import RightOfWay

MOTION_POLL_S: Final = 0.05
MOTION_POLLS: Final = round(LONGEST_MOVE_S / MOTION_POLL_S)
ATTEMPTS: Final = 2
ANGLE_TOLERANCE_DEG: Final = 0.5  # arrivals repeat within 0.1 degrees; a mount that stopped short is off by more


class BoundRotator:
    """The `Rotator` role on an ELL14: angles from its home position in degrees, within its limit.

    The first move homes the mount, since it cannot tell whether it was, and so does a move that does not find it where
    the last one left it: it was turned by hand, or lost its supply and counts from elsewhere. A motion that ended in a
    mechanical timeout, or short of its target without a word, is tried once more.
    """

    def __init__(
        self, name: str, mount: RotationMount, limit: Limit, clock: Clock, way: RightOfWay | None = None
    ) -> None:
        self.name = name
        self._way = way or RightOfWay()
        self._mount = mount
        self._clock = clock
        self._left_at_deg: float | None = None
        self._limit = limit

    def move_to(self, angle_deg: float) -> None:
        """Turn to `angle_deg` and wait for the end of the motion.

        Raises `LimitError` before anything turns, `Refused` where the second attempt fails as well, `InstrumentError`
        where it ends up elsewhere, `BadReply` where the motion never ends.
        """
        self._limit.check(angle_deg)
        self._way.begin()
        left_at_deg, self._left_at_deg = self._left_at_deg, None
        if not self._mount.is_homed or left_at_deg is None or not self._is_at(left_at_deg):
            self._turn(self._mount.start_home, lambda: True)
        self._turn(lambda: self._mount.start_move(angle_deg), lambda: self._is_at(angle_deg))
        if not self._is_at(angle_deg):
            raise InstrumentError(
                self.name,
                f"was sent to {angle_deg:g} degrees and says {self.angle_deg():g}",
                command="gp",
                remedy="Check that it turns freely.",
            )
        # A mount that wakes up may count from 0 wherever it is, so a reading of 0 proves nothing the next time.
        self._left_at_deg = None if apart_deg(angle_deg, 0.0) <= ANGLE_TOLERANCE_DEG else angle_deg

    @property
    def left_at_deg(self) -> float | None:
        """Return where the last motion left it, in degrees; None while it moves, and where that proves nothing."""
        return self._left_at_deg

    def angle_deg(self) -> float:
        """Return the angle in degrees from home; it means something once the mount was homed."""
        return float(self._mount.angle_deg)

    def _is_at(self, angle_deg: float) -> bool:
        return apart_deg(self.angle_deg(), angle_deg) <= ANGLE_TOLERANCE_DEG

    def _turn(self, start: Callable[[], None], arrived: Callable[[], bool]) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                start()
                self._wait()
            except Refused:
                if self._mount.fault is not RotatorStatus.MECHANICAL_TIMEOUT or attempt == ATTEMPTS:
                    raise
                continue
            finally:
                wait_out(self._clock, PAUSE_BETWEEN_MOVES_S)
            if arrived():
                return

    def _wait(self) -> None:
        for _ in range(MOTION_POLLS):
            if not self._mount.is_moving():
                return
            self._clock.sleep(MOTION_POLL_S)
        self._mount.stop()
        raise BadReply(
            self.name, "never reported the end of its motion", remedy="Check its supply and whether it turns freely."
        )


def apart_deg(one_deg: float, other_deg: float) -> float:
    """Return by how much two angles differ, 0 to 180 degrees; full turns mean nothing."""
    half = DEGREES_PER_REVOLUTION / 2
    return abs((one_deg - other_deg + half) % DEGREES_PER_REVOLUTION - half)
