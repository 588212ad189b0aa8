"""Reads spoilt inputs under watch: within a time, in a bounded memory, without touching anything outside the folder of
the case, without running, loading or connecting to anything. What is not accepted must be refused with one `LabError`.

The watch is an audit hook, which cannot be taken away again: `run_cases` belongs into a process of its own.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from fuzz_corpus import Corpus, corpus_in
from fuzz_readers import Readers

from labctl.errors import LabError

LONGEST_CASE_S = 5.0
HANGS_AFTER_S = 60.0  # a loop outside Python, which no signal ends: the process is ended with its stack
MEMORY_OF_A_CASE_BYTES = 1 << 30
LONGEST_MESSAGE = 60_000  # characters: two hundred faults of a file
LONGEST_LINE = 4_000
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_OWN_CODE = ("report.html.j2", "<template>", "<unknown>")  # jinja compiles the report's own page
_PATHS_OF = {
    "os.mkdir": (0,), "os.rename": (0, 1), "os.remove": (0,), "os.rmdir": (0,), "os.symlink": (1,), "os.link": (1,),
    "os.truncate": (0,), "os.chmod": (0,), "os.chown": (0,), "shutil.rmtree": (0,), "shutil.copyfile": (1,),
    "shutil.move": (0, 1),
}  # fmt: skip
_FOLLOW_LINKS = ("os.truncate", "os.chmod", "os.chown", "shutil.copyfile")
_NEVER = (
    "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "socket.", "ctypes.dlopen",
    "pickle.",
    "sqlite3.enable_load_extension", "sqlite3.load_extension", "webbrowser.", "urllib.", "pty.",
    "os.putenv", "os.unsetenv", "code.__new__",
)  # fmt: skip


class TooSlow(BaseException):
    """A case took longer than it may."""


@dataclass(frozen=True)
class Finding:
    """An input that was neither accepted nor refused as it should be."""

    kind: str
    seed: int
    number: int
    what: str

    def __str__(self) -> str:
        return f"{self.kind} seed {self.seed} case {self.number}: {self.what}"


@dataclass
class Tally:
    """How many inputs of each kind were accepted and refused, how long they took (s), and what was found."""

    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)
    longest_s: dict[str, float] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Take over another tally."""
        self.accepted += other.accepted
        self.refused += other.refused
        for kind, seconds in other.seconds.items():
            self.seconds[kind] += seconds  # type: ignore[assignment]
        for kind, longest in other.longest_s.items():
            self.longest_s[kind] = max(longest, self.longest_s.get(kind, 0.0))
        self.findings += other.findings

    def to_json(self) -> dict[str, Any]:
        """Return the tally as plain values."""
        counters = {name: dict(getattr(self, name)) for name in ("accepted", "refused", "seconds", "longest_s")}
        return {**counters, "findings": [asdict(one) for one in self.findings]}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Tally:
        """Return what `to_json` gave."""
        counters = {name: Counter(told[name]) for name in ("accepted", "refused", "seconds")}
        return cls(**counters, longest_s=told["longest_s"], findings=[Finding(**one) for one in told["findings"]])

    def cases(self, kind: str) -> int:
        """Return how many inputs of a kind were read."""
        return self.accepted[kind] + self.refused[kind] + sum(one.kind == kind for one in self.findings)


class Watch:
    """The audit hook: what is done outside `folder` while it is armed."""

    def __init__(self) -> None:
        self.folder = ""
        self.armed = False
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    @contextmanager
    def over(self, folder: Path) -> Iterator[None]:
        """Watch the block."""
        self.folder, self.armed = os.path.realpath(folder) + os.sep, True
        self.seen.clear()
        try:
            yield
        finally:
            self.armed = False

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.armed:
            return
        self.armed = False  # what this does is not watched
        try:
            if offence := self._offence(event, arguments):
                self.seen.append(offence)
        finally:
            self.armed = True

    def _offence(self, event: str, arguments: tuple[Any, ...]) -> str:
        if event == "open":
            path, _, flags = arguments
            return f"wrote to {path}" if (flags or 0) & _WRITING and not self._may_write(path) else ""
        if event == "sqlite3.connect":
            file = str(arguments[0]).removeprefix("file://").partition("?")[0]
            reads = "mode=ro" in str(arguments[0]) or file == ":memory:"
            return "" if reads or self._may_write(file) else f"opened the database {file}"
        if event in _PATHS_OF:
            paths = [_in_folder(arguments[place], arguments[-1]) for place in _PATHS_OF[event]]
            bad = [path for path in paths if not self._may_write(path, follows=event in _FOLLOW_LINKS)]
            return f"{event} of {bad[0]}" if bad else ""
        if event == "compile":
            return "" if arguments[1] is None or _is_own(arguments[1]) else f"compiled {arguments[1]!r}"
        if event == "exec":
            code = arguments[0]
            return "" if isinstance(code, CodeType) and _is_own(code.co_filename) else f"ran {code!r}"
        return f"{event} {arguments!r:.200}" if event.startswith(_NEVER) else ""

    def _may_write(self, path: Any, *, follows: bool = True) -> bool:
        if isinstance(path, int):
            return True  # an open file
        named = Path(os.fsdecode(path))
        # What does not follow a link moves it or takes it away itself, wherever it leads.
        place = os.path.realpath(named) if follows else str(Path(os.path.realpath(named.parent)) / named.name)
        return place.startswith(self.folder) or str(named) == os.devnull


