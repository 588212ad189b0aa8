"""One rotator on an Elliptec bus, see `drivers.thorlabs.ell14`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymeasure.instruments import Instrument
from pymeasure.instruments.validators import strict_discrete_set, strict_range

from drivers.base import DriverChannel
from drivers.errors import Refused
from drivers.thorlabs.elliptec import (
    DEGREES_PER_REVOLUTION,
    Reply,
    RotatorInfo,
    RotatorStatus,
    byte_value,
    degrees_for,
    encode_pulses,
    pulses,
    pulses_for,
    rotator_info,
    rotator_status,
)

if TYPE_CHECKING:
    from drivers.thorlabs.ell14 import ThorlabsELL14

PERCENTAGES = range(1, 101)
CLOCKWISE, COUNTERCLOCKWISE = 0, 1


# Scalars are cast whole (maxsplit=0): a stray comma is an error and not a list.


class Rotator(DriverChannel):
    """One rotation mount. Angles count from its home position, and mean nothing before it was homed.

    A motion is started and answered once, on arrival or failure. Until `is_moving` has found that answer the rotator
    is left alone: everything but `is_moving` and `stop` raises `Refused`. A full turn takes about a second; where
    `is_moving` stays True for `LONGEST_MOVE_S` the answer was lost, and `stop` ends the wait.

    Leave `PAUSE_BETWEEN_MOVES_S` between the end of a motion and the next: units are known that go to 0 otherwise.
    """

    def __init__(self, parent: ThorlabsELL14, id: int) -> None:  # noqa: A002 (pymeasure's name)
        super().__init__(parent, id)
        self._info: RotatorInfo | None = None
        self._motion = ""  # the packet whose answer is still to come
        self._failed_motion = ""  # the packet whose failure nobody was told of
        self._fault = RotatorStatus.OK
        self._is_fault_latched = False
        self._is_homed = False

    status = Instrument.measurement(
        "gs",
        """Get what the rotator says of itself (`RotatorStatus`). Reading it clears a latched fault.""",
        maxsplit=0,
        cast=rotator_status,
    )
    info = Instrument.measurement(
        "in",
        """Get type, serial number, firmware and scale (`RotatorInfo`).""",
        maxsplit=0,
        cast=rotator_info,
    )
    position = Instrument.measurement(
        "gp",
        """Get the position in pulses from home (int, signed).""",
        maxsplit=0,
        cast=pulses,
    )
    velocity_percent = Instrument.control(
        "gv",
        "sv%02X",
        """Control the velocity in percent of the fastest (int, strictly from 1 to 100).""",
        validator=strict_discrete_set,
        values=PERCENTAGES,
        set_process=int,
        maxsplit=0,
        cast=byte_value,
    )

    def insert_id(self, command: str) -> str:
        """Return the packet as it goes on the wire, with the address in front."""
        return f"{self.id:X}{command}"

    @property
    def pulses_per_revolution(self) -> int:
        """Get the pulses of one revolution (int), as the rotator said when it was first asked."""
        with self.parent.transaction():
            info = self._info or self.read_info()
            return info.pulses_per_revolution

    def known_pulses_per_revolution(self) -> int | None:
        """Return the pulses of one revolution without asking, None where the rotator was not asked yet."""
        return None if self._info is None else self._info.pulses_per_revolution

    @property
    def angle_deg(self) -> float:
        """Measure the angle in degrees from home; not wrapped, so moves by an angle may lead beyond 0 to 360."""
        with self.parent.transaction():
            return degrees_for(self.position, self.pulses_per_revolution)

    @property
    def home_offset_deg(self) -> float:
        """Get by how much the home position lies beside the home mark, in degrees (float)."""
        with self.parent.transaction():
            return degrees_for(self.values("go", maxsplit=0, cast=pulses)[0], self.pulses_per_revolution)

    @property
    def jog_step_deg(self) -> float:
        """Control how far a jog goes, in degrees (float strictly from 0 to 360)."""
        with self.parent.transaction():
            return degrees_for(self.values("gj", maxsplit=0, cast=pulses)[0], self.pulses_per_revolution)

    @jog_step_deg.setter
    def jog_step_deg(self, angle_deg: float) -> None:
        strict_range(angle_deg, (0.0, DEGREES_PER_REVOLUTION))
        with self.parent.transaction():
            self.write(f"sj{self._encoded(angle_deg)}")

    @property
    def is_homed(self) -> bool:
        """Get whether it was homed through this driver (bool); the rotator itself cannot tell."""
        return self._is_homed

    @property
    def fault(self) -> RotatorStatus:
        """Get what the last motion ended with (`RotatorStatus`): OK, or the fault that `is_moving` raised."""
        return self._fault

    # ---- motion ------------------------------------------------------------------------------------------------------

    def start_move(self, angle_deg: float) -> None:
        """Start a move to `angle_deg`, in degrees from home (strictly from 0 to 360), and return at once.

        Raises `Refused` while it moves, or where the motion before failed and nobody was told.
        """
        strict_range(angle_deg, (0.0, DEGREES_PER_REVOLUTION))
        with self.parent.transaction():
            self._start(f"ma{self._encoded(angle_deg)}")

    def start_move_by(self, angle_deg: float) -> None:
        """Start a move by `angle_deg` degrees (strictly from -360 to 360), see `start_move`."""
        strict_range(angle_deg, (-DEGREES_PER_REVOLUTION, DEGREES_PER_REVOLUTION))
        with self.parent.transaction():
            self._start(f"mr{self._encoded(angle_deg)}")

    def start_jog(self, backwards: bool = False) -> None:
        """Start a move by `jog_step_deg`, see `start_move`."""
        self._start("bw" if backwards else "fw")

    def start_home(self, direction: int = CLOCKWISE) -> None:
        """Start to look for home in `direction` (`CLOCKWISE` or `COUNTERCLOCKWISE`), see `start_move`."""
        self._start(f"ho{strict_discrete_set(direction, (CLOCKWISE, COUNTERCLOCKWISE)):d}")

    def is_moving(self) -> bool:
        """Return whether a motion goes on, from what has arrived on the bus; nothing is sent.

        Raises `Refused` once where the motion failed, with the reason (also in `fault`): moving again is left to the
        caller. Raises `BadReply` where garbage arrived, which may have been its answer.
        """
        with self.parent.transaction(self.insert_id(self._motion)):
            if self._motion:
                self.parent.take_in(until=lambda: not self._motion)
            failed, self._failed_motion = self._failed_motion, ""
            if failed:
                raise self._refusal(self._fault, failed)
            return bool(self._motion)

    def awaits_answer(self) -> bool:
        """Return whether the answer of a motion is still to come, without a look at what has arrived."""
        return bool(self._motion)

    def stop(self) -> None:
        """Stop, and wait no longer for the answer of a motion.

        Whether a move to a position heeds it is up to the firmware; it ends by itself within `LONGEST_MOVE_S`.
        """
        with self.parent.transaction("st"):
            self._motion = self._failed_motion = ""
            self.write("st")
            # The motion may have been answered in the same moment; that answer belongs to nothing any more.
            self.parent.expect_leftovers()

    def finish(self, reply: Reply) -> bool:
        """Take `reply` as the answer of the motion that goes on; return False where it is none."""
        if not self._motion or reply.mnemonic not in ("PO", "GS"):
            return False
        motion, self._motion = self._motion, ""
        self._fault = RotatorStatus.OK if reply.mnemonic == "PO" else reply.status
        if self._fault is RotatorStatus.OK:
            self._is_homed = self._is_homed or motion.startswith("ho")
        else:
            self._failed_motion = motion
            self.remember_latched(self._fault)
        return True

    def remember_latched(self, status: RotatorStatus) -> None:
        """Clear a fault that was just reported before the next motion, so that it is not taken for one of that."""
        self._is_fault_latched = self._is_fault_latched or status.is_fault

    def refuse_in_motion(self, packet: str) -> None:
        """Raise `Refused` while a motion goes on: the rotator is left alone until it has answered."""
        if self._motion and self.is_moving():
            raise self._refusal(RotatorStatus.BUSY, packet)

    def read_info(self) -> RotatorInfo:
        """Read and remember who it is and its scale, and return it."""
        with self.parent.transaction():
            self._info = self.info
            return self._info

    def forget(self) -> None:
        """Forget motion, home and scale: after a power cut none of them is what it was."""
        self._info = None
        self._motion = self._failed_motion = ""
        self._is_fault_latched = self._is_homed = False

    def _start(self, packet: str) -> None:
        with self.parent.transaction(packet):
            if self.is_moving():
                raise self._refusal(RotatorStatus.BUSY, packet)
            if self._is_fault_latched:
                self.ask("gs")  # reading it clears it
                self._is_fault_latched = False
            if packet.startswith("ho"):
                self._is_homed = False
            self.parent.send(self.insert_id(packet))
            self._motion = packet

    def _refusal(self, status: RotatorStatus, packet: str) -> Refused:
        refusal: Refused = self.parent.refusal(self.insert_id(packet), status)
        return refusal

    def _encoded(self, angle_deg: float) -> str:
        return encode_pulses(pulses_for(angle_deg, self.pulses_per_revolution))
