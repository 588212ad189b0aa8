"""The files that labctl comes with, and their copies."""

from __future__ import annotations

from pathlib import Path

import pytest

from labctl.configuration import templates
from labctl.configuration.templates import copy_templates, template_directory
from labctl.configuration.toml_reading import check_file
from labctl.errors import ConfigurationError


def test_the_files_are_those_of_the_repository(config: Path) -> None:
    assert template_directory() == config


def test_an_installed_package_brings_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(templates, "_INSTALLED", tmp_path)
    assert template_directory() == tmp_path


def test_missing_files_are_an_error_that_an_operator_can_act_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(templates, "_INSTALLED", tmp_path / "none")
    monkeypatch.setattr(templates, "_IN_REPOSITORY", tmp_path / "none")
    with pytest.raises(ConfigurationError, match="Install labctl again"):
        template_directory()


def test_copies_work_where_they_are(tmp_path: Path, config: Path) -> None:
    copies = copy_templates(tmp_path / "new" / "lab")
    assert {copy.name for copy in copies} == {source.name for source in config.glob("*.toml")}
    assert {"table.toml", "simulated.toml", "overnight.toml"} <= {copy.name for copy in copies}
    assert [fault for copy in copies for fault in check_file(copy)] == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "simulated.toml").write_text("mine")
    with pytest.raises(ConfigurationError, match=r"simulated\.toml would be overwritten; nothing was copied"):
        copy_templates(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["simulated.toml"]
    assert (tmp_path / "simulated.toml").read_text() == "mine"


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "lab").write_text("")
    with pytest.raises(ConfigurationError, match=r"lab: the files cannot be copied there: .*Give another folder"):
        copy_templates(tmp_path / "lab")
