"""Pulling: fast-forward or not at all, and never over what a person has not committed."""

from __future__ import annotations

from pathlib import Path

import pytest

from claude_workers.errors import Busy, NotFound, Unreachable, WorkersError
from claude_workers.workspace.pull import pull
from tests.conftest import git

MERGED = "refs/claude-workers/merged/main"


def commit(at: Path, name: str) -> str:
    (at / name).write_text("x\n", encoding="utf-8")
    git("add", ".", at=at)
    git("commit", "--quiet", "-m", name, at=at)
    return git("rev-parse", "HEAD", at=at)


@pytest.fixture
def ahead(calc: Path) -> str:
    """What was merged beyond main, two commits."""
    git("switch", "--quiet", "-c", "aside", at=calc)
    commit(calc, "a")
    merged = commit(calc, "b")
    git("update-ref", MERGED, merged, at=calc)
    git("switch", "--quiet", "main", at=calc)
    git("branch", "--quiet", "-D", "aside", at=calc)
    return merged


def test_what_was_merged_is_taken_once(calc: Path, ahead: str) -> None:
    (calc / "sub").mkdir()
    found = pull(str(calc / "sub"))
    assert (found.branch, found.head, found.new) == ("main", ahead, 2)
    assert git("status", "--porcelain", at=calc) == ""
    assert (calc / "b").exists()
    assert pull(str(calc)).new == 0


def test_a_dirty_tree_is_left_as_it_is(calc: Path, ahead: str) -> None:
    (calc / "calc.py").write_text("mine\n", encoding="utf-8")
    with pytest.raises(Busy, match="not committed"):
        pull(str(calc))
    assert (calc / "calc.py").read_text(encoding="utf-8") == "mine\n"
    assert git("rev-parse", "HEAD", at=calc) != ahead


def test_a_file_in_the_way_stays(calc: Path, ahead: str) -> None:
    (calc / "b").write_text("mine\n", encoding="utf-8")
    with pytest.raises(WorkersError):
        pull(str(calc))
    assert (calc / "b").read_text(encoding="utf-8") == "mine\n"
    assert git("rev-parse", "HEAD", at=calc) != ahead


def test_two_ways_are_not_made_one(calc: Path, ahead: str) -> None:
    own = commit(calc, "own")
    with pytest.raises(WorkersError, match="different ways") as caught:
        pull(str(calc))
    assert f"git rebase {ahead[:12]}" in caught.value.remedy
    assert git("rev-parse", "HEAD", at=calc) == own


def test_a_clones_remote_is_fetched(calc: Path, tmp_path: Path) -> None:
    git("clone", "--quiet", str(calc), str(tmp_path / "mine"), at=tmp_path)
    assert pull(str(tmp_path / "mine")).new == 0
    new = commit(calc, "a")
    assert pull(str(tmp_path / "mine")).head == new
    calc.rename(tmp_path / "gone")
    with pytest.raises(Unreachable):
        pull(str(tmp_path / "mine"))


def test_where_nothing_can_be_pulled_it_is_said(calc: Path, tmp_path: Path) -> None:
    assert pull(str(calc)).new == 0
    for place in (tmp_path / "absent", tmp_path):
        with pytest.raises(NotFound):
            pull(str(place))
    git("switch", "--quiet", "--detach", at=calc)
    with pytest.raises(WorkersError, match="no branch"):
        pull(str(calc))
