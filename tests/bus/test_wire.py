"""The messages of labctl over the wire, there and back; what is none of them is refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from p4p import Type, Value
from p4p.nt import NTScalar, NTTable

from labctl.bus import wire
from labctl.bus.messages import ChannelRow, FigureRow, Row, RunSummaryRow
from labctl.bus.names import TABLES
from labctl.bus.replies import Reply
from labctl.bus.spectra import Curve, LiveSpectrum

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
CELLS: dict[type, st.SearchStrategy[Any]] = {
    float: st.floats(width=64),
    int: st.integers(-(2**63), 2**63 - 1),
    str: TEXTS,
    bool: st.booleans(),
}
KINDS: list[type[Row]] = [*TABLES, RunSummaryRow, FigureRow]
ARRAYS = st.integers(0, 30).flatmap(lambda n: st.lists(st.floats(width=64), min_size=n, max_size=n)).map(np.array)
STAMPS = st.one_of(st.just(math.nan), st.floats(1e-3, 4e9))


def rows_of(kind: type[Row]) -> st.SearchStrategy[list[Row]]:
    hints = wire.column_types(kind)
    return st.lists(st.builds(kind, **{one.name: CELLS[hints[one.name]] for one in fields(kind)}), max_size=4)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_rows_there_and_back(kind: type[Row], data: st.DataObject) -> None:
    rows = data.draw(rows_of(kind))
    back = wire.decode_rows(kind, wire.encode_rows(kind, rows, 1.0))
    assert repr(back) == repr(tuple(rows))  # types and nan too


def same_but_for_nanoseconds(one: object, other: object) -> None:
    assert type(one) is type(other)
    for name in (each.name for each in fields(cast(Any, one))):
        first, second = getattr(one, name), getattr(other, name)
        if name == "taken_at":
            assert second == pytest.approx(first, abs=1e-6, nan_ok=True)
        elif isinstance(first, dict):
            assert list(first) == list(second)
            for key in first:
                np.testing.assert_array_equal(first[key], second[key])
        elif isinstance(first, np.ndarray):
            np.testing.assert_array_equal(first, second)
        else:
            assert repr(first) == repr(second)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_spectrum_there_and_back(data: st.DataObject) -> None:
    hints = {name: CELLS[hint] for name, hint in {"rbw_hz": float, "vbw_hz": float, "averages": int}.items()}
    texts = dict.fromkeys(("channel", "averaging", "source", "step", "reason"), TEXTS)
    axis = data.draw(ARRAYS)
    spectrum = data.draw(
        st.builds(
            LiveSpectrum,
            kind=st.sampled_from(["psd", "shot", "dark"]),
            frequency_hz=st.just(axis),
            psd_v2_per_hz=st.just(axis[::-1].copy()),
            averages_asked=CELLS[int],
            valid=st.booleans(),
            taken_at=STAMPS,
            **hints,
            **texts,
        )
    )
    same_but_for_nanoseconds(spectrum, wire.decode_spectrum(wire.encode_spectrum(spectrum)))


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_curve_there_and_back(data: st.DataObject) -> None:
    x = data.draw(ARRAYS)
    names = data.draw(st.lists(st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True), max_size=3, unique=True))
    columns = {name: x + place for place, name in enumerate(names) if name != "x"}
    words = ("system", "name", "title", "x_label", "x_unit", "y_label", "y_unit", "text", "reason")
    texts = dict.fromkeys(words, TEXTS)
    curve = data.draw(
        st.builds(Curve, x=st.just(x), columns=st.just(columns), valid=st.booleans(), taken_at=STAMPS, **texts)
    )
    same_but_for_nanoseconds(curve, wire.decode_curve(wire.encode_curve(curve)))


@settings(max_examples=60, deadline=None)
@given(text=TEXTS, data=st.binary(max_size=50), draw=st.data())
def test_reply_there_and_back(text: str, data: bytes, draw: st.DataObject) -> None:
    rows = draw.draw(st.sampled_from(KINDS).flatmap(rows_of))
    back = wire.decode_reply(wire.encode_reply(Reply(text, tuple(rows), data), 1.0))
    assert repr(back) == repr(Reply(text, tuple(rows), data))


# ---- what is no message ---------------------------------------------------------------------------------------------

SIMPLE: dict[str, st.SearchStrategy[Any]] = {
    "d": st.floats(),
    "l": st.integers(-(2**63), 2**63 - 1),
    "s": TEXTS,
    "?": st.booleans(),
    "ad": st.lists(st.floats(), max_size=3),
    "as": st.lists(TEXTS, max_size=3),
    "v": st.none(),
}
EXPECTED_NAMES = (
    "value", "acquisition", "legend", "timeStamp", "labels", "descriptor", "rows", "data", "alarm", "frequency", "psd",
    "x", "channel", "kind", "system", "name", "at", "text", "secondsPastEpoch",
)  # fmt: skip


@st.composite
def garbage(draw: st.DrawFn, depth: int = 1) -> tuple[list[tuple[str, Any]], dict[str, Any]]:
    """Draw the fields of a structure, with the names that messages have, and their values."""
    spec, content = [], {}
    for name in draw(st.lists(st.sampled_from(EXPECTED_NAMES), max_size=6, unique=True)):
        if depth and draw(st.booleans()):
            inner, values = draw(garbage(depth - 1))
            spec.append((name, ("S", "some", inner)))
            content[name] = values
        else:
            code = draw(st.sampled_from(list(SIMPLE)))
            spec.append((name, code))
            content[name] = draw(SIMPLE[code])
    return spec, content


DECODERS: list[Callable[[Value], object]] = [
    *(lambda value, kind=kind: wire.decode_rows(kind, value) for kind in KINDS),
    wire.decode_spectrum,
    wire.decode_curve,
    wire.decode_reply,
    wire.stamped_at,
]


@settings(max_examples=100, deadline=None)
@given(drawn=garbage())
def test_garbage_is_refused(drawn: tuple[list[tuple[str, Any]], dict[str, Any]]) -> None:
    value = Value(Type(drawn[0]), drawn[1])
    for decode in DECODERS[:-2]:
        with pytest.raises(wire.BadMessage):
            decode(value)
    for decode in DECODERS[-2:]:
        with suppress(wire.BadMessage):  # little is asked of these: some of it passes by chance
            decode(value)


def broken_tables() -> Iterator[tuple[str, Value]]:
    """Yield tables of channels with one thing wrong."""
    good = [("name", "as"), ("form", "as"), ("unit", "as"), ("description", "as")]
    cells = {name: ["a", "b"] for name, _ in good}
    yield "a column is missing", Value(NTTable.buildType(good[:-1]), {"value": {n: cells[n] for n, _ in good[:-1]}})
    yield "a column is short", Value(NTTable.buildType(good), {"value": {**cells, "unit": ["a"]}})
    yield "a column is one text", Value(NTTable.buildType([*good[:-1], ("description", "s")]), {"value": {}})
    yield "it is a number", Value(NTScalar.buildType("d"), {"value": 3.0})


@pytest.mark.parametrize(("fault", "value"), list(broken_tables()), ids=[fault for fault, _ in broken_tables()])
def test_broken_table_is_refused(fault: str, value: Value) -> None:
    with pytest.raises(wire.BadMessage):
        wire.decode_rows(ChannelRow, value)


def test_spectrum_whose_axis_does_not_fit_is_refused() -> None:
    spectrum = LiveSpectrum(
        "bhd1", "psd", np.arange(3.0), np.arange(3.0), 1.0, 1.0, 1, 1, "power", "digitizer", "s", True, "", 1.0
    )
    for wrong in ({"psd_v2_per_hz": np.arange(2.0)}, {"kind": "pds"}):
        with pytest.raises(wire.BadMessage):
            wire.decode_spectrum(wire.encode_spectrum(replace(spectrum, **cast(Any, wrong))))
