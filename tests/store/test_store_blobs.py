"""Arrays as bytes: exact, and safe to read back when damaged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from labctl.errors import StoreError
from labctl.store.blobs import DTYPES, from_blob, parse_shape, to_blob

shapes = hnp.array_shapes(min_dims=1, max_dims=2, min_side=1, max_side=6)
arrays = st.sampled_from(sorted(DTYPES)).flatmap(lambda dtype: hnp.arrays(np.dtype(dtype), shapes))


@given(arrays, st.booleans(), st.booleans())
def test_round_trip_is_bit_exact(array: np.ndarray, big_endian: bool, transposed: bool) -> None:
    given_array = array.astype(array.dtype.newbyteorder(">")) if big_endian else array
    given_array = given_array.T if transposed else given_array
    back = from_blob(*to_blob(given_array, "x"), "x")
    expected = array.T if transposed else array
    assert back.dtype == expected.dtype
    assert back.shape == expected.shape
    assert back.tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", ["longdouble", "object", "U3", "datetime64[s]", "timedelta64[s]"])
def test_refuses_what_is_no_plain_number(dtype: str) -> None:
    with pytest.raises(StoreError, match="cannot be stored"):
        to_blob(np.zeros(3, dtype=dtype), "trace a.b")


@pytest.mark.parametrize(
    "shape",
    ["", "3", "[]", "[0]", "[-3]", "[3.0]", "[true]", "[1, 1, 3]", "[null]", "{}", "[" * 100_000, None, 3, b"[3]"],
)
def test_impossible_shapes(shape: object) -> None:
    with pytest.raises(StoreError, match="impossible shape"):
        parse_shape(shape, "trace a.b")


@pytest.mark.parametrize("shape", ["[4]", "[3, 3]", "[1000000000000000]", "[9223372036854775807, 9223372036854775807]"])
def test_a_shape_that_does_not_fit_is_refused_without_memory(shape: str) -> None:
    with pytest.raises(StoreError, match="holds 24 bytes"):
        from_blob("<f8", shape, bytes(24), "trace a.b")


@pytest.mark.parametrize(
    ("dtype", "blob"), [("|O", bytes(24)), ("<f8,<f8", bytes(24)), (None, bytes(24)), ("<f8", None)]
)
def test_unknown_dtype_or_missing_data(dtype: object, blob: object) -> None:
    with pytest.raises(StoreError, match="damaged"):
        from_blob(dtype, "[3]", blob, "trace a.b")
