"""What labctl never does, read from its sources: rooms that import upwards, Qt, pickles, eval, sleeping, listening,
paths of one machine, and eyes on the truth of the simulated table.

Every check is a function from one source to its faults, and each is shown to find them in a source that is bad.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("drivers", "labctl", "procedures")

# From the ground up: a room imports only its own and those before it; rooms of one line stand side by side.
ROOMS: list[tuple[str, ...]] = [
    ("labctl",),  # the package itself: a name and a version
    ("labctl.host", "labctl.secrecy", "labctl.last_words"),
    ("labctl.logs",),
    ("drivers",),
    ("labctl.errors",),
    ("labctl.physics",),
    ("labctl.configuration",),
    ("labctl.spectra", "labctl.bus"),
    ("labctl.estimation",),
    ("labctl.simulation",),
    ("labctl.station",),
    ("labctl.locks", "labctl.alignment", "labctl.watchdog"),
    ("labctl.store",),
    ("labctl.report",),
    ("procedures",),
    ("labctl.core", "labctl.dashboard"),
    ("labctl.cli", "labctl.commands", "labctl.doctor", "labctl.terminal", "labctl.__main__"),
]
ALONE = ("drivers", "labctl.physics")
DOORS = {  # the ways into the simulation: to run on it, to serve it to other programs, and to look at it
    "labctl.station.bring_up": {"labctl.simulation.wiring"},
    "labctl.commands.simulating": {"labctl.simulation.server"},
    "labctl.commands.revealing": {"labctl.simulation.reveal"},  # `labctl report --reveal`
    "labctl.commands.portraits": {"labctl.simulation.portrait.page"},  # `labctl table`
}
TRUTH_FILE = re.compile(r"\b(truth\.json|truth_file|TRUTH_FILE|read_truth)\b")
MAY_READ_THE_TRUTH = ("labctl.simulation", "labctl.commands.revealing")

QT = ("PyQt4", "PyQt5", "PyQt6", "PySide", "PySide2", "PySide6", "qtpy", "pyqtgraph", "pymeasure.display", "sip")
CODE_FROM_DATA = ("pickle", "_pickle", "cloudpickle", "dill", "marshal", "shelve", "jsonpickle", "joblib", "yaml")
CODE_BY_CALL = ("eval", "exec", "__import__", "read_pickle", "to_pickle")
LOADS_BLINDLY = ("loads arrays without a word on pickles",)
SHELLS = ("system", "popen", "getoutput", "getstatusoutput", "create_subprocess_shell")  # of os, subprocess and asyncio
SERVERS = ("p4p.server", "socket", "socketserver", "http.server", "xmlrpc.server", "wsgiref", "zmq")
# On the interface that the operator names, else on loopback.
LISTENERS = (
    "labctl.simulation.network_port",
    "labctl.simulation.server",
    "labctl.bus.server",
    "labctl.bus.loopback_only",
    "labctl.host.sockets",  # options of theirs
    "labctl.host.listeners",  # asks the kernel who listens
)
EVERYWHERE = ("0.0.0.0", "::0")
SCREENS = "labctl.dashboard"  # the only room that may import Qt
SEEN_FROM_SCREENS = ("labctl.dashboard", "labctl.bus", "labctl.errors", "labctl.physics", "labctl.locks.states")
"""A screen knows a table by what its bus tells, and in no other way."""
HOST = "labctl.host"  # the seam to the system
BESIDE_THE_SEAM = ("labctl.station.oslock",)  # locks of files: a seam of its own
OF_ONE_SYSTEM = ("fcntl", "pty", "tty", "termios", "resource", "pwd", "grp", "msvcrt", "winreg", "winsound")
LISTENING = ("listen", "create_server", "start_server", "start_unix_server")
CLOCK = "labctl.station.clock"
MACHINE_PATHS = re.compile(r"/work/|\.\./shared|/tmp/|/home/\w|/root/|[A-Z]:\\\\?Users")


@dataclass(frozen=True)
class Source:
    """One file of ours: its module name, and its text."""

    module: str
    text: str
    is_package: bool = False

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Everything in the file, walked once for all checks."""
        return list(ast.walk(self.tree))

    @cached_property
    def imports(self) -> list[str]:
        """Full names of what is imported, wherever in the file; a name from a package counts as its submodule."""
        found = []
        for node in self.nodes:
            if isinstance(node, ast.Import):
                found += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = ".".join(part for part in (self._start(node.level), node.module) if part)
                found += [f"{base}.{alias.name}" for alias in node.names]
        return found

    def _start(self, level: int) -> str:
        parts = self.module.split(".")
        return ".".join(parts[: len(parts) - level + self.is_package]) if level else ""


