"""Boards in a chain: clock and trigger of the first, through the SATA connectors."""

from __future__ import annotations

from drivers.redpitaya.acquisition import Recorder
from drivers.redpitaya.properties import switch

CHAIN_TRIGGER = "EXT_NE"
"""The trigger source of a board that is to be triggered by the one before it in the chain."""


class ChainedRecorder(Recorder):
    """A recorder that can be one of a chain; both settings are for every board of it and need OS 2.00-18.

    The clock of the first board comes only to boards that are made to take it ("secondary" or "slave" units).
    """

    shares_trigger = switch(
        "DAISY:SYNC:TRig",
        "Control whether the trigger of this board goes to the next in the chain, which sees it as EXT_NE (bool).",
    )
    shares_clock = switch(
        "DAISY:SYNC:CLK",
        "Control whether the clock of this board goes on to the next in the chain (bool).",
    )
