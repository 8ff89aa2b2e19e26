"""Where things are kept: one variable moves all state, and no root is dangerous."""

from __future__ import annotations

from pathlib import Path

import pytest

from claude_workers import paths
from claude_workers.errors import BadInput
from claude_workers.home.templates import WORKER_FILES


def test_the_root_is_what_the_environment_says(tmp_path: Path) -> None:
    assert paths.layout().root == tmp_path / "workers"


def test_a_root_that_is_named_wins_over_the_environment(tmp_path: Path) -> None:
    assert paths.layout(tmp_path / "other").root == tmp_path / "other"


@pytest.mark.parametrize("value", [None, ""])
def test_without_a_word_the_root_is_workers_in_the_operator_s_home(
    value: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is None:
        monkeypatch.delenv(paths.ROOT_VARIABLE)
    else:
        monkeypatch.setenv(paths.ROOT_VARIABLE, value)
    assert paths.layout().root == tmp_path / "operator" / "workers"


def test_a_root_is_told_by_its_real_path(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert paths.layout(tmp_path / "link") == paths.layout(tmp_path / "real")


def test_a_relative_root_stays_where_it_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert paths.layout("here").root == tmp_path / "here"


@pytest.mark.parametrize("root", ["/", "//", "/.", "/usr/.."])
def test_the_whole_machine_is_no_root(root: str) -> None:
    with pytest.raises(BadInput, match="cannot be /"):
        paths.layout(root)


def test_a_link_to_the_whole_machine_is_no_root(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/")
    with pytest.raises(BadInput, match="cannot be /"):
        paths.layout(tmp_path / "link")


def test_a_root_in_the_home_of_nobody_is_bad_input() -> None:
    with pytest.raises(BadInput):
        paths.layout("~no-such-user/workers")


def test_a_configuration_folder_in_the_home_of_nobody_is_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(paths.CONFIG_VARIABLE, "~no-such-user/config")
    with pytest.raises(BadInput):
        paths.config_dir()


def test_all_state_lies_under_the_root(layout: paths.Layout) -> None:
    for path in (layout.repositories, layout.locks, layout.tickets, layout.worker_lock("01")):
        assert path.is_relative_to(layout.root)


def test_two_workers_have_two_locks(layout: paths.Layout) -> None:
    assert layout.worker_lock("01") != layout.worker_lock("02")


def test_the_configuration_folder_is_what_the_environment_says(tmp_path: Path) -> None:
    assert paths.config_dir() == tmp_path / "config"


def test_without_a_word_the_configuration_is_the_operator_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(paths.CONFIG_VARIABLE)
    assert paths.config_dir().is_relative_to(tmp_path / "operator")
    assert paths.config_dir().name == "claude-workers"


@pytest.mark.parametrize("name", WORKER_FILES)
def test_every_worker_template_is_shipped(name: str) -> None:
    assert (paths.shipped_templates() / "worker" / name).is_file()
