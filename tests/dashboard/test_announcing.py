"""What becomes of commands is told, and changes of settings can be undone."""

from __future__ import annotations

import pytest
from stub_table import StubTable

from labctl.bus.messages import SettingRow
from labctl.bus.replies import Reply
from labctl.dashboard.announcing import AnnouncingCommander
from labctl.dashboard.undo import MOST_KEPT, UndoStack

AVERAGES = SettingRow("live.averages", "Averages", 50.0, "", 1.0, 1000.0, True)


class Desk:
    """A commander that announces, and all that it said."""

    def __init__(self) -> None:
        self.table = StubTable()
        self.said: list[str] = []
        self.warned: list[str] = []
        self.stub = self.table.commander
        self.undo = UndoStack(self.stub, self.said.append, self.warned.append)
        self.commander = AnnouncingCommander(
            self.stub, self.table.latest, self.said.append, self.warned.append, self.undo.push
        )

    def change(self, value: float) -> None:
        self.commander.send("change_setting", setting="live.averages", value=value)


@pytest.mark.parametrize("reply", [Reply(rows=(AVERAGES,)), Reply(text="50"), Reply(text="changed")])
def test_the_value_before_comes_from_the_reply_or_else_from_what_was_shown(reply: Reply) -> None:
    desk = Desk()
    desk.table.latest.put_rows(SettingRow, [AVERAGES])
    desk.stub.answers["change_setting"] = reply
    desk.change(100.0)
    assert desk.said == ["live.averages: 50 → 100.0. Ctrl+Z undoes it."]
    assert desk.undo.undo()
    assert desk.stub.sent[-1] == ("change_setting", {"setting": "live.averages", "value": 50.0})
    assert desk.said[-1] == "Undone: live.averages is 50 again."


def test_where_the_value_before_is_not_known_nothing_is_undone() -> None:
    desk = Desk()
    desk.change(100.0)
    assert "not known" in desk.said[0]
    assert not desk.undo.undo()


def test_a_change_that_is_refused_is_not_undone_and_an_undo_that_is_refused_is_kept() -> None:
    desk = Desk()
    desk.stub.refusals["change_setting"] = "bob has control."
    desk.change(100.0)
    assert len(desk.undo) == 0
    assert desk.warned == ["bob has control."]
    desk.undo.push("live.averages", 50.0)
    desk.undo.undo()
    assert len(desk.undo) == 1
    assert "was not changed back: bob has control." in desk.warned[-1]


def test_two_quick_undos_take_back_two_changes() -> None:
    desk = Desk()
    desk.stub.answers_at_once = False
    desk.undo.push("a", 1.0)
    desk.undo.push("b", 2.0)
    desk.undo.undo()
    desk.undo.undo()
    assert [arguments["setting"] for _, arguments in desk.stub.sent] == ["b", "a"]


def test_the_stack_keeps_the_newest() -> None:
    undo = Desk().undo
    for n in range(MOST_KEPT + 5):
        undo.push(f"s{n}", float(n))
    assert len(undo) == MOST_KEPT


def test_replies_are_said_and_reach_the_page_but_answers_to_questions_are_not_said() -> None:
    desk = Desk()
    desk.stub.answers = {"hold_loop": Reply("lo1 is held."), "read_traffic": Reply("> *IDN?\n< ...")}
    heard: list[str] = []
    desk.commander.send("hold_loop", then=lambda reply: heard.append(reply.text), loop="lo1")
    desk.commander.send("read_traffic", then=lambda reply: heard.append(reply.text), instrument="oven")
    assert desk.said == ["lo1 is held."]
    assert heard == ["lo1 is held.", "> *IDN?\n< ..."]
    assert desk.commander.has_control
