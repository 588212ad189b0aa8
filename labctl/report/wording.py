"""Numbers, times and states as a person reads them. Nothing here changes a value, only how it is written."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass

from uncertainties import ufloat
from uncertainties.formatting import PDG_precision

from labctl.store.records import NamedResult, RunState, StepState

MINUS = "−"
PLUS_MINUS = "\u00a0±\u00a0"
NARROW_SPACE = "\u202f"
NOT_MEASURED = "not measured in this run"

_FEWEST_DIGITS_GROUPED = 5
_SMALLEST_FIXED, _LARGEST_FIXED = 1e-4, 1e9
_LARGEST_ROUNDED = 1e200  # beyond it rounding overflows
_NEGLIGIBLE_RELATIVE_SIGMA = 1e-14  # a double holds no more
_DIGITS_WITHOUT_SIGMA = 6
_WHOLE_PART = re.compile(rf"(?<![0-9.])[0-9]{{{_FEWEST_DIGITS_GROUPED},}}")
_NOT_PLAIN = re.compile(r"[^\x20-\x7e\n\t]")
_SHOWN_UNITS = {"degC": ("°C", 1.0), "rad": ("mrad", 1e3), "": ("1", 1.0), "percent": ("%", 1.0)}
_SPELLED_ALIKE = {"N/sqrt(Hz)": "N/√Hz", "N/rtHz": "N/√Hz", "N/Hz^0.5": "N/√Hz"}
_FORCE_IN_FN = ("fN/√Hz", 1e15)
_PREFIXED = ("m", "s", "W", "V")  # shown with a prefix where they are small
_SMALL_PREFIXES = (("", 1.0), ("m", 1e3), ("µ", 1e6), ("n", 1e9), ("p", 1e12), ("f", 1e15))
_LEAST_BEFORE_PREFIX = 0.1
_SHOWN_IN_GHZ = 1e9


@dataclass(frozen=True)
class Mark:
    """A state as glyph and word, never colour alone; `tone` names its style: calm, notice, bad or busy."""

    glyph: str
    word: str
    tone: str

    def __str__(self) -> str:
        return f"{self.glyph} {self.word}"


RUN_MARKS = {
    RunState.COMPLETE: Mark("✔", "complete", "calm"),
    RunState.STOPPED: Mark("■", "stopped", "notice"),
    RunState.FAILED: Mark("✖", "failed", "bad"),
    RunState.CRASHED: Mark("✖", "crashed", "bad"),
    RunState.RUNNING: Mark("▶", "still running", "busy"),
}
UNKNOWN_STATE = Mark("?", "state unknown", "bad")
STEP_MARKS = {
    StepState.DONE: Mark("✔", "done", "calm"),
    StepState.STOPPED: Mark("■", "stopped", "notice"),
    StepState.FAILED: Mark("✖", "failed", "bad"),
    StepState.SKIPPED: Mark("–", "skipped", "notice"),
    StepState.RUNNING: Mark("▶", "unfinished", "bad"),
    StepState.WAITING: Mark("○", "not begun", "notice"),
}


def value_with_sigma(value: float, sigma: float) -> str:
    """ "−3.724 ± 0.017": the digits that the Particle Data Group's rule leaves, thousands set apart, value and sigma
    alike."""
    if sigma <= abs(value) * _NEGLIGIBLE_RELATIVE_SIGMA:
        return plain_number(value)
    largest = max(abs(value), sigma)
    if largest > _LARGEST_ROUNDED or sigma < 1.0 / _LARGEST_ROUNDED:
        return _typeset(f"{value:.6e}{PLUS_MINUS}{sigma:.1e}")
    if not _SMALLEST_FIXED <= largest < _LARGEST_FIXED:
        return _typeset(f"{ufloat(value, sigma):P}")
    digits, rounded_sigma = PDG_precision(sigma)
    decimals = digits - 1 - math.floor(math.log10(rounded_sigma))
    shown = (round(value, decimals) + 0.0, round(rounded_sigma, decimals))  # + 0.0: no minus before a zero
    return _typeset(PLUS_MINUS.join(f"{number:.{max(decimals, 0)}f}" for number in shown))


def plain_number(value: float) -> str:
    """A number that carries no uncertainty, to six digits at most."""
    return _typeset(f"{value:.{_DIGITS_WITHOUT_SIGMA}g}" if abs(value) < _LARGEST_FIXED else f"{value:.6e}")


def printed_number(value: float, step: float | None) -> str:
    """A published number with the digits it was printed with; `step` is one unit of its last digit."""
    if not step:
        return plain_number(value)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return _typeset(f"{value:.{digits}f}") if abs(value) < _LARGEST_FIXED else plain_number(value)


def with_unit(number: str, unit: str) -> str:
    """Number and unit kept on one line; a pure number stays alone."""
    return f"{number}\u00a0{unit}" if unit not in ("", "1") else number


def shown_unit(unit: str, size: float | None = None) -> tuple[str, float]:
    """The unit that a reader sees and the factor by which the stored value is multiplied for it; with the `size` of the
    largest value it may have a prefix."""
    unit = _SPELLED_ALIKE.get(unit, unit)
    if unit == "Hz" and size is not None and abs(size) >= _SHOWN_IN_GHZ:
        return "GHz", 1e-9
    if unit == "N/√Hz":
        return _FORCE_IN_FN
    if unit in _PREFIXED and size:
        for prefix, factor in _SMALL_PREFIXES:
            if abs(size) * factor >= _LEAST_BEFORE_PREFIX:
                return prefix + unit, factor
    return _SHOWN_UNITS.get(unit, (unit, 1.0))


def same_unit(one: str, other: str) -> bool:
    """Whether two spellings mean one unit."""
    return shown_unit(one) == shown_unit(other)


def shown_result(result: NamedResult) -> tuple[str, str]:
    """Value ± sigma of a result, and its unit, as shown."""
    unit, factor = shown_unit(result.unit, max(abs(result.value), result.sigma))
    return value_with_sigma(factor * result.value, factor * result.sigma), unit


UNKNOWN_TIME = "an unknown time"


def lab_time(seconds: float) -> str:
    """Lab time as h:mm:ss; of a damaged record, in which it is no number, that it is not known."""
    if not math.isfinite(seconds):
        return UNKNOWN_TIME
    whole = round(seconds)
    sign = MINUS if whole < 0 else ""
    hours, rest = divmod(abs(whole), 3600)
    return f"{sign}{hours}:{rest // 60:02d}:{rest % 60:02d}"


def duration(seconds: float) -> str:
    """A length of time in its two largest units: "1 h 43 min", "21 min 31 s", "4.8 s"; see `lab_time`."""
    if not math.isfinite(seconds):
        return UNKNOWN_TIME
    if seconds < 0.05:
        return "under 0.1\u00a0s"
    if seconds < 9.95:
        return f"{seconds:.1f}\u00a0s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}\u00a0s"
    if whole < 3600:
        return f"{whole // 60}\u00a0min {whole % 60:02d}\u00a0s"
    minutes = round(seconds / 60)
    return f"{minutes // 60}\u00a0h {minutes % 60:02d}\u00a0min"


def percent_of_shot(level_db: float) -> str:
    """Noise power as a share of shot noise: "42.4 %"."""
    return f"{100.0 * 10.0 ** (level_db / 10.0):.1f}\u00a0%"


def displayable(text: str) -> str:
    """The text with control, format and unpaired surrogate characters written out, so that nothing hides or turns
    the line."""
    return _NOT_PLAIN.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    letter = found[0]
    hidden = unicodedata.category(letter).startswith("C")
    return letter.encode("unicode_escape").decode("ascii") if hidden else letter


def _typeset(text: str) -> str:
    return _WHOLE_PART.sub(lambda whole: f"{int(whole[0]):,}".replace(",", NARROW_SPACE), text).replace("-", MINUS)
