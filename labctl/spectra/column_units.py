"""Units as programs write them beside a column, and their way into SI.

Only spelling is known here: `MHz`, `µs`, `dBm`, `V/√Hz`. What a column means is said by whoever reads it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from labctl.spectra.acquisition import FloatArray


class Quantity(StrEnum):
    """What a unit measures."""

    FREQUENCY = "frequency"
    TIME = "time"
    LENGTH = "length"
    VOLTAGE = "voltage"
    CURRENT = "current"
    POWER = "power"
    LEVEL = "level"
    DENSITY = "density"
    ANGLE = "angle"


@dataclass(frozen=True)
class ColumnUnit:
    """A unit read from a file: `symbol` is the one that `to_si` leaves, `factor` what it multiplies with.

    For levels in dBV and dBuV and for amplitude densities `to_si` also takes the power or the square.
    """

    quantity: Quantity
    symbol: str
    factor: float = 1.0
    decibel_volt: bool = False
    amplitude_density: bool = False

    def to_si(self, values: FloatArray) -> FloatArray:
        """Values (n,) in `symbol`."""
        if self.decibel_volt:
            return np.asarray(self.factor * 10 ** (values / 20))
        scaled = values * self.factor
        return np.asarray(scaled * np.abs(scaled)) if self.amplitude_density else np.asarray(scaled)


_PREFIXES = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_PREFIXES |= {"m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15}
_BASES = {
    "Hz": (Quantity.FREQUENCY, "Hz"),
    "s": (Quantity.TIME, "s"),
    "m": (Quantity.LENGTH, "m"),
    "V": (Quantity.VOLTAGE, "V"),
    "A": (Quantity.CURRENT, "A"),
    "W": (Quantity.POWER, "W"),
}
_WORDS = {
    "hertz": "Hz",
    "sec": "s",
    "secs": "s",
    "second": "s",
    "seconds": "s",
    "volt": "V",
    "volts": "V",
    "watt": "W",
    "watts": "W",
    "metre": "m",
    "meter": "m",
}
_ANGLES = {"deg": "deg", "°": "deg", "degree": "deg", "degrees": "deg", "rad": "rad"}
_LEVEL = re.compile(r"db(m|v|uv|mv|w|c|fs)?(rms|pk)?(/hz|/rthz|/sqrthz)?", re.IGNORECASE)
_DENSITY = re.compile(
    r"(?P<prefix>[kmunpf]?)(?P<base>[VvWAmN]|rad|Hz)(?P<square>\^?2)?/(?P<root>rt|sqrt|\(?sqrt\()?Hz\)?\)?"
)
_RMS = re.compile(r"[ _]?(rms|RMS|pk|Vpk|peak)$")


def unit_of(text: str) -> ColumnUnit | None:
    """The unit that a piece of text spells; None when it spells none."""
    plain = _plain(text)
    if not plain or len(plain) > 24:
        return None
    if plain.lower() in _ANGLES:
        return ColumnUnit(Quantity.ANGLE, _ANGLES[plain.lower()])
    if plain.lower() in ("db", "decibel") or _LEVEL.fullmatch(plain):
        return _level(plain.lower())
    if found := _DENSITY.fullmatch(plain):
        return _density(found)
    if plain in ("V^2", "V2", "Vrms^2", "Vrms2"):
        return ColumnUnit(Quantity.POWER, "V^2")
    return _simple(plain)


def _plain(text: str) -> str:
    plain = text.strip().strip("[](){}\"'").strip()
    for written, meant in (("µ", "u"), ("μ", "u"), ("Âµ", "u"), ("²", "^2"), ("**", "^"), ("√", "sqrt"), (" ", "")):
        plain = plain.replace(written, meant)
    plain = plain.replace("^0.5", "").replace("Hz^(1/2)", "rtHz").replace("Hz^1/2", "rtHz").replace("HZ", "Hz")
    plain = re.sub(r"(?<=[Vv])(rms|RMS)", "", plain)
    return _RMS.sub("", plain) if plain not in ("rms", "pk") else plain


def _simple(plain: str) -> ColumnUnit | None:
    word = _WORDS.get(plain.lower())
    if word is not None:
        return ColumnUnit(*_BASES[word])
    for base, (quantity, symbol) in _BASES.items():
        if plain.endswith(base) and plain[: -len(base)] in _PREFIXES:
            return ColumnUnit(quantity, symbol, _PREFIXES[plain[: -len(base)]])
    lower = plain.lower()
    for word, base in _WORDS.items():
        long = {"milli": 1e-3, "micro": 1e-6, "nano": 1e-9, "kilo": 1e3, "mega": 1e6, "giga": 1e9}
        if lower.endswith(word) and lower[: -len(word)] in long:
            return ColumnUnit(*_BASES[base], long[lower[: -len(word)]])
    if lower in ("hz", "khz", "mhz", "ghz", "thz"):  # spelled small throughout: mega, not milli
        return ColumnUnit(Quantity.FREQUENCY, "Hz", _PREFIXES[lower[:-2].upper() if len(lower) > 2 else ""])
    if lower in ("v", "mv", "uv", "nv"):
        return ColumnUnit(Quantity.VOLTAGE, "V", _PREFIXES[lower[:-1]])
    if lower in ("w", "mw", "uw", "nw"):
        return ColumnUnit(Quantity.POWER, "W", _PREFIXES[lower[:-1]])
    return None


def _level(lower: str) -> ColumnUnit:
    body = lower.partition("/")[0].replace("rms", "").replace("pk", "")
    if body == "dbm":
        return ColumnUnit(Quantity.LEVEL, "dBm")
    volts = {"dbv": 1.0, "dbmv": 1e-3, "dbuv": 1e-6}.get(body)
    if volts is not None:
        return ColumnUnit(Quantity.VOLTAGE, "V", volts, decibel_volt=True)
    return ColumnUnit(Quantity.LEVEL, "dB")


def _density(found: re.Match[str]) -> ColumnUnit:
    factor = _PREFIXES[found["prefix"]]
    if found["base"] == "W":
        return ColumnUnit(Quantity.POWER, "W", factor)  # only ratios are taken, so the hertz cancels
    symbol = f"{found['base'].replace('v', 'V')}^2/Hz"
    if found["root"] or not found["square"]:
        return ColumnUnit(Quantity.DENSITY, symbol, factor, amplitude_density=True)
    return ColumnUnit(Quantity.DENSITY, symbol, factor**2)
