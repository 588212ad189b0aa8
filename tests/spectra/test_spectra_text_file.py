"""Two columns of text from anywhere."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labctl.errors import AnalysisRefused
from labctl.spectra import text_table
from labctl.spectra.text_file import read_two_columns, require_same_axis_in_files


def write(folder, text, name="trace.dat"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        "1 10\n2 20\n3 30\n",
        "1.0e0\t1.0e1\n2\t20\n3\t30",
        "1,10\n2,20\n3,30\n",
        "1, 10,\n2, 20,\n3, 30,\n",
        "1,0;10,0\n2,0;20,0\n3,0;30,0\n",
        "1,0 10,0\n2,0 20,0\n3,0 30,0\n",
        '"1","10"\n"2","20"\n"3","30"\n',
        "# made by hand\nfrequency (Hz) level (V)\n\n1 10\n# pause\n2 20\n3 30\n",
        "\ufeff1 10\r\n2 20\r\n3 30\r\n",
        "Frequency,Value\n1,+10.\n2,20\n3,.3e2\n",
        "3 30\n2 20\n1 10\n",
        "1 10\n2 20\n3 30\n".encode("utf-16"),
    ],
)
def test_the_same_numbers_in_many_dresses(tmp_path, text):
    columns = read_two_columns(write(tmp_path, text))
    assert columns.frequency.tolist() == [1, 2, 3]
    assert columns.values.tolist() == [10, 20, 30]


def test_the_header_is_kept(tmp_path):
    assert read_two_columns(write(tmp_path, "# SR785\nHz V\n1 1\n2 2\n")).header == ("# SR785", "Hz V")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no rows"),
        ("only words\nand more\n", "no rows"),
        ("1 2\n", "one row"),
        ("1 2\n2 nan\n", "line 2: .*not finite"),
        ("1 2\n2 -inf\n", "line 2: .*not finite"),
        ("nan 2\n2 3\n", "line 1: .*not finite"),
        ("1 2\n2 1e999\n", "line 2: .*not finite"),
        ("1 2\n2 3\n2 4\n", "line 3.*ascend"),
        ("1 2\n3 3\n2 4\n", "line 3.*from 3 to 2"),
        ("1 2 3\n2 3 4\n", "line 1: 3 columns"),
        ("1\n2\n", "1 columns"),
        ("1 2\n2 oops\n", "line 2: '2 oops'"),
        ("1 2\n1_0 3\n", "line 2: '1_0 3'"),
        (b"1 2\n\x00\x00\n", "not a text file"),
    ],
)
def test_bad_files_are_refused_by_name_and_line(tmp_path, text, words):
    path = write(tmp_path, text)
    with pytest.raises(AnalysisRefused, match=words) as refusal:
        read_two_columns(path)
    assert str(path) in str(refusal.value)


def test_missing_files_folders_and_giants_are_refused(tmp_path, monkeypatch):
    with pytest.raises(AnalysisRefused, match="no file"):
        read_two_columns(tmp_path / "absent.dat")
    with pytest.raises(AnalysisRefused, match="not a file"):
        read_two_columns(tmp_path)
    monkeypatch.setattr(text_table, "LARGEST_FILE_BYTES", 10)
    with pytest.raises(AnalysisRefused, match="more than"):
        read_two_columns(write(tmp_path, "1 2\n2 3\n3 4\n4 5\n"))


def test_different_axes_are_refused(tmp_path):
    a = read_two_columns(write(tmp_path, "1 2\n2 3\n3 4\n", "a.dat"))
    shifted = read_two_columns(write(tmp_path, "1 2\n2.1 3\n3 4\n", "b.dat"))
    short = read_two_columns(write(tmp_path, "1 2\n2 3\n", "c.dat"))
    require_same_axis_in_files(a, a)
    with pytest.raises(AnalysisRefused, match=r"point 2.*2 and 2\.1"):
        require_same_axis_in_files(a, shifted)
    with pytest.raises(AnalysisRefused, match=r"3 points and .* 2"):
        require_same_axis_in_files(a, short)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    values=st.lists(st.floats(-1e12, 1e12, allow_subnormal=False), min_size=2, max_size=30),
    separator=st.sampled_from([" ", "\t", ",", ";", "   ", ", "]),
)
def test_written_numbers_are_read_back(tmp_path, values, separator):
    text = "\n".join(f"{i}{separator}{value!r}" for i, value in enumerate(values))
    columns = read_two_columns(write(tmp_path, text))
    assert np.array_equal(columns.values, np.array(values))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(raw=st.binary(max_size=200))
def test_any_bytes_give_numbers_or_a_refusal(tmp_path, raw):
    path = write(tmp_path, raw)
    try:
        columns = read_two_columns(path)
    except AnalysisRefused as refusal:
        assert str(path) in str(refusal)
    else:
        assert np.isfinite(columns.values).all()
        assert (np.diff(columns.frequency) > 0).all()
