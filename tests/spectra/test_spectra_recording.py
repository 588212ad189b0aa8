"""Recordings as analyzers, oscilloscopes and people write them: separators, headers, units, axes out of order."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labctl.errors import AnalysisRefused
from labctl.spectra.column_labels import label_of
from labctl.spectra.column_units import Quantity, unit_of
from labctl.spectra.recording import Order, Recording, at_common_axis, read_recording, read_samples
from labctl.spectra.text_table import number_of


def write(folder: Path, text: str | bytes, name: str = "trace.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(folder: Path, text: str | bytes, **options: object) -> Recording:
    return read_recording(write(folder, text), **options)  # type: ignore[arg-type]


# One table of numbers, x = 1, 2, 3 MHz and y = -90, -80.5, -95 dBm, in many dresses.
DRESSES = {
    "keysight": '"Trace 1"\r\nStart Frequency,1000000,Hz\r\nRBW,10 kHz\r\nVBW,100,Hz\r\nNumber of Points,3\r\n'
    "Y Axis Units,dBm\r\nX Axis Units,Hz\r\nDATA\r\n1e6,-90\r\n2e6,-80.5\r\n3e6,-95\r\n",
    "rohde": "Type;FSV-7;\nVersion;2.30;\nDate;03.März 2019;\nRBW;10000,0;Hz\nVBW;100;Hz\nx-Unit;Hz;\ny-Unit;dBm;\n"
    "Values;3;\n1000000,0;-90,0;\n2000000,0;-80,5;\n3000000,0;-95,0;\n".encode("latin-1"),
    "signal hound": "\ufeffFrequency(MHz),Amplitude(dBm)\n1.0,-90\n2.0,-80.5\n3.0,-95\n",
    "moku": "% Moku:Lab\n% RBW: 10000\n% Frequency (Hz), Channel A (dBm)\n1e6, -90\n2e6, -80.5\n3e6, -95\n",
    "zurich": "%LabOne\n%f (kHz);power (dBm)\n1000;-90\n2000;-80.5\n3000;-95\n",
    "touchstone": "! swept\n! freq (MHz)\tlevel (dBm)\n1\t-90\n2\t-80.5\n3\t-95\n",
    "semicolon remarks": "; by hand\n; Frequency / MHz ; Level / dBm\n1.0 -90\n2.0 -80.5\n3.0 -95\n",
    "numpy": "# f (Hz), S (dBm)\n1.0e+06 -9.0e+01\n2.0e+06 -8.05e+01\n3.0e+06 -9.5e+01\n",
    "quoted": 'sep=;\n"Frequenz [MHz]";"Pegel [dBm]"\n"1,0";"-90,0"\n"2,0";"-80,5"\n"3,0";"-95,0"\n',
    "quoted decimal comma": '"f (MHz)","p (dBm)"\n"1,0","-90,0"\n"2,0","-80,5"\n"3,0","-95,0"\n',
    "units row": "Frequency,Level\n(MHz),(dBm)\n\n1,-90\n2,-80.5\n3,-95\n",
    "decimal comma by space": "f_MHz p_dBm\n1,0 -90,0\n2,0 -80,5\n3,0 -95,0\n",
    "utf-16": "f [MHz]\tp [dBm]\r\n1\t-90\r\n2\t-80,5\r\n3\t-95\r\n".encode("utf-16"),
    "utf-16 without mark": "f [MHz]\tp [dBm]\r\n1\t-90\r\n2\t-80,5\r\n3\t-95\r\n".encode("utf-16-le"),
    "old mac": "f (MHz),p (dBm)\r1,-90\r2,-80.5\r3,-95\r",
    "minus signs": "f (MHz),p (dBm)\n1,\u221290\n2,\u221280.5\n3,\u221295\n",
    "fortran": "# f (Hz) p (dBm)\n 1.0D+06 -9.0D+01\n 2.0D+06 -8.05D+01\n 3.0D+06 -9.5D+01\n",
    "columns beside": "time;f (MHz);p (dBm)\n12:00:01;1;-90\n12:00:02;2;-80,5\n12:00:03;3;-95\n",
}


@pytest.mark.parametrize("dress", list(DRESSES))
def test_one_trace_in_many_dresses(tmp_path: Path, dress: str) -> None:
    found = read(tmp_path, DRESSES[dress])
    assert found.x.tolist() == pytest.approx([1e6, 2e6, 3e6])
    assert found.y.tolist() == pytest.approx([-90, -80.5, -95])
    assert (found.x_unit, found.y_unit) == ("Hz", "dBm")
    if dress in ("keysight", "rohde", "moku"):
        assert found.rbw_hz == 10e3
    if dress in ("keysight", "rohde"):
        assert found.vbw_hz == 100.0


OSCILLOSCOPES = {
    "tektronix": "Record Length,4,,-0.002,0.01,\nVertical Units,V,,-0.001,0.02,\nHorizontal Units,s,,0.000,0.03,\n"
    ",,,0.001,0.04,\n",
    "picoscope": "Time,Channel A\n(ms),(mV)\n\n-2.0,10\n-1.0,20\n0.0,30\n1.0,40\n",
    "rigol": "X,CH1,Start,Increment,\nSequence,Volt,-2e-3,1e-3\n0,0.01,,\n1,0.02,,\n2,0.03,,\n3,0.04,,\n",
    "keysight": "x-axis,1\nsecond,Volt\n-2e-3,0.01\n-1e-3,0.02\n0,0.03\n1e-3,0.04\n",
    "lecroy": "LECROYWR64Xi,1,Waveform\nSegments,1,SegmentSize,4\nSegment,TrigTime,Since\n#1,08-Apr-2020 12:00:00,0\n"
    "Time (s),Ampl (V)\n-0.002,0.01\n-0.001,0.02\n0,0.03\n0.001,0.04\n",
    "siglent": "Record Length,Analog:4\nSample Interval,Analog:1e-3\nSource,CH1\nSecond,Volt\n-0.002,0.01\n"
    "-0.001,0.02\n0.0,0.03\n0.001,0.04\n",
    "waveforms": "#Digilent WaveForms Oscilloscope\n#Date: 2020\n\nTime (s),Channel 1 (V)\n-0.002,0.01\n-0.001,0.02\n"
    "0.0,0.03\n0.001,0.04\n",
}


@pytest.mark.parametrize("maker", list(OSCILLOSCOPES))
def test_oscilloscopes(tmp_path: Path, maker: str) -> None:
    found = read(tmp_path, OSCILLOSCOPES[maker], axis=(Quantity.TIME,))
    assert found.x.tolist() == pytest.approx([-2e-3, -1e-3, 0, 1e-3])
    assert found.y.tolist() == pytest.approx([0.01, 0.02, 0.03, 0.04])
    assert (found.x_unit, found.y_unit) == ("s", "V")


MANY = "n,time (s),ramp (V),PD (mV),phase (deg)\n" + "".join(
    f"{i},{i * 0.1:.1f},{i * 0.5:.1f},{[3, 9, 4, 8, 1, 7][i % 6]},{10 * i}\n" for i in range(12)
)


def test_columns_are_chosen_and_said(tmp_path: Path) -> None:
    by_time = read(tmp_path, MANY, axis=(Quantity.TIME,))
    assert (by_time.x_name, by_time.y_name) == ("time", "PD")
    assert by_time.y[:2].tolist() == pytest.approx([3e-3, 9e-3])
    assert "5 columns: 2 (time) is the axis and 4 (PD) the value" in by_time.notes[0]
    by_ramp = read(tmp_path, MANY, axis=(Quantity.VOLTAGE,))
    assert (by_ramp.x_name, by_ramp.y_name) == ("ramp", "PD")
    for asked in ("3,4", "ramp,PD", "RAMP, pd"):
        assert read(tmp_path, MANY, columns=asked).x_name == "ramp"
        assert read(tmp_path, MANY, columns=asked).notes == ()
    lock_in = "f (Hz),X (V),Y (V),R (V),Theta (deg)\n1,1,2,3,40\n2,2,1,4,50\n3,1,2,3,40\n"
    assert read(tmp_path, lock_in, axis=(Quantity.FREQUENCY,)).y_name == "R"


@pytest.mark.parametrize("asked", ["1", "1,2,3", ",", "1,9", "0,1", "ramp,nothing", "e,PD"])
def test_columns_that_are_not_there(tmp_path: Path, asked: str) -> None:
    with pytest.raises(AnalysisRefused, match="column"):
        read(tmp_path, MANY, columns=asked)


def test_rows_without_numbers_are_left_out_and_said(tmp_path: Path) -> None:
    text = "f (Hz),p (V)\n1,10\n2,NaN\n3,--\n4,40\n5,\n6,9.91E+37\n7,70\n8,80\n9,90\nend of trace\n"
    found = read(tmp_path, text)
    assert found.x.tolist() == [1, 4, 7, 8, 9]
    assert any("4 rows without finite numbers" in note and "line 3" in note for note in found.notes)
    assert any("line 11" in note and "end of trace" in note for note in found.notes)
    with pytest.raises(AnalysisRefused, match="rows lack a number"):
        read(tmp_path, "1 2\n2 nan\n3 nan\n4 nan\n")


def test_axes_out_of_order_are_mended_or_refused_and_said(tmp_path: Path) -> None:
    backward = read(tmp_path, "3 30\n2 20\n1 10\n")
    assert backward.x.tolist() == [1, 2, 3] and backward.y.tolist() == [10, 20, 30]
    assert "backward" in backward.notes[0]
    repeated = read(tmp_path, "1 10\n2 20\n2 30\n5 50\n")
    assert repeated.x.tolist() == [1, 2, 5] and repeated.y.tolist() == [10, 25, 50]
    assert "repeats 1 values" in repeated.notes[0]
    rounded = read(tmp_path, "".join(f"{0.004 * i:.2f} {i}\n" for i in range(51)))
    assert rounded.x == pytest.approx(0.004 * np.arange(51)) and "rounded" in rounded.notes[0]
    with pytest.raises(AnalysisRefused, match=r"line 3: the axis goes from 2 to 1"):
        read(tmp_path, "1 10\n2 20\n1 30\n5 50\n6 60\n")
    loose = read(tmp_path, "3 30\n1 10\n2 20\n2 25\n", order=Order.ANY)
    assert loose.x.tolist() == [1, 2, 2, 3] and loose.y.tolist() == [10, 20, 25, 30]


def test_the_longest_way_of_a_scan_is_kept(tmp_path: Path) -> None:
    up_and_down = np.concatenate([np.linspace(0, 10, 200), np.linspace(10, 4, 120)])
    text = "".join(f"{v:.4f},{i}\n" for i, v in enumerate(up_and_down))
    found = read(tmp_path, text, order=Order.SCAN)
    assert 190 <= len(found.x) <= 205 and found.y[0] == 0 and "turns round" in found.notes[0]
    noisy = np.linspace(0, 10, 400) + np.random.default_rng(1).normal(0, 0.03, 400)
    found = read(tmp_path, "".join(f"{v:.5f},{i}\n" for i, v in enumerate(noisy)), order=Order.SCAN)
    assert len(found.x) > 380 and (np.diff(found.x) > 0).all()
    assert found.x == pytest.approx(np.linspace(0, 10, 400)[: len(found.x)], abs=0.15)
    assert any("scatters" in note for note in found.notes)


def test_samples_of_one_column(tmp_path: Path) -> None:
    one = read_samples(write(tmp_path, "# voltage (mV)\n1\n2\n4\n"))
    assert one.y.tolist() == pytest.approx([1e-3, 2e-3, 4e-3]) and one.x_unit == ""
    with pytest.raises(AnalysisRefused, match="line 2: a sample is missing"):
        read_samples(write(tmp_path, "1\nnan\n3\n"))
    with pytest.raises(AnalysisRefused, match="one column"):
        read_recording(write(tmp_path, "1\n2\n3\n"))


def test_points_that_another_file_lacks_are_left_out(tmp_path: Path) -> None:
    whole = read(tmp_path, "1 1\n2 2\n3 3\n4 4\n")
    holed = read(tmp_path, "1 1\n2 nan\n3 3\n4 4\n")
    a, b = at_common_axis([whole, holed])
    assert a.x.tolist() == b.x.tolist() == [1, 3, 4]
    assert "1 points that another file lacks" in a.notes[-1]
    assert at_common_axis([whole, whole]) == [whole, whole]


@pytest.mark.parametrize(
    ("text", "symbol", "value"),
    [
        ("Hz", "Hz", 3.0),
        ("[MHz]", "Hz", 3e6),
        ("mHz", "Hz", 3e-3),
        ("mhz", "Hz", 3e6),
        ("GHz", "Hz", 3e9),
        ("seconds", "s", 3.0),
        ("(ms)", "s", 3e-3),
        ("µs", "s", 3e-6),
        ("nm", "m", 3e-9),
        ("Vrms", "V", 3.0),
        ("V rms", "V", 3.0),
        ("mV", "V", 3e-3),
        ("uW", "W", 3e-6),
        ("V²/Hz", "V^2/Hz", 3.0),
        ("V/√Hz", "V^2/Hz", 9.0),
        ("nV/rtHz", "V^2/Hz", 9e-18),
        ("V^2", "V^2", 3.0),
        ("m²/Hz", "m^2/Hz", 3.0),
        ("fm/√Hz", "m^2/Hz", 9e-30),
        ("rad^2/Hz", "rad^2/Hz", 3.0),
        ("dBm", "dBm", 3.0),
        ("dB", "dB", 3.0),
        ("dBm/Hz", "dBm", 3.0),
        ("dBV", "V", 10**0.15),
        ("dBµV", "V", 1e-6 * 10**0.15),
        ("deg", "deg", 3.0),
    ],
)
def test_units_and_their_way_into_si(text: str, symbol: str, value: float) -> None:
    unit = unit_of(text)
    assert unit is not None and unit.symbol == symbol
    assert unit.to_si(np.array([3.0]))[0] == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "Trace 1", "CH1", "Frequency", "blue", "x" * 40])
def test_words_are_no_units(text: str) -> None:
    assert unit_of(text) is None


@pytest.mark.parametrize(
    ("text", "name", "symbol"),
    [
        ("Frequency [MHz]", "Frequency", "Hz"),
        ("power_dbm", "power", "dBm"),
        ("Amplitude / V", "Amplitude", "V"),
        ("CH1(mV)", "CH1", "V"),
        ("time in ms", "time", "s"),
        ("wavelength_nm", "wavelength", "m"),
        ("Noise (V/√Hz)", "Noise", "V^2/Hz"),
    ],
)
def test_labels(text: str, name: str, symbol: str) -> None:
    label = label_of(text)
    assert label.name == name and label.unit is not None and label.unit.symbol == symbol


@pytest.mark.parametrize(
    ("text", "value"),
    [("1,5", 1.5), ("1.234,5", 1234.5), ("1,234.5", 1234.5), ("-2.5D-3", -2.5e-3), (".5", 0.5), ("+7.", 7.0)],
)
def test_numbers(text: str, value: float) -> None:
    assert number_of(text) == value


@pytest.mark.parametrize("text", ["1_0", "0x10", "1e", "10 Hz", "", "1,2,3"])
def test_no_numbers(text: str) -> None:
    assert number_of(text) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(raw=st.binary(max_size=200) | st.text("0123456789.,;\t \n#-eENa\"'()Hz", max_size=120).map(str.encode))
def test_any_bytes_give_a_recording_or_a_refusal(tmp_path: Path, raw: bytes) -> None:
    path = write(tmp_path, raw)
    for order in Order:
        try:
            found = read_recording(path, order=order)
        except AnalysisRefused as refusal:
            assert str(path) in str(refusal) and "\n" not in str(refusal).strip()
        else:
            assert np.isfinite(found.x).all() and np.isfinite(found.y).all() and len(found.x) >= 2
            assert (np.diff(found.x) >= 0).all()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    values=st.lists(st.floats(-1e12, 1e12, allow_subnormal=False), min_size=2, max_size=20),
    dress=st.sampled_from([(";", ","), ("\t", ","), (",", "."), (" ", "."), (" ", ",")]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_written_numbers_are_read_back(tmp_path: Path, values: list[float], dress: tuple[str, str], end: str) -> None:
    separator, decimal = dress
    text = end.join(f"{i}.0{separator}{value!r}".replace(".", decimal) for i, value in enumerate(values))
    assert read(tmp_path, text).y.tolist() == values
