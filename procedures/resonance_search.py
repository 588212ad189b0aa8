"""Where the resonance of a membrane is: as an earlier step found it, else by a look at a wide trace."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labctl.locks.loop import Loop
from procedures.base import LabProcedure
from procedures.individual_spectrum import SEARCH_AVERAGES
from procedures.traces import Share, sweep, take_trace

SEARCH_RBW_HZ = 30.0


def resonance_hz(procedure: LabProcedure, sensor: int, needs: Sequence[Loop], share: Share) -> float:
    """Return the frequency of the mode of `sensor` in Hz: the result f0_hz, else as `searched_hz`."""
    known = procedure.on_bench.results().get(f"sensor{sensor}.f0_hz")
    return searched_hz(procedure, sensor, needs, share) if known is None else known.value


def searched_hz(procedure: LabProcedure, sensor: int, needs: Sequence[Loop], share: Share) -> float:
    """Return the highest point in Hz of a trace over the search span of `sensor`, taken while `needs` are locked: the
    mode to about its linewidth."""
    place = procedure.on_bench.station.file.sensors[sensor - 1]
    wide = sweep(place.resonance, place.search_span, SEARCH_RBW_HZ, 10 * SEARCH_RBW_HZ, SEARCH_AVERAGES)
    trace = take_trace(procedure, f"sensor{sensor}.search", f"bhd{sensor}", wide, share=share, needs=needs)
    return float(trace.frequency_hz[int(np.argmax(trace.values))])
