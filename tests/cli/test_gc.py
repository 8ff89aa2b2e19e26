"""The verb gc: a dry run first, everything with its size and reason, and --yes."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from claude_workers.cli.common import Call, with_globals
from claude_workers.cli.gc import gc
from tests.cli.conftest import picture
from tests.stage import ADD, Stage


def call(root: Path, *words: str) -> Result:
    """Call the verb as the table of verbs does."""
    command: click.Command = with_globals(gc)
    return CliRunner().invoke(command, [*words], obj=Call(root=str(root)), catch_exceptions=False)


@pytest.fixture
def root(stage: Stage) -> Path:
    """A root where a task has ended, and a folder of records is nobody's."""
    assert stage.play(ADD, {"text": "Added."}).outcome == "pull_request"
    (stage.home / "runs/nobody").mkdir()
    return stage.fleet.layout.root


def test_without_yes_it_says_what_and_why_and_changes_nothing(root: Path) -> None:
    before = picture(root)
    done = call(root, "--keep", "0")
    assert done.exit_code == 0
    assert picture(root) == before
    going, _, left = done.stdout.partition("not deleted:")
    assert going.startswith("would be deleted:\n")
    assert "01 local/calc " in going
    assert "the store has all its work" in going
    assert "unknown, left alone" in left
    assert "not merged upstream" in left
    told = json.loads(call(root, "--keep", "0", "--json").stdout)
    total = sum(one["bytes"] for one in told["garbage"] if not one["kept"])
    assert told["bytes"] == total > 0
    assert left.endswith(f"to delete: 2, {total} bytes; claude-workers gc --yes --keep 0s deletes it\n")
    assert (told["schema"], told["deleted"]) == (1, False)
    assert {frozenset(one) for one in told["garbage"]} == {frozenset({"what", "name", "path", "bytes", "why", "kept"})}


def test_yes_deletes_it_once(root: Path) -> None:
    planned = json.loads(call(root, "--json", "--keep", "0s").stdout)
    done = call(root, "--yes", "--keep", "0s", "--json")
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert told["deleted"] is True
    assert [one["path"] for one in told["garbage"]] == [one["path"] for one in planned["garbage"] if not one["kept"]]
    assert told["bytes"] == planned["bytes"]
    again = json.loads(call(root, "--yes", "--keep", "0s", "--json").stdout)
    assert again == {"schema": 1, "garbage": [], "bytes": 0, "deleted": True}
    assert call(root, "--yes", "--keep", "0s").stdout == "deleted: 0, 0 bytes\n"
    assert (root / "01/runs/nobody").is_dir()


def test_how_long_is_the_setting_s_unless_it_is_said(root: Path, stage: Stage) -> None:
    assert "to delete: 0" in call(root).stdout
    stage.configure('keep = "0s"\n')
    assert "to delete: 2" in call(root).stdout
    assert "to delete: 0" in call(root, "--keep", "1d").stdout
    assert call(root, "--keep", "soon").exit_code == 2


def test_what_could_not_be_deleted_is_said_and_the_exit_is_1(root: Path) -> None:
    (root / ".repos/broken.made.git").mkdir()
    done = call(root, "--yes", "--keep", "0")
    assert done.exit_code == 1
    assert "broken.made.git  could not be deleted" in done.stdout
    assert "deleted: 2" in done.stdout


def test_names_that_an_agent_chose_do_nothing_to_a_terminal(root: Path) -> None:
    (root / "01/github/local/\x1b[2Jx\n").mkdir()
    (root / "01/github/local").joinpath(b"\xff".decode("utf-8", "surrogateescape")).mkdir()
    for words in ((), ("--json",)):
        done = call(root, "--keep", "0", *words)
        assert done.exit_code == 0
        assert "\x1b" not in done.stdout
