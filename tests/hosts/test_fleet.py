"""The fleet: the verbs, each asked of this machine and of another over a real sshd, answer alike."""

from __future__ import annotations

import getpass
import json
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path

import click
import pytest

from claude_workers import BadInput, Busy, Fleet, LogEvent, NotFound, Task, Unreachable, WorkerBusy, paths
from claude_workers.cli.main import cli as cli_group
from claude_workers.cli.params import WORKER
from claude_workers.home import inbox
from claude_workers.home.home import find
from claude_workers.hosts import registry, tables
from tests.cli.conftest import Cli
from tests.conftest import git
from tests.fly.conftest import given
from tests.hosts.conftest import Remote
from tests.racing import until
from tests.stage import ADD, DONE, HANG, HERE, WAIT, steps
from tests.terminal import Person


@pytest.fixture(params=["here", "fabric", "openssh", "fly"])
def at(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """What stands before a worker's id: nothing, or a host reached one way or the other."""
    if request.param == "here":
        return ""
    if request.param == "fly":
        request.getfixturevalue("fly_app")
        given()
        return "fly/"
    request.getfixturevalue("remote")
    if request.param == "openssh":
        found = registry.remove("vps")
        registry.add(registry.parsed("vps", found.target, transport="openssh"))
        # A short folder: the sockets' paths are of 107 bytes at the most.
        folder = Path(f"/tmp/cw-{os.getpid()}-{abs(hash(tmp_path)) % 10**6}")  # noqa: S108
        folder.mkdir()
        request.getfixturevalue("monkeypatch").setattr("tempfile.tempdir", str(folder))
    return "vps/"


def home(at: str, tmp_path: Path) -> Path:
    """Return the home of worker 01, wherever it is."""
    if at == "fly/":
        [found] = Path(tempfile.gettempdir()).glob(f"cw-fly-{os.getpid()}-*/fly/vol_*/workers/01")
        return found
    return tmp_path / ("vps/workers" if at else "workers") / "01"


def test_a_whole_life_is_the_same_wherever_it_is_lived(at: str, calc: Path, tmp_path: Path) -> None:
    fleet, one = Fleet(), f"{at}01"
    fleet.init(one)
    asked = WORKER.shell_complete(click.Context(cli_group), click.Option(["-x"]), at)
    assert [item.value for item in asked] == [one]
    assert [(row.worker, row.state) for row in fleet.status([one])] == [("01", "idle")]
    task = fleet.dispatch(one, str(calc), prompt=steps(ADD, HERE, WAIT, DONE))
    assert task.worker == one
    assert task.requested_by == f"{getpass.getuser()}{f'@{socket.gethostname()}' if at else ''}"
    again = fleet.order(one, str(calc), None, steps(ADD, HERE, WAIT, DONE))
    assert (again.new, again.task.task_id) == (False, task.task_id)
    with pytest.raises(WorkerBusy) as told:
        fleet.dispatch(one, str(calc), prompt="something else")
    assert (f"--on {at.rstrip('/')} " in told.value.remedy) == bool(at)
    until(lambda: fleet.status([one])[0].last_text == "here", "the agent speaks")
    message = fleet.tell(one, "Use 'the' \"parser\"; $(id)\n\u2028é")
    assert message.text == "Use 'the' \"parser\"; $(id)\n\u2028é"
    (home(at, tmp_path) / ".cache/go").touch()
    [receipt] = fleet.watch([one], timeout=60)
    assert (receipt.worker, receipt.outcome, receipt.task_id) == (one, "pull_request", task.task_id)
    assert "sub" in git("show", f"{receipt.branch}:calc.py", at=calc)
    said = [event.text for event in fleet.logs(one) if event.kind == "text"]
    assert said == ["here", "Done."]
    shown = fleet.show(one)
    assert shown.receipt
    assert (shown.task.task_id, shown.receipt.outcome) == (task.task_id, "pull_request")
    assert any(found.what == "last outcome" for found in fleet.why(one).evidence)
    assert fleet.refresh(one) == []
    fleet.remove(one)
    with pytest.raises(NotFound):
        fleet.status([one])


def test_a_task_is_stopped_restarted_and_given_up_wherever_it_is(at: str, calc: Path, tmp_path: Path) -> None:
    fleet, one = Fleet(), f"{at}01"
    fleet.init(one)
    fleet.dispatch(one, str(calc), prompt=steps({"run": "echo kept > kept.txt"}, HERE, HANG))
    until(lambda: fleet.status([one])[0].last_text == "here", "the agent speaks")
    assert fleet.stop(one).state == "stopped"
    assert fleet.restart(one).attempt == 2
    fleet.stop(one)
    [kept] = fleet.rescues(one)
    assert (kept.worker, "kept.txt" in str(fleet.rescue(f"{at}{kept.task_id}"))) == (one, True)
    assert (fleet.restore(f"{at}{kept.task_id}", str(tmp_path / "back")) / "kept.txt").read_text("utf-8") == "kept\n"
    assert [listed.worker for listed in fleet.todos(one)] == [one]
    receipt = fleet.reset(one)
    assert receipt
    assert receipt.outcome == "stopped"
    assert [(one.worker, one.outcome) for one in fleet.history([one])] == [(one, "stopped")]


@pytest.mark.parametrize("at", ["here", "fabric", "openssh"], indirect=True)
def test_a_machine_is_paused_stopped_and_recovered_whole(at: str, calc: Path, tmp_path: Path) -> None:
    fleet, one = Fleet(on=at.rstrip("/") or None), f"{at}01"
    fleet.init("01")
    fleet.dispatch("01", str(calc), prompt=steps(HERE, WAIT, ADD))
    until(lambda: fleet.status(["01"])[0].last_text == "here", "the agent speaks")
    assert fleet.pause("the registry is down").reason == "the registry is down"
    assert fleet.paused is not None
    fleet.init("02")
    with pytest.raises(Busy, match="the registry is down"):
        fleet.dispatch("02", str(calc), prompt="another")
    assert fleet.resume().reason == "the registry is down"
    assert [fleet.paused] == [None]
    os.kill(int(fleet.status(["01"])[0].pid or 0), signal.SIGKILL)
    until(lambda: fleet.status(["01"])[0].state == "crashed", "the crash is seen")
    (home(at, tmp_path) / ".cache/go").touch()
    assert [(found.worker, found.did) for found in fleet.recover()] == [(one, "resumed")]
    [receipt] = fleet.watch(["01"], timeout=60)
    assert receipt.outcome == "pull_request"
    fleet.dispatch("01", str(calc), prompt=steps(HERE, HANG))
    [stopped] = fleet.stop_all()
    assert isinstance(stopped, Task)
    assert (stopped.worker, stopped.state) == (one, "stopped")


def test_what_cannot_be_is_refused_alike(at: str, calc: Path) -> None:
    fleet = Fleet()
    with pytest.raises(NotFound):
        fleet.dispatch(f"{at}01", str(calc), prompt="x")
    fleet.init(f"{at}01")
    with pytest.raises(NotFound):
        fleet.tell(f"{at}01", "x")
    with pytest.raises((NotFound, BadInput)):
        fleet.dispatch(f"{at}01", "/nowhere/at/all", prompt="x")
    with pytest.raises(NotFound):
        fleet.show(f"{at}09")


@pytest.mark.usefixtures("remote")
def test_a_path_of_this_machine_is_none_of_another(calc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(calc.parent)
    Fleet().init("vps/01")
    with pytest.raises(BadInput, match="path of this machine"):
        Fleet().dispatch("vps/01", "./calc", prompt="x")


def test_every_host_is_one_table_and_a_dead_one_is_a_row(remote: Remote, cli: Cli) -> None:
    del remote
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        registry.add(registry.parsed("dead", f"root@127.0.0.1:{closed.getsockname()[1]}"))
        Fleet().init("01", "vps/01", "vps/02")
        rows, faults = Fleet().survey()
        assert [(row.host, row.worker) for row in rows] == [("local", "01"), ("vps", "01"), ("vps", "02")]
        assert [(one.host, one.code) for one in faults] == [("dead", "unreachable")]
        shown = cli.ok("status")
        assert [line.split()[0] for line in shown.splitlines()[1:]] == ["01", "vps/01", "vps/02", "dead/"]
        assert "unreachable" in shown
        assert cli("status", "dead/01").returncode == 5
        assert cli("status", "vps/nosuch", "01").returncode == 3
        done = cli("watch", "dead/01", "--json")
        assert (done.returncode, json.loads(done.stdout)["errors"][0]["code"]) == (5, "unreachable")
        assert cli("status", "--on", "dead").returncode == 5
        assert [line.split()[0] for line in cli.ok("status", "--local").splitlines()[1:]] == ["01"]
    with pytest.raises(Unreachable):
        Fleet().status(["dead/01"])
    with pytest.raises(NotFound, match="no host"):
        Fleet().status(["nobody/01"])


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (None, "has no claude-workers"),
        ("echo 'Error: No such option: --wire' >&2; exit 2", "has an older claude-workers"),
        ("echo nonsense", "answers 'nonsense'"),
        ("exit 3", "answers nothing"),
        (
            'echo \'{"error": {"code": "of the future", "message": "m", "remedy": "claude-workers x"}}\'; exit 1',
            "vps: m",
        ),
    ],
)
def test_a_far_side_that_is_not_as_it_should_be_is_named(remote: Remote, program: str | None, said: str) -> None:
    if program is None:
        remote.program.unlink()
    else:
        remote.program.write_text(f"#!/bin/sh\n{program}\n", encoding="utf-8")
    _, [fault] = Fleet().survey()
    assert said in fault.message


