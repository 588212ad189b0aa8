"""What a line to a TED4015 would move: the target and what bounds it, the current limit, the output.

Limits that exclude the target move it. A temperature without a unit means what the instrument was last told to take it
for, so it is an unknown move; so is another unit than degrees Celsius, for what is read would be misunderstood, and
auto tuning, during which the temperature swings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from drivers.moves import Move
from drivers.scpi_moves import Reading, ScpiReader, level, nothing, number, only, switch

_TEMPERATURE = re.compile(r"(.*[0-9.])\s*(C|CEL|F|FAR|K)")
_ZERO_C_K = 273.15


def _temperature(output: str) -> Reading:
    def read(_: int, arguments: Sequence[str]) -> Sequence[Move] | None:
        found = _TEMPERATURE.fullmatch(only(arguments))
        value = number(found[1].strip()) if found else None
        if found is None or value is None:
            return None
        celsius = {"C": value, "F": (value - 32.0) / 1.8, "K": value - _ZERO_C_K}[found[2][0]]
        return (Move(output, celsius),)

    return read


_SETTINGS: dict[str, Reading] = {
    ":SOURce<n>:TEMPerature[:SPOint]": _temperature("target_temperature_c"),
    ":SOURce<n>:TEMPerature:LIMit:LOW": _temperature("lower_target_limit_c"),
    ":SOURce<n>:TEMPerature:LIMit:HIGH": _temperature("upper_target_limit_c"),
    ":SOURce<n>:CURRent:LIMit[:AMPLitude]": level("current_limit_a", {"": 1.0, "A": 1.0, "MA": 1e-3}),
    ":SOURce<n>:FUNCtion[:MODE]": nothing("TEMP", "TEMPERATURE"),
    ":UNIT:TEMPerature": nothing("C", "CEL", "CELSIUS"),
    ":OUTPut<n>[:STATe]": switch("output_enabled"),
}
_QUIET = (
    *(f":SOURce<n>:TEMPerature:LCONstants:{constant}" for constant in ("GAIN", "INTegral", "DERivative", "PERiod")),
    *(":SOURce<n>:TEMPerature:ATUNe:CANCel", ":INITiate[:IMMediate]", ":ABORt"),
    *(f":CONFigure[:SCALar]:{reading}" for reading in ("TEMPerature", "CURRent", "VOLTage", "POWer")),
)

moves_of = ScpiReader(_SETTINGS, _QUIET).moves
