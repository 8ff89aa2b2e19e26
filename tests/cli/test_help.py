"""Help and completion: every verb shows an example, every shell completes ids, repositories and verbs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from claude_workers import Receipt
from claude_workers.cli.main import VERBS, cli
from claude_workers.hosts import registry
from tests.cli.conftest import Cli
from tests.conftest import CHECKOUT, make_repository, missing
from tests.stage import DONE, Stage, steps


def commands(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield a command and all below it, with the words that call them."""
    yield path, command
    if isinstance(command, click.Group):
        for name in command.commands:
            yield from commands(command.commands[name], (*path, name))


def every_command() -> list[tuple[tuple[str, ...], click.Command]]:
    """Return every verb and what is below it."""
    found = []
    for name in VERBS:
        command = cli.get_command(click.Context(cli), name)
        assert command
        found += list(commands(command, (name,)))
    return found


COMMANDS = {" ".join(path): command for path, command in every_command()}


@pytest.mark.parametrize("words", COMMANDS)
def test_every_verb_has_help_with_an_example_of_its_own(words: str) -> None:
    command = COMMANDS[words]
    told = command.get_help(click.Context(command, info_name=words, **command.context_settings))
    assert f"claude-workers {words.split()[0]}" in told
    assert "-h, --help" in told
    assert not [one.name for one in command.params if isinstance(one, click.Option) and not one.help]


def test_the_page_of_the_command_line_is_not_stale() -> None:
    done = subprocess.run([sys.executable, "scripts/pages.py", "--check"], cwd=CHECKOUT, check=False)
    assert done.returncode == 0


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The program under its own name, as an installation has it."""
    path = tmp_path / "bin/claude-workers"
    path.parent.mkdir()
    path.write_text(f"#!{sys.executable}\nfrom claude_workers.cli.main import main\nmain()\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def completed(cli: Cli, program: Path, line: str) -> list[str]:
    """Return what bash offers at the end of a line."""
    if shutil.which("bash") is None:
        missing("bash")
    script = f"""
    export PATH={program.parent}:$PATH
    source <(claude-workers completion bash)
    COMP_WORDS=({line.replace("|", '""')}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
    _claude_workers_completion claude-workers
    printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script], cwd=cli.folder, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.fixture
def ended(stage: Stage) -> Receipt:
    """A task that ended, so that its repository is known."""
    return stage.play(DONE, expect="answer")


def test_bash_completes_verbs_ids_and_repositories(cli: Cli, program: Path, stage: Stage, ended: Receipt) -> None:
    stage.fleet.init("vps-7")
    assert completed(cli, program, "claude-workers rec") == ["recover"]
    assert completed(cli, program, "claude-workers logs |") == ["01", "vps-7"]
    assert completed(cli, program, "claude-workers dispatch v") == ["vps-7"]
    registry.add(registry.parsed("office", "root@127.0.0.1:1"))
    registry.add(registry.parsed("outpost", "root@127.0.0.1:1"))
    assert completed(cli, program, "claude-workers status --on o|") == ["office", "outpost"]
    assert completed(cli, program, "claude-workers host check of") == ["office"]
    assert completed(cli, program, "claude-workers logs office/|") == []
    assert completed(cli, program, f"claude-workers dispatch 01 {str(stage.calc)[:-2]}") == [str(stage.calc)]
    assert str(stage.calc) in completed(cli, program, "claude-workers dispatch 01 |")
    assert completed(cli, program, f"claude-workers logs --root {cli.folder}/nowhere |") == []
    assert "--follow" in completed(cli, program, "claude-workers logs --")


@pytest.mark.parametrize("name", ["a b", "a$(touch PWN)", "a;b", "a`b`", "a*", "a'b"])
def test_a_folder_s_name_is_never_offered_as_a_command(
    cli: Cli, program: Path, stage: Stage, tmp_path: Path, name: str
) -> None:
    odd = make_repository(tmp_path / "odd" / name)
    stage.fleet.dispatch("01", str(odd), prompt=steps(DONE), expect="answer")
    stage.end()
    assert not any(name in one for one in completed(cli, program, f"claude-workers dispatch 01 {tmp_path}/odd/"))
    assert str(odd) not in completed(cli, program, "claude-workers dispatch 01 |")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_can_read_its_completion(cli: Cli, shell: str) -> None:
    script = cli.ok("completion", shell)
    assert "_CLAUDE_WORKERS_COMPLETE" in script
    found = shutil.which(shell)
    if found:
        subprocess.run([found, "-n", "/dev/stdin"], input=script, text=True, check=True)


def test_a_shell_that_is_none_is_refused(cli: Cli) -> None:
    cli.refused(2, "completion", "powershell")