@cache
def sources() -> tuple[Source, ...]:
    """Return every Python file of ours."""
    found = []
    for package in OURS:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            is_package = parts[-1] == "__init__"
            module = ".".join(parts[:-1] if is_package else parts)
            found.append(Source(module, path.read_text(encoding="utf-8"), is_package))
    return tuple(found)


def within(module: str, package: str) -> bool:
    """Return whether `module` is `package` or in it."""
    return module == package or module.startswith(f"{package}.")


@cache
def room_of(module: str) -> tuple[int, str]:
    """Return height and name of the room of a module of ours; -1 where it has none."""
    for height, names in reversed(list(enumerate(ROOMS))):
        for name in names:
            if module == name or (name != "labctl" and within(module, name)):
                return height, name
    return -1, ""


# ---- the checks -----------------------------------------------------------------------------------------------------


def upward_imports(source: Source) -> Iterator[str]:
    height, room = room_of(source.module)
    if height < 0:
        yield "has no room"
    for imported in source.imports:
        if not any(within(imported, package) for package in OURS):
            continue
        there, other = room_of(imported)
        if there < 0 and imported.count(".") == 1:  # a name of the package itself, such as its version
            there, other = room_of(imported.rpartition(".")[0])
        if there > height:
            yield f"imports {imported} from above"
        elif there < 0:
            yield f"imports {imported}, which has no room"
        elif room in ALONE and other != room:
            yield f"imports {imported}, but {room} stands alone"


def looks_into_the_simulation(source: Source) -> Iterator[str]:
    if within(source.module, "labctl.simulation"):
        return
    doors = DOORS.get(source.module, set())
    for imported in source.imports:
        if within(imported, "labctl.simulation") and not any(within(imported, door) for door in doors):
            yield f"imports {imported}"
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and (node.attr == "truth" or (node.attr == "table" and not doors)):
            holder = ast.unparse(node.value)
            if node.attr == "truth" or holder.split(".")[-1] == "simulation":
                yield f"reads {holder}.{node.attr}"
        elif isinstance(node, ast.Name | ast.alias) and "SimulatedTable" in (getattr(node, "id", ""), node_name(node)):
            yield "names SimulatedTable"


def names_the_truth_file(source: Source) -> Iterator[str]:
    """Only the simulation, which writes it, and the command that reveals it; comments and docstrings count too."""
    if not any(within(source.module, reader) for reader in MAY_READ_THE_TRUTH):
        yield from (f"names {found[0]}" for found in TRUTH_FILE.finditer(source.text))


def node_name(node: ast.AST) -> str:
    return node.name if isinstance(node, ast.alias) else ""


def looks_past_the_bus(source: Source) -> Iterator[str]:
    if not within(source.module, SCREENS):
        return
    for name in source.imports:
        if any(within(name, ours) for ours in OURS) and not any(within(name, seen) for seen in SEEN_FROM_SCREENS):
            yield f"imports {name}"


def imports_qt(source: Source) -> Iterator[str]:
    if within(source.module, SCREENS):
        return iter(())
    return (f"imports {name}" for name in source.imports if any(within(name, qt) for qt in QT))


def makes_code_from_data(source: Source) -> Iterator[str]:
    for name in source.imports:
        if any(within(name, module) for module in CODE_FROM_DATA):
            yield f"imports {name}"
    for node in source.nodes:
        if (
            isinstance(node, ast.Call)
            and (node.args or node.keywords)  # an event loop of Qt is run by an exec() without any
            and last_name(node.func) in CODE_BY_CALL
        ):
            yield f"calls {ast.unparse(node.func)}"
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and not is_false(node.value):
            yield "allows pickles"
        if isinstance(node, ast.Call) and is_of(node.func, ("load",), ("np", "numpy")):
            yield from () if any(word.arg == "allow_pickle" for word in node.keywords) else LOADS_BLINDLY


def asks_a_shell(source: Source) -> Iterator[str]:
    """What a shell reads can be more than one command; programs are started by a list of words."""
    for name in source.imports:
        module, _, last = name.rpartition(".")
        if module in ("os", "subprocess", "asyncio") and last in SHELLS:
            yield f"imports {name}"
    for node in source.nodes:
        if isinstance(node, ast.Call) and is_of(node.func, SHELLS, ("os", "subprocess", "asyncio")):
            yield f"calls {ast.unparse(node.func)}"
        if isinstance(node, ast.keyword) and node.arg == "shell" and not is_false(node.value):
            yield "starts a shell"


