"""What to turn to bring a sensor back to the others, in words.

The length of its cavity never helps: g0 and kappa both go as 1 / L, and the phase slope as their ratio. Imprecision
goes as kappa / (g0 sqrt(power)), so light makes up for it; nothing but the membrane itself changes its damping.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from labctl.estimation.sensor_consistency import ALLOWED, Design, Inconsistency, Parameter, allowed_window


def power_factor(off_resonance: Inconsistency) -> float:
    """Return by how much the light on a sensor must change for the imprecision of the design, from its inconsistency
    where imprecision is all: amplitudes of noise go as one over the root of the power."""
    return (1.0 + off_resonance.signed.value) ** 2


def advice(
    sensor: int, design: Design, found: Mapping[str, Inconsistency], off_resonance: Inconsistency
) -> Iterator[str]:
    """Return one sentence for each thing to turn where a sensor is outside what is allowed, by more than the
    uncertainty of that: none where it is inside, or where nobody can tell.

    `found` has gamma (on resonance), coupling and linewidth (off resonance) as far as they are known.
    """
    name = f"sensor{sensor}"
    gamma = found.get("gamma")
    if gamma is not None and _is_clearly_outside(gamma):
        low, high = allowed_window(design, Parameter.GAMMA)
        much = "too much" if gamma.signed.value > 0.0 else "too little"
        yield (
            f"{name}: {much} damping, {_percent(gamma)}; {low:.1f} to {high:.1f} Hz are allowed. Look at the pressure "
            "of the chamber (from 5e-4 mbar on gas damps), at how the chip is clamped, and at the temperature, to "
            "which the thermal force is proportional; cavity and light do not change it."
        )
    slope_rows = [found[row] for row in ("coupling", "linewidth") if row in found]
    if not slope_rows or not _is_clearly_outside(off_resonance):
        if any(_is_clearly_outside(row) for row in slope_rows):
            yield (
                f"{name}: g0 and kappa are each outside {100 * ALLOWED:g} % of the design and their ratio is not, as "
                "of a cavity of another length: nothing is to be turned."
            )
        return
    factor = power_factor(off_resonance)
    yield (
        f"{name}: its imprecision is off by {_percent(off_resonance)}. Give it {factor:.3f} times the light with the "
        "half-wave plates of the network (power_balance says by how much), or move the spot on the membrane with the "
        "picomotors of its mirror: at an antinode g0 is largest. The length of the cavity does not help, g0 and kappa "
        "both go as 1/L."
    )


def _percent(one: Inconsistency) -> str:
    return f"{100 * one.signed.value:+.1f} +- {100 * one.signed.sigma:.1f} %"


def _is_clearly_outside(one: Inconsistency) -> bool:
    return one.value.value - ALLOWED > one.value.sigma
