"""Strict JSON that keeps what manifests and journals carry."""

from __future__ import annotations

import json
import math
from enum import IntEnum, StrEnum
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.errors import StoreError
from labctl.store import json_codec
from labctl.store.records import SettingValue

keys = st.text(max_size=8).filter(lambda key: not key.startswith("$"))
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4))


class Colour(StrEnum):
    RED = "red"


class Gain(IntEnum):
    LOW = 3


def round_trip(value: object) -> Any:
    return json_codec.decode(json_codec.encode(value, "value"), "value")


@given(values)
def test_round_trip_is_exact(value: object) -> None:
    text = json_codec.encode(value, "value")
    assert json_codec.decode(text, "value") == value
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


@pytest.mark.parametrize(
    ("given_value", "kept"),
    [
        (np.int64(2**53 + 1), 2**53 + 1),
        (np.float32(0.1), float(np.float32(0.1))),
        (np.float64(1234567.891234), 1234567.891234),
        (np.bool_(True), True),
        (np.complex64(1 - 2j), 1 - 2j),
        (complex(0.5, -math.inf), complex(0.5, -math.inf)),
        (np.str_("V"), "V"),
        (np.array([[1, 2], [3, 4]], dtype=np.uint8), [[1, 2], [3, 4]]),
        ((1, 2.5), [1, 2.5]),
        (-math.inf, -math.inf),
        (Colour.RED, "red"),
        (Gain.LOW, 3),
        (PurePosixPath("a/b"), "a/b"),
        (SettingValue(np.int16(4), 1.0, "read"), {"value": 4, "at": 1.0, "how": "read"}),
    ],
)
def test_types_of_the_lab(given_value: object, kept: object) -> None:
    back = round_trip({"x": given_value})["x"]
    assert back == kept
    assert type(back) is type(kept)


def test_nan_survives() -> None:
    assert math.isnan(round_trip(np.float32("nan")))


@pytest.mark.parametrize("value", [object(), b"bytes", {1: 2}, {"$float": 1}, {"a": {"b": {3}}}])
def test_refuses_what_it_cannot_keep_and_says_where(value: object) -> None:
    with pytest.raises(StoreError, match=r"parameters\.x"):
        json_codec.encode({"x": value}, "parameters")


@pytest.mark.parametrize("text", ["", "{", b"\xff\xfe", '{"$float": "zero"}', '{"$complex": [1]}', "[" * 100_000])
def test_damaged_text_is_a_store_error(text: str | bytes) -> None:
    with pytest.raises(StoreError, match=r"manifest\.json"):
        json_codec.decode(text, "manifest.json")


def test_lone_surrogates_survive_as_bytes() -> None:
    text = "degree \udcb0"
    assert json_codec.decode(json_codec.as_bytes(json_codec.encode(text, "x")), "x") == text