def asks_the_system_itself(source: Source) -> Iterator[str]:
    """What differs between systems is behind one seam."""
    if within(source.module, HOST) or source.module in BESIDE_THE_SEAM:
        return
    for node in source.nodes:
        if is_of(node, ("fsync", "register_at_fork", "fork"), ("os",)):
            yield f"uses {ast.unparse(node)}"
    for name in source.imports:
        if any(within(name, module) for module in OF_ONE_SYSTEM):
            yield f"imports {name}"


def last_name(called: ast.AST) -> str:
    """Return the name of what is called, without what it belongs to."""
    if isinstance(called, ast.Attribute):
        return called.attr
    return called.id if isinstance(called, ast.Name) else ""


def is_of(node: ast.AST, names: Collection[str], modules: Collection[str]) -> bool:
    """Return whether a node is one of these names of one of these modules."""
    return isinstance(node, ast.Attribute) and node.attr in names and last_name(node.value) in modules


def is_false(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def sleeps(source: Source) -> Iterator[str]:
    allowed = set()
    if source.module == CLOCK:  # one place, the wall clock's own sleep
        for node in source.nodes:
            if isinstance(node, ast.FunctionDef) and node.name == "sleep":
                allowed |= {id(inner) for inner in ast.walk(node)}
    called = {"time": "time", "asyncio": "asyncio"}  # under which names the modules go
    for node in source.nodes:
        if isinstance(node, ast.Import):
            called |= {alias.asname: alias.name for alias in node.names if alias.asname and alias.name in called}
    for name in source.imports:
        if name in ("time.sleep", "asyncio.sleep"):
            yield f"imports {name}"
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and node.attr == "sleep" and id(node) not in allowed:
            module = called.get(ast.unparse(node.value))
            if module:
                yield f"uses {module}.sleep"


def listens(source: Source) -> Iterator[str]:
    compared = {id(inner) for node in source.nodes if isinstance(node, ast.Compare) for inner in ast.walk(node)}
    for node in source.nodes:
        if isinstance(node, ast.Constant) and node.value in EVERYWHERE and id(node) not in compared:
            yield "names every interface"
    if source.module in LISTENERS:
        return
    for name in source.imports:
        if any(within(name, module) for module in SERVERS):
            yield f"imports {name}"
    for node in source.nodes:
        if isinstance(node, ast.Call) and last_name(node.func) in LISTENING:
            yield f"calls {ast.unparse(node.func)}"


def knows_this_machine(source: Source) -> Iterator[str]:
    for found in MACHINE_PATHS.finditer(source.text):
        yield f"names {found[0]}"
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and node.attr == "path" and ast.unparse(node) == "sys.path":
            yield "touches sys.path"
    if "sys.path" in source.imports:
        yield "imports sys.path"


CHECKS: list[Callable[[Source], Iterator[str]]] = [
    upward_imports,
    looks_into_the_simulation,
    names_the_truth_file,
    imports_qt,
    looks_past_the_bus,
    makes_code_from_data,
    asks_a_shell,
    asks_the_system_itself,
    sleeps,
    listens,
    knows_this_machine,
]


@pytest.mark.parametrize("check", CHECKS)
def test_never(check: Callable[[Source], Iterator[str]]) -> None:
    everything = sources()
    assert {source.module.split(".")[0] for source in everything} == set(OURS)
    assert len(everything) > 100
    assert [f"{source.module} {fault}" for source in everything for fault in check(source)] == []


def test_files_that_are_not_python_name_no_path_of_one_machine() -> None:
    files = [*(ROOT / "config").glob("*.toml"), ROOT / "pyproject.toml", ROOT / "README.md", ROOT / ".gitignore"]
    assert len(files) >= 6
    assert [path.name for path in files if MACHINE_PATHS.search(path.read_text(encoding="utf-8"))] == []


BAD = [
    (upward_imports, "labctl.physics.opa", "import labctl.store", "imports labctl.store from above"),
    (upward_imports, "labctl.physics.opa", "from labctl import errors", "stands alone"),
    (upward_imports, "drivers.acme.meter", "from labctl.errors import LabError", "imports labctl.errors.LabError"),
    (upward_imports, "labctl.station.clock", "from ..locks import watch", "imports labctl.locks.watch from above"),
    (upward_imports, "labctl.store.rows", "def f():\n    import procedures.base", "imports procedures.base from above"),
    (upward_imports, "labctl.errors", "from labctl import cli", "imports labctl.cli from above"),
    (upward_imports, "labctl.attic", "", "has no room"),
    (upward_imports, "labctl.cli", "import labctl.attic.boxes", "which has no room"),
    (looks_into_the_simulation, "labctl.cli", "from labctl.simulation import truth", "imports labctl.simulation.truth"),
    (looks_into_the_simulation, "labctl.station.bring_up", "import labctl.simulation.table", "simulation.table"),
    (looks_into_the_simulation, "procedures.base", "x = link.simulation.table.source", "reads link.simulation.table"),
    (looks_into_the_simulation, "procedures.base", "x = plant.truth.pump", "reads plant.truth"),
    (looks_into_the_simulation, "procedures.base", "def f(x: SimulatedTable) -> None: ...", "names SimulatedTable"),
    (looks_into_the_simulation, "labctl.report.html", "import labctl.simulation.reveal", "imports labctl.simulation"),
    (looks_into_the_simulation, "labctl.commands.revealing", "import labctl.simulation.truth", "simulation.truth"),
    (names_the_truth_file, "procedures.base", "x = run / 'truth.json'", "names truth.json"),
    (names_the_truth_file, "labctl.estimation.network", "def f():\n    open('truth.json')", "names truth.json"),
    (names_the_truth_file, "labctl.report.html", "# see truth.json", "names truth.json"),
    (names_the_truth_file, "labctl.station.bring_up", "print(TRUTH_FILE)", "names TRUTH_FILE"),
    (names_the_truth_file, "labctl.cli", "read_truth(run)", "names read_truth"),
    (imports_qt, "labctl.report.html", "from PyQt5.QtCore import Qt", "imports PyQt5.QtCore.Qt"),
    (imports_qt, "procedures.base", "from pymeasure.display import Plotter", "imports pymeasure.display.Plotter"),
    (imports_qt, "procedures.base", "try:\n    import qtpy\nexcept ImportError:\n    pass", "imports qtpy"),
    (looks_past_the_bus, "labctl.dashboard.page", "from labctl.core import core", "imports labctl.core"),
    (looks_past_the_bus, "labctl.dashboard.page", "import procedures.bench", "imports procedures.bench"),
    (makes_code_from_data, "labctl.store.blobs", "import pickle", "imports pickle"),
    (makes_code_from_data, "labctl.store.blobs", "from cloudpickle import loads", "imports cloudpickle.loads"),
    (makes_code_from_data, "labctl.store.blobs", "x = eval('1')", "calls eval"),
    (makes_code_from_data, "labctl.store.blobs", "import builtins\nbuiltins.exec('1')", "calls builtins.exec"),
    (makes_code_from_data, "labctl.store.blobs", "np.load(path, allow_pickle=True)", "allows pickles"),
    (makes_code_from_data, "labctl.store.blobs", "np.load(path)", "loads arrays without"),
    (makes_code_from_data, "labctl.store.blobs", "import yaml", "imports yaml"),
    (makes_code_from_data, "labctl.store.blobs", "pandas.read_pickle(path)", "calls pandas.read_pickle"),
    (asks_a_shell, "labctl.cli", "import os\nos.system('ls')", "calls os.system"),
    (asks_a_shell, "labctl.cli", "from os import popen", "imports os.popen"),
    (asks_a_shell, "labctl.cli", "subprocess.run('ls', shell=True)", "starts a shell"),
    (asks_the_system_itself, "labctl.store.blobs", "import os\nos.fsync(3)", "uses os.fsync"),
    (asks_the_system_itself, "labctl.store.blobs", "def f():\n    import fcntl", "imports fcntl"),
    (sleeps, "drivers.acme.meter", "import time\ntime.sleep(1)", "uses time.sleep"),
    (sleeps, "drivers.acme.meter", "from time import sleep", "imports time.sleep"),
    (sleeps, "drivers.acme.meter", "import time as t\nt.sleep(1)", "uses time.sleep"),
    (sleeps, "labctl.cli", "import time\nnap = time.sleep", "uses time.sleep"),
    (sleeps, CLOCK, "import time\ndef every() -> None:\n    time.sleep(1)", "uses time.sleep"),
    (listens, "labctl.report.html", "import http.server", "imports http.server"),
    (listens, "labctl.cli", "import socket\nsocket.socket().bind(('', 1))", "imports socket"),
    (listens, "labctl.cli", "loop.create_server(f, '0.0.0.0', 1)", "calls loop.create_server"),
    (listens, LISTENERS[0], "def serve(interface: str = '0.0.0.0') -> None: ...", "names every interface"),
    (knows_this_machine, "labctl.cli", "import sys\nsys.path.insert(0, 'x')", "touches sys.path"),
    (knows_this_machine, "labctl.cli", "X = '/tmp/x'", "names /tmp/"),
    (knows_this_machine, "labctl.cli", "# as in ../shared/x", "names ../shared"),
]


@pytest.mark.parametrize(("check", "module", "text", "fault"), BAD)
def test_the_checks_find_what_is_bad(
    check: Callable[[Source], Iterator[str]], module: str, text: str, fault: str
) -> None:
    found = list(check(Source(module, text)))
    assert any(fault in one for one in found), found


GOOD = [
    (upward_imports, "labctl.station.clock", "from labctl.simulation.wiring import simulate\nimport time"),
    (upward_imports, "labctl.cli", "from labctl import __version__\nfrom procedures.base import LabProcedure"),
    (upward_imports, "drivers.acme.meter", "from drivers.base import Driver"),
    (looks_into_the_simulation, "labctl.station.bring_up", "from labctl.simulation.wiring import simulate"),
    (looks_into_the_simulation, "labctl.report.html", "rich.table.Table()"),
    (looks_into_the_simulation, "labctl.simulation.wiring", "from labctl.simulation.truth import draw_truth"),
    (looks_into_the_simulation, "labctl.commands.revealing", "from labctl.simulation import reveal"),
    (names_the_truth_file, "labctl.simulation.truth_file", "TRUTH_FILE = 'truth.json'"),
    (names_the_truth_file, "labctl.commands.revealing", "x = run / 'truth.json'"),
    (names_the_truth_file, "procedures.night", "link.keep_truth(run, write_durably)"),
    (imports_qt, "labctl.dashboard.page", "from PyQt5.QtCore import Qt"),
    (looks_past_the_bus, "labctl.dashboard.page", "from labctl.bus.latest import Latest\nimport numpy"),
    (makes_code_from_data, "labctl.store.blobs", "np.load(path, allow_pickle=False)"),
    (makes_code_from_data, "labctl.dashboard.application", "application.exec()"),
    (asks_a_shell, "labctl.cli", "import platform\nplatform.system()\nsubprocess.run(['ls'], shell=False)"),
    (asks_the_system_itself, "labctl.host.durability", "import os\nos.fsync(3)"),
    (sleeps, CLOCK, "import time\ndef sleep(s: float) -> None:\n    time.sleep(s)"),
    (sleeps, "procedures.base", "clock.sleep(1)"),
    (listens, "procedures.base", "Procedure.bind(bench)"),
    (listens, LISTENERS[0], "import socket\nserver.listen()\nhere = '127.0.0.1' if host == '0.0.0.0' else host"),
]


@pytest.mark.parametrize(("check", "module", "text"), GOOD)
def test_the_checks_pass_what_is_good(check: Callable[[Source], Iterator[str]], module: str, text: str) -> None:
    assert list(check(Source(module, text))) == []


def test_relative_imports_are_resolved() -> None:
    assert Source("labctl.station.clock", "from . import limits\nfrom .. import errors").imports == [
        "labctl.station.limits",
        "labctl.errors",
    ]
    assert Source("labctl.station", "from .clock import Clock", is_package=True).imports == [
        "labctl.station.clock.Clock"
    ]


# ---- without Qt -----------------------------------------------------------------------------------------------------

BLOCKER = f"""
import importlib.abc, sys

class NoQt(importlib.abc.MetaPathFinder):
    asked = []

    def find_spec(self, name, path=None, target=None):
        if any(name == qt or name.startswith(qt + ".") for qt in {QT!r}):
            self.asked.append(name)
            raise ModuleNotFoundError("There is no Qt on this machine: " + name, name=name)

sys.meta_path.insert(0, NoQt())
"""


def without_qt(code: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a Python that finds no Qt."""
    return subprocess.run(
        [sys.executable, "-c", BLOCKER + code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.skipif(not (ROOT / "labctl" / "cli.py").exists(), reason="there is no command line yet")
def test_the_command_line_runs_an_overnight_without_qt() -> None:
    ran = without_qt("from labctl.cli import app\napp(['overnight', '--help'], prog_name='labctl')")
    assert ran.returncode == 0, ran.stderr
    assert "overnight" in ran.stdout


def test_procedures_never_ask_for_qt() -> None:
    ran = without_qt("import procedures.overnight, labctl.core.serving, labctl.bus.client\nprint(NoQt.asked)")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "[]"


def test_the_blocker_blocks() -> None:
    ran = without_qt("import qtpy")
    assert ran.returncode != 0
    assert "There is no Qt on this machine: qtpy" in ran.stderr
