"""Faults of simulated instruments: who can have which, in a station file and on the command line."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.configuration.checking import checked
from labctl.configuration.fault_arguments import fault_entry, with_faults
from labctl.configuration.fault_kinds import EVERY_DRIVER, FAULTS, FaultKind, kinds_of
from labctl.configuration.inspection import Inspection
from labctl.configuration.instrument_faults import MOST_FAULTS, InstrumentFault, fault_findings, read_fault
from labctl.configuration.instrument_kinds import DriverName
from labctl.configuration.station_file import StationFile
from labctl.configuration.toml_reading import check_file, load_station
from labctl.errors import ConfigurationError

CONFIG = Path(__file__).parents[2] / "config"
WIRE_KINDS = list(FaultKind)[: list(FaultKind).index(FaultKind.BAD_CRC)]


def simulated(table: dict[str, Any], *faults: dict[str, Any]) -> dict[str, Any]:
    table["backend"] = {"kind": "simulated", "faults": list(faults)}
    return table


@pytest.fixture(scope="module")
def shipped() -> StationFile:
    return load_station(CONFIG / "simulated.toml")


def lines(shipped: StationFile, *faults: InstrumentFault) -> list[str]:
    return [str(finding) for finding in fault_findings(Inspection(shipped), faults)]


# ---- kinds ----------------------------------------------------------------------------------------------------------


def test_every_kind_is_described_and_none_is_without_instruments() -> None:
    assert list(FAULTS) == list(FaultKind)
    assert set(get_args(DriverName)) == EVERY_DRIVER
    for kind, description in FAULTS.items():
        assert description.drivers and description.drivers <= EVERY_DRIVER, kind
        assert (description.drivers == EVERY_DRIVER) == (kind in WIRE_KINDS), kind
        assert description.errors, kind
        for text in (description.response, description.afterwards):
            assert text[0].isupper() and text.endswith("."), kind


def test_each_instrument_has_the_faults_of_its_wire_and_of_its_own(shipped: StationFile) -> None:
    own = {
        "analyzer": {"error_flood", "slow_sweep"},
        "picomotors": {"stuck_motor", "error_flood"},
        "servos": {"railed_output"},
        "piezo_a": set(),
        "oven": {"bad_crc", "busy", "open_sensor"},
        "digitizer": {"error_flood"},
        "scan": {"error_flood"},
    }
    for name, kinds in own.items():
        driver = shipped.instruments[name].driver
        assert set(kinds_of(driver)) == {*WIRE_KINDS, *kinds}
        for kind in FaultKind:
            found = lines(shipped, InstrumentFault(instrument=name, kind=kind))
            if kind in kinds_of(driver):
                assert found == []
            else:
                (line,) = found
                assert line.startswith(
                    f"backend.faults.1.kind: {name} ({driver}) cannot have the fault {kind}; allowed"
                )
                assert all(can in line.partition("allowed: ")[2] for can in kinds_of(driver))


def test_the_refusal_is_one_sentence_that_names_those_it_can_have(
    table: dict[str, Any], write: Callable[..., Path]
) -> None:
    path = write(simulated(table, {"instrument": "piezo_a", "kind": "stuck_motor"}))
    assert [str(fault) for fault in check_file(path)] == [
        f"{path}: backend.faults.1.kind: piezo_a (thorlabs-mdt693b) cannot have the fault stuck_motor; "
        "allowed: missing, silent, garbage, wrong_model, late, truncated, corrupt, dropped or power_cycle"
    ]


SILENT = {"instrument": "oven", "kind": "silent"}


@pytest.mark.parametrize(
    ("fault", "key", "problem", "allowed"),
    [
        (SILENT | {"kind": "stuck"}, "kind", '"stuck" is no kind of fault (did you mean "stuck_motor"?)', "slow_sweep"),
        (SILENT | {"kind": 3}, "kind", "3 is no kind of fault", "missing, silent"),
        ({"instrument": "oven"}, "kind", "is missing", "missing, silent"),
        (SILENT | {"instrument": "ovn"}, "instrument", '"ovn" (did you mean "oven"?)', "one of analyzer, picomotors"),
        (SILENT | {"after": "-1 s"}, "after", "is too low", "0 s or more"),
        (SILENT | {"lasting": 0}, "lasting", "is too low", "above 0 s"),
        (SILENT | {"lasting": "3 V"}, "lasting", "is a voltage, not a duration", '"20 min"'),
        (SILENT | {"until": 3}, "until", "is not a known key", "instrument, kind, channel, after, lasting"),
        (SILENT | {"channel": 1}, "channel", "silent is a fault of the whole instrument", "no channel"),
        (SILENT | {"channel": "x"}, "channel", '"x" is no channel', "the number of a slot"),
        (SILENT | {"channel": True}, "channel", "true is no channel", "the number of a slot"),
        (SILENT | {"channel": 10**5000}, "channel", "an enormous number is no channel", "the number of a slot"),
        (SILENT | {"kind": "open_sensor", "channel": 2}, "channel", "channel 2 of oven is not in use", "1, or no"),
        (SILENT | {"kind": "missing", "after": 5}, "after", "so from the start and for ever", "neither, or dropped"),
        (SILENT | {"kind": "missing", "lasting": 5}, "lasting", "so from the start and for ever", "neither, or"),
    ],
)
def test_what_is_wrong_with_a_fault(
    table: dict[str, Any], fault: dict[str, Any], key: str, problem: str, allowed: str
) -> None:
    station, (finding,) = checked(StationFile, simulated(table, fault), stand_ins={})
    assert station is None
    assert finding.key == ("backend", "faults", 0, key)
    assert problem in finding.problem and allowed in finding.allowed


def test_channels_are_those_that_roles_name(shipped: StationFile) -> None:
    def railed(channel: int | str) -> list[str]:
        return lines(shipped, read_fault({"instrument": "servos", "kind": "railed_output", "channel": channel}))

    assert railed(3) == railed("6") == []
    assert (
        "channel 7 of servos is not in use; allowed: 1, 2, 3, 4, 5 or 6, or no channel for all of them" in railed(7)[0]
    )
    assert lines(shipped, InstrumentFault(instrument="picomotors", kind="stuck_motor", channel="2.4")) == []
    assert "1.1, 1.2" in lines(shipped, InstrumentFault(instrument="picomotors", kind="stuck_motor", channel="1"))[0]


def test_an_instrument_that_nothing_uses_has_no_channel_to_lose(
    table: dict[str, Any], write: Callable[..., Path]
) -> None:
    del table["oven"]
    (fault,) = check_file(write(simulated(table, {"instrument": "oven", "kind": "open_sensor"})))
    assert fault.key == "backend.faults.1.instrument"
    assert "nothing on this table uses oven" in fault.problem


def test_what_is_missing_can_have_no_other_fault(shipped: StationFile) -> None:
    gone, silent = (InstrumentFault(instrument="oven", kind=kind) for kind in ("missing", "silent"))
    assert lines(shipped, gone) == lines(shipped, silent, silent) == lines(shipped, gone, gone) == []
    for faults, number in (((gone, silent), 2), ((silent, gone), 1)):
        (line,) = lines(shipped, *faults)
        assert line.startswith(f"backend.faults.{number}.kind: oven is missing from the start and can have no other")


def test_nothing_is_reported_that_follows_from_another_fault(table: dict[str, Any], write: Callable[..., Path]) -> None:
    table["instruments"]["oven"]["address"] = "COM3"
    table["loops"]["lo1"]["servo"]["slot"] = 9
    faults = [{"instrument": "oven", "kind": "busy"}, {"instrument": "servos", "kind": "railed_output", "channel": 5}]
    keys = [fault.key for fault in check_file(write(simulated(table, *faults)))]
    assert keys == ["instruments.oven.address", "loops.lo1.servo.slot"]


# ---- the command line -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("oven:silent", {"instrument": "oven", "kind": "silent"}),
        ("oven:silent@20min+30s", {"after": 1200.0, "lasting": 30.0}),
        ("oven:silent+1.5h", {"after": 0.0, "lasting": 5400.0}),
        ("oven:silent@90", {"after": 90.0, "lasting": None}),
        ("oven:silent@1e+3s+2e1", {"after": 1000.0, "lasting": 20.0}),
        ("oven:silent@20 min + 30 s", {"after": 1200.0, "lasting": 30.0}),
        ("servos.3:railed_output@5ms", {"channel": "3", "after": 5e-3}),
        ("picomotors.2.1:stuck_motor", {"instrument": "picomotors", "channel": "2.1"}),
    ],
)
def test_a_fault_of_the_command_line(shipped: StationFile, text: str, meant: dict[str, Any]) -> None:
    backend = with_faults(shipped, [text]).backend
    (fault,) = backend.faults  # type: ignore[union-attr]
    assert fault.model_dump() | meant == fault.model_dump()
    assert read_fault(fault_entry(str(fault))) == fault


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("oven", "--fault oven: this is not INSTRUMENT[.CHANNEL]:KIND[@AFTER][+LASTING]. Write it as in piezo_a"),
        ("oven:", "this is not INSTRUMENT"),
        ("", "this is not INSTRUMENT"),
        ("oven:silent@", "this is not INSTRUMENT"),
        (
            "oven:sleepy",
            '--fault oven:sleepy: kind: "sleepy" is no kind of fault (did you mean "slow_sweep"?); allowed',
        ),
        ("oven:silent@20min+0s", 'lasting: "0s" is too low; allowed: a duration above 0 s'),
        ("oven:silent@soon", 'after: "soon" is not a number and a unit'),
        ("oven:silent@nan", "after: nan is not a finite number"),
        ("ofen:silent", '--fault ofen:silent: no instrument is called "ofen" (did you mean "oven"?)'),
        (
            "oven:slow_sweep",
            "--fault oven:slow_sweep: oven (meerstetter-tec) cannot have the fault slow_sweep; allowed",
        ),
        ("servos.9:railed_output", "--fault servos.9:railed_output: channel 9 of servos is not in use"),
    ],
)
def test_what_is_wrong_on_the_command_line_names_the_argument(shipped: StationFile, text: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        with_faults(shipped, [text, "analyzer:silent"])
    assert words in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_everything_wrong_is_told_at_once_and_beside_the_faults_of_the_file(
    table: dict[str, Any], write: Callable[..., Path]
) -> None:
    file = load_station(write(simulated(table, {"instrument": "scan", "kind": "late"})))
    with pytest.raises(ConfigurationError) as refused:
        with_faults(file, ["nonsense", "oven:silent@x", "scan:missing", "piezo_a:busy"])
    told = str(refused.value).splitlines()
    assert [line.partition(": ")[0] for line in told] == [
        "--fault nonsense",
        "--fault oven:silent@x",
        "backend.faults.1",
        "--fault piezo_a:busy",
    ]
    assert "scan is missing from the start" in told[2]
    both = with_faults(file, ["oven:silent"]).backend.faults  # type: ignore[union-attr]
    assert [(fault.instrument, fault.kind) for fault in both] == [("scan", "late"), ("oven", "silent")]


def test_a_real_table_has_no_faults() -> None:
    real = load_station(CONFIG / "table.toml")
    assert with_faults(real, []) is real
    with pytest.raises(ConfigurationError, match=r"--fault needs the simulated table.*Leave --fault out"):
        with_faults(real, ["oven:silent"])


def test_there_is_an_end_to_faults(shipped: StationFile) -> None:
    assert with_faults(shipped, ["oven:late"] * MOST_FAULTS) != shipped
    with pytest.raises(ConfigurationError, match=f"{MOST_FAULTS + 1} faults .* at most {MOST_FAULTS}"):
        with_faults(shipped, ["oven:late"] * (MOST_FAULTS + 1))


_seconds = st.floats(1e-3, 1e6).map(lambda value: float(f"{value:.10g}"))


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(FaultKind),
    channel=st.none() | st.from_regex(r"[0-9]{1,2}(\.[0-9]{1,2})?", fullmatch=True),
    after=st.just(0.0) | _seconds,
    lasting=st.none() | _seconds,
)
def test_what_a_fault_is_written_as_is_read_back(
    kind: FaultKind, channel: str | None, after: float, lasting: float | None
) -> None:
    fault = InstrumentFault(instrument="lo1_piezo", kind=kind, channel=channel, after=after, lasting=lasting)
    assert read_fault(fault_entry(str(fault))) == fault


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=30) | st.from_regex(r"oven(\.1)?:[a-z]{0,6}(@.{0,6})?(\+.{0,6})?", fullmatch=True))
def test_any_text_is_a_fault_or_refused_in_plain_words(shipped: StationFile, text: str) -> None:
    try:
        station = with_faults(shipped, [text])
    except ConfigurationError as error:
        assert str(error).startswith("--fault ")
    else:
        assert len(station.backend.faults) == 1  # type: ignore[union-attr]


# ---- files ----------------------------------------------------------------------------------------------------------


def test_the_shortest_fault_of_a_file() -> None:
    text = '[backend]\nkind = "simulated"\nfaults = [{ instrument = "servos", kind = "railed_output", channel = 3 }]'
    fault = read_fault(tomllib.loads(text)["backend"]["faults"][0])
    assert fault == InstrumentFault(instrument="servos", kind=FaultKind.RAILED_OUTPUT, channel="3")
    assert str(fault) == "servos.3:railed_output"
