"""Types of the fields that name hardware: addresses, slots, channels, pins."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator

from labctl.configuration.faults import Allowed, refusal, shown

_FASTEST_DECIMATIONS = (1, 2, 4, 8)
_SLOT_KEYS = frozenset("12345678")


def _folder(value: object) -> Path:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value or "\0" in value:
        raise refusal(f"{shown(value)} is not a folder")
    return Path(value)


def _decimation(value: int) -> int:
    if value not in _FASTEST_DECIMATIONS and not 16 <= value <= 65536:
        raise refusal(f"the digitizer cannot keep one sample of {shown(value)}")
    return value


def _slot_number(key: object) -> object:
    """Keys of a TOML table are text: `3 = "SIM960"` arrives as "3"."""
    return int(key) if isinstance(key, str) and key in _SLOT_KEYS else key


Folder = Annotated[Path, PlainValidator(_folder), PlainSerializer(str), Allowed("the path of a folder, in quotes")]

Address = Annotated[
    str,
    Field(pattern=r"^(?i:(TCPIP|ASRL|USB|GPIB)[^\x00-\x20\x7f]{0,150}::[^\x00-\x20\x7f]{1,50})$"),
    Allowed('a VISA address such as "TCPIP::192.168.10.11::5025::SOCKET" or "ASRL/dev/ttyUSB0::INSTR"'),
]

Slot = Annotated[int, Field(ge=1, le=8), Allowed("a slot from 1 to 8")]
SlotKey = Annotated[int, BeforeValidator(_slot_number), Field(ge=1, le=8), Allowed("a slot from 1 to 8")]

PiezoChannelName = Literal["x", "y", "z"]
GaugeChannel = Annotated[int, Field(ge=1, le=6), Allowed("a channel from 1 to 6")]
RotatorAddress = Annotated[int, Field(ge=0, le=15), Allowed("an address from 0 to 15")]
ToneOutput = Annotated[int, Field(ge=1, le=2), Allowed("1 or 2")]
Attenuation = Annotated[float, Field(ge=-60.0, le=60.0), Allowed("a number of decibels from -60 to 60")]
OvenChannel = Annotated[int, Field(ge=1, le=2), Allowed("1 or 2")]

ControllerAddress = Annotated[int, Field(ge=1, le=31), Allowed("a controller address from 1 to 31")]
Axis = Annotated[int, Field(ge=1, le=4), Allowed("an axis from 1 to 4")]
AngleFromHome = Annotated[float, Field(gt=0.0, le=360.0), Allowed("an angle above 0, up to 360 degrees")]
StepCount = Annotated[int, Field(ge=1, le=2**31 - 1), Allowed("a whole number from 1 to 2147483647")]

FastInput = Annotated[int, Field(ge=1, le=4), Allowed("an input from 1 to 4")]
FastOutput = Annotated[int, Field(ge=1, le=2), Allowed("1 or 2")]
InputRange = Literal["LV", "HV"]
Decimation = Annotated[int, AfterValidator(_decimation), Allowed("1, 2, 4, 8 or a whole number from 16 to 65536")]

SlowInputName = Literal["AIN0", "AIN1", "AIN2", "AIN3"]
SlowOutputName = Literal["AOUT0", "AOUT1", "AOUT2", "AOUT3"]
DigitalPin = Annotated[
    str, Field(pattern=r"^DIO[0-7]_[PN]$"), Allowed('a pin from "DIO0_P" to "DIO7_P" or from "DIO0_N" to "DIO7_N"')
]
Level = Annotated[int, Field(ge=0, le=1), Allowed("0 or 1")]
PositionCode = Annotated[int, Field(ge=0, le=65535), Allowed("a whole number of 0 or more")]
