"""Reading files: what is not there, not TOML, too large; files that extend files; and which file is at fault."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labctl.configuration.extended_toml import merged
from labctl.configuration.faults import Fault, Finding, key_text, shown
from labctl.configuration.station_file import SimulatedBackend
from labctl.configuration.toml_reading import check_file, load_recipe, load_station, station_text
from labctl.errors import ConfigurationError


def _only_fault(path: Path) -> Fault:
    """The one fault of a file, which every way to open the file reports."""
    (fault,) = check_file(path)
    for opened in (load_station, load_recipe, station_text):
        with pytest.raises(ConfigurationError) as raised:
            opened(path)
        assert str(raised.value) == str(fault)
    return fault


def test_a_fault_reads_file_key_problem_allowed() -> None:
    fault = Fault("a.toml", "oven.target", "is missing", "a temperature")
    assert str(fault) == "a.toml: oven.target: is missing; allowed: a temperature"
    assert str(Fault("a.toml", "", "is not there", "a file")) == "a.toml: is not there; allowed: a file"
    assert str(Finding(("a", 0), "is missing", "it")) == "a.1: is missing; allowed: it"


def test_keys_and_values_are_shown_on_one_short_line() -> None:
    assert key_text(("loops", "lo1", "needs", 0)) == "loops.lo1.needs.1"
    assert key_text(("a b", "c\nd", "", 'e"f')) == r'"a b"."c\nd"."".' + r'"e\"f"'
    assert len(key_text(("x" * 500,))) == 60
    assert shown("a\n\x1b[31m" + "b" * 100) == r'"a\n\u001b[31m' + "b" * 43 + "..."
    assert shown(10**5000) == "an enormous number"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    fault = _only_fault(tmp_path / "none.toml")
    assert (fault.key, fault.problem) == ("", "is not there")
    assert fault.allowed == "the path of a station file or a recipe"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert _only_fault(tmp_path).problem == "is not a file"


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert _only_fault(tmp_path / "pipe").problem == "is not a file"


def test_an_impossible_path_is_refused() -> None:
    assert _only_fault(Path("a\0b")).allowed == "the path of a station file or a recipe"
    assert _only_fault(Path("x" * 5000)).allowed == "the path of a station file or a recipe"


def test_a_circle_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert _only_fault(tmp_path / "a").allowed == "the path of a station file or a recipe"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_refused(write: Callable[..., Path]) -> None:
    path = write("title = 1")
    path.chmod(0)
    assert _only_fault(path).problem == "cannot be read: Permission denied"


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("[station]\nname = table\n", "line 2, column 8", "invalid value"),
        ("[station]\nname 'x'\n", "line 2, column 6", "expected '=' after a key"),
        ("[station]\n[station]\n", "line 2, column 9", "cannot declare"),
        ('a = "b', "end of the file", "unterminated string"),
        ("a = 2026-02-31", "line 1, column 5", "invalid date"),
    ],
)
def test_what_is_not_toml_is_placed(write: Callable[..., Path], text: str, where: str, words: str) -> None:
    fault = _only_fault(write(text))
    assert fault.key == where
    assert f"this is not TOML: {words}" in fault.problem
    assert fault.allowed == 'TOML, such as key = "text" or key = 1.5'


@pytest.mark.parametrize("text", ["a = " + "[" * 2000, "a = " + "[\n" * 5000])
def test_lists_in_lists_without_end_are_refused(write: Callable[..., Path], text: str) -> None:
    assert _only_fault(write(text)).problem == "has a value that no TOML file needs"


def test_a_number_of_thousands_of_digits_is_not_printed(table: dict[str, Any], write: Callable[..., Path]) -> None:
    table["station"]["sensors"] = 10**3000
    assert [fault.problem for fault in check_file(write(table))] == ["an enormous number is too high"]


def test_tables_in_tables_without_end_are_refused(write: Callable[..., Path]) -> None:
    assert "tables in tables without end" in _only_fault(write(".".join("a" * 300) + " = 1")).problem


def test_a_line_without_end_is_refused(write: Callable[..., Path]) -> None:
    fault = _only_fault(write("# station\n" + ".".join("a" * 200_000) + " = 1"))
    assert (fault.key, fault.problem) == ("line 2", "the line has 400003 characters")


def test_wrong_encoding_is_placed(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes(b'[station]\nname = "Jos\xe9"\n')
    fault = _only_fault(path)
    assert (fault.key, fault.problem, fault.allowed) == ("line 2", "is not UTF-8 text", "a text file saved as UTF-8")


def test_a_file_from_windows_is_read(table_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "table.toml"
    path.write_bytes(b"\xef\xbb\xbf" + table_path.read_bytes().replace(b"\n", b"\r\n"))
    assert load_station(path) == load_station(table_path)


def test_a_large_file_is_refused_unread(write: Callable[..., Path]) -> None:
    fault = _only_fault(write("# x\n" * 250_001))
    assert (fault.problem, fault.allowed) == ("is too large", "at most 1000000 bytes")


def test_a_recipe_is_not_a_station_file(recipe_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"recipe\.toml: step: this is a recipe, not a station file"):
        load_station(recipe_path)


def test_an_empty_file_lacks_what_a_station_has(write: Callable[..., Path]) -> None:
    assert [(fault.key, fault.problem) for fault in check_file(write(""))] == [
        ("station", "is missing"),
        ("backend", "is missing"),
    ]


# ---- extends ---------------------------------------------------------------------------------------------------------


def test_tables_are_merged_and_everything_else_is_replaced() -> None:
    base = {"a": {"x": 1, "y": {"z": 1}}, "list": [1, 2], "b": 1, "c": {"d": 1}}
    over = {"a": {"y": {"w": 2}}, "list": [3], "b": {"e": 1}, "c": 2}
    assert merged(base, over) == {"a": {"x": 1, "y": {"z": 1, "w": 2}}, "list": [3], "b": {"e": 1}, "c": 2}
    assert base["a"] == {"x": 1, "y": {"z": 1}}


def test_a_table_of_another_kind_takes_over_nothing() -> None:
    assert merged({"kind": "visa", "library": "@py"}, {"kind": "simulated"}) == {"kind": "simulated"}
    assert merged({"driver": "a", "slots": {}}, {"driver": "b", "model": "m"}) == {"driver": "b", "model": "m"}
    assert merged({"kind": "visa", "library": "@py"}, {"kind": "visa"}) == {"kind": "visa", "library": "@py"}
    assert merged({"kind": "visa", "library": "@py"}, {"library": "@ivi"}) == {"kind": "visa", "library": "@ivi"}


def test_a_file_may_extend_a_file_that_extends_a_file(table: dict[str, Any], write: Callable[..., Path]) -> None:
    write(table, "table.toml")
    write('extends = "table.toml"\nbackend.kind = "simulated"\nstation.name = "one"', "one.toml")
    two = write('extends = "./one.toml"\nbackend.seed = 7\nsensors = []\nstation.sensors = 4', "two.toml")
    (fault,) = check_file(two)
    assert (fault.file, fault.key) == (str(two), "sensors")  # the list is replaced as a whole
    station = load_station(write('extends = "one.toml"\nbackend.seed = 7', "three.toml"))
    assert station.backend == SimulatedBackend(kind="simulated", seed=7)
    assert station.station.name == "one"


def test_extends_is_relative_to_the_file(table: dict[str, Any], write: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    write(table, "table.toml")
    assert check_file(write('extends = "../table.toml"', "sub/own.toml")) == []


def test_a_fault_names_the_file_to_edit(table: dict[str, Any], write: Callable[..., Path]) -> None:
    table["oven"]["target"] = "60 degC"
    del table["analyzer"]["longest_sweep"]
    base = write(table, "table.toml")
    own = write('extends = "table.toml"\noven.ramp = "1 V"\n[light]\nlaser = 1', "own.toml")
    assert {(fault.file, fault.key) for fault in check_file(own)} == {
        (str(own), "oven.ramp"),
        (str(own), "light.laser"),
        (str(base), "analyzer.longest_sweep"),
    }
    own = write('extends = "table.toml"\noven.ramp = "1 K/s"', "own.toml")
    assert {(fault.file, fault.key) for fault in check_file(own)} == {
        (str(base), "oven.target"),
        (str(base), "analyzer.longest_sweep"),
    }


def test_a_missing_base_is_a_fault_of_the_file_that_names_it(write: Callable[..., Path], tmp_path: Path) -> None:
    own = write('extends = "tabel.toml"')
    fault = _only_fault(own)
    assert (fault.file, fault.key) == (str(own), "extends")
    assert fault.problem == f"{tmp_path / 'tabel.toml'} is not there"


def test_a_base_that_is_not_toml_is_named_itself(write: Callable[..., Path], tmp_path: Path) -> None:
    write("a = b", "table.toml")
    fault = _only_fault(write('extends = "table.toml"'))
    assert (fault.file, fault.key) == (str(tmp_path / "table.toml"), "line 1, column 5")


@pytest.mark.parametrize("value", ["3", '""', '["a.toml"]', r'"a\u0000b"'])
def test_extends_names_a_file(write: Callable[..., Path], value: str) -> None:
    fault = _only_fault(write(f"extends = {value}"))
    assert fault.key == "extends"
    assert fault.problem.endswith("is not the name of a file")
    assert fault.allowed == 'a file such as "table.toml"'


def test_files_that_extend_each_other_are_refused(write: Callable[..., Path], tmp_path: Path) -> None:
    write('extends = "b.toml"', "a.toml")
    write('extends = "a.toml"', "b.toml")
    fault = _only_fault(tmp_path / "a.toml")
    assert (fault.file, fault.key) == (str(tmp_path / "b.toml"), "extends")
    assert fault.problem == "a.toml extends itself in the end"
    assert _only_fault(write('extends = "own.toml"', "own.toml")).problem == "own.toml extends itself in the end"


def test_a_row_of_extends_without_end_is_refused(write: Callable[..., Path], tmp_path: Path) -> None:
    for number in range(12):
        write(f'extends = "{number + 1}.toml"', f"{number}.toml")
    fault = _only_fault(tmp_path / "0.toml")
    assert (fault.file, fault.key) == (str(tmp_path / "7.toml"), "extends")
    assert fault.allowed == "at most 8 files"
