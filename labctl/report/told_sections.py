"""The sections that are made of sentences and tables alone, in the places of the page where they stand."""

from __future__ import annotations

from collections.abc import Callable

from labctl.report.changed import changed_since
from labctl.report.contents import RunContents
from labctl.report.efficiency import efficiency_budget
from labctl.report.jitter import jitter_split
from labctl.report.lost_time import lost_time
from labctl.report.missing_decibels import missing_decibels
from labctl.report.needs_hands import needs_hands
from labctl.report.past_nights import past_nights
from labctl.report.readouts import readouts
from labctl.report.sections import Section

_PLACES: dict[str, tuple[Callable[[RunContents], Section], ...]] = {
    "of_the_table": (needs_hands,),
    "of_the_time": (lost_time,),
    "of_the_light": (readouts, missing_decibels, efficiency_budget, jitter_split),
    "of_the_past": (past_nights, changed_since),
}


def told_sections(run: RunContents) -> dict[str, list[Section]]:
    """All of them by their place."""
    return {place: [_told(tell, run) for tell in tellers] for place, tellers in _PLACES.items()}


def _told(tell: Callable[[RunContents], Section], run: RunContents) -> Section:
    """One section that cannot be told, whatever is wrong with its data, must not cost the reader the others."""
    try:
        return tell(run)
    except Exception as error:
        name = tell.__name__.replace("_", " ")
        text = f"This section could not be made ({type(error).__name__}: {error})."
        return Section(tell.__name__, name, name.capitalize(), text)
