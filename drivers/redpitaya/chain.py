"""Boards in a chain: clock and trigger of the first, through the SATA connectors."""

from __future__ import annotations

from pymeasure.instruments import Instrument
from pymeasure.instruments.validators import strict_discrete_set

from drivers.redpitaya.acquisition import Recorder
from drivers.redpitaya.forms import on_off, on_or_off

CHAIN_TRIGGER = "EXT_NE"
"""The trigger source of a board that is to be triggered by the one before it in the chain."""


class ChainedRecorder(Recorder):
    """A recorder that can be one of a chain; both settings are for every board of it and need OS 2.00-18.

    The clock of the first board comes only to boards that are made to take it ("secondary" or "slave" units).
    """

    shares_trigger = Instrument.control(
        "DAISY:SYNC:TRig?",
        "DAISY:SYNC:TRig %s",
        """Control whether the trigger of this board goes to the next in the chain, which sees it as EXT_NE (bool).""",
        validator=strict_discrete_set,
        values=(True, False),
        set_process=on_off,
        cast=on_or_off,
        maxsplit=0,
        check_set_errors=True,
    )
    shares_clock = Instrument.control(
        "DAISY:SYNC:CLK?",
        "DAISY:SYNC:CLK %s",
        """Control whether the clock of this board goes on to the next in the chain (bool).""",
        validator=strict_discrete_set,
        values=(True, False),
        set_process=on_off,
        cast=on_or_off,
        maxsplit=0,
        check_set_errors=True,
    )
