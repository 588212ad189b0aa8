"""MeCom frames of Meerstetter controllers: pure functions from text to numbers and back, no input or output.

A request is `#`, address (2 hex digits), sequence number (4), payload, CRC (4), CR; a reply starts with `!` and repeats
address and sequence number. Digits are upper case. The CRC covers everything before it, with one exception: the
acknowledgement of a set command has no payload and carries the CRC of the command.
Sources: MeCom specification 5117C, TEC protocol 5136AL.
"""

from __future__ import annotations

import binascii
import math
import re
import struct
from dataclasses import dataclass

TERMINATOR = "\r"
ANY_DEVICE = 0  # every device answers
SILENT_BROADCAST = 255  # every device obeys, none answers
SEQUENCE_NUMBERS = 0x10000

BUSY = 2
OUT_OF_RANGE = 7
SERVER_ERRORS = {
    1: "it does not know this command",
    BUSY: "it is busy",
    3: "the communication failed",
    4: "the command is badly formed",
    5: "it has no such parameter",
    6: "the parameter is read only",
    OUT_OF_RANGE: "the value is out of range",
    8: "it has no such channel",
    9: "the parameter failed",
}
_FIRST_DEVICE_SPECIFIC_ERROR = 100

_REPLY = re.compile(r"!(?P<address>[0-9A-F]{2})(?P<sequence>[0-9A-F]{4})(?P<payload>[ -~]*)(?P<crc>[0-9A-F]{4})")
_PARAMETER = re.compile(r"(?:\?V[RLM]|VS)(?P<parameter>[0-9A-F]{4})(?P<instance>[0-9A-F]{2})")
_WORD = re.compile(r"[0-9A-F]{8}")
_SERVER_ERROR = re.compile(r"\+(?P<code>[0-9A-F]{2})")


@dataclass(frozen=True)
class Request:
    """A request to one device: address 0 to 255, sequence number 0 to 65535, payload in printable ASCII."""

    address: int
    sequence: int
    payload: str

    def __post_init__(self) -> None:
        if not 0 <= self.address <= SILENT_BROADCAST:
            raise ValueError(f"a MeCom address is from 0 to {SILENT_BROADCAST}, not {self.address}")
        if not 0 <= self.sequence < SEQUENCE_NUMBERS:
            raise ValueError(f"a MeCom sequence number is from 0 to {SEQUENCE_NUMBERS - 1}, not {self.sequence}")
        if not re.fullmatch(r"[ -~]+", self.payload) or "#" in self.payload or "!" in self.payload:
            raise ValueError(f"no MeCom payload: {self.payload!r}")

    @property
    def crc(self) -> int:
        """The CRC of this request, which also comes back in its acknowledgement."""
        return crc16(self._body)

    @property
    def frame(self) -> str:
        """The whole frame without its terminator."""
        return f"{self._body}{self.crc:04X}"

    @property
    def _body(self) -> str:
        return f"#{self.address:02X}{self.sequence:04X}{self.payload}"


@dataclass(frozen=True)
class Reply:
    """A reply as it came: an empty payload is an acknowledgement."""

    address: int
    sequence: int
    payload: str
    crc: int

    def answers(self, request: Request) -> bool:
        """Return whether address and sequence number are those of `request`."""
        return (self.address, self.sequence) == (request.address, request.sequence)

    def is_intact(self, request: Request) -> bool:
        """Return whether the CRC is right, which for an acknowledgement is that of `request`."""
        if not self.payload:
            return self.crc == request.crc
        return self.crc == crc16(f"!{self.address:02X}{self.sequence:04X}{self.payload}")


def crc16(text: str) -> int:
    """Return CRC-16/XMODEM (polynomial 0x1021, start 0, no reflection, no final exclusive or) of ASCII text."""
    return binascii.crc_hqx(text.encode("ascii"), 0)


def parse_reply(line: str) -> Reply | None:
    """Return the reply in one line (without terminator), or None where there is none; the last `!` starts it.

    The CRC is read, not checked: see `Reply.is_intact`.
    """
    match = _REPLY.fullmatch(line, max(line.rfind("!"), 0))
    if match is None:
        return None
    return Reply(int(match["address"], 16), int(match["sequence"], 16), match["payload"], int(match["crc"], 16))


def server_error(payload: str) -> int | None:
    """Return the code of an error reply (`+` and two hex digits), or None where the payload is none."""
    match = _SERVER_ERROR.fullmatch(payload)
    return int(match["code"], 16) if match else None


def describe_server_error(code: int) -> str:
    """Return a server error in words."""
    unknown = "a device-specific error" if code >= _FIRST_DEVICE_SPECIFIC_ERROR else "an unknown error"
    return SERVER_ERRORS.get(code, f"{unknown}, code {code}")


def describe_payload(payload: str) -> str:
    """Return what a request is about, in words: its parameter and channel, or the command itself."""
    match = _PARAMETER.match(payload)
    if match is None:
        return f"command {payload}"
    return f"parameter {int(match['parameter'], 16)} of channel {int(match['instance'], 16)}"


def encode_int32(value: int) -> str:
    """Return a 32-bit integer as eight hex digits (two's complement); raises ValueError where it does not fit."""
    if not -(2**31) <= value < 2**31:
        raise ValueError(f"{value} does not fit into 32 bits")
    return f"{value & 0xFFFFFFFF:08X}"


def int32(digits: str) -> int:
    """Return the signed integer behind eight hex digits; raises ValueError where they are none."""
    if not _WORD.fullmatch(digits):
        raise ValueError(f"{digits!r} is not eight hex digits")
    word = int(digits, 16)
    return word - 2**32 if word >= 2**31 else word


def switch(digits: str) -> bool:
    """Return whether eight hex digits mean 1; raises ValueError where they are neither 0 nor 1."""
    value = int32(digits)
    if value not in (0, 1):
        raise ValueError(f"{value} is neither 0 nor 1")
    return value == 1


def encode_float32(value: float) -> str:
    """Return the nearest IEEE 754 single as eight hex digits; raises ValueError where it is not finite or too large."""
    try:
        packed = struct.pack(">f", value)
    except OverflowError as error:
        raise ValueError(f"{value} does not fit into a single") from error
    if not math.isfinite(value):
        raise ValueError(f"{value} is not finite")
    return packed.hex().upper()


def float32(digits: str) -> float:
    """Return the IEEE 754 single behind eight hex digits; raises ValueError where they are none, or not finite."""
    if not _WORD.fullmatch(digits):
        raise ValueError(f"{digits!r} is not eight hex digits")
    value = float(struct.unpack(">f", bytes.fromhex(digits))[0])
    if not math.isfinite(value):
        raise ValueError(f"{digits} is not a finite number")
    return value
