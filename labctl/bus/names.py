"""What the channels of a core are called: PREFIX:SYSTEM:QUANTITY, such as `labctl:lo1:state`."""

from __future__ import annotations

from typing import Final

from labctl.bus import messages
from labctl.bus.spectra import Kind

PREFIX: Final = "labctl"

RECIPE: Final = "recipe."
"""How the name of a recipe begins where procedures are listed."""

TABLES: Final[dict[type, str]] = {
    messages.ChannelRow: "bus:directory",
    messages.CoreRow: "core:status",
    messages.RunRow: "run:status",
    messages.QueueRow: "queue:list",
    messages.LoopRow: "loop:list",
    messages.ReadingRow: "reading:list",
    messages.CalibrationRow: "calibration:list",
    messages.ResultRow: "result:list",
    messages.AlarmRow: "alarm:list",
    messages.EventRow: "event:log",
    messages.InstrumentRow: "instrument:list",
    messages.ProcedureRow: "procedure:list",
    messages.ParameterRow: "parameter:list",
    messages.SettingRow: "setting:list",
}
"""Tables that a core publishes, by the class of their rows."""

HEARTBEAT: Final = "core:heartbeat"
"""The wall time of the core, several times a second."""


def spectrum_name(channel: str, kind: Kind) -> str:
    """Return the channel of a spectrum."""
    return f"{channel}:{kind}"


def curve_name(system: str, name: str) -> str:
    """Return the channel of a curve."""
    return f"{system}:{name}"


def result_name(name: str) -> str:
    """Return the channel of a named result: "sensor1.f0_hz" is "sensor1:f0_hz"."""
    system, dot, quantity = name.partition(".")
    return f"{system}:{quantity.replace('.', '_')}" if dot else f"result:{name}"


def command_name(name: str) -> str:
    """Return the channel that takes a command."""
    return f"command:{name}"
