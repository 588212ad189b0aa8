"""Every command that is sent to the instruments of a station, on the wire and in words, and a short list of many."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from labctl.configuration.station_file import StationFile
from labctl.configuration.wiring import uses
from labctl.station.station import Station
from labctl.station.traffic import listen_to, readable

LONGEST_BLOCK: Final = 40  # commands that are looked for as one group that comes again

_WRITTEN = "WRITE:%s"  # as pymeasure's adapters log
_LAST_NUMBER = re.compile(r'[-+]?\d+(?:\.\d+)?(?:E[-+]?\d+)?(?="?$)', re.IGNORECASE)
_RESOURCES = {"module": "slot", "ch": "channel", "pin": "pin", "output": "fast output"}
_WORDS_OF_NO_SETTING = {  # what moves nothing and is no setting of a driver
    "ACQ:START": "begin a record",
    "ACQ:TRIG": "arm the trigger of the record",
    "ACQ:DATA": "form in which records are sent",
    "SOUR1:TRIG": "start the waveform",
    "SOUR2:TRIG": "start the waveform",
}


@dataclass(frozen=True)
class Sent:
    """One command, or `count` of a kind one after the other: lab time of the first in s, instrument, what is meant, the
    first and the last on the wire, and the lowest and highest number that they carry."""

    at: float
    instrument: str
    wire: str
    words: str = ""
    last: str = ""
    count: int = 1
    span: tuple[float, float] | None = None

    @property
    def kind(self) -> tuple[str, str]:
        """What commands of one kind have in common: all but their last number."""
        return self.instrument, _LAST_NUMBER.sub("#", self.wire)

    @property
    def number(self) -> float | None:
        """The last number of the command."""
        found = _LAST_NUMBER.search(self.wire)
        return None if found is None else float(found[0])

    @property
    def meaning(self) -> str:
        """The words, with the span of the numbers where there are several."""
        if self.span is None or self.span[0] == self.span[1]:
            return self.words
        return f"{_without_value(self.words)} {self.span[0]:g} to {self.span[1]:g}"

    def followed_by(self, other: Sent) -> Sent:
        """Return this command and one more of its kind as one."""
        numbers = [*(self.span or ()), *(n for n in (self.number, other.number) if n is not None)]
        span = (min(numbers), max(numbers)) if numbers else None
        return replace(self, last=other.wire, count=self.count + 1, span=span)

    def spanning(self, others: Sequence[Sent]) -> Sent:
        """Return this command with the span of its kind in later rounds too."""
        spans = [one.span or (one.number, one.number) for one in (self, *others)]
        numbers = [number for span in spans for number in span if number is not None]
        return replace(self, span=(min(numbers), max(numbers))) if others and numbers else self

    @property
    def on_the_wire(self) -> str:
        """The command, or the first and the last of several."""
        return self.wire if self.last in ("", self.wire) else f"{self.wire} ... {self.last}"


@dataclass(frozen=True)
class Group:
    """Commands that come `times` times, one round after the other."""

    commands: tuple[Sent, ...]
    times: int = 1


@dataclass
class _Recorder:
    """Takes what goes out; what a driver calls it comes after the command."""

    file: StationFile
    now: Callable[[], float]
    sent: list[Sent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._roles = _roles(self.file)
        self._latest: dict[str, int] = {}  # place of the last command to each instrument

    def write(self, instrument: str, text: str) -> None:
        if "?" not in text:
            self._latest[instrument] = len(self.sent)
            self.sent.append(Sent(self.now(), instrument, text))

    def setting(self, instrument: str, path: str, value: Any) -> None:
        place = self._latest.get(instrument)
        if place is None:
            return
        said, words = self.sent[place].words, self._words(instrument, path, value)
        if words not in said:  # some drivers note what follows from a command again
            self.sent[place] = replace(self.sent[place], words=f"{said}; {words}" if said else words)

    def _words(self, instrument: str, path: str, value: Any) -> str:
        channel, _, name = path.rpartition(".")
        resource, _, number = channel.partition("_")
        role = self._roles.get((instrument, _RESOURCES.get(resource, ""), number), channel or instrument)
        return f"{role}: {name.replace('_', ' ')} {_value_text(value)}"


class _Wire(logging.Handler):
    def __init__(self, instrument: str, take: Callable[[str, str], None]) -> None:
        super().__init__()
        self._instrument, self._take = instrument, take

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == _WRITTEN and isinstance(record.args, tuple) and record.args:
            self._take(self._instrument, readable(record.args[0]).strip())


@contextmanager
def recorded_commands(station: Station) -> Iterator[list[Sent]]:
    """Record every command that is no question and goes out to the instruments of `station` inside the block."""
    recorder = _Recorder(station.file, station.clock.now)
    undo = [_listen(name, station, recorder) for name in station.file.instruments]
    try:
        yield recorder.sent
    finally:
        for action in undo:
            action()
        learnt = {one.kind: _without_value(one.words) for one in recorder.sent if one.words}
        recorder.sent[:] = [one if one.words else _named(one, learnt) for one in recorder.sent]


def _listen(name: str, station: Station, recorder: _Recorder) -> Callable[[], None]:
    """Listen to one instrument and return what ends it."""
    driver = station.driver(name)
    end_listening, keep = listen_to(name, _Wire(name, recorder.write)), driver.on_setting

    def on_setting(path: str, value: Any) -> None:
        if keep is not None:
            keep(path, value)
        recorder.setting(name, path, value)

    def end() -> None:
        end_listening()
        driver.on_setting = keep

    driver.on_setting = on_setting
    return end


def folded(sent: Sequence[Sent]) -> list[Group]:
    """Return a short list of many commands: those of one kind in a row as one, and rounds that come again as one."""
    rows: list[Sent] = []
    for one in sent:
        if rows and rows[-1].kind == one.kind:
            rows[-1] = rows[-1].followed_by(one)
        else:
            rows.append(one)
    groups: list[Group] = []
    at = 0
    while at < len(rows):
        length, times = _longest_rounds(rows, at)
        rounds = [rows[begin : begin + length] for begin in range(at, at + length * times, length)]
        block = [first.spanning(others) for first, *others in zip(*rounds, strict=True)]
        if times > 1 or not groups or groups[-1].times > 1:
            groups.append(Group(tuple(block), times))
        else:
            groups[-1] = Group((*groups[-1].commands, *block))
        at += length * times
    return groups


def _longest_rounds(rows: Sequence[Sent], at: int) -> tuple[int, int]:
    """Return length and number of the rounds from `at` on that shorten the list most; (1, 1) where there are none."""
    kinds = [row.kind for row in rows[at:]]
    best, most_saved = (1, 1), 0
    for length in range(2, min(LONGEST_BLOCK, len(kinds) // 2) + 1):
        times = 1
        while kinds[times * length : (times + 1) * length] == kinds[:length]:
            times += 1
        if (saved := (times - 1) * length) > most_saved:
            best, most_saved = (length, times), saved
    return best


def _roles(file: StationFile) -> dict[tuple[str, str, str], str]:
    """Return what each channel (instrument, resource, number) is on this table: "lo1 servo", "pump shutter"."""
    roles: dict[tuple[str, str, str], str] = {}
    for use in uses(file):
        keys = [str(key) for key in use.key if key != "instrument"]
        match keys:
            case ["loops", loop, part, *_]:
                text = f"{loop} {part}"
            case ["shutters", name, *_]:
                text = f"{name} shutter"
            case _:
                text = " ".join(keys)
        roles.setdefault((use.instrument, use.resource, str(use.number)), text)
    return roles


def _value_text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _without_value(words: str) -> str:
    return words.rpartition(" ")[0]


def _named(sent: Sent, learnt: dict[tuple[str, str], str]) -> Sent:
    """Return a command that no driver calls a setting with the words of its kind, or with what it does."""
    if sent.kind in learnt:
        value = "" if sent.number is None else f" {sent.number:g}"
        return replace(sent, words=f"{learnt[sent.kind]}{value}")
    for beginning, words in _WORDS_OF_NO_SETTING.items():
        if sent.wire.upper().startswith(beginning):
            return replace(sent, words=words)
    return sent
