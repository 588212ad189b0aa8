"""The station file for a served table: it reads back, and nothing of somebody else's is overwritten."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.configuration.served_station import FIRST_LINE, served_station_text, write_served_station
from labctl.configuration.station_file import VisaBackend
from labctl.configuration.templates import template_directory
from labctl.configuration.toml_reading import load_station
from labctl.errors import ConfigurationError

SIMULATED = template_directory() / "simulated.toml"
ADDRESSES = {"analyzer": "TCPIP::127.0.0.1::40001::SOCKET", "servos": "ASRL/dev/pts/7::INSTR"}


def test_it_is_the_same_station_at_other_addresses(tmp_path: Path) -> None:
    path = tmp_path / "served.toml"
    write_served_station(path, SIMULATED, ADDRESSES, 60.0)
    served, before = load_station(path), load_station(SIMULATED)
    assert served.backend == VisaBackend(kind="visa", library="@py", speed=60.0)
    for name, instrument in before.instruments.items():
        assert served.instruments[name].address == ADDRESSES.get(name, instrument.address)
    without = {"backend", "instruments"}
    assert served.model_dump(exclude=without) == before.model_dump(exclude=without)
    assert [path.name for path in tmp_path.iterdir()] == ["served.toml"]


def test_it_extends_a_file_that_is_given_by_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "table.toml").write_text(f'extends = "{SIMULATED}"\n[station]\nname = "mine"\n')
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    write_served_station(Path("elsewhere/served.toml"), Path("mine/table.toml"), ADDRESSES, 1.0)
    assert load_station("elsewhere/served.toml").station.name == "mine"


@given(st.text(st.characters(exclude_characters="\0/", codec="utf-8"), min_size=1, max_size=30))
def test_any_path_is_quoted_as_toml_reads_it(name: str) -> None:
    folder = Path(os.path.abspath(os.sep)) / "no-such-folder"  # noqa: PTH100
    text = served_station_text(folder / name, ADDRESSES, 1.0)
    assert tomllib.loads(text)["extends"] == str((folder / name).resolve())


def test_one_of_ours_is_replaced_and_one_of_somebody_else_is_not(tmp_path: Path) -> None:
    path = tmp_path / "served.toml"
    write_served_station(path, SIMULATED, ADDRESSES, 60.0)
    write_served_station(path, SIMULATED, ADDRESSES, 30.0)
    backend = load_station(path).backend
    assert isinstance(backend, VisaBackend)
    assert backend.speed == 30.0
    assert path.read_text().splitlines()[0] == FIRST_LINE
    for content in (b"# my own table\n", b"", b"\xff\xfe"):
        mine = tmp_path / "mine.toml"
        mine.write_bytes(content)
        with pytest.raises(ConfigurationError, match=r"mine.toml is there already .* left as it is") as refusal:
            write_served_station(mine, SIMULATED, ADDRESSES, 1.0)
        assert "--write-station" in refusal.value.remedy
        assert mine.read_bytes() == content


def test_where_it_cannot_be_written_the_operator_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "no" / "served.toml", tmp_path / ("x" * 300)):
        with pytest.raises(ConfigurationError, match="cannot be written"):
            write_served_station(path, SIMULATED, ADDRESSES, 1.0)
    assert list(tmp_path.iterdir()) == []
