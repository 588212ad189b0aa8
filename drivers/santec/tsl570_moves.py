"""What a line to a TSL-570 would move. Powers are in mW and wavelengths in m, as the driver pins them.

To choose another unit or the older dialect is an unknown move, since it changes what every number means. So is a sweep.
"""

from __future__ import annotations

from drivers.scpi_moves import Reading, ScpiReader, level, nothing, switch

_WATTS_PER_MILLIWATT = 1e-3

_SETTINGS: dict[str, Reading] = {
    "[:SOURce]:WAVelength": level("wavelength_setpoint"),
    "[:SOURce]:POWer": level("power_setpoint", scale=_WATTS_PER_MILLIWATT),
    "[:SOURce]:POWer:STATe": switch("output_enabled"),
    "[:SOURce]:POWer:UNIT": nothing("1"),
    "[:SOURce]:WAVelength:SWEep[:STATe]": nothing("0", "OFF"),
    ":SYSTem:COMMunicate:CODe": nothing("1"),
}

moves_of = ScpiReader(_SETTINGS).moves
