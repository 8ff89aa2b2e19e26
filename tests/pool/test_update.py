"""Updating: by the way of the installation, never under a living runner, homes rendered again afterwards."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from claude_workers.errors import Busy, WorkersError
from claude_workers.pool import pause
from claude_workers.pool import update as updating
from claude_workers.pool.update import Way
from tests.stage import HANG, HERE, Stage


def noted(**given: object) -> str:
    """Return what pip notes of a source."""
    return json.dumps(given)


@pytest.mark.parametrize(
    ("prefix", "source", "how", "command"),
    [
        ("/home/ann/.local/share/uv/tools/claude-workers", "{}", "uv tool", "uv tool upgrade claude-workers"),
        ("/home/ann/.local/share/pipx/venvs/claude-workers", "{}", "pipx", "pipx upgrade claude-workers"),
        ("/srv/venv", "{}", "pip", f"{sys.executable} -m pip install --quiet --upgrade claude-workers"),
        ("/srv/venv", noted(url="file:///src/cw", dir_info={}), "pip",
         f"{sys.executable} -m pip install --quiet --upgrade --force-reinstall --no-deps /src/cw"),
        ("/srv/venv", noted(url="https://example.org/cw.git", vcs_info={"vcs": "git"}), "pip",
         f"{sys.executable} -m pip install --quiet --upgrade --force-reinstall --no-deps git+https://example.org/cw.git"),
        ("/srv/venv", noted(url="file:///src/cw", dir_info={"editable": True}), "checkout",
         f"git -C /src/cw pull --ff-only && {sys.executable} -m pip install --quiet -e /src/cw"),
    ],
)  # fmt: skip
def test_the_way_is_that_of_the_installation(prefix: str, source: str, how: str, command: str) -> None:
    found = updating.way(Path(prefix), source)
    assert (found.how, " && ".join(" ".join(one) for one in found.commands)) == (how, command)


def test_the_homes_are_rendered_again_and_dispatching_goes_on(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updating, "way", lambda: Way("pip", [["true"]]))
    (stage.home / ".claude/CLAUDE.md").write_text("old", encoding="utf-8")
    done = stage.fleet.update()
    assert done.refreshed == {"01": ".claude/CLAUDE.md"}
    assert done.before == done.after
    assert pause.standing(stage.fleet.layout) is None


def test_under_a_living_runner_nothing_is_upgraded(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(updating, "way", lambda: Way("pip", [["touch", str(tmp_path / "upgraded")]]))
    stage.start(HERE, HANG)
    with pytest.raises(Busy, match="under their feet"):
        stage.fleet.update()
    assert not (tmp_path / "upgraded").exists()
    assert pause.standing(stage.fleet.layout) is None
    stage.fleet.stop("01")
    pause.pause(stage.fleet.layout, "mine")
    assert stage.fleet.update().refreshed == {"01": ""}
    assert (tmp_path / "upgraded").exists()
    standing = pause.standing(stage.fleet.layout)
    assert standing
    assert standing.reason == "mine"


@pytest.mark.parametrize("command", [["false"], ["there-is-no-such-program"]])
def test_what_cannot_be_upgraded_is_told_and_leaves_the_homes(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setattr(updating, "way", lambda: Way("pip", [command]))
    (stage.home / ".claude/CLAUDE.md").write_text("old", encoding="utf-8")
    with pytest.raises(WorkersError, match=command[0]):
        stage.fleet.update()
    assert (stage.home / ".claude/CLAUDE.md").read_text("utf-8") == "old"
    assert pause.standing(stage.fleet.layout) is None
