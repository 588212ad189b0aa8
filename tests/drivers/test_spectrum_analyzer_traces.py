"""Trace data as the drivers of spectrum analyzers read them: any bytes that are a trace, and none that are not."""

from __future__ import annotations

from unittest.mock import MagicMock

import numpy as np
import pytest
from analyzer_models import KEYSIGHT, MODELS, ROHDE, Model, each_model
from hypothesis import given, settings
from hypothesis import strategies as st
from pymeasure.test import expected_protocol

from drivers.errors import BadReply


def block(values: np.ndarray, numbers: str) -> bytes:
    payload = values.astype(numbers).tobytes()
    return f"#{len(str(len(payload)))}{len(payload)}".encode() + payload


@each_model
@settings(max_examples=30)
@given(st.lists(st.floats(-200, 30, width=32), min_size=1, max_size=50), st.integers(1, 6))
def test_a_trace_is_read_whatever_bytes_it_holds(model: Model, levels: list[float], trace: int) -> None:
    values = np.array(levels)
    points = b":SWE:POIN?" if model is KEYSIGHT else b"SWE:POIN?"
    exchange = [
        (points, str(values.size).encode()),
        (f":TRAC:DATA? TRACE{trace}".encode(), block(values, model.numbers) + b"\n"),
    ]
    with expected_protocol(model.driver, exchange) as driver:
        read = driver.traces[trace].read()
        assert read.dtype == np.float64 and read.dtype.isnative
        assert np.array_equal(read, values)


NOISE = np.random.default_rng(1).normal(-95.0, 5.0, 1001)


@pytest.mark.parametrize(
    ("model", "points", "reply", "reason"),
    [
        *(
            row
            for model in MODELS
            for row in (
                (model, 2, block(np.array([-90.0]), model.numbers) + b"\n", "sent 1 points of 2"),
                (model, 2, block(np.array([-90.0, 9.91e37]), model.numbers) + b"\n", "holds no sweep"),
                (model, 1, block(np.array([np.nan]), model.numbers) + b"\n", "holds no sweep"),
                (model, 1, block(np.array([-90.0]), model.numbers) + b";", "line feed"),
                (model, 2, b"-101.234,-101.234\n", "expected a binary block"),
                (model, 1, b"#17abcdefg\n", "impossible length"),
                (model, 1, b"#0abcdefgh\n", "expected a binary block"),
            )
        ),
        (ROHDE, 1001, block(NOISE, ">f4") + b"\n", "bytes in the other order"),
    ],
)
def test_a_wrong_trace_is_refused(model: Model, points: int, reply: bytes, reason: str) -> None:
    driver = model.driver(MagicMock())
    driver.adapter.read.side_effect = [str(points)]
    rest = bytearray(reply)

    def read_bytes(count: int, break_on_termchar: bool = False) -> bytes:
        taken = bytes(rest[:count])
        del rest[:count]
        return taken

    driver.adapter.read_bytes.side_effect = read_bytes
    with pytest.raises(BadReply, match=reason):
        driver.read_trace()
