"""What differs between releases of the simulated Red Pitaya's server, its help, its lights, and queries that fail."""

from __future__ import annotations

import pytest
from redpitaya_bench import Bench

from drivers.errors import Refused
from drivers.redpitaya.stemlab import RedPitaya4Input
from labctl.simulation.instruments.redpitaya_releases import first_release, release_of


@pytest.mark.parametrize(
    ("query", "variant", "first", "before"),
    [
        ("ACQ:DATA:BYTE:ORDER?", "125-14", "2.07-43", "2.05-37"),
        ("ACQ:DEC:Factor?", "125-14", "2.00-30", "2.00-23"),
        ("ACQ:TRig:FILL?", "125-14", "2.00-15", "1.04-28"),
        ("ACQ:AXI:SIZE?", "125-14", "2.00-18", "2.00-15"),
        ("ACQ:AXI:SIZE?", "4-input", "2.00-30", "2.00-23"),
        ("ACQ:SPLIT:TRig?", "4-input", "2.05-37", "2.04-35"),
        ("ACQ:SPLIT:TRig?", "125-14", "2.07-48", "2.07-43"),
        ("ACQ:TRig:LEV:CH1?", "4-input", "2.05-37", "2.04-35"),
        ("ACQ:SOUR1:DATA:TRig? 1,PRE_TRIG", "125-14", "2.05-37", "2.04-35"),
        ("SYST:HELP?", "125-14", "2.04-35", "2.00-30"),
        ("ACQ:TS:CH1?", "125-14", "3.00-57", "2.07-51"),
        ("ACQ:DEC?", "125-14", "1.04-18", "0.98-685"),
    ],
)
def test_a_release_knows_what_came_with_it_or_before(query: str, variant: str, first: str, before: str) -> None:
    assert Bench(variant=variant, firmware=first).ask(query) != ""
    old = Bench(variant=variant, firmware=before)
    if query != "ACQ:DEC?":  # which was always there
        assert old.ask(query) == ""
        assert old.errors() == [-113]
    assert old.ask("*IDN?").endswith(f",{before}")


@pytest.mark.parametrize("text", ["", "2.07", "v2.07-51", "2.07-51-rc1"])
def test_what_is_no_release(text: str) -> None:
    with pytest.raises(ValueError, match="is no release"):
        release_of(text)


def test_releases_have_an_order() -> None:
    assert release_of("2.00-30") < release_of("2.07-5") < release_of("2.07-43") < release_of("3.00-1")
    assert first_release("*IDN?", 2) == (0, 0, 0)


def test_help_lists_what_this_release_knows() -> None:
    patterns = Bench().ask("SYSTem:Help?").split("\n")
    assert {"ACQ:AXI:SOUR#:SET:Buffer", "DIG:PIN?", "SYSTem:Help?", "*IDN?"} <= set(patterns)
    assert "ACQ:TS" not in patterns


def test_an_unknown_header_is_not_answered_even_on_request() -> None:
    """The other failing queries are, by an empty line: the handler sends it, and an unknown header has none."""
    bench = Bench()
    assert bench.say("RP:RET_ON_ERROR ON", "ACQ:NONSENSE?", "ACQ:SOUR7:GAIN?", "ANALOG:PIN? AIN9") == b"\r\n\r\n"
    assert bench.errors() == [-113, 9500, -109, -224]


def test_lights() -> None:
    bench = Bench()
    bench.say("DIG:PIN LED3,1", "LED:HB OFF")
    assert bench.say("DIG:PIN? LED3", "DIG:PIN? LED4", "DIG:PIN:DIR? LED3") == b"1\r\n0\r\nOUT\r\n"
    assert bench.say("LED:HB?", "LED:MMC?", "LED:ETH?") == b"OFF\r\nON\r\nON\r\n"
    bench.say("DIG:PIN:DIR OUT,LED3", "DIG:PIN:DIR IN,LED3", "LED:ETH MAYBE")
    assert bench.errors() == [9507, -109, -224]
    bench.say("DIG:RST", "RP:LOGmode SYSLOG")
    assert bench.ask("DIG:PIN? LED3") == "0"
    assert bench.errors() == []


# ---- the driver on the twin ------------------------------------------------------------------------------------------


def test_driver_refuses_a_server_without_a_byte_order() -> None:
    bench = Bench(variant="4-input", firmware="2.05-37")
    with pytest.raises(Refused, match=r"Undefined header.*update the OS"):
        bench.open(RedPitaya4Input).initialise()


def test_driver_tells_an_unknown_command_apart_after_a_time_out() -> None:
    bench = Bench(variant="4-input")
    board = bench.open(RedPitaya4Input)
    board.initialise()
    with pytest.raises(Refused, match="Undefined header"):
        _ = board.inputs[1].triggered_at
    assert board.inputs[1].gain == "LV"  # still in step


def test_driver_lights() -> None:
    bench = Bench()
    board = bench.open()
    board.lights["LED5"].lit = True
    assert board.lights["LED5"].lit is True
    assert board.light_LED4.lit is False
    for name in ("heartbeat_light", "card_light", "network_light"):
        assert getattr(board, name) is True
        setattr(board, name, False)
        assert getattr(board, name) is False