def _in_folder(path: Any, descriptor: Any) -> Any:
    """Return a path that is relative to an open folder as a whole one."""
    if isinstance(path, int) or not isinstance(descriptor, int) or descriptor < 0:
        return path
    return str(Path(f"/proc/self/fd/{descriptor}").readlink() / os.fsdecode(path))


def _is_own(name: Any) -> bool:
    text = name.decode() if isinstance(name, bytes) else str(name)
    return text.endswith(_OWN_CODE) or str(Path(text).absolute()).startswith((sys.prefix, sys.base_prefix, _HOUSE))


_HOUSE = str(Path(__file__).parents[2]) + os.sep


def fault_of_message(text: str) -> str:
    """Return what is wrong with the text of a refusal, "" where nothing is."""
    if not text.strip():
        return "the refusal says nothing"
    if "Traceback (most recent" in text:
        return "the refusal holds a traceback"
    if len(text) > LONGEST_MESSAGE or max(map(len, text.split("\n"))) > LONGEST_LINE:
        return f"the refusal has {len(text)} characters: {text[:200]!r}"
    odd = next((c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cs")), "")
    return f"the refusal holds {odd!r}: {text[:200]!r}" if odd else ""


def verdict_of(read: Callable[[], None]) -> tuple[bool, str]:
    """Read one input: whether it was accepted, and what is wrong with how it was not."""
    try:
        read()
    except LabError as error:
        return False, fault_of_message(str(error))
    except TooSlow as error:
        return False, f"longer than {LONGEST_CASE_S:g} s: {_place(error)}"
    except MemoryError as error:
        return False, f"more memory than {MEMORY_OF_A_CASE_BYTES >> 20} MB: {_place(error)}"
    except Exception as error:
        return False, f"{type(error).__name__}: {str(error)[:300]} at {_place(error)}"
    return True, ""


def _place(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/fuzz/" not in frame.filename]
    ours = [frame for frame in frames if frame.filename.startswith(_HOUSE) and "/.venv/" not in frame.filename]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(ours[-4:]))


def run_cases(kinds: Sequence[str], numbers: range, seed: int, folder: Path, corpus: Corpus | None = None) -> Tally:
    """Read one spoilt input of each kind for each number, in `folder`, and return what came of it.

    The same seed and number give the same input, whatever was read before; but for the bus, where a core remembers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    temporary = folder / "temporary"
    here, cwd = folder / "here", Path.cwd()
    for one in (temporary, here):
        one.mkdir()
    readers = Readers(corpus or corpus_in(folder / "corpus"))
    tally = Tally()
    _warm_up(kinds, readers, folder)
    old_tempdir, tempfile.tempdir = tempfile.tempdir, str(temporary)
    watch = Watch()
    old_alarm = signal.signal(signal.SIGALRM, _too_slow)
    os.chdir(here)
    try:
        for number in numbers:
            for kind in kinds:
                _one_case(kind, seed, number, readers, watch, folder, tally)
    finally:
        os.chdir(cwd)
        signal.signal(signal.SIGALRM, old_alarm)
        tempfile.tempdir = old_tempdir
        readers.close()
    return tally


def _names_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def _one_case(kind: str, seed: int, number: int, readers: Readers, watch: Watch, root: Path, tally: Tally) -> None:
    folder = root / "case"
    folder.mkdir()
    before = _names_in(root)
    read = readers.prepared(kind, random.Random(f"{kind} {seed} {number}"), folder)
    started = time.perf_counter()
    faulthandler.dump_traceback_later(HANGS_AFTER_S, exit=True)
    try:
        with watch.over(root if kind == "bus" else folder), _bounded():
            accepted, fault = verdict_of(read)
    finally:
        faulthandler.cancel_dump_traceback_later()
    took = time.perf_counter() - started
    outside = [one for one in watch.seen if not _is_private_copy(one, root)]
    if outside:
        fault = "; ".join(dict.fromkeys(outside[:3]))
    if not fault and (left := [*_names_in(root / "here"), *set(_names_in(root)).symmetric_difference(before)]):
        fault = f"left {left} outside its folder"
    tally.seconds[kind] += took  # type: ignore[assignment]
    tally.longest_s[kind] = max(took, tally.longest_s.get(kind, 0.0))
    if fault:
        tally.findings.append(Finding(kind, seed, number, fault))
    else:
        (tally.accepted if accepted else tally.refused)[kind] += 1
    shutil.rmtree(folder, ignore_errors=True)
    for stray in (root / "here").iterdir():
        stray.unlink() if not stray.is_dir() else shutil.rmtree(stray)


def _is_private_copy(offence: str, root: Path) -> bool:
    """Whether somebody wrote into the temporary folder: the log of a crashed run is folded in a copy."""
    return f"{root / 'temporary'}" in offence


@contextmanager
def _bounded() -> Iterator[None]:
    """Bound the time and the memory of the block."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + MEMORY_OF_A_CASE_BYTES, limits[1]))
    signal.setitimer(signal.ITIMER_REAL, LONGEST_CASE_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        resource.setrlimit(resource.RLIMIT_AS, limits)


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise TooSlow


def _warm_up(kinds: Sequence[str], readers: Readers, folder: Path) -> None:
    """Read what is sound, unwatched: all that is imported when it is first needed is there then."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    place = folder / "warm"
    for kind in kinds:
        for read in readers.sound(kind, place):
            verdict_of(read)
        shutil.rmtree(place)
