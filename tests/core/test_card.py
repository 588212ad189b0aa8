"""The cards of cores: who lives is found, who is gone leaves nothing."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from labctl.bus.client import CoreAddress
from labctl.commands.core_addresses import addresses_of, local_cores
from labctl.core.card import CoreCard, card_on_the_table, cards, cards_folder
from labctl.errors import LabError


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))


def card(pid: int = os.getpid(), host: str = "127.0.0.1", port: int = 5075) -> CoreCard:
    return CoreCard(pid, host, port, "labctl", "test")


def leave(card: CoreCard, at: float) -> Path:
    path = cards_folder() / f"{card.pid}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(card.__dict__), encoding="utf-8")
    os.utime(path, (at, at))
    return path


def test_a_card_lies_there_for_as_long_as_its_core() -> None:
    assert cards() == []
    with pytest.raises(ZeroDivisionError), card_on_the_table(card()):
        assert cards() == [card()]
        raise ZeroDivisionError
    assert cards() == []
    assert list(cards_folder().iterdir()) == []


def test_the_card_of_a_process_that_was_killed_is_taken_away() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = leave(card(gone.pid), 1.0)
    leave(card(), 2.0)
    assert cards() == [card()]
    assert not left.exists()


def test_the_newest_is_first() -> None:
    leave(card(os.getppid(), port=1), 1.0)
    leave(card(port=2), 2.0)
    assert [one.port for one in cards()] == [2, 1]
    leave(card(os.getppid(), port=1), 3.0)
    assert [one.port for one in cards()] == [1, 2]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"pid": 1}', '{"pid": "1", "host": 1, "port": 2, "prefix": "", "station": ""}']
)
def test_what_is_no_card_is_left_alone(text: str) -> None:
    cards_folder().mkdir(parents=True)
    other = cards_folder() / "7.json"
    other.write_text(text, encoding="utf-8")
    assert cards() == []
    assert other.exists()


@pytest.mark.parametrize("pid", [0, -1, 2**40])
def test_a_process_that_cannot_be_is_none(pid: int) -> None:
    leave(card(pid), 1.0)
    assert cards() == []


def test_a_folder_that_cannot_be_written_costs_no_core(tmp_path: Path) -> None:
    (tmp_path / "labctl").write_text("a file where the folder should be", encoding="utf-8")
    with card_on_the_table(card()):
        assert cards() == []


def test_machines_that_share_a_home_do_not_see_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    with card_on_the_table(card()):
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(platform, "node", lambda: "other")
            assert cards() == []
        assert cards() == [card()]


def test_a_core_on_every_interface_is_reached_on_this_machine() -> None:
    leave(card(host="0.0.0.0", port=7), 1.0)
    assert local_cores() == [CoreAddress("127.0.0.1", 7, "labctl")]
    assert addresses_of(["lab2:99/lab2"]) == [CoreAddress("lab2", 99, "lab2")]
    (cards_folder() / f"{os.getpid()}.json").unlink()
    with pytest.raises(LabError, match="No core runs on this machine"):
        addresses_of([])
