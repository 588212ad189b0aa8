"""The forms that settings of a Red Pitaya take on the wire: words, switches and whole numbers, all strict."""

from __future__ import annotations

from collections.abc import Callable, Sequence

LARGEST_DECIMATION = 65536


def one_of(*choices: str) -> Callable[[str], str]:
    """Return a cast that takes only `choices`, in any case."""

    def cast(text: str) -> str:
        word = text.strip().upper()
        if word not in choices:
            raise ValueError(text)
        return word

    cast.__name__ = " or ".join(choices)
    return cast


def on_or_off(text: str) -> bool:
    """Return what ON, OFF, 1 or 0 says."""
    return one_of("ON", "OFF", "1", "0")(text) in ("ON", "1")


def binary_digit(text: str) -> int:
    """Return what 0 or 1 says."""
    return int(one_of("0", "1")(text))


# The names are what a `BadReply` says that it expected.
on_or_off.__name__ = "ON or OFF"
binary_digit.__name__ = "0 or 1"


def whole_number(value: float, values: Sequence[int]) -> int:
    """Return `value` if it is a whole number from the first to the last of `values`; never rounds."""
    if not float(value).is_integer() or not values[0] <= value <= values[-1]:
        raise ValueError(f"{value} is not a whole number from {values[0]} to {values[-1]}")
    return int(value)


def decimation_factor(value: float, values: Sequence[int]) -> int:
    """Return `value` if the board can decimate by it: one of `values`, or a whole number from the last of them on."""
    return int(value) if value in values else whole_number(value, (values[-1], LARGEST_DECIMATION))


def on_off(value: bool) -> str:
    """Return ON or OFF."""
    return "ON" if value else "OFF"


def microseconds(seconds: float) -> float:
    """Return a time in s as the board is told it, in us."""
    return seconds * 1e6


def seconds_of_microseconds(value: float) -> float:
    """Return in s what the board tells in us."""
    return value * 1e-6


def nanoseconds(seconds: float) -> int:
    """Return a time in s as the board is told it, in whole ns."""
    return round(seconds * 1e9)


def seconds_of_nanoseconds(value: float) -> float:
    """Return in s what the board tells in ns."""
    return value * 1e-9
