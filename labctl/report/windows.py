"""Within which windows around the design the sensors are alike: each alone lets the force resolution differ by 3 %.

The force resolution of eq. (1) goes as sqrt(Gamma), 1 / g0 and kappa, so 6 % in Gamma, 3 % in g0 or 3 % in kappa each
use up the 3 % that eq. (2) allows.
"""

from __future__ import annotations

from dataclasses import dataclass

from labctl.estimation.sensor_consistency import ALLOWED
from labctl.report.station_design import StationDesign
from labctl.report.wording import PLUS_MINUS, Mark, plain_number, shown_unit, with_unit
from labctl.store.records import NamedResult

WINDOW_SHARES = {
    "gamma_hz": 2.0 * ALLOWED,
    "gamma_ringdown_hz": 2.0 * ALLOWED,
    "g0_hz": ALLOWED,
    "kappa_hz": ALLOWED,
}
LIMITED = (
    "inconsistency",
    "inconsistency_off",
    "inconsistency_gamma",
    "inconsistency_coupling",
    "inconsistency_linewidth",
)
"""What eq. (2) itself gives: allowed from 0 to 3 %."""

INSIDE = Mark("✔", "inside", "calm")
OUTSIDE = Mark("✖", "outside", "bad")
AT_THE_EDGE = Mark("~", "at the edge", "notice")


@dataclass(frozen=True)
class Window:
    """From `low` to `high` in the unit of the result, as it is to be shown."""

    low: float
    high: float
    text: str


def window_of(suffix: str, design: StationDesign) -> Window | None:
    """The window of a quantity such as "gamma_hz"; None where it has none or the run does not state its design."""
    if suffix in LIMITED:
        return Window(-ALLOWED, ALLOWED, f"up to {_percent(ALLOWED)}")
    centre = _design_value(suffix, design)
    if centre is None:
        return None
    share = WINDOW_SHARES[suffix]
    unit, factor = shown_unit("Hz", centre)
    text = with_unit(plain_number(factor * centre), unit) + PLUS_MINUS + _percent(share)
    return Window(centre * (1.0 - share), centre * (1.0 + share), text)


def judged(result: NamedResult, window: Window) -> Mark:
    """Whether a result lies in its window; at the edge where one standard deviation decides."""
    to_the_edge = min(result.value - window.low, window.high - result.value)
    if abs(to_the_edge) < result.sigma:
        return AT_THE_EDGE
    return INSIDE if to_the_edge >= 0.0 else OUTSIDE


def _design_value(suffix: str, design: StationDesign) -> float | None:
    membranes = design.membranes
    if membranes is None or suffix not in WINDOW_SHARES:
        return None
    named = {"g0_hz": membranes.coupling, "kappa_hz": membranes.linewidth}
    return named.get(suffix, membranes.damping)


def _percent(share: float) -> str:
    return f"{100.0 * share:.0f}\u00a0%"
