"""A truth with its wave plates as somebody left them: shares of the light, powers, and what goes back to a detector."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from labctl.simulation.true_number import TrueNumber
from labctl.simulation.truth import Truth
from labctl.simulation.wave_plates import EXTRACTION_ANGLE_DEG, LEAK_OF_P, LEAK_OF_S, Mount, WavePlates, tap

TURN_DEG = 90.0  # after which a half-wave or quarter-wave plate does the same again
LEFT_AS_FOUND = "As the plate was left: it was turned to its best angle since."
PLATE_BACK = "The smallest tap over the largest."


@dataclass
class _FoundMount:
    """A mount that stays where it was found."""

    angle_deg: float = 0.0

    def set_angle(self, angle_deg: float) -> None:
        """Turn to `angle_deg`."""
        self.angle_deg = angle_deg


def plates_at(truth: Truth, plates_deg: Mapping[str, float]) -> WavePlates:
    """Return the plates in mounts at these angles."""
    mounts: dict[str, Mount] = {name: _FoundMount() for name in plates_deg}
    plates = WavePlates(truth, mounts)
    for name, angle in plates_deg.items():
        mounts[name].set_angle(angle)
    return plates


def as_set(truth: Truth, plates_deg: Mapping[str, float]) -> Truth:
    """Return the truth with the light as these plates share and dim it; the same where there are none."""
    if not plates_deg:
        return truth
    plates = plates_at(truth, plates_deg)
    brighter_db = 10.0 * math.log10(plates.dimmed("local_oscillator_power"))
    sensors = tuple(
        replace(
            sensor,
            weight=float(share),
            propagation_efficiency=sensor.propagation_efficiency * float(back),
            peak_to_shot=sensor.peak_to_shot * float(share / sensor.weight * back),
            dark_db=sensor.dark_db - brighter_db,
        )
        for sensor, share, back in zip(truth.sensors, plates.network_shares(), plates.extraction(), strict=True)
    )
    return replace(truth, sensors=sensors, pump=truth.pump * math.sqrt(plates.dimmed("pump_power")))


def plate_numbers(truth: Truth, plates_deg: Mapping[str, float]) -> Iterator[TrueNumber]:
    """Give what procedures find of the plates."""
    if not plates_deg:
        return
    plates = plates_at(truth, plates_deg)
    shares, extraction = plates.network_shares(), plates.extraction()
    for stage in range(1, len(truth.sensors)):
        name = f"network{stage}"
        if name in plates_deg:
            zero_deg = truth.plate_zero_deg(name)
            taken = tap(plates_deg[name] - zero_deg)
            yield TrueNumber(f"network.stage{stage}_zero_deg", zero_deg % TURN_DEG, "deg")
            yield TrueNumber(f"network.stage{stage}_extinction", LEAK_OF_P / (1.0 - LEAK_OF_S), "", remark=PLATE_BACK)
            yield TrueNumber(f"network.stage{stage}_tap", taken, "")
    follows = "Follows from the taps."
    for number, (share, back) in enumerate(zip(shares, extraction, strict=True), start=1):
        yield TrueNumber(f"sensor{number}.weight", float(share), "", remark=follows, counted=False)
        if f"extraction{number}" in plates_deg:
            best_deg = (truth.plate_zero_deg(f"extraction{number}") + EXTRACTION_ANGLE_DEG) % TURN_DEG
            yield TrueNumber(f"sensor{number}.extraction", float(back), "", remark=LEFT_AS_FOUND, counted=False)
            yield TrueNumber(f"sensor{number}.extraction_deg", best_deg, "deg")
