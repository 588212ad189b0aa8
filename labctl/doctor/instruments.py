"""The instruments of a station, which are only asked: who they are, how long they take, what they are set to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from drivers.base import Driver
from labctl.commands.settings_now import compare_with_last_run
from labctl.configuration.station_file import SimulatedBackend
from labctl.doctor.findings import Check, Finding, Patient, Voice
from labctl.errors import LabError, LeaseError
from labctl.station.bring_up import ask_instruments, link_to
from labctl.station.read_back import Verdict as Compared
from labctl.station.table_hold import Intent, table_held

GROUP = "instruments"
SLOW_S = 1.0
MOST_NAMED = 5


def checks() -> list[Check]:
    """Return the checks of this group."""
    return [Check(GROUP, "answers", _all, needs_station=True)]


def _all(patient: Patient) -> Iterator[Finding]:
    """Everything that needs the instruments, which are had for no longer than it takes."""
    assert patient.file is not None
    try:
        with table_held(patient.file, Intent.LOOK):
            yield from _asked(patient)
    except LeaseError as error:
        yield Voice(GROUP, "answers").warning(f"Nobody was asked: {error}", "Look again when the other has ended.")


def _asked(patient: Patient) -> Iterator[Finding]:
    file = patient.file
    assert file is not None
    answers = ask_instruments(file, link_to(file))
    drivers = {name: answer.driver for name, answer in answers.items()}
    try:
        slow, good = [], 0
        for name, answer in answers.items():
            if answer.error is not None:
                remedy = answer.error.remedy
                text = str(answer.error).removeprefix(f"{name}: ")
                text = " ".join(text.replace(remedy, "").split()) if remedy else text
                yield Voice(GROUP, name).fault(text, remedy or "Check its address and cable.")
                continue
            good += 1
            if answer.latency_s > SLOW_S:
                slow.append(f"{name} {answer.latency_s:.1f} s")
        if good:
            slowest = max(answer.latency_s for answer in answers.values() if answer.error is None)
            yield Voice(GROUP, "answers").ok(
                f"{good} of {len(answers)} answer as the models that the station file names, within {slowest:.2f} s."
            )
        if slow:
            yield Voice(GROUP, "latency").warning(f"Slow: {', '.join(slow)}.", "Look at the network and at its load.")
        yield from _errors(drivers)
        yield from _settings(patient, drivers)
    finally:
        for driver in drivers.values():
            if driver is not None:
                driver.close()


def _errors(drivers: dict[str, Driver | None]) -> Iterator[Finding]:
    """What instruments say is wrong with themselves."""
    found = []
    for name, driver in drivers.items():
        if driver is not None:
            try:
                found += [f"{name}: {error}" for error in driver.check_errors()]
            except LabError as error:
                found.append(str(error))
    if found:
        yield Voice(GROUP, "errors").warning(f"{_some(found)}.", "Look at the instruments; labctl talk asks them.")
    elif any(driver is not None for driver in drivers.values()):
        yield Voice(GROUP, "errors").ok("None has an error to tell.")


def _settings(patient: Patient, drivers: dict[str, Driver | None]) -> Iterator[Finding]:
    say = Voice(GROUP, "settings")
    assert patient.file is not None
    if isinstance(patient.file.backend, SimulatedBackend):
        yield say.ok("The simulated table is switched on anew by every command: nothing to compare.")
        return
    compared = compare_with_last_run(patient.file, patient.runs, drivers)
    differing = [one.name for one in compared.of(Compared.DIFFERS)]
    if differing:
        yield say.warning(
            f"{len(differing)} are not as the last run asked: {_some(differing)}.",
            "labctl instruments lists them; somebody used the instruments, or one was switched off.",
        )
    elif not compared.settings:
        yield say.ok(compared.remark)
    else:
        yield say.ok(f"{len(compared.of(Compared.SAME))} settings are as the last run asked.")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(name.rstrip(".") for name in names[:MOST_NAMED]) + more
