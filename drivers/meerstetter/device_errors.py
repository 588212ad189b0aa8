"""What the error numbers of a TEC controller mean (its parameter 105)."""

from __future__ import annotations

# TEC protocol 5136AL and TEC-Family user manual 5216G, list of error numbers; those that a single controller can raise.
DEVICE_ERRORS = {
    **dict.fromkeys(range(1, 11), "processor fault"),
    11: "emergency stop",
    12: "the operator panel was free for too long",
    **dict.fromkeys((20, 21, 25, 26, 27, 28, 29), "fault in the parameter system"),
    22: "the stored settings are corrupt",
    23: "the stored settings belong to another firmware",
    24: "the firmware does not know this device",
    30: "supply voltage too low",
    31: "supply voltage too high",
    32: "internal supply too low",
    33: "internal supply too high",
    36: "3.3 V supply too low",
    37: "3.3 V supply too high",
    **dict.fromkeys((50, 51, 52), "flash memory failed"),
    53: "serial send buffer overflow",
    60: "the controller is too hot",
    **dict.fromkeys((100, 101), "current at OUT+ beyond its error threshold"),
    **dict.fromkeys((102, 103), "current at OUT- beyond its error threshold"),
    104: "voltage at OUT+ beyond its error threshold",
    105: "voltage at OUT- beyond its error threshold",
    106: "residual current: OUT+ and OUT- differ, a cable may leak",
    107: "fast over-current switch-off",
    108: "the output stage is saturated: lower its current or voltage limit",
    109: "the two output drivers share the current unevenly",
    110: "the allowed output power is exceeded",
    111: "the load resistance is too low for the supply voltage",
    **dict.fromkeys((120, 121, 122, 123), "offset of a current monitor out of range at start"),
    **dict.fromkeys((130, 131, 132, 150, 151, 152, 153), "fault in the object temperature circuit"),
    133: "object sensor below its range: sensor short or of the wrong type",
    134: "object sensor above its range: sensor open or of the wrong type",
    137: "object temperature below its error limit",
    138: "object temperature above its error limit",
    139: "object temperature changes too fast",
    140: "sink sensor below its range",
    141: "sink sensor above its range",
    142: "sink temperature below its error limit",
    143: "sink temperature above its error limit",
    144: "sink temperature changes too fast",
    170: "auto tuning makes no progress",
    171: "auto tuning failed: its temperatures scatter",
    172: "auto tuning failed: its periods scatter",
    173: "auto tuning needs a running controller within its limits",
    175: "the fan is too slow",
    176: "the fan is blocked",
    180: "unknown instruction in the lookup table",
    181: "misplaced instruction in the lookup table",
    182: "the temperature did not become stable in the time allowed",
    183: "communication watchdog: no command came in time",
}


def describe_device_error(number: int) -> str:
    """Return error `number` of parameter 105 in words."""
    return DEVICE_ERRORS.get(number, "an error that is not in the table of this driver")
