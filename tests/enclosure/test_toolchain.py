"""The operator's tools are shown, what is private never is."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from claude_workers.enclosure import toolchain
from claude_workers.enclosure.toolchain import Toolchain


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A machine: an operator's home, a root of homes in it, software beside it."""
    for folder in ("home/ann/.local/bin", "home/ann/workers/01", "home/ann/.ssh", "srv/tool/bin", "srv/tool/lib"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


@pytest.fixture
def tools(machine: Path) -> Toolchain:
    """Nothing shown yet."""
    return Toolchain(machine / "home/ann", [machine / "home/ann/workers", machine / "home/ann/.ssh"])


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_a_folder_of_path_is_shown_with_what_its_programs_need(machine: Path, tools: Toolchain) -> None:
    tools.add_path(f"{machine}/srv/tool/bin:/usr/bin")
    assert tools.folders() == [machine / "srv/tool/bin", machine / "srv/tool/lib"]


@pytest.mark.parametrize("variable", ["", ":", "relative/bin", ".", "/nowhere/bin", "/usr/bin:/bin:/usr/local/bin"])
def test_a_path_that_adds_nothing_shows_nothing(variable: str, machine: Path, tools: Toolchain) -> None:
    (machine / "relative/bin").mkdir(parents=True)
    tools.add_path(variable)
    assert tools.folders() == []


def test_a_folder_of_tools_in_the_operator_s_home_is_shown_and_the_home_is_not(machine: Path, tools: Toolchain) -> None:
    (machine / "home/ann/.local/lib").mkdir()
    tools.add_path(f"{machine}/home/ann/.local/bin")
    assert tools.folders() == [machine / "home/ann/.local/bin", machine / "home/ann/.local/lib"]


@pytest.mark.parametrize(
    "folder",
    [
        "home/ann",
        "home",
        "",
        "home/ann/workers",
        "home/ann/workers/01",
        "home/ann/.ssh",
        "home/ann/.local/bin/../../.ssh",
    ],
)
def test_what_holds_the_home_or_lies_in_or_round_what_is_private_is_never_shown(
    folder: str, machine: Path, tools: Toolchain
) -> None:
    tools.add(machine / folder)
    tools.add_path(str(machine / folder))
    assert tools.folders() == []


@pytest.mark.parametrize("target", ["home/ann", "home", "home/ann/workers", "home/ann/workers/01", "home/ann/.ssh"])
def test_a_link_to_what_is_private_is_never_shown(target: str, machine: Path, tools: Toolchain) -> None:
    (machine / "srv/link").symlink_to(machine / target)
    tools.add(machine / "srv/link")
    tools.add_path(f"{machine}/srv/link")
    assert tools.folders() == []


def test_a_private_folder_is_known_by_its_real_path(machine: Path) -> None:
    (machine / "alias").symlink_to(machine / "home/ann")
    tools = Toolchain(machine / "alias", [machine / "alias/workers"])
    tools.add(machine / "home/ann")
    tools.add(machine / "home/ann/workers/01")
    assert tools.folders() == []


def test_a_private_folder_beside_the_tools_is_not_shown_with_them(machine: Path) -> None:
    (machine / "srv/tool/include").mkdir()
    tools = Toolchain(machine / "home/ann", [machine / "srv/tool/lib"])
    tools.add_path(f"{machine}/srv/tool/bin")
    assert tools.folders() == [machine / "srv/tool/bin", machine / "srv/tool/include"]


def test_a_bin_folder_right_in_the_home_brings_nothing_else_of_the_home(machine: Path, tools: Toolchain) -> None:
    for name in ("bin", "lib", "include"):
        (machine / "home/ann" / name).mkdir()
    tools.add_path(f"{machine}/home/ann/bin")
    assert tools.folders() == [machine / "home/ann/bin"]


def test_a_linked_tool_is_shown_where_it_really_is(machine: Path, tools: Toolchain) -> None:
    real = program(machine / "srv/real-1.2/bin/tool")
    (machine / "home/ann/.local/bin/tool").symlink_to(real)
    tools.add_path(f"{machine}/home/ann/.local/bin")
    assert tools.folders() == [machine / "home/ann/.local/bin", machine / "srv/real-1.2/bin"]


def test_a_version_manager_is_shown_whole(machine: Path, tools: Toolchain) -> None:
    program(machine / "home/ann/.pyenv/shims/python")
    tools.add_path(f"{machine}/home/ann/.pyenv/shims")
    assert tools.folders() == [machine / "home/ann/.pyenv"]


def test_of_two_folders_one_in_the_other_the_outer_one_is_enough(machine: Path, tools: Toolchain) -> None:
    tools.add(machine / "srv/tool/bin")
    tools.add(machine / "srv/tool")
    tools.add(machine / "srv/tool/lib")
    assert tools.folders() == [machine / "srv/tool"]


def test_a_program_is_shown_with_what_it_was_installed_with(machine: Path, tools: Toolchain) -> None:
    real = program(machine / "srv/node/lib/node_modules/@anthropic-ai/claude-code/cli.js")
    (machine / "srv/tool/bin/claude").symlink_to(real)
    tools.add_program(machine / "srv/tool/bin/claude")
    assert machine / "srv/node/lib/node_modules/@anthropic-ai" in tools.folders()
    assert machine / "srv/tool/bin/claude" in tools.folders()


def test_claude_code_is_shown_where_its_own_installer_put_it_and_its_private_files_are_not(
    machine: Path, tools: Toolchain
) -> None:
    local = machine / "home/ann/.claude/local"
    real = program(local / "node_modules/@anthropic-ai/claude-code/cli.js")
    tools.add_program(real)
    assert any(real.is_relative_to(one) for one in tools.folders())
    assert all(one.is_relative_to(local) for one in tools.folders())


def test_a_folder_is_private_by_its_name_in_the_home_and_not_elsewhere(machine: Path, tools: Toolchain) -> None:
    worktree = machine / "srv/repo/.claude/worktrees/one/bin"
    worktree.mkdir(parents=True)
    (machine / "home/ann/.aws/bin").mkdir(parents=True)
    tools.add_path(f"{worktree}:{machine}/home/ann/.aws/bin")
    assert tools.folders() == [worktree]


def test_a_program_right_in_the_home_is_shown_alone(machine: Path, tools: Toolchain) -> None:
    tools.add_program(program(machine / "home/ann/claude"))
    assert tools.folders() == [machine / "home/ann/claude"]


def test_a_program_of_the_system_needs_nothing_shown(tools: Toolchain) -> None:
    tools.add_program(Path("/usr/bin/env"))
    assert tools.folders() == []


def test_a_program_that_is_not_there_shows_nothing(machine: Path, tools: Toolchain) -> None:
    tools.add_program(machine / "srv/nowhere/claude")
    assert tools.folders() == []


def test_the_interpreter_inside_is_a_real_one_and_is_shown(tools: Toolchain) -> None:
    tools.add_interpreter()
    inside = Path(toolchain.python_inside())
    assert os.access(inside, os.X_OK)
    assert not inside.is_symlink()
    shown = [*tools.folders(), *map(Path, toolchain.SYSTEM)]
    assert any(inside.is_relative_to(one) for one in shown)
    assert any(toolchain.INSIDE.is_relative_to(one) for one in shown)
    assert inside == Path(os.path.realpath(sys.executable))


def test_rust_is_told_where_its_toolchains_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert toolchain.tool_variables() == {}
    (tmp_path / "operator/.rustup").mkdir()
    assert toolchain.tool_variables() == {"RUSTUP_HOME": str(tmp_path / "operator/.rustup")}
    monkeypatch.setenv("RUSTUP_HOME", str(tmp_path))
    assert toolchain.tool_variables() == {"RUSTUP_HOME": str(tmp_path)}
