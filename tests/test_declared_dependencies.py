"""Packages of others: every one that is imported is declared, and every one that is pinned is on the reviewed list."""

from __future__ import annotations

import re
import sys
import tomllib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
OURS = {"labctl", "drivers", "procedures"}
ROW = re.compile(r"^\| (?P<name>[\w.-]+) \| (?P<version>[^|]+) \| (?P<licence>[^|]+) \| (?P<use>[^|]+) \|", re.M)
IMPORT = re.compile(r"^\s*(?:from\s+(\w[\w.]*)\s+import\b|import\s+(\w[\w.]*))", re.M)
PACKAGES = {"serial": "pyserial"}  # what goes under another name than its package
SCREENS = "labctl/dashboard/"  # may import what an extra brings


def plain(name: str) -> str:
    """Return the name of a package as all spellings of it are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needs(lines: list[str]) -> set[str]:
    """Return the packages of requirements such as "numpy>=1.26"."""
    return {plain(re.split(r"[\s;<>=!~\[(]", line, maxsplit=1)[0]) for line in lines}


@cache
def declared() -> dict[str, set[str]]:
    """Return what is declared: "" for what labctl needs always, else by extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name: needs(lines) for name, lines in project["optional-dependencies"].items()}
    return {"": needs(project["dependencies"]), **extras}


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {plain(name): version for name, _, version in (line.partition("==") for line in lines if "==" in line)}


def reviewed() -> dict[str, re.Match[str]]:
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    return {plain(row["name"]): row for row in ROW.finditer(text) if row["name"] not in ("package",)}


def imported(text: str) -> set[str]:
    """Return the top names of what a source imports that is neither ours nor Python's, nor only of type checkers."""
    names = {(found[1] or found[2]).partition(".")[0] for found in IMPORT.finditer(text)}
    return names - OURS - sys.stdlib_module_names - {"", "_typeshed"}


def test_every_pinned_package_is_on_the_reviewed_list_with_its_version() -> None:
    assert len(pinned()) > 50
    assert {name: row["version"].strip() for name, row in reviewed().items()} == pinned()
    assert all(row["licence"].strip() for row in reviewed().values())


def test_every_declared_package_is_pinned_and_listed_as_direct() -> None:
    everything = set().union(*declared().values()) - {"labctl"}
    assert everything <= set(pinned())
    assert {name for name, row in reviewed().items() if row["use"].startswith("direct")} == everything


def test_every_import_of_our_code_is_declared() -> None:
    found: dict[str, set[str]] = {}
    for package in sorted(OURS):
        for path in sorted((ROOT / package).rglob("*.py")):
            for name in imported(path.read_text(encoding="utf-8")):
                found.setdefault(PACKAGES.get(name, plain(name)), set()).add(path.relative_to(ROOT).as_posix())
    assert {"numpy", "pyqtgraph", "p4p"} <= set(found)
    for_screens = declared()[""] | declared()["gui"]
    undeclared = {
        name: sorted(file for file in files if not (name in for_screens and file.startswith(SCREENS)))
        for name, files in found.items()
        if name not in declared()[""]
    }
    assert {name: files for name, files in undeclared.items() if files} == {}


def test_imports_are_found_wherever_they_are() -> None:
    text = "import numpy as np\nfrom a.b import c\nimport labctl.x\nimport os\ndef f():\n    from p4p.client import x\n"
    assert imported(text) == {"numpy", "a", "p4p"}
    assert imported('"""Read\nfrom the disk.\nimport ant things."""\nfrom . import x\nfrom .y import z\n') == {"ant"}


def test_requirements_are_read_as_they_are_written() -> None:
    assert needs(["numpy>=1.26", "PyQt5 ; extra", "labctl[gui]", "ruamel.yaml (>1)", "a_b~=1"]) == {
        "numpy",
        "pyqt5",
        "labctl",
        "ruamel-yaml",
        "a-b",
    }
