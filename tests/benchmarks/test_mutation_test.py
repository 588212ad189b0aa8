"""The mutants of a small module, and that what is declared to change nothing is still there."""

from __future__ import annotations

from mutants import mutants
from mutation_test import GROUPS, ROOT, declared_mutants

SOURCE = '''"""Words -1."""
from a import b

LIMIT: int = 3  # and a comment < 3


@cached(size=4)
def f(x: float, y: float = 0.5) -> bool:
    """More words."""
    if x < LIMIT and not y:
        raise ValueError(f"{x + 1}")
    self.left -= x * 2.0
    return min(x, -y) == 0
'''


def test_what_matters_is_changed_and_words_are_not() -> None:
    found = {(mutant.line_number(SOURCE), mutant.becomes(SOURCE)) for mutant in mutants(SOURCE)}
    assert {line for line, _ in found} == {4, 8, 10, 11, 12, 13}
    assert {text.partition("  #")[0] for line, text in found if line == 4} == {
        "LIMIT: int = 4 # and a comment < 3",
        "LIMIT: int = (2) # and a comment < 3",
    }
    assert {text for line, text in found if line == 10} == {
        "if x <= LIMIT and not y:",
        "if x >= LIMIT and not y:",
        "if x < LIMIT or not y:",
        "if x < LIMIT and y:",
        "if True:",
        "if False:",
    }
    assert {text for line, text in found if line == 11} == {"pass"}
    assert {text for line, text in found if line == 12} == {
        "pass",
        "self.left += x * 2.0",
        "self.left -= x / 2.0",
        "self.left -= x * 4.0",
        "self.left -= x * 1.0",
    }
    assert {"return None", "return max(x, -y) == 0", "return min(x, y) == 0", "return min(x, -y) != 0"} <= {
        text for line, text in found if line == 13
    }


def test_a_mutant_replaces_its_place_and_nothing_else() -> None:
    for mutant in mutants(SOURCE):
        changed = mutant.applied(SOURCE)
        assert changed != SOURCE
        assert changed.startswith(SOURCE[: mutant.start]) and changed.endswith(SOURCE[mutant.end :])
        assert mutant.diff(SOURCE, "f.py").count("\n+") == 2  # the name, and the line


def test_what_is_declared_to_change_nothing_is_still_there() -> None:
    """And so is every module, with its tests."""
    declared = declared_mutants()
    for file in {entry.file for entry in declared}:
        source = (ROOT / file).read_text(encoding="utf-8")
        there = mutants(source)
        gone = [e for e in declared if e.file == file and not any(e.means(mutant, source) for mutant in there)]
        assert gone == []
    assert all(entry.why for entry in declared)
    for target in (target for group in GROUPS.values() for target in group):
        assert (ROOT / target.module).is_file(), target.module
        assert all((ROOT / test.partition("::")[0]).is_file() for test in target.tests), target.module
