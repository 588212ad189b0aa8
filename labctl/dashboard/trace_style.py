"""What each channel looks like: its name, colour, dashes and thickness."""

from __future__ import annotations

from dataclasses import dataclass

from labctl.dashboard.look import Theme

DETECTOR_COLOURS = 5  # of the theme's traces; the next is that of the re-phased sum, then those of joint and references
DASHES: tuple[tuple[int, ...], ...] = ((), (9, 3), (15, 3, 3, 3), (4, 2), (22, 4))


@dataclass(frozen=True)
class TraceStyle:
    """Colour (#RRGGBB), thickness in units of `Look.px`, and dashes: lengths on, off ... in the same units."""

    name: str
    colour: str
    thickness: float
    dashes: tuple[int, ...]


def channel_name(channel: str) -> str:
    """Return the name of a channel on the screen: "BHD 2", "joint", "re-phased"."""
    if channel.startswith("bhd") and channel[3:].isdigit():
        return f"BHD {channel[3:]}"
    return "re-phased" if channel == "rephased" else channel


def style_of(channel: str, place: int, theme: Theme) -> TraceStyle:
    """Return the style of a channel, the one at `place` (from 0) of the detectors that are shown."""
    name = channel_name(channel)
    if channel == "joint":
        return TraceStyle(name, theme.traces[6], 2.0, ())
    if channel == "rephased":
        return TraceStyle(name, theme.traces[5], 1.0, (28, 5))
    turn, colour = divmod(place, DETECTOR_COLOURS)
    return TraceStyle(name, theme.traces[colour], 1.0, DASHES[(colour + turn) % len(DASHES)])
