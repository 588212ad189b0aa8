"""What a simulated 8742 refuses: the codes of its error queue and their texts."""

from __future__ import annotations

from collections import deque

ERROR_QUEUE_DEPTH = 10

ERROR_TEXTS = {
    0: "NO ERROR DETECTED",
    3: "OVER TEMPERATURE SHUTDOWN",
    6: "COMMAND DOES NOT EXIST",
    7: "PARAMETER OUT OF RANGE",
    9: "AXIS NUMBER OUT OF RANGE",
    10: "EEPROM WRITE FAILED",
    11: "EEPROM READ FAILED",
    37: "AXIS NUMBER MISSING",
    38: "COMMAND PARAMETER MISSING",
    46: "RS-485 ETX FAULT",
    47: "RS-485 CRC FAULT",
    48: "CONTROLLER NUMBER OUT OF RANGE",
    49: "SCAN IN PROGRESS",
}
AXIS_ERROR_TEXTS = {
    0: "MOTOR TYPE NOT DEFINED",
    1: "PARAMETER OUT OF RANGE",
    8: "MOTOR NOT CONNECTED",
    10: "MAXIMUM VELOCITY EXCEEDED",
    11: "MAXIMUM ACCELERATION EXCEEDED",
    14: "MOTION IN PROGRESS",
}


class Fault(Exception):
    """A command that the controller refuses; `code` goes into its error queue."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class ErrorQueue:
    """The last ten errors; the oldest is read first and is lost first.

    While `endless` is a code, it is what is read once the queue is empty.
    """

    endless: int | None = None

    def __init__(self) -> None:
        self._codes: deque[int] = deque(maxlen=ERROR_QUEUE_DEPTH)

    def add(self, fault: Fault) -> None:
        """Remember a fault."""
        self._codes.append(fault.code)

    def clear(self) -> None:
        """Forget every fault."""
        self._codes.clear()

    def next_code(self) -> int:
        """Return and forget the oldest code, 0 where there is none."""
        return self._codes.popleft() if self._codes else self.endless or 0

    def next_text(self) -> str:
        """Return and forget the oldest entry, code and text."""
        code = self.next_code()
        text = AXIS_ERROR_TEXTS[code % 100] if code >= 100 else ERROR_TEXTS[code]
        return f"{code}, {text}"
