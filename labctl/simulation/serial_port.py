"""A simulated instrument behind a pseudo terminal, which programs open as any serial port."""

from __future__ import annotations

import os
from contextlib import suppress

from labctl.errors import LabError
from labctl.host.pseudo_terminals import open_pair
from labctl.simulation.wire import WireInstrument

MOST_REPLIES = 4096  # under way at once, or bytes of the host on the line: what a serial port holds
_CHUNK_BYTES = 1024
_NEVER = float("inf")


class SerialPort:
    """The port of one instrument.

    A serial line knows no connections: whoever opens the port talks, nobody is told, and a cable that is out is mere
    silence. What nobody reads is lost once the operating system holds no more of it, and pyserial drops what waits when
    it opens the port, as with a real one.

    Raises `LabError` where the system has no pseudo terminals.
    """

    def __init__(self, name: str, wire: WireInstrument) -> None:
        self.name = name
        self._wire = wire
        self._ours, self._theirs = _open_pseudo_terminal(name)
        self.address = f"ASRL{os.ttyname(self._theirs)}::INSTR"

    def readers(self) -> list[int]:
        """Return what to wait on for bytes of the host."""
        return [self._ours] if self._wire.replies_waiting() < MOST_REPLIES else []

    def writers(self) -> list[int]:
        """Return what to wait on for room to write: nothing, a serial line waits for nobody."""
        return []

    def attend(self, now: float) -> float:
        """Move bytes both ways; return the lab time in s at which there is more to do."""
        if self.readers():
            with suppress(BlockingIOError):
                self._wire.on_bytes(os.read(self._ours, _CHUNK_BYTES))
        if data := self._wire.take():
            with suppress(BlockingIOError):  # nobody reads, and a serial line has no memory
                os.write(self._ours, data)
        ready_at = self._wire.ready_at()
        return _NEVER if ready_at is None else ready_at

    def recover(self) -> None:
        """Forget what is on its way, after the instrument failed."""
        self._wire.discard_output()

    def close(self) -> None:
        """Take the port away."""
        for descriptor in (self._ours, self._theirs):
            with suppress(OSError):
                os.close(descriptor)


def _open_pseudo_terminal(name: str) -> tuple[int, int]:
    """Return our end and the host's, both raw; ours never blocks. The host's stays open, so that nothing hangs up."""
    try:
        return open_pair()
    except ImportError as error:
        raise LabError(
            f"{name}: this system has no pseudo terminals, so serial instruments cannot be served.",
            remedy="Serve them on Linux or macOS, or give them TCPIP addresses in the station file.",
        ) from error
    except OSError as error:
        raise LabError(
            f"{name}: no pseudo terminal can be opened ({error.strerror or error}).",
            remedy="Close programs that hold many of them.",
        ) from error
