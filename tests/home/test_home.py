"""Finding homes: those that are ours, and none that only looks like one."""

from __future__ import annotations

from pathlib import Path

import pytest

from claude_workers.errors import BadInput, NotFound, Refused
from claude_workers.home.home import Home, every, find
from claude_workers.model import Repository
from claude_workers.paths import Layout


def test_an_existing_home_is_found(layout: Layout) -> None:
    (layout.root / "01").mkdir(parents=True)
    assert find(layout, "01") == Home(layout, "01")


def test_a_missing_home_is_not_found_and_the_remedy_makes_it(layout: Layout) -> None:
    with pytest.raises(NotFound) as caught:
        find(layout, "01")
    assert caught.value.remedy == "claude-workers init 01"


@pytest.mark.parametrize("worker", ["../evil", "..", "", ".repos", "any"])
def test_what_is_no_id_is_refused_before_any_path_is_made_of_it(worker: str, layout: Layout) -> None:
    (layout.root / ".repos").mkdir(parents=True)
    with pytest.raises(BadInput):
        find(layout, worker)


def test_a_link_or_a_file_is_no_home(layout: Layout, tmp_path: Path) -> None:
    layout.root.mkdir()
    (layout.root / "01").symlink_to(tmp_path)
    (layout.root / "02").touch()
    for worker in ("01", "02"):
        with pytest.raises(Refused, match="not a folder"):
            find(layout, worker)


def test_every_home_is_listed_by_id_and_nothing_else(layout: Layout, tmp_path: Path) -> None:
    for name in ("10", "02", "a", ".repos", ".init-03-x", "Upper", "any", "x" * 17):
        (layout.root / name).mkdir(parents=True)
    (layout.root / "04").touch()
    (layout.root / "05").symlink_to(tmp_path)
    assert [home.worker for home in every(layout)] == ["02", "10", "a"]


def test_there_are_no_homes_under_a_root_that_is_not_there(layout: Layout) -> None:
    assert every(layout) == []


def test_all_a_worker_keeps_lies_in_its_home(layout: Layout) -> None:
    home = Home(layout, "01")
    repository = Repository("owner/repo", "https://github.com/owner/repo")
    kept = [home.claude, home.env_file, home.task_file, home.completed, home.temporary, home.outbox, home.run("x")]
    assert all(one.is_relative_to(home.path) for one in [*kept, home.clone(repository)])
