"""Workers on Fly: made, put to work, looked at while their machines are stopped, and found by another laptop."""

from __future__ import annotations

import dataclasses
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from claude_workers import Fleet, clock
from claude_workers.errors import BadInput, Busy, NotFinished, NotFound, Refused, WorkerBusy
from claude_workers.machines import words
from tests.cli.conftest import Cli
from tests.conftest import git
from tests.fly.conftest import given, write_host
from tests.fly.fake import FakeFly
from tests.racing import until
from tests.stage import ADD, DONE, HANG, steps
from tests.terminal import Person


def test_a_task_is_done_in_a_machine_that_stops_and_tells_of_it_after(host: FakeFly, calc: Path) -> None:
    fleet = given("01")
    assert host.machine("01")["state"] == "stopped"
    [row] = fleet.status()
    assert (row.address, row.state) == ("fly/01", "idle"), host.log("01")
    task = fleet.dispatch("fly/01", str(calc), prompt=steps(ADD, DONE))
    assert task.worker == "fly/01"
    [receipt] = fleet.watch(["fly/01"], timeout=60)
    assert (receipt.outcome, receipt.task_id) == ("pull_request", task.task_id)
    host.settle("01", "stopped")
    host.calls.clear()
    [row] = fleet.status()
    assert (row.state, row.outcome, host.calls) == ("idle", "pull_request", ["GET machines"])
    [chapter] = Fleet(on="fly").history()
    assert (chapter.worker, chapter.task_id, chapter.outcome) == ("fly/01", task.task_id, "pull_request")
    shown = fleet.show("fly/01")
    assert (shown.receipt, shown.state) == (dataclasses.replace(receipt, worker="01"), "ended")
    assert [event.text for event in fleet.logs("fly/01")][-1] == "outcome: pull_request"
    assert not [call for call in host.calls if "exec" in call or "start" in call]
    assert host.machine("01")["state"] == "stopped"


