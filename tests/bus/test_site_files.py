"""What an EPICS site is given, against a core that is served: the display, the archiver's list, calls by plain p4p."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from in_process import run_labctl
from p4p.client.thread import Context, RemoteError
from p4p.nt import NTURI

from labctl.bus.messages import Severity
from labctl.configuration.templates import template_directory
from labctl.configuration.toml_reading import load_station
from labctl.core.core import Core
from labctl.core.publication import SQUEEZING_NAMES
from labctl.core.serving import on_the_bus
from labctl.locks.states import LockState
from labctl.store.records import NamedResult
from procedures.night import table_in_use

DISPLAY = Path(__file__).parents[2] / "docs" / "phoebus" / "labctl-overview.bob"
PREFIX = "site:squeezer"


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    """A core after a night: its results are known."""
    file = load_station(template_directory() / "simulated.toml")
    file = file.model_copy(update={"bus": file.bus.model_copy(update={"port": 0, "prefix": PREFIX})})
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        with table_in_use(file, 100.0) as table, on_the_bus(table, tmp_path_factory.mktemp("runs")) as core:
            for name in SQUEEZING_NAMES:
                core.board.result_added(NamedResult(name, -5.0, 0.1, "dB", "below shot noise", "joint"))
            core.bench.clock.sleep(1.2)  # the oven is read once a second
            core.tell_now()
            core.tell_now()
            yield core


@pytest.fixture(scope="module")
def site(core: Core) -> Iterator[Context]:
    """Plain p4p, as a site has it, that finds the core by TCP."""
    conf = {
        "EPICS_PVA_NAME_SERVERS": f"127.0.0.1:{core.port}",
        "EPICS_PVA_ADDR_LIST": "",
        "EPICS_PVA_AUTO_ADDR_LIST": "NO",
    }
    with Context("pva", conf=conf, useenv=False) as context:
        yield context


def names(site: Context) -> dict[str, str]:
    """Return the form of every channel in the directory of the core, by name."""
    columns = site.get(f"{PREFIX}:bus:directory", timeout=5.0)["value"]
    return dict(zip(columns["name"], columns["form"], strict=True))


# ---- the display ----------------------------------------------------------------------------------------------------


def test_every_channel_of_the_display_is_in_the_directory(core: Core, site: Context) -> None:
    display = ElementTree.parse(DISPLAY).getroot()
    named = [element.text or "" for tag in ("pv_name", "y_pv") for element in display.iter(tag)]
    assert len(named) > 40
    assert {name.split("$(P)")[0] for name in named} == {"pva://"}
    directory = names(site)
    missing = {name for name in named if name.removeprefix("pva://").replace("$(P)", PREFIX) not in directory}
    assert missing == set()
    loops = {name.split(":")[-2] for name in named if name.endswith(":state") and ":run:" not in name}
    assert loops == set(core.file.loops)


def test_the_display_knows_every_state_of_a_lock_and_tells_it_in_words_too() -> None:
    display = ElementTree.parse(DISPLAY).getroot()
    lamps = [widget for widget in display.iter("widget") if widget.get("type") == "multi_state_led"]
    for lamp in lamps:
        assert [int(value.text or "") for value in lamp.iter("value")] == list(range(len(LockState)))
        words = [
            widget
            for widget in display.iter("widget")
            if widget.get("type") == "textupdate" and widget.findtext("pv_name") == lamp.findtext("pv_name")
        ]
        assert len(words) == 1
        assert words[0].find("border_alarm_sensitive") is None  # it shows alarms, as it does by itself


def test_nothing_of_the_display_lies_outside_it_or_over_another() -> None:
    display = ElementTree.parse(DISPLAY).getroot()
    width, height = int(display.findtext("width") or 0), int(display.findtext("height") or 0)
    boxes = [
        (widget.findtext("name"), *(int(widget.findtext(side) or 0) for side in ("x", "y", "width", "height")))
        for widget in display.findall("widget")
    ]
    for place, (name, x, y, w, h) in enumerate(boxes):
        assert x >= 0 and y >= 0 and x + w <= width and y + h <= height, name
        for other, x2, y2, w2, h2 in boxes[place + 1 :]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y, f"{name} over {other}"


# ---- plain clients --------------------------------------------------------------------------------------------------


def test_numbers_carry_unit_limits_alarm_and_time(core: Core, site: Context) -> None:
    oven = site.get(f"{PREFIX}:oven:value", timeout=5.0)
    assert oven.raw.getID() == "epics:nt/NTScalar:1.0"
    assert oven.raw["display.units"] == "degC"
    assert oven.timestamp > 1.6e9
    state = site.get(f"{PREFIX}:lo1:state", timeout=5.0)
    assert state.raw.getID() == "epics:nt/NTEnum:1.0"
    assert state.raw["value.choices"][state.raw["value.index"]] == "off"
    error = site.get(f"{PREFIX}:lo1:error", timeout=5.0)
    assert error.severity == Severity.INVALID  # nobody looks at a loop that nobody wants
    table = site.get(f"{PREFIX}:loop:list", timeout=5.0)
    assert table.getID() == "epics:nt/NTTable:1.0"
    assert list(table["value"]["name"]) == list(core.bench.supervisor.machines)


def call(site: Context, command: str, **arguments: str | float) -> str:
    """Call a command as the README says."""
    name = f"{PREFIX}:command:{command}"
    uri = NTURI([(key, "s" if isinstance(value, str) else "d") for key, value in arguments.items()])
    return str(site.rpc(name, uri.wrap(name, kws=arguments), timeout=5.0)["value"])


def test_control_is_taken_and_a_command_given_by_plain_calls(core: Core, site: Context) -> None:
    with pytest.raises(RemoteError, match="You do not have control; nobody has"):
        call(site, "change_setting", client="script", setting="live.averages", value=100.0)
    lease = call(site, "take_control", client="script")
    assert call(site, "change_setting", client="script", lease=lease, setting="live.averages", value=100.0) == "50.0"
    assert core.settings.value("live.averages") == 100.0
    with pytest.raises(RemoteError, match="script at 127"):
        call(site, "take_control", client="other")
    assert call(site, "give_control", client="script", lease=lease) == "Given back."


def test_the_stop_is_a_call_or_a_written_text(core: Core, site: Context) -> None:
    assert call(site, "stop", client="script", reason="smoke") == "Stopping: the table is being made safe."
    assert core.board.latch.by == "script (127.0.0.1)"
    core.make_safe_if_asked()
    core.reset("the next one", "test")
    site.put(f"{PREFIX}:command:stop", "from Phoebus", timeout=5.0)
    assert (core.board.latch.stopped, core.board.latch.reason) == (True, "from Phoebus")
    assert core.board.latch.by == "a written value (127.0.0.1)"
    core.make_safe_if_asked()
    with pytest.raises(RemoteError, match="takes calls"):
        site.put(f"{PREFIX}:command:reset", "please", timeout=5.0)
    assert core.board.latch.stopped
    core.tell_now()
    stop = site.get(f"{PREFIX}:core:stop", timeout=5.0)
    assert (stop.raw["value.choices"][stop.raw["value.index"]], stop.severity) == ("stopped", Severity.MAJOR)
    with pytest.raises(RemoteError):
        site.put(f"{PREFIX}:oven:value", 99.0, timeout=5.0)  # nothing else is written to
    core.reset("over", "test")


# ---- the archiver ---------------------------------------------------------------------------------------------------


def test_the_archiver_gets_what_can_be_archived(core: Core, site: Context) -> None:
    kept = json.loads(run_labctl("bus", "--archiver").stdout)
    assert all(entry.keys() == {"pv", "samplingperiod", "samplingmethod"} for entry in kept)
    directory = names(site)
    asked = [entry["pv"] for entry in kept]
    assert all(re.fullmatch(r"pva://[A-Za-z0-9_.:-]+", name) for name in asked)
    assert {directory[name.removeprefix("pva://")] for name in asked} == {"scalar", "state"}
    assert f"pva://{PREFIX}:joint:rephased_db" in asked
