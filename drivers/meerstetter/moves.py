"""What a MeCom frame would move: targets and ramps of a TEC controller, its outputs.

A parameter that the driver does not write is an unknown move; so are a restart, which brings back what the flash holds,
and the stored target.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from drivers.meerstetter import mecom
from drivers.meerstetter.mecom import float32
from drivers.moves import Move, unknown_move

RAM_TARGET, RAM_TARGET_CHOSEN, OUTPUT_ENABLE = 50012, 50011, 2010
_TARGET = "target_temperature_c"
_SWITCH = {"00000000": 0.0, "00000001": 1.0}
_OUTPUT_NAMES = {RAM_TARGET: _TARGET, 3003: "coarse_ramp_k_per_s"}
# Saving to flash, the watchdog, the width in which the ramp slows down, what counts as stable, error limits.
_MOVE_NOTHING = frozenset({108, 2060, 3002, 4010, 4011, 4040, 4041, 4042})

_QUESTION = re.compile(r"#[0-9A-F]{6}\?[ \"$-~]*")
_FRAME = re.compile(r"#(?P<address>[0-9A-F]{2})[0-9A-F]{4}(?P<payload>[ \"$-~]+)[0-9A-F]{4}")
_SETTING = re.compile(r"VS(?P<parameter>[0-9A-F]{4})(?P<instance>[0-9A-F]{2})(?P<value>[0-9A-F]{8})")


def moves_of(command: str, address: int, ram_targets: Mapping[int, float]) -> Sequence[Move]:
    """Return what `command` would move on the device at `address`; degC, K/s, outputs on (1) or off (0).

    `ram_targets` are the targets in degC, by channel, that are known to wait in RAM: to choose one moves to it.
    """
    if _QUESTION.fullmatch(command):
        return ()
    found: list[Move] = []
    for line in command.split(mecom.TERMINATOR):
        if line:
            frame = _FRAME.fullmatch(line)
            mine = frame and (mecom.ANY_DEVICE, address).count(int(frame["address"], 16))
            found += _moves_of_payload(frame["payload"], ram_targets) if frame and mine else unknown_move(line)
    return found


def ram_target_in(payload: str) -> tuple[int, float] | None:
    """Return channel and temperature in degC where `payload` puts a target into RAM."""
    setting = _SETTING.fullmatch(payload)
    if setting is None or int(setting["parameter"], 16) != RAM_TARGET:
        return None
    value = _finite(setting["value"])
    return None if value is None else (int(setting["instance"], 16), value)


def _moves_of_payload(payload: str, ram_targets: Mapping[int, float]) -> Sequence[Move]:
    if payload.startswith("?"):
        return ()
    setting = _SETTING.fullmatch(payload)
    if setting is None:
        return unknown_move(payload)
    parameter, channel, digits = int(setting["parameter"], 16), int(setting["instance"], 16), setting["value"]
    if parameter in _MOVE_NOTHING:
        return ()
    name, value = _OUTPUT_NAMES.get(parameter, ""), None
    if name:
        value = _finite(digits)
    elif parameter == OUTPUT_ENABLE:
        name, value = "output_enabled", _SWITCH.get(digits)
    elif parameter == RAM_TARGET_CHOSEN and _SWITCH.get(digits):
        name, value = _TARGET, ram_targets.get(channel)
    return unknown_move(payload) if value is None else (Move(f"ch_{channel}.{name}", value),)


def _finite(digits: str) -> float | None:
    try:
        return float32(digits)
    except ValueError:
        return None
