"""The isolation levels: what cannot be had is refused with the remedy, never replaced by a weaker one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from claude_workers.enclosure import levels
from claude_workers.errors import Refused

SHORT, LONG = Path("/srv/w/01/tmp"), Path("/srv") / ("w" * 61) / "01/tmp"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of programs: all that Claude Code's own sandbox needs is in it."""
    for name in ("bwrap", "socat", "rg"):
        (tmp_path / name).write_text("#!/bin/sh\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("programs")
def test_a_home_whose_path_leaves_no_room_for_sockets_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    levels.check("claude", permissions="dontAsk", temporary=SHORT)
    with pytest.raises(Refused, match="longer than 72 bytes") as told:
        levels.check("claude", permissions="dontAsk", temporary=LONG)
    assert "--root" in told.value.remedy
    levels.check("none", permissions="dontAsk", temporary=LONG)
    monkeypatch.setattr(sys, "platform", "darwin")
    levels.check("claude", permissions="dontAsk", temporary=LONG)


@pytest.mark.parametrize(("program", "package"), [("bwrap", "bubblewrap"), ("socat", "socat"), ("rg", "ripgrep")])
def test_a_program_that_the_sandbox_needs_is_named_with_its_package(programs: Path, program: str, package: str) -> None:
    (programs / program).unlink()
    with pytest.raises(Refused, match=program) as told:
        levels.check("claude", permissions="dontAsk", temporary=SHORT)
    assert package in told.value.remedy


def test_to_allow_everything_needs_an_enclosure() -> None:
    with pytest.raises(Refused, match="bypass"):
        levels.check("none", permissions="bypass")


def test_no_machine_is_a_container_that_does_not_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(levels, "_CONTAINER_MARKS", ())
    monkeypatch.delenv("FLY_MACHINE_ID", raising=False)
    with pytest.raises(Refused, match="container"):
        levels.check("container", permissions="dontAsk")
    monkeypatch.setenv("FLY_MACHINE_ID", "d891")
    levels.check("container", permissions="dontAsk")
