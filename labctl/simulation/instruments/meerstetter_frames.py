"""MeCom frames as a device sees them: requests cut out of any stream of bytes, replies built (specification 5117C)."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST_FRAME = 128  # longer than any request; what is longer is noise

_START, _END = ord("#"), ord("\r")
_REQUEST = re.compile(rb"#([0-9A-F]{2})([0-9A-F]{4})([ -~]*)([0-9A-F]{4})", re.DOTALL)


@dataclass(frozen=True)
class Frame:
    """A request with a right checksum."""

    address: int
    sequence: int
    payload: str
    crc: int

    def reply(self, payload: str) -> bytes:
        """Return the answer to this request, terminator included."""
        body = f"!{self.address:02X}{self.sequence:04X}{payload}"
        return f"{body}{_crc(body.encode('ascii')):04X}\r".encode("ascii")

    def acknowledgement(self) -> bytes:
        """Return the acknowledgement, which carries the checksum of the request."""
        return f"!{self.address:02X}{self.sequence:04X}{self.crc:04X}\r".encode("ascii")


class FrameReader:
    """Cuts requests out of a stream: each `#` starts one anew, CR ends it; what is no sound frame is dropped."""

    def __init__(self) -> None:
        self._partial: bytearray | None = None

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take bytes and yield the requests that they complete."""
        for byte in data:
            if byte == _START:
                self._partial = bytearray([byte])
            elif self._partial is None:
                continue
            elif byte == _END:
                frame = _parse(bytes(self._partial))
                self._partial = None
                if frame is not None:
                    yield frame
            elif len(self._partial) < LONGEST_FRAME:
                self._partial.append(byte)
            else:
                self._partial = None

    def reset(self) -> None:
        """Forget a request that is not complete."""
        self._partial = None


def _parse(data: bytes) -> Frame | None:
    match = _REQUEST.fullmatch(data)
    if match is None:
        return None
    address, sequence, payload, crc = match.groups()
    if _crc(data[:-4]) != int(crc, 16):
        return None
    return Frame(int(address, 16), int(sequence, 16), payload.decode("ascii"), int(crc, 16))


def _crc(data: bytes) -> int:
    return binascii.crc_hqx(data, 0)
