"""What a line to a 33500 would move. Volts are those across 50 ohm, amplitudes from peak to peak: commands for another
load or unit than these are moves of their own, or unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from drivers.moves import Move
from drivers.scpi_moves import DEGREES, HERTZ, NO_UNIT, VOLTS, Reading, ScpiReader, level, nothing, number, only, switch

USUAL_LOAD_OHM = 50.0
_OHMS: Mapping[str, float] = {"": 1.0, "OHM": 1.0, "KOHM": 1e3}
_VOLTS: Mapping[str, float] = {**VOLTS, "VPP": 1.0, "MVPP": 1e-3}


def _load(channel: int, arguments: Sequence[str]) -> Sequence[Move] | None:
    ohms = number(only(arguments), _OHMS)
    if ohms == USUAL_LOAD_OHM:
        return ()
    return None if ohms is None else (Move(f"ch_{channel}.output_load", ohms),)


def _sine(channel: int, arguments: Sequence[str]) -> Sequence[Move] | None:
    """A sine of frequency, amplitude and offset, and the output on; what is left out is as before or a default."""
    if len(arguments) != 3:
        return None
    frequency_hz, amplitude_v, offset_v = map(number, arguments, (HERTZ, _VOLTS, VOLTS))
    if frequency_hz is None or amplitude_v is None or offset_v is None:
        return None
    return (
        Move(f"ch_{channel}.frequency", frequency_hz),
        Move(f"ch_{channel}.amplitude", amplitude_v),
        Move(f"ch_{channel}.offset", offset_v),
        Move(f"ch_{channel}.output", 1.0),
    )


_SETTINGS: dict[str, Reading] = {
    "[:SOURce<n>]:FREQuency[:CW]": level("ch_{}.frequency", HERTZ),
    "[:SOURce<n>]:VOLTage[:LEVel][:IMMediate][:AMPLitude]": level("ch_{}.amplitude", _VOLTS),
    "[:SOURce<n>]:VOLTage[:LEVel][:IMMediate]:OFFSet": level("ch_{}.offset", VOLTS),
    "[:SOURce<n>]:VOLTage:UNIT": nothing("VPP"),
    "[:SOURce<n>]:PHASe[:ADJust]": level("ch_{}.phase", {**NO_UNIT, **DEGREES}),
    "[:SOURce<n>]:FUNCtion[:SHAPe]": nothing("SIN", "SINUSOID"),
    "[:SOURce<n>]:APPLy:SINusoid": _sine,
    ":OUTPut<n>[:STATe]": switch("ch_{}.output"),
    ":OUTPut<n>:LOAD": _load,
}

moves_of = ScpiReader(_SETTINGS).moves