def test_another_laptop_sees_the_same_workers(
    host: FakeFly, calc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given("01").dispatch("fly/01", str(calc), prompt=steps(ADD, DONE))
    Fleet().watch(["fly/01"], timeout=60)
    seen = Fleet().status()
    monkeypatch.setenv("CLAUDE_WORKERS_CONFIG_DIR", str(tmp_path / "other"))
    monkeypatch.setenv("CLAUDE_WORKERS_ROOT", str(tmp_path / "elsewhere"))
    write_host()
    assert Fleet().status() == seen
    with pytest.raises(Busy, match="fly/01 exists"):
        Fleet().init("fly/01")
    assert len(host.volumes) == len(host.found) == 1


def test_calls_are_few(host: FakeFly, calc: Path) -> None:
    given("01")
    init = host.counted()
    assert init["POST volumes"] == init["POST machines"] == init["POST machines/ID"] == 1
    host.calls.clear()
    Fleet().dispatch("fly/01", str(calc), prompt=steps(ADD, DONE))
    changing = Counter({call: count for call, count in host.counted().items() if not call.startswith("GET")})
    own = {call: count for call, count in changing.items() if "metadata" not in call}
    assert own == {"POST machines/ID/lease": 1, "POST machines/ID": 1, "DELETE machines/ID/lease": 1}


def test_nothing_secret_is_in_a_machine_s_configuration(host: FakeFly, calc: Path) -> None:
    given("01").dispatch("fly/01", str(calc), prompt=steps(ADD, DONE))
    said = json.dumps(host.machine("01"))
    assert "sk-ant-test-key" not in said
    files = host.machine("01")["config"]["files"]
    assert [one["guest_path"] for one in files if "secret_name" in one] == [f"{words.SETS}/team.json"]
    assert host.machine("01")["config"]["env"] == {}
    Fleet().watch(["fly/01"], timeout=60)
    assert "sk-ant-test-key" not in json.dumps(host.machine("01")) + host.log("01")


def test_a_busy_worker_is_asked_inside(host: FakeFly, calc: Path) -> None:
    fleet = given("01")
    task = fleet.dispatch("fly/01", str(calc), prompt=steps({"text": "here"}, HANG))
    until(lambda: fleet.status(["fly/01"])[0].last_text == "here", "the agent works", 60)
    [row] = fleet.status(["fly/01"])
    assert (row.state, row.phase, row.task_id) == ("busy", "working", task.task_id)
    again = fleet.order("fly/01", str(calc), None, steps({"text": "here"}, HANG), task_id=task.task_id)
    assert (again.new, again.task.task_id) == (False, task.task_id)
    with pytest.raises(WorkerBusy):
        fleet.dispatch("fly/01", str(calc), prompt="Another thing.")
    assert [event.text for event in fleet.logs("fly/01") if event.kind == "text"] == ["here"]
    with pytest.raises(NotFinished):
        fleet.watch(["fly/01"], timeout=0.1)
    said = fleet.why("fly/01")
    assert said.state == "busy"
    assert fleet.stop("fly/01").task_id == task.task_id
    host.settle("01", "stopped")
    assert fleet.status(["fly/01"])[0].state == "stopped"
    receipt = fleet.reset("fly/01")
    assert receipt is not None
    assert (receipt.outcome, receipt.task_id) == ("stopped", task.task_id)
    host.settle("01", "stopped")
    assert fleet.status(["fly/01"])[0].state == "idle"


def test_a_machine_that_dies_is_a_crash_and_its_task_goes_on_in_the_same_session(host: FakeFly, calc: Path) -> None:
    fleet = given("01")
    wait = {"run": "[ -e ~/.cache/been ] || { touch ~/.cache/been; sleep 60; }"}
    task = fleet.dispatch("fly/01", str(calc), prompt=steps({"text": "here"}, wait, ADD, DONE))
    until(lambda: fleet.status(["fly/01"])[0].last_text == "here", "the agent works", 60)
    host.running[host.machine("01")["id"]].kill()
    host.settle("01", "stopped")
    [row] = fleet.status(["fly/01"])
    assert (row.state, row.task_id) == ("crashed", task.task_id)
    assert row.reason == "its machine ended (exit 137), and the task had not"
    assert "resumed" in [one.did for one in Fleet(on="fly").recover()]
    [receipt] = fleet.watch(["fly/01"], timeout=60)
    assert (receipt.outcome, receipt.task_id, receipt.attempts) == ("pull_request", task.task_id, 2)


def test_a_machine_that_is_taken_away_leaves_a_task_to_be_resumed(host: FakeFly, calc: Path) -> None:
    fleet = given("01")
    wait = {"run": "[ -e ~/.cache/been ] || { touch ~/.cache/been; sleep 60; }"}
    fleet.dispatch("fly/01", str(calc), prompt=steps({"text": "here"}, wait, ADD, DONE))
    until(lambda: fleet.status(["fly/01"])[0].last_text == "here", "the agent works", 60)
    host.answer("POST", f"/v1/apps/my-workers/machines/{host.machine('01')['id']}/stop",
                {"authorization": "Bearer fly-test-token"}, {"signal": "SIGTERM", "timeout": "30s"})  # fmt: skip
    host.settle("01", "stopped")
    assert fleet.status(["fly/01"])[0].state == "crashed"
    assert fleet.restart("fly/01").attempt == 2
    assert fleet.watch(["fly/01"], timeout=60)[0].outcome == "pull_request"


def test_a_worker_is_removed_with_all_that_costs_its_work_brought_here(host: FakeFly, calc: Path, cli: Cli) -> None:
    fleet = given("01", "02")
    fleet.dispatch("fly/02", str(calc), prompt=steps(ADD, {"run": "echo draft > draft.txt"}, HANG))
    until(lambda: fleet.status(["fly/02"])[0].activity, "the agent works", 60)
    fleet.stop("fly/02")
    fleet.reset("fly/02")
    host.settle("02", "stopped")
    [brought] = fleet.remove("fly/02")
    git("fetch", "-q", str(brought), "refs/work/*:refs/rescued/*", at=calc)
    state = git("for-each-ref", "--format=%(refname)", "refs/rescued/**/state", at=calc)
    assert git("show", f"{state}:draft.txt", at=calc) == "draft"
    assert "def sub" in git("show", f"{state}:calc.py", at=calc)
    assert [one["name"] for one in host.volumes.values()] == ["cw_01"]
    assert [row.worker for row in fleet.status()] == ["01"]
    cli.ok("host", "remove", "fly", "--destroy")
    assert host.volumes == {}
    cli.refused(3, "status", "fly/01")


def test_a_terminal_is_had_by_flyctl_in_a_machine_that_starts_without_a_task(
    host: FakeFly, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given("01")
    with Person(["enter", "fly/01", "--", "true"], tmp_path) as person:
        person.until("which is not on PATH; install flyctl")
        assert person.end() == 6
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "flyctl").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nexit 5\n', encoding="utf-8")
    (programs / "flyctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    with Person(["enter", "fly/01", "--", "true"], tmp_path) as person:
        person.until(host.machine("01")["id"])
        person.until("claude-workers --local enter 01 -- true")
        assert person.end() == 5
    assert host.machine("01")["state"] in {"started", "stopped"}


def test_a_budget_that_is_nearly_spent_is_told_once(host: FakeFly, calc: Path, tmp_path: Path) -> None:
    given("01")
    write_host("weekly_budget_usd = 1\n", f'notify = ["command:tee -a {tmp_path}/told"]\nnotify_on = ["limit"]\n')
    host.machine("01")["config"]["metadata"][words.SPENT] = words.packed({_today(): 0.85})
    for _ in range(2):
        Fleet().dispatch("fly/01", str(calc), prompt=steps(DONE), expect="answer")
        Fleet().watch(["fly/01"], timeout=60)
        host.machine("01")["config"]["metadata"][words.SPENT] = words.packed({_today(): 0.85})
    until(lambda: (tmp_path / "told").exists(), "it is told", 20)
    assert "85% of this week's budget for machines" in (tmp_path / "told").read_text("utf-8")
    assert len((tmp_path / "told").read_text("utf-8").splitlines()) == 1


def test_a_golden_home_goes_from_one_machine_to_another(host: FakeFly) -> None:
    fleet = given("01")
    volume = host.folder / host.machine("01")["config"]["mounts"][0]["volume"]
    (volume / "workers/01/.cache/pip").mkdir(parents=True)
    (volume / "workers/01/.cache/pip/wheel").write_bytes(os.urandom(150_000))
    made = fleet.golden.save("fly/01", "python")
    assert fleet.golden.every() == [made]
    fleet.init("fly/02", golden="python")
    assert fleet.golden.diff("python", "fly/02") == []
    with pytest.raises(NotFound):
        fleet.golden.apply("java", "fly/02")


def test_sizes_are_asked_for_or_guessed(host: FakeFly, calc: Path) -> None:
    fleet = given("01")

    def guest(**wishes: Any) -> dict[str, object]:
        fleet.dispatch("fly/01", str(calc), prompt=steps(DONE), expect="answer", **wishes)
        fleet.watch(["fly/01"], timeout=60)
        return dict(host.machine("01")["config"]["guest"])

    assert guest(size="heavy") == {"cpu_kind": "shared", "cpus": 4, "memory_mb": 4096}
    assert guest(kind="doc")["memory_mb"] == 1024
    assert guest()["memory_mb"] == 2048
    with pytest.raises(BadInput, match="no size 'huge'"):
        fleet.dispatch("fly/01", str(calc), prompt="x", size="huge")
    with pytest.raises(BadInput, match="one size"):
        Fleet().dispatch("01", str(calc), prompt="x", size="heavy")


def test_no_more_machines_are_up_than_may_and_none_that_cannot_be_paid(host: FakeFly, calc: Path, cli: Cli) -> None:
    given("01", "02")
    write_host("max_workers = 1\ndaily_budget_usd = 1\n")
    fleet = Fleet()
    fleet.dispatch("fly/01", str(calc), prompt=steps({"text": "here"}, HANG))
    with pytest.raises(Busy, match="max_workers"):
        fleet.dispatch("fly/02", str(calc), prompt="x")
    fleet.stop("fly/01")
    host.settle("01", "stopped")
    host.machine("02")["config"]["metadata"][words.SPENT] = words.packed({_today(): 0.9})
    listed = json.loads(cli.ok("host", "list", "--json"))["hosts"][0]["use"]
    assert (listed["machines"], listed["up"]) == (2, 0)
    assert 0.9 <= listed["spent"][0]["usd"] < 0.91
    assert "of $1.00, 90%" in cli.ok("host", "list")
    host.machine("02")["config"]["metadata"][words.SPENT] = words.packed({_today(): 1.0})
    with pytest.raises(Refused, match="budget"):
        fleet.dispatch("fly/02", str(calc), prompt="x")


def _today() -> str:
    return clock.now()[:10]


def test_what_is_not_there_is_said(host: FakeFly, cli: Cli) -> None:
    cli.refused(3, "status", "fly/09")
    cli.refused(3, "logs", "fly/09")
    cli.refused(3, "dispatch", "fly/09", "/x", "-p", "y")
    assert "name one" in cli.refused(2, "gc", "--on", "fly")
    with pytest.raises(NotFound):
        Fleet().show("fly/12345678")
    assert host.volumes == {}
