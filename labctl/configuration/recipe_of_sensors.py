"""The shipped recipe for another number of sensors: the steps are the same, some take longer."""

from __future__ import annotations

import math

from labctl.errors import ConfigurationError

_JOINT = 'procedure = "joint_spectrum_analyzer"\n'
_ALONE = "# The sum of one detector is that detector: the joint steps measure it again, by analyzer and records.\n"
_STEP = '[[step]]\nname = "joint_analyzer"\n'
_USUAL_LIMIT_S = 3600.0
_LOOK_S = 1.25  # at one lock, before and after every trace
_TRACE_S, _LOCKING_S = 15.0, 25.0
_RESERVE = 2.0
_SOURCE_LOOPS = 2


def recipe_of_sensors(shipped: str, sensors: int) -> str:
    """Return the text of the recipe for `sensors` sensors, made from that of the `shipped` one.

    The joint step on the analyzer looks at every lock around a trace at every resonance: it gets the time for it.
    """
    if _JOINT not in shipped or _STEP not in shipped:
        raise ConfigurationError(
            "The recipe that labctl comes with has no joint_analyzer where it is expected.",
            remedy="Install labctl again.",
        )
    if sensors == 1:
        return shipped.replace(_STEP, _ALONE + _STEP)
    longest_s = _RESERVE * joint_analyzer_s(sensors)
    if longest_s <= _USUAL_LIMIT_S:
        return shipped
    limit = f'time_limit = "{math.ceil(longest_s / 3600.0)} h"'
    comment = f"# {sensors + 1} traces, and {sensors + _SOURCE_LOOPS} locks looked at around each"
    return shipped.replace(_JOINT, f"{_JOINT}{limit:<33} {comment}\n")


def joint_analyzer_s(sensors: int) -> float:
    """Return about how long the joint step on the analyzer takes, in s."""
    looks = 2 * (sensors + 1) * (sensors + _SOURCE_LOOPS)
    return looks * _LOOK_S + sensors * (_TRACE_S + _LOCKING_S)
