"""At a terminal: a shell in a home, an agent looked at and told, and what is refused there."""

from __future__ import annotations

from pathlib import Path

from claude_workers.home import inbox
from claude_workers.home.home import find
from tests.cli.conftest import Cli
from tests.racing import until
from tests.stage import ADD, DONE, HANG, HERE, WAIT, Stage
from tests.terminal import Person


def test_a_shell_in_a_home_sees_that_home_alone_and_its_keys_act_there(stage: Stage, tmp_path: Path) -> None:
    stage.fleet.init("02")
    with Person(["enter", "01"], tmp_path) as person:
        person.until("#" if stage.home.owner() == "root" else "$")
        person.type("echo home=$HOME; ls $HOME/.. | tr '\\n' ' '; echo; cat /proc/1/environ | wc -c; echo e''nd\r")
        person.until("end")
        assert f"home={stage.home}" in person.seen
        assert "\r\n01 \r\n" in person.seen
        person.type("sh -c 'echo w=$(tput cols) sta\"\"tus; exec sleep 60'\r")
        person.until("w=100 status")
        person.type("\x03")
        person.until("^C\r\nbash-")
        prompts = person.seen.count("bash-")
        person.type("\r")
        person.wait(lambda: person.seen.count("bash-") > prompts, "the next prompt")
        person.type("exit 5\r")
        assert person.end() == 5
    assert not list((stage.home / "runs").iterdir())


def test_a_program_is_run_and_its_status_told(stage: Stage, tmp_path: Path) -> None:
    stage.play(ADD, DONE)
    with Person(["enter", "01", "--", "git", "log", "--format=%s", "-1"], tmp_path) as person:
        assert person.end() == 0
        assert "Add sub" in person.seen
    with Person(["enter", "01", "--", "nothing-of-that-name"], tmp_path) as person:
        assert person.end() == 127


def test_an_agent_at_work_is_looked_at_told_and_left(stage: Stage, tmp_path: Path) -> None:
    task = stage.start(ADD, HERE, WAIT, DONE)
    stage.until(lambda row: row.last_text == "here")
    with Person(["attach", "01"], tmp_path) as person:
        person.until("◇ here")
        person.type("Use the parser\r")
        home = find(stage.fleet.layout, "01")
        until(lambda: inbox.messages(home, task.task_id), "it was told")
        person.type("\x04")
        assert person.end() == 0
    assert stage.fleet.status(["01"])[0].state == "busy"
    with Person(["attach", "01"], tmp_path) as person:
        person.until("◇ here")
        (stage.home / ".cache/go").touch()
        person.until("outcome: pull_request")
        assert "Use the parser" in person.seen
        assert person.end() == 0


def test_without_a_terminal_or_with_an_agent_at_work_nobody_comes_in(stage: Stage, cli: Cli) -> None:
    assert "terminal" in cli.refused(2, "enter", "01")
    cli.refused(3, "enter", "09")
    cli.refused(3, "attach", "09")
    cli.refused(3, "login", "09")
    cli.refused(2, "login", "01", "--token")
    cli.refused(2, "login", "01", "--token", input="two words")
    stage.start(HERE, HANG)
    stage.until(lambda row: row.last_text == "here")
    done = cli("enter", "01")
    assert (done.returncode, "--take-over" in done.stderr) == (4, True)
    done = cli("login", "01", "--api-key", input="sk-ant-api03-0123456789")
    assert done.returncode == 4
