"""At a terminal: a shell in a home, an agent looked at and told, and what is refused there."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

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
        person.interrupt()
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


def test_while_a_person_is_in_a_home_nothing_else_is_done_with_the_worker(
    stage: Stage, cli: Cli, tmp_path: Path
) -> None:
    with Person(["enter", "01"], tmp_path) as person:
        person.until("bash-")
        person.type("echo in''side\r")
        person.until("inside")
        assert stage.fleet.status(["01"])[0].reason == "a person is in its home"
        for words in (
            ["dispatch", "01", str(stage.calc), "-p", "x", "--no-stdin"],
            ["refresh", "01"],
            ["remove", "01"],
        ):
            began = time.monotonic()
            assert "a person is in its home" in cli(*words).stderr
            assert time.monotonic() - began < 20
        with Person(["enter", "01"], tmp_path) as other:
            assert other.end() == 4
        person.type("exit\r")
        person.end()
    assert stage.fleet.status(["01"])[0].reason is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_us_leaves_the_terminal_as_it_was(stage: Stage, tmp_path: Path, number: int) -> None:
    with Person(["enter", "01"], tmp_path) as person:
        person.until("bash-")
        person.type("echo in''side\r")
        person.until("inside")
        person.signal(number)
        assert person.end() == 128 + number
    assert stage.fleet.status(["01"])[0].reason is None


def test_lines_of_a_pipe_are_told_one_by_one_and_what_is_seen_is_json_where_wanted(stage: Stage, cli: Cli) -> None:
    task = stage.start(ADD, HERE, WAIT, DONE)
    stage.until(lambda row: row.last_text == "here")
    argv = [sys.executable, "-m", "claude_workers", "attach", "01", "--json"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cli.folder) as looking:
        assert looking.stdin
        assert looking.stdout
        looking.stdin.write(b"one\ntwo\nthr")
        looking.stdin.flush()
        home = find(stage.fleet.layout, "01")
        until(lambda: len(inbox.messages(home, task.task_id)) == 2, "two lines are told")
        looking.stdin.write(b"ee")
        looking.stdin.close()
        until(lambda: len(inbox.messages(home, task.task_id)) == 3, "the last is told")
        (stage.home / ".cache/go").touch()
        events = [json.loads(line) for line in looking.stdout]
    assert [one.text for one in inbox.messages(home, task.task_id)] == ["one", "two", "three"]
    assert "outcome: pull_request" in events[-1]["text"]


def test_half_a_line_and_the_end_of_input_leave_and_tell_nothing(stage: Stage, tmp_path: Path) -> None:
    task = stage.start(HERE, HANG)
    stage.until(lambda row: row.last_text == "here")
    with Person(["attach", "01"], tmp_path) as person:
        person.until("◇ here")
        person.type("half\x04\x04")
        assert person.end() == 0
    assert inbox.messages(find(stage.fleet.layout, "01"), task.task_id) == []


@pytest.mark.parametrize("answer", ["[1, 2]", "5", "nonsense", ""])
def test_a_claude_that_answers_nonsense_is_told_in_a_line(
    stage: Stage, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: str
) -> None:
    program = tmp_path / "claude"
    program.write_text(f"#!/bin/sh\necho '{answer}'\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("CLAUDE_WORKERS_CLAUDE", str(program))
    before = (stage.home / ".env").read_text("utf-8")
    done = cli("login", "01", "--api-key", input="sk-ant-api03-0123456789")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "Claude Code ended with" in done.stderr
    assert (stage.home / ".env").read_text("utf-8") == before


def test_a_key_and_a_token_at_once_are_refused(stage: Stage, cli: Cli) -> None:
    del stage
    assert "--api-key or --token" in cli.refused(2, "login", "01", "--api-key", "--token", input="sk-ant-0123456789")


def test_all_are_refreshed_but_those_at_work(stage: Stage, cli: Cli) -> None:
    stage.fleet.init("00", "02")
    stage.start(HERE, HANG)
    done = cli("refresh")
    assert done.returncode == 0
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == ["worker 00", "worker 02"]
    assert "not refreshed: worker 01 is busy" in done.stderr
    assert cli("refresh", "01").returncode == 4