def test_a_line_that_dies_under_a_dispatch_a_watch_and_a_log_loses_and_repeats_nothing(
    remote: Remote, calc: Path, tmp_path: Path
) -> None:
    fleet = Fleet()
    fleet.init("vps/01")
    # The first answer is swallowed: the connection is killed as soon as the runner lives.
    kill = 'n=$(cat ~/n 2>/dev/null || echo 0); echo $((n + 1)) > ~/n; case "$*" in *dispatch*) [ $n -gt 0 ] || {\n'
    real = f"{sys.executable} -m claude_workers"
    remote.program.write_text(
        f'#!/bin/sh\n{kill} {real} "$@" > ~/answer; kill -9 $PPID; exit; }};; esac\nexec {real} "$@"\n',
        encoding="utf-8",
    )
    task = fleet.dispatch("vps/01", str(calc), prompt=steps(ADD, HERE, WAIT, DONE))
    until(lambda: fleet.status(["vps/01"])[0].last_text == "here", "the agent speaks")
    assert len(list((remote.root / "01/runs").iterdir())) == 1
    assert (remote.root / "01/runs" / task.task_id).is_dir()
    events = fleet.logs("vps/01", follow=True)
    told: list[LogEvent] = []
    while not told or told[-1].text != "here":
        told.append(next(events))  # each as soon as it is there: the agent waits behind this one
    (home("vps/", tmp_path) / ".cache/go").touch()
    told += events
    assert [one.text for one in told if one.kind == "text"] == ["here", "Done."]
    [receipt] = fleet.watch(["vps/01"], timeout=60)
    assert receipt.outcome == "pull_request"


