"""Small wrong changes of a program: comparisons, constants, signs, bounds, returned values, and what is left out."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

COMPARISONS: Final[dict[type[ast.cmpop], tuple[str, ...]]] = {
    ast.Lt: ("<=", ">="),
    ast.LtE: ("<", ">"),
    ast.Gt: (">=", "<="),
    ast.GtE: (">", "<"),
    ast.Eq: ("!=",),
    ast.NotEq: ("==",),
    ast.Is: ("is not",),
    ast.IsNot: ("is",),
    ast.In: ("not in",),
    ast.NotIn: ("in",),
}
ARITHMETIC: Final[dict[type[ast.operator], str]] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "/",
    ast.Div: "*",
    ast.FloorDiv: "*",
    ast.Mod: "*",
    ast.Pow: "*",
    ast.BitOr: "&",
    ast.BitAnd: "|",
    ast.LShift: ">>",
    ast.RShift: "<<",
}
SWAPPED_CALLS: Final = {"min": "max", "max": "min", "floor": "ceil", "ceil": "floor", "any": "all", "all": "any"}
FIRST_ARGUMENT_ONLY: Final = frozenset({"abs", "copysign", "round"})


@dataclass(frozen=True)
class Mutant:
    """One change of one file: the characters from `start` to `end` become `text`."""

    start: int
    end: int
    text: str

    def applied(self, source: str) -> str:
        """Return the changed source."""
        return source[: self.start] + self.text + source[self.end :]

    def line_number(self, source: str) -> int:
        """Return the line in which the change begins, counted from 1."""
        return source.count("\n", 0, self.start) + 1

    def within(self, source: str, functions: Sequence[str]) -> bool:
        """Return whether the change is in one of these functions or methods."""
        line = self.line_number(source)
        named = (node for node in ast.walk(ast.parse(source)) if getattr(node, "name", "") in functions)
        return any(node.lineno <= line <= (node.end_lineno or 0) for node in named if isinstance(node, ast.stmt))

    def was(self, source: str) -> str:
        """Return the lines that the change touches, joined by single spaces."""
        return _flat(source[self._line_start(source) : self._line_end(source)])

    def becomes(self, source: str) -> str:
        """Return what is there instead."""
        before, after = source[self._line_start(source) : self.start], source[self.end : self._line_end(source)]
        return _flat(before + self.text + after)

    def diff(self, source: str, name: str) -> str:
        """Return the change as a unified diff."""
        lines, changed = source.splitlines(), self.applied(source).splitlines()
        return "\n".join(difflib.unified_diff(lines, changed, name, name, lineterm="", n=1))

    def _line_start(self, source: str) -> int:
        return source.rfind("\n", 0, self.start) + 1

    def _line_end(self, source: str) -> int:
        end = source.find("\n", self.end)
        return len(source) if end < 0 else end


def mutants(source: str) -> list[Mutant]:
    """Return every small change of a module that may matter, in the order of its lines, none twice.

    Left alone: words, annotations, imports, decorators, and what only says why something was refused.
    """
    found = dict.fromkeys(_Finder(source).of(ast.parse(source)))
    return sorted((mutant for mutant in found if _compiles(mutant.applied(source))), key=lambda m: (m.start, m.end))


class _Finder:
    def __init__(self, source: str) -> None:
        self._source = source
        self._starts = [0]
        for line in source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._lines = source.splitlines(keepends=True)

    def of(self, node: ast.AST) -> Iterator[Mutant]:
        """Yield the changes of a node and of what is in it."""
        yield from self._here(node)
        for child in self._children(node):
            yield from self.of(child)

    def _children(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield what is in a node and may be changed."""
        match node:
            case ast.FunctionDef():
                yield from [*node.args.defaults, *(one for one in node.args.kw_defaults if one), *node.body]
            case ast.ClassDef():
                yield from node.body
            case ast.AnnAssign():
                yield from [node.value] if node.value else []
            case ast.Assign(value=ast.Subscript()) if self._text(node.value).startswith(("Callable", "Literal")):
                pass  # another name of a type
            case ast.Raise() | ast.Import() | ast.ImportFrom() | ast.JoinedStr() | ast.Assert():
                pass
            case _:
                yield from ast.iter_child_nodes(node)

    def _here(self, node: ast.AST) -> Iterator[Mutant]:
        match node:
            case ast.Compare():
                yield from self._compare(node)
            case ast.BinOp() if type(node.op) in ARITHMETIC and not self._is_text(node):
                yield self._between(node.left, node.right, ARITHMETIC[type(node.op)])
            case ast.BoolOp():
                word = "or" if isinstance(node.op, ast.And) else "and"
                for left, right in zip(node.values, node.values[1:], strict=False):
                    yield self._between(left, right, word)
            case ast.UnaryOp(op=ast.USub() | ast.Not()):
                yield self._replace(node, self._text(node.operand))
            case ast.IfExp():
                yield self._replace(node, f"({self._text(node.body)})")
                yield self._replace(node, f"({self._text(node.orelse)})")
            case ast.Constant():
                yield from self._constant(node)
            case ast.Call():
                yield from self._call(node)
            case ast.stmt():
                yield from self._statement(node)

    def _compare(self, node: ast.Compare) -> Iterator[Mutant]:
        operands = [node.left, *node.comparators]
        for left, operator, right in zip(operands, node.ops, operands[1:], strict=False):
            for other in COMPARISONS[type(operator)]:
                yield self._between(left, right, other)

    def _constant(self, node: ast.Constant) -> Iterator[Mutant]:
        value = node.value
        if isinstance(value, bool):
            yield self._replace(node, str(not value))
        elif isinstance(value, int):
            yield self._replace(node, str(value + 1))
            yield self._replace(node, f"({value - 1})")
        elif isinstance(value, float):
            for other in (1.0,) if value == 0.0 else (2.0 * value, 0.5 * value):
                yield self._replace(node, repr(other))

    def _call(self, node: ast.Call) -> Iterator[Mutant]:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in SWAPPED_CALLS:
            whole = self._text(node.func)
            yield self._replace(node.func, whole.removesuffix(name) + SWAPPED_CALLS[name])
        if name in FIRST_ARGUMENT_ONLY:
            yield self._replace(node, f"({self._text(node.args[0])})")

    def _statement(self, node: ast.stmt) -> Iterator[Mutant]:
        match node:
            case ast.Expr(value=ast.Constant()):
                return  # what it says about itself
            case ast.Expr() | ast.Raise() | ast.Delete():
                yield self._replace(node, "pass")
            case ast.Assign(targets=[ast.Attribute() | ast.Subscript() | ast.Tuple(elts=[ast.Attribute(), *_])]):
                yield self._replace(node, "pass")
            case ast.AnnAssign(target=ast.Attribute(), value=ast.expr()):
                yield self._replace(node, "pass")
            case ast.AugAssign():
                yield self._replace(node, "pass")
                if type(node.op) in ARITHMETIC:
                    yield self._between(node.target, node.value, ARITHMETIC[type(node.op)] + "=")
            case ast.Break():
                yield self._replace(node, "continue")
            case ast.Continue():
                yield self._replace(node, "break")
            case ast.Return(value=ast.expr() as value) if self._text(value) != "None":
                yield self._replace(value, "None")
            case ast.If():
                yield self._replace(node.test, "True")
                yield self._replace(node.test, "False")
            case ast.While():
                yield self._replace(node.test, "False")
            case ast.With(items=[ast.withitem(optional_vars=None) as item]):
                yield Mutant(self._at(node.lineno, node.col_offset), self._end(item.context_expr), "if True")

    # ---- places ---------------------------------------------------------------------------------------------------

    def _between(self, left: ast.expr, right: ast.expr, text: str) -> Mutant:
        """Replace the operator between two expressions; brackets and blanks about it stay."""
        start, end = self._end(left), self._at(right.lineno, right.col_offset)
        gap = self._source[start:end]
        inner = gap.strip(" \n()")
        offset = start + gap.index(inner)
        return Mutant(offset, offset + len(inner), text)

    def _replace(self, node: ast.expr | ast.stmt, text: str) -> Mutant:
        return Mutant(self._at(node.lineno, node.col_offset), self._end(node), text)

    def _text(self, node: ast.expr) -> str:
        return self._source[self._at(node.lineno, node.col_offset) : self._end(node)]

    def _end(self, node: ast.expr | ast.stmt) -> int:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self._at(node.end_lineno, node.end_col_offset)

    def _at(self, line: int, column_bytes: int) -> int:
        return self._starts[line - 1] + len(self._lines[line - 1].encode()[:column_bytes].decode())

    def _is_text(self, node: ast.BinOp) -> bool:
        """Whether texts are joined: to subtract them is no small change."""
        sides = [inner for inner in ast.walk(node) if isinstance(inner, ast.JoinedStr | ast.Constant)]
        return any(isinstance(inner, ast.JoinedStr) or isinstance(inner.value, str) for inner in sides)


def _compiles(source: str) -> bool:
    try:
        compile(source, "mutant", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


def _flat(text: str) -> str:
    return " ".join(text.split())
