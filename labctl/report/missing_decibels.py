"""Why the joint trace lacks decibels: the cause named in a sentence, from the results of the diagnosis of the sum."""

from __future__ import annotations

import re

from labctl.report.contents import RunContents
from labctl.report.origins import why_missing
from labctl.report.sections import Cell, Finding, Section, Table, columns, number_cell, shown
from labctl.report.wording import Mark, printed_number, with_unit
from labctl.store.records import NamedResult

CLEAR_SIGMAS = 3.0  # by which a loss must stand out to be named
LEAST_NAMED_DB = 0.1  # less is not worth going to the table for
COAX_M_PER_S = 0.66 * 299_792_458.0  # in cable with solid polyethylene

_DELAY = re.compile(r"joint\.delay([1-9][0-9]*)_s")
_CAUSES = ("delays", "jitter", "loss")
_LABELS = {"delays": "Different delays", "jitter": "Phase noise", "loss": "Loss beyond the known efficiencies"}
_MISSING = Mark("▲", "missing", "notice")
_CAUSE = Mark("→", "cause", "bad")
_FINE = Mark("✔", "nothing missing", "calm")
_NOT_LOOKED = Mark("?", "not looked for", "notice")
_OPEN = Mark("?", "no cause found", "notice")


def missing_decibels(run: RunContents) -> Section:
    """The section; it says so where nobody looked for the cause."""
    return Section(
        "missing",
        "Missing decibels",
        "Why the joint trace lacks decibels",
        "What the detectors promise one by one for their sum, what the hardware sum shows of it, and which cause takes "
        "the rest: cables of different length, phase noise, or loss.",
        findings(run),
        tuple(table for table in (_budget(run), _delays(run)) if table),
    )


def findings(run: RunContents) -> tuple[Finding, ...]:
    """The sentences: how much is missing, then every cause that stands out, the largest first."""
    missing, promised = run.results.get("joint.missing_db"), run.results.get("joint.promised_db")
    losses = {cause: run.results.get(f"joint.lost_to_{cause}_db") for cause in _CAUSES}
    if missing is None and not any(losses.values()):
        why = why_missing("joint.missing_db", run)
        return (Finding(_NOT_LOOKED, f"Nothing in this run looked for the cause ({why})."),)
    found = [_how_much(missing, promised)] if missing else []
    clear = {cause: lost for cause, lost in losses.items() if lost and _stands_out(lost)}
    for cause, lost in sorted(clear.items(), key=lambda item: -item[1].value):
        found.append(Finding(_CAUSE, _SENTENCES[cause](run, shown(lost.value, lost.sigma, lost.unit))))
    if missing and _stands_out(missing) and not clear:
        found.append(Finding(_OPEN, "No cause stands out: look at the gains of the summing amplifier."))
    return tuple(found)


def _how_much(missing: NamedResult, promised: NamedResult | None) -> Finding:
    of = f" of the {_amount(promised)} that the single detectors promise" if promised else ""
    if _stands_out(missing):
        return Finding(_MISSING, f"The hardware sum lacks {_amount(missing)}{of}.")
    return Finding(_FINE, f"The hardware sum reaches what is promised{f' ({_amount(promised)})' if promised else ''}.")


def _delays_sentence(run: RunContents, lost: str) -> str:
    delays = delays_of(run)
    rms = run.results.get("joint.rms_delay_s")
    spread = f" {_amount(rms)} rms" if rms else ""
    text = f"Cable delays: the detectors reach the sum at different times,{spread or ' which'}, and that takes {lost}."
    if delays:
        parts = ", ".join(f"detector {n} {_late(delay)}" for n, delay in sorted(delays.items()))
        last = max(delays, key=lambda n: delays[n].value)
        first = min(delays, key=lambda n: delays[n].value)
        metres = (delays[last].value - delays[first].value) * COAX_M_PER_S
        text += (
            f" Against their mean: {parts}. The cable of detector {last} is about "
            f"{with_unit(printed_number(metres, 0.1), 'm')} longer than that of detector {first}: make them equal, or "
            "use the re-phased sum."
        )
    return text


def _jitter_sentence(run: RunContents, lost: str) -> str:
    common, private = run.results.get("joint.common_jitter_rad"), run.results.get("joint.private_jitter_rad")
    text = f"Phase noise takes {lost}."
    if common is None or private is None:
        return text
    m = max(len(run.sensors), 1)
    if common.value**2 >= private.value**2 / m:
        return (
            f"Common phase noise: all detectors shake together by {_amount(common)} rms, and phase noise takes {lost}. "
            "It comes with the light, so look at the lock of the pump phase and at the source; re-phasing does not "
            "help."
        )
    return (
        f"Private phase noise: each detector shakes by {_amount(private)} rms on its own, and phase noise takes {lost}."
        " Look at the locks of the local oscillators."
    )


def _loss_sentence(run: RunContents, lost: str) -> str:
    return (
        f"Loss: {lost} are gone before the detectors, beyond the efficiencies that are known. Look at visibility, "
        "extraction and dirt on optics; neither cables nor locks give them back."
    )


_SENTENCES = {"delays": _delays_sentence, "jitter": _jitter_sentence, "loss": _loss_sentence}


def delays_of(run: RunContents) -> dict[int, NamedResult]:
    """The delay of every detector against the mean by its number."""
    return {int(match[1]): result for name, result in run.results.items() if (match := _DELAY.fullmatch(name))}


def _late(delay: NamedResult) -> str:
    side = "late" if delay.value >= 0.0 else "early"
    return f"{shown(abs(delay.value), delay.sigma, delay.unit)} {side}"


def _budget(run: RunContents) -> Table | None:
    names = {"joint.promised_db": "Promised by the single detectors", "joint.raw_db": "Shown by the hardware sum"}
    names |= {"joint.missing_db": "Missing"}
    names |= {f"joint.lost_to_{cause}_db": f"— {_LABELS[cause]}" for cause in _CAUSES}
    if not any(name in run.results for name in names if name != "joint.raw_db"):
        return None
    rows = tuple(
        (Cell(label), number_cell(run.results.get(name), why_missing(name, run)), _verdict(run.results.get(name), name))
        for name, label in names.items()
    )
    return Table(columns("", "Noise over shot noise", "", numbers=(1,)), rows, "From the promise to the sum")


def _verdict(result: NamedResult | None, name: str) -> Cell:
    if result is None or ".lost_to_" not in name:
        return Cell("")
    return Cell("", Mark("→", "stands out", "bad") if _stands_out(result) else Mark("✔", "no cause", "calm"))


def _delays(run: RunContents) -> Table | None:
    delays = delays_of(run)
    if not delays:
        return None
    rows = [
        (Cell(f"Detector {n}"), number_cell(delay), Cell(_cable(delay.value))) for n, delay in sorted(delays.items())
    ]
    rows.append((Cell("rms"), number_cell(run.results.get("joint.rms_delay_s")), Cell("")))
    head = columns("", "Later than the mean", "As coaxial cable", numbers=(1, 2))
    return Table(head, tuple(rows), "Delays of the detectors")


def _cable(delay_s: float) -> str:
    return with_unit(printed_number(delay_s * COAX_M_PER_S, 0.1), "m")


def _stands_out(lost: NamedResult) -> bool:
    return lost.value >= LEAST_NAMED_DB and lost.value >= CLEAR_SIGMAS * lost.sigma


def _amount(result: NamedResult) -> str:
    return shown(result.value, result.sigma, result.unit)
