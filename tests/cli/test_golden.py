"""Golden homes: what a home has learnt is kept without its credentials, and given to others."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from claude_workers import Fleet
from claude_workers.errors import BadInput, Busy, NotFound, Refused, WorkerBusy
from claude_workers.home import golden
from tests.cli.conftest import Cli, picture
from tests.stage import HANG, Stage


@pytest.fixture
def fleet() -> Fleet:
    """Two workers; the first one has learnt something."""
    made = Fleet()
    made.init("01", "02")
    cache = made.layout.root / "01/.cache"
    (cache / "pip/http").mkdir(parents=True)
    (cache / "pip/http/wheel").write_bytes(bytes(range(256)) * 5000)
    (cache / "tool").write_text("#!/bin/sh\n", encoding="utf-8")
    (cache / "tool").chmod(0o755)
    (cache / "latest").symlink_to("pip/http")
    (cache / "outside").symlink_to("/etc/passwd")
    (cache / "up").symlink_to("../../02")
    os.mkfifo(cache / "pipe")
    (made.layout.root / "01/.claude/CLAUDE.md").write_text("Use ruff.\n", encoding="utf-8")
    return made


def test_what_a_home_has_learnt_is_given_to_another(fleet: Fleet) -> None:
    made = fleet.golden.save("01", "python")
    assert [one.path for one in made.entries] == [
        ".cache/latest", ".cache/pip/http/wheel", ".cache/tool", ".claude/CLAUDE.md", ".claude/settings.json",
    ]  # fmt: skip
    assert fleet.golden.every() == [made]
    assert {one["what"] for one in fleet.golden.diff("python", "02")} == {"missing", "changed"}
    old = fleet.layout.root / "02/.cache/old"
    old.parent.mkdir(exist_ok=True)
    old.touch()
    env = (fleet.layout.root / "02/.env").read_bytes()
    fleet.golden.apply("python", "02")
    home = fleet.layout.root / "02"
    assert (home / ".cache/tool").stat().st_mode & 0o777 == 0o755
    assert (home / ".cache/latest/wheel").read_bytes() == bytes(range(256)) * 5000
    assert (home / ".claude/CLAUDE.md").read_text("utf-8") == "Use ruff.\n"
    assert (home / ".env").read_bytes() == env
    assert not old.exists()
    assert fleet.golden.diff("python", "02") == []
    fleet.init("03", golden="python")
    assert fleet.golden.diff("python", "03") == []
    assert not list(fleet.layout.root.glob(".golden-*"))
    fleet.golden.remove("python")
    assert fleet.golden.every() == []


@pytest.mark.parametrize("name", [".netrc", "gh/hosts.yml", ".credentials.json"])
def test_where_a_program_keeps_a_login_nothing_is_saved(fleet: Fleet, name: str) -> None:
    place = fleet.layout.root / "01/.cache" / name
    place.parent.mkdir(exist_ok=True)
    place.touch()
    with pytest.raises(Refused, match="keeps a login"):
        fleet.golden.save("01", "python")
    assert not list((fleet.layout.root / ".golden").iterdir())


TOKENS = ["sk-ant-api03-abcdefghijkl", "ghp_" + "a" * 36, "//registry/:_authToken=abcdefgh12",
          "-----BEGIN RSA PRIVATE KEY-----", "sk-ant-test-key-0123456789"]  # fmt: skip


@pytest.mark.parametrize("token", TOKENS)
def test_a_file_that_holds_a_token_is_refused_wherever_it_stands(fleet: Fleet, token: str) -> None:
    # Across the border of two pieces, as it is read.
    text = "x" * ((1 << 20) - 5) + token
    (fleet.layout.root / "01/.cache/big").write_text(text, encoding="utf-8")
    with pytest.raises(Refused, match=r"\.cache/big holds a token") as told:
        fleet.golden.save("01", "python")
    assert token not in str(told.value)


def test_files_that_are_not_those_that_were_saved_are_given_to_nobody(fleet: Fleet) -> None:
    fleet.golden.save("01", "python")
    (fleet.layout.golden / "python/files/.cache/tool").write_text("#!/bin/sh\nrm -rf ~\n", encoding="utf-8")
    before = picture(fleet.layout.root / "02")
    with pytest.raises(Refused, match="not those that were saved"):
        fleet.golden.apply("python", "02")
    with pytest.raises(Refused):
        fleet.init("03", golden="python")
    assert picture(fleet.layout.root / "02") == before
    assert not (fleet.layout.root / "03").exists()


def test_a_home_in_which_a_process_lives_is_left_alone(stage: Stage) -> None:
    stage.start(HANG)
    with pytest.raises(WorkerBusy):
        stage.fleet.golden.save("01", "python")
    stage.fleet.stop("01")
    with pytest.raises(WorkerBusy, match="stopped"):
        stage.fleet.golden.save("01", "python")


def test_bad_names_and_what_is_not_there_are_said(fleet: Fleet) -> None:
    fleet.golden.save("01", "python")
    with pytest.raises(Busy, match="already"):
        fleet.golden.save("01", "python")
    for name in ("", "..", "../01", "A", ".making-x"):
        with pytest.raises(BadInput):
            fleet.golden.save("01", name)
    with pytest.raises(NotFound):
        fleet.golden.apply("java", "02")
    with pytest.raises(NotFound):
        fleet.init("03", golden="java")
    with pytest.raises(NotFound):
        fleet.golden.remove("java")
    assert not (fleet.layout.root / "03").exists()


def test_the_command_line_says_what_it_did(fleet: Fleet, cli: Cli) -> None:
    assert "no golden homes yet" in cli.ok("golden", "list")
    assert "golden python: 5 files" in cli.ok("golden", "save", "01", "python")
    assert "python" in cli.ok("golden", "list")
    done = cli("golden", "diff", "python", "02")
    assert (done.returncode, "missing: .cache/tool" in done.stdout) == (1, True)
    assert "has golden python" in cli.ok("golden", "apply", "python", "02")
    assert "is as golden python" in cli.ok("golden", "diff", "python", "02")
    assert json.loads(cli.ok("golden", "list", "--json"))["goldens"][0]["name"] == "python"
    cli.refused(3, "golden", "apply", "java", "02")
    cli.ok("init", "04", "--golden", "python")
    assert golden.find(fleet.layout, "python").entries
    assert Path(fleet.layout.root / "04/.cache/tool").exists()
    cli.ok("golden", "remove", "python")


@pytest.mark.parametrize("place", [".claude", ".local"])
def test_a_link_of_an_agent_s_leads_neither_out_of_a_home_nor_into_one(
    fleet: Fleet, tmp_path: Path, place: str
) -> None:
    config_dir = Path(os.environ["CLAUDE_WORKERS_CONFIG_DIR"])
    config_dir.mkdir(exist_ok=True)
    (config_dir / "config.toml").write_text('persist = [".cache", ".local/share", "../02", "/etc"]\n', encoding="utf-8")
    tools = fleet.layout.root / "01/.local/share"
    tools.mkdir(parents=True)
    (tools / "tool").touch()
    fleet.golden.save("01", "python")
    theirs = tmp_path / "theirs"
    (theirs / "share").mkdir(parents=True)
    for name in ("share/precious", "CLAUDE.md", "settings.json"):
        (theirs / name).write_text("{}", encoding="utf-8")
    before = picture(theirs)
    for worker in ("01", "02"):
        place_of = fleet.layout.root / worker / place
        if place_of.exists():
            place_of.rename(tmp_path / f"{worker}-{place}")
        place_of.symlink_to(theirs)
    made = fleet.golden.save("01", "linked")
    assert not [one.path for one in made.entries if one.path.startswith(f"{place}/")]
    fleet.golden.apply("python", "02")
    assert picture(theirs) == before
    assert not (fleet.layout.root / "02" / place).is_symlink()


def test_a_snapshot_that_cannot_be_applied_whole_leaves_the_home_as_it_was(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.golden.save("01", "python")
    own = fleet.layout.root / "02/.cache/own"
    own.parent.mkdir(exist_ok=True)
    own.touch()
    monkeypatch.setattr("claude_workers.files.write_atomic", _full)
    with pytest.raises(OSError, match="full"):
        fleet.golden.apply("python", "02")
    assert own.exists()
    assert not (fleet.layout.root / "02/.cache/tool").exists()


def _full(*_: object) -> None:
    raise OSError("the disk is full")
