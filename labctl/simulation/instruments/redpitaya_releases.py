"""With which release of its operating system a Red Pitaya learned which commands.

Source: the ecosystem columns of the command lists and the list of changes by release in the maker's documentation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

Release = tuple[int, int, int]
"""As in "2.07-51"."""

_RELEASE = re.compile(r"(\d+)\.(\d+)-(\d+)")
_ALWAYS: Release = (0, 0, 0)
_BY_PREFIX: Mapping[str, Release] = {
    "ACQ:TRig:FILL": (2, 0, 15),
    "ACQ:TRig:EXT:DEBouncer": (2, 0, 15),
    "SOUR:TRig:EXT:DEBouncer": (2, 0, 15),
    "SYSTem:BRD": (2, 0, 18),
    "DAISY:SYNC": (2, 0, 18),
    "SOUR<n>:INITValue": (2, 0, 18),
    "SOUR<n>:BURS:LASTValue": (2, 0, 18),
    "ACQ:DEC:Factor": (2, 0, 30),
    "SYSTem:Help": (2, 4, 35),
    "ACQ:SOUR<n>:DATA:TRig": (2, 5, 37),
    "ACQ:DATA:BYTE:ORDER": (2, 7, 43),
    "RP:RET_ON_ERROR": (2, 7, 43),
    "ACQ:TS": (3, 0, 57),
}
_DEEP_MEMORY = {2: (2, 0, 18), 4: (2, 0, 30)}
_PER_INPUT = {2: (2, 7, 48), 4: (2, 5, 37)}
"""By the number of fast inputs; per input are the settings that a split trigger needs."""


def release_of(firmware: str) -> Release:
    """Return the release that `firmware` names; raises ValueError where it is none."""
    match = _RELEASE.fullmatch(firmware)
    if match is None:
        raise ValueError(f"{firmware!r} is no release such as 2.07-51")
    return int(match[1]), int(match[2]), int(match[3])


def first_release(pattern: str, inputs: int) -> Release:
    """Return the first release that knows the command `pattern` on a board with `inputs` fast inputs."""
    known = [release for prefix, release in _BY_PREFIX.items() if pattern.startswith(prefix)]
    if pattern.startswith("ACQ:AXI:"):
        known.append(_DEEP_MEMORY[inputs])
    if pattern.startswith("ACQ:SPLIT:") or ":CH<n>" in pattern:
        known.append(_PER_INPUT[inputs])
    return max(known, default=_ALWAYS)
