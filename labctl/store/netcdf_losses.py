"""Lost locks in data.nc: the signals of all loops around each, as one variable."""

from __future__ import annotations

from collections.abc import Callable

import h5netcdf
import numpy as np

from labctl.store.losses import SIGNALS, LossRecord
from labctl.store.netcdf_text import printable


def add_loss(file: h5netcdf.File, claim: Callable[[str], str], record: LossRecord, number: int) -> None:
    """Add loss `number`, counted from 1, as the variable loss_1 of shape (signals, loops, looks) on its own time axis.

    Signals are error, witness and output in V; what made the lock go is in the attributes. `claim` makes a name legal
    and unique.
    """
    evidence, cause = record.evidence, record.cause
    name = claim(f"loss_{number}")
    dimensions = tuple(claim(f"{name}_{what}") for what in ("signal", "loop", "time"))
    for dimension, size in zip(dimensions, (len(SIGNALS), len(evidence.loops), evidence.time_s.size), strict=True):
        file.dimensions[dimension] = size
    time = file.create_variable(dimensions[-1], dimensions[-1:], np.float64, data=evidence.time_s)
    time.attrs["units"] = "s"
    time.attrs["long_name"] = "lab time"
    signals = np.stack([evidence.error, evidence.witness, evidence.output_v])
    variable = file.create_variable(name, dimensions, np.float64, data=signals)
    attributes: dict[str, object] = {
        "kind": "loss",
        "signals": ", ".join(SIGNALS),
        "loops": ", ".join(evidence.loops),
        "loop": record.loss.loop,
        "lost_at_s": np.float64(record.loss.at),
        "detected_at_s": np.float64(record.loss.detected_at),
        "reason": record.loss.reason,
        "cause": str(cause.kind),
        "sentence": cause.sentence,
        "confidence": np.float64(cause.confidence),
        "order": ", ".join(f"{mover.loop} {mover.at:.3f} s" for mover in cause.order),
    }
    for key, value in attributes.items():
        variable.attrs[key] = printable(value) if isinstance(value, str) else value
