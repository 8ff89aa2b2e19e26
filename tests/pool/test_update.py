"""Updating: by the way of the installation, never under a living runner, homes rendered again afterwards."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from claude_workers.errors import Busy, Refused, WorkersError
from claude_workers.model import Json
from claude_workers.paths import Layout
from claude_workers.pool import pause
from claude_workers.pool import update as updating
from claude_workers.pool.update import Way
from tests.stage import HANG, HERE, Stage

PIP = f"{sys.executable} -m pip install --quiet"
UV = f"uv pip install --quiet --python {sys.executable}"
GIT = {"url": "https://example.org/cw.git", "vcs_info": {"vcs": "git"}}


@pytest.mark.parametrize(
    ("left", "noted", "installer", "told"),
    [
        ("uv-receipt.toml", GIT, "uv", "uv tool: uv tool upgrade claude-workers"),
        ("pipx_metadata.json", GIT, "uv", "pipx: pipx upgrade claude-workers"),
        ("digest", {"url": "file:///gone.whl"}, "pip", "host setup: "),
        ("", {}, "pip", f"pip: {PIP} --upgrade claude-workers"),
        ("", {}, "uv", f"pip: {UV} --upgrade claude-workers"),
        ("", GIT, "pip", f"pip: {PIP} git+{GIT['url']} && {PIP} --force-reinstall --no-deps git+{GIT['url']}"),
        ("", GIT, "uv", f"pip: {UV} git+{GIT['url']} && {UV} --reinstall --no-deps git+{GIT['url']}"),
    ],
)
def test_the_way_is_that_of_the_installation(tmp_path: Path, left: str, noted: Json, installer: str, told: str) -> None:
    if left:
        (tmp_path / left).touch()
    found = updating.way(tmp_path, noted, installer)
    assert f"{found.how}: {commands(found)}" == told


@pytest.mark.parametrize("kept", [True, False])
def test_a_folder_that_git_keeps_is_pulled_first(tmp_path: Path, *, kept: bool) -> None:
    source = tmp_path / "a source"
    (source / ".git").mkdir(parents=True) if kept else source.mkdir()
    pull = f"git -C {source} pull --ff-only && " if kept else ""
    noted: Json = {"url": source.as_uri(), "dir_info": {"editable": True}}
    assert commands(updating.way(tmp_path, noted, "pip")) == f"{pull}{PIP} -e {source}"
    noted["dir_info"] = {}
    again = f"{PIP} {source} && {PIP} --force-reinstall --no-deps {source}"
    assert commands(updating.way(tmp_path, noted, "pip")) == f"{pull}{again}"
    (tmp_path / "uv-receipt.toml").touch()
    again = "uv tool upgrade claude-workers --reinstall-package claude-workers"
    assert commands(updating.way(tmp_path, noted, "uv")) == f"{pull}{again}"


def commands(way: Way) -> str:
    """Return a way's commands as a shell would take them, but for the quotes."""
    return " && ".join(" ".join(one) for one in way.commands)


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


@pytest.mark.parametrize(
    ("words", "status"),
    [(["dispatch", "01", "CALC", "-p", "x", "--no-stdin"], 4), (["update"], 4), (["pause", "mine"], 0)],
)
def test_what_comes_while_the_tool_is_updated(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str], status: int
) -> None:
    asked = " ".join(str(stage.calc) if one == "CALC" else one for one in words)
    script = f"{sys.executable} -m claude_workers {asked} > {tmp_path}/said 2>&1; echo $? > {tmp_path}/status"
    monkeypatch.setattr(updating, "way", lambda: Way("pip", [["sh", "-c", script]]))
    stage.fleet.update()
    assert int((tmp_path / "status").read_text("utf-8")) == status, (tmp_path / "said").read_text("utf-8")
    assert stage.fleet.status(["01"])[0].state == "idle"
    standing = pause.standing(stage.fleet.layout)
    assert (standing.reason if standing else None) == ("mine" if status == 0 else None)


def test_a_stopped_task_is_not_restarted_while_the_tool_is_updated(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stage.start(HERE, HANG)
    stage.fleet.stop("01")
    script = (
        f"{sys.executable} -m claude_workers restart 01 2> {tmp_path}/said; {sys.executable} -m claude_workers recover"
    )
    monkeypatch.setattr(updating, "way", lambda: Way("pip", [["sh", "-c", script]]))
    stage.fleet.update()
    assert "an update is under way" in (tmp_path / "said").read_text("utf-8")
    assert stage.fleet.status(["01"])[0].state == "stopped"


def test_what_another_machine_brought_is_not_upgraded_here(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updating, "way", lambda: Way("host setup", []))
    with pytest.raises(Refused, match="put here by host setup"):
        updating.update(layout)
