"""How the screens look: colours of the three themes, and sizes that follow the height of the window.

A state is glyph, word and colour, never colour alone; what is normal is grey. Traces take the colours of Okabe and Ito
(Color Universal Design, 2008), which the colour-blind tell apart, with dash styles beside them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from labctl.bus.messages import Severity

ThemeName = Literal["day", "dark", "red"]
REFERENCE_HEIGHT_PX: Final = 1080  # of a window in which one unit is one pixel
KEY_STATE_PX: Final = 46  # legible from 2 m on a 24-inch screen of 1080 lines
WALL_STATE_PX: Final = 58


@dataclass(frozen=True)
class Theme:
    """The colours of one theme, as #RRGGBB."""

    name: ThemeName
    background: str
    panel: str  # of boxes on the background
    line: str  # of borders and grids
    text: str
    dim: str  # of what matters less, and of what is normal
    minor: str  # of what is not normal
    major: str  # of what must be looked at
    invalid: str  # of what is unknown or stale
    stop: str  # of the button
    stop_text: str
    traces: tuple[str, ...]

    def of(self, severity: int) -> str:
        """Return the colour of a severity; what is normal is grey."""
        return {
            Severity.NONE: self.dim,
            Severity.MINOR: self.minor,
            Severity.MAJOR: self.major,
        }.get(Severity(severity), self.invalid)


OKABE_ITO: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")

THEMES: Final[dict[ThemeName, Theme]] = {
    "day": Theme(
        "day", "#F2F3F5", "#FFFFFF", "#C5C9CF", "#14171A", "#5A626B", "#9A5B00", "#B23A00", "#7A3E78",
        "#C1121F", "#FFFFFF",
        ("#0072B2", "#B97A00", "#007F5C", "#B0508A", "#2F8FC4", "#C04D00", "#14171A", "#6B6B6B"),
    ),
    "dark": Theme(
        "dark", "#0E1116", "#171B22", "#343B46", "#E8EBEF", "#98A2AF", "#F0B53C", "#FF7A3C", "#D79BD3",
        "#D7263D", "#FFFFFF",
        ("#56B4E9", "#E69F00", "#1FBF93", "#E08FBE", "#7FA8FF", "#FF8A3D", "#FFFFFF", "#A8A8A8"),
    ),
    "red": Theme(
        "red", "#0A0000", "#140303", "#4A1210", "#FF5040", "#FF5040", "#FF6E5A", "#FF8C7A", "#FF5040",
        "#7A0C08", "#FF8C7A",
        ("#FF5040", "#FF7A66", "#FF5040", "#FF7A66", "#FF5040", "#FF7A66", "#FF9C8C", "#FF5040"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Look:
    """A theme, and the pixels of one unit: 1 in a window of 1080 lines. `wall` is for the screen on the wall."""

    theme: Theme = THEMES["dark"]
    scale: float = 1.0
    wall: bool = False

    def px(self, units: float) -> int:
        """Return `units` in pixels of this window, at least one."""
        return max(1, round(units * self.scale))

    @property
    def state_px(self) -> int:
        """Return the height of the letters of key states, in pixels."""
        return self.px(WALL_STATE_PX if self.wall else KEY_STATE_PX)

    def for_height(self, height_px: int) -> Look:
        """Return the look in a window that is so high."""
        return replace(self, scale=height_px / REFERENCE_HEIGHT_PX)
