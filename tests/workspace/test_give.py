"""Giving a commit out of the store: the right one to each, however many are given at the same moment."""

from __future__ import annotations

import subprocess
from pathlib import Path

from claude_workers import access
from claude_workers.paths import Layout
from claude_workers.workspace import store, upstream
from tests.conftest import git
from tests.racing import race


def test_each_of_twenty_that_are_given_at_once_gets_its_own_commit(layout: Layout, calc: Path, tmp_path: Path) -> None:
    repository = upstream.local(str(calc), layout)
    mirror = upstream.mirror(layout, access.origin(repository))
    place = store.ensure(layout, repository)
    tree, base = git("rev-parse", "HEAD^{tree}", at=calc), git("rev-parse", "HEAD", at=calc)
    made = [
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a", "--git-dir", str(place), "commit-tree", tree,
             "-p", base, "-m", str(number)], capture_output=True, text=True, check=True,
        ).stdout.strip()
        for number in range(20)
    ]  # fmt: skip
    assert race(lambda one: store.give(place, mirror, made[one], tmp_path / f"{one}.bundle")) == [None] * 20
    for number, sha in enumerate(made):
        with open(tmp_path / f"{number}.bundle", "rb") as stream:
            assert list(store.read_head(stream).brings.values()) == [sha]
    assert git("--git-dir", str(place), "for-each-ref", "refs/carry", at=calc) == ""


def test_what_upstream_has_already_can_be_given_too(layout: Layout, calc: Path, tmp_path: Path) -> None:
    repository = upstream.local(str(calc), layout)
    mirror = upstream.mirror(layout, access.origin(repository))
    place = store.ensure(layout, repository)
    head = git("rev-parse", "HEAD", at=calc)
    store.give(place, mirror, head, tmp_path / "bundle")
    with open(tmp_path / "bundle", "rb") as stream:
        assert list(store.read_head(stream).brings.values()) == [head]
