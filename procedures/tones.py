"""Tones that a procedure needs: where they come from, and off again however it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from labctl.errors import ConfigurationError, LabError
from labctl.station.roles import ToneSource
from procedures.bench import Bench


def needed_tone(bench: Bench, name: str, what: str) -> ToneSource:
    """Return the tone `name`. Raises `ConfigurationError` that says for what it is needed."""
    tone = bench.station.tones.get(name)
    if tone is None:
        raise ConfigurationError(
            f"{what}, and this station has no [tones.{name}].", remedy="Add it with the generator that puts it out."
        )
    return tone


@contextmanager
def switched_off_afterwards(tone: ToneSource) -> Iterator[None]:
    """Switch the tone off when the block ends, in whatever way; the error that ended it is the one to tell."""
    try:
        yield
    except BaseException:
        with suppress(LabError):
            tone.switch_off()
        raise
    tone.switch_off()