def test_a_stop_that_could_not_be_confirmed_says_so(remote: Remote, calc: Path, cli: Cli) -> None:
    fleet = Fleet()
    fleet.init("vps/01")
    fleet.dispatch("vps/01", str(calc), prompt=steps(HANG))
    real = f"{sys.executable} -m claude_workers"
    script = f'case "$*" in *stop*) {real} "$@" >/dev/null; kill -9 $PPID;; esac; exec {real} "$@"'
    remote.program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    done = cli("stop", "vps/01")
    assert done.returncode == 5
    assert "whether that was done is not known; claude-workers --on vps status" in done.stderr
    assert fleet.status(["vps/01"])[0].state == "stopped"


@pytest.mark.usefixtures("remote")
@pytest.mark.parametrize("transport", tables.TRANSPORTS)
def test_a_person_works_in_a_home_of_another_machine(tmp_path: Path, transport: str) -> None:
    found = registry.remove("vps")
    registry.add(registry.parsed("vps", found.target, transport=transport))
    Fleet().init("vps/01")
    with Person(["enter", "vps/01"], tmp_path) as person:
        person.until("bash-")
        person.type("sh -c 'echo home=$HOME; stty size; echo rea\"\"dy; exec sleep 60'\r")
        person.until(f"home={home('vps/', tmp_path)}")
        person.until("40 100 ready")
        person.interrupt()
        person.type("exit 5\r")
        assert person.end() == 5
    with Person(["enter", "vps/01", "--", "sh", "-c", "echo 'a  b' \"$0\"", "$(id)"], tmp_path) as person:
        assert person.end() == 0
        assert "a  b $(id)" in person.seen


def test_an_agent_of_another_machine_is_looked_at_and_told(remote: Remote, calc: Path, tmp_path: Path) -> None:
    fleet = Fleet()
    fleet.init("vps/01")
    task = fleet.dispatch("vps/01", str(calc), prompt=steps(ADD, HERE, WAIT, DONE))
    with Person(["attach", "vps/01"], tmp_path) as person:
        person.until("◇ here")
        person.type("Use the parser\r")
        there = find(paths.layout(remote.root), "01")
        until(lambda: inbox.messages(there, task.task_id), "it was told")
        (home("vps/", tmp_path) / ".cache/go").touch()
        person.until("outcome: pull_request")
        assert person.end() == 0
    assert "Use the parser" in [event.text for event in fleet.logs("vps/01") if event.kind == "prompt"]
