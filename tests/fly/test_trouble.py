"""Trouble with machines: what is lost, refused or late, and what is told of it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from claude_workers import Fleet
from claude_workers.errors import NotFound, WorkerBusy, WorkersError
from claude_workers.hosts import opened, registry
from claude_workers.machines import piecewise, words
from claude_workers.machines.report import Report
from claude_workers.pool.watch import Lost
from tests.cli.conftest import Cli
from tests.fly.conftest import given, write_host
from tests.fly.fake import FakeFly, Fault
from tests.racing import until
from tests.stage import ADD, DONE, HANG, Stage, steps

AGAIN = {"run": "[ -e ~/.cache/been ] || { touch ~/.cache/been; sleep 60; }"}
HERE = {"text": "here"}


def crashed(host: FakeFly, fleet: Fleet, calc: Path, worker: str = "01") -> str:
    """Give a worker a task, and kill its machine; return the task's id."""
    task = fleet.dispatch(f"fly/{worker}", str(calc), prompt=steps(HERE, AGAIN, ADD, DONE))
    until(lambda: fleet.status([f"fly/{worker}"])[0].last_text == "here", "the agent works", 60)
    host.running[host.machine(worker)["id"]].kill()
    host.settle(worker, "stopped")
    return task.task_id


def test_a_restart_that_was_lost_is_no_restart(host: FakeFly, calc: Path) -> None:
    fleet = given("01")
    crashed(host, fleet, calc)
    host.faults.append(Fault("POST machines/ID$", silent="before"))
    with pytest.raises(WorkersError, match="no answer"):
        fleet.restart("fly/01")
    assert fleet.status(["fly/01"])[0].state == "crashed"
    host.faults.append(Fault("POST machines/ID$", silent="after"))
    assert fleet.restart("fly/01").attempt == 2
    assert fleet.watch(["fly/01"], timeout=60)[0].outcome == "pull_request"


def test_a_machine_that_dies_before_it_told_of_its_task_is_a_crash_to_be_recovered(host: FakeFly, calc: Path) -> None:
    fleet = given("01")
    task = crashed(host, fleet, calc)
    host.faults.append(Fault("metadata", 500, {"error": "later"}, times=999))
    with pytest.raises(WorkersError, match="before it answered"):
        _restarted_and_killed(host, fleet)
    host.faults.clear()
    [row] = fleet.status(["fly/01"])
    assert (row.state, row.task_id) == ("crashed", task)
    assert row.reason == "its machine ended (exit 137) before it told of its task"
    assert "resumed" in [one.did for one in Fleet(on="fly").recover()]
    assert fleet.watch(["fly/01"], timeout=60)[0].outcome == "pull_request"


def _restarted_and_killed(host: FakeFly, fleet: Fleet) -> None:
    def kill(call: str) -> None:
        running = host.running.get(host.machine("01")["id"])
        if call == "GET machines/ID" and running and running.alive():
            running.kill()

    host.after = kill
    try:
        fleet.restart("fly/01")
    finally:
        host.after = lambda _: None


def test_the_row_of_the_last_task_is_not_that_of_the_next(host: FakeFly, calc: Path) -> None:
    fleet = given("01")
    fleet.dispatch("fly/01", str(calc), prompt=steps(ADD, DONE))
    fleet.watch(["fly/01"], timeout=60)
    # What a machine says of itself comes late, but for its answer.
    second = fleet.dispatch("fly/01", str(calc), prompt=steps(HERE, HANG))
    host.machine("01")["config"]["metadata"].pop(words.ROW, None)
    [row] = fleet.status(["fly/01"])
    assert (row.state, row.task_id) == ("busy", second.task_id)
    with pytest.raises(WorkerBusy):
        fleet.dispatch("fly/01", str(calc), prompt="Another.")
    fleet.stop("fly/01")


def test_one_worker_s_trouble_is_not_another_s(host: FakeFly, calc: Path) -> None:
    fleet = given("01", "02")
    crashed(host, fleet, calc, "01")
    crashed(host, fleet, calc, "02")
    host.leases[host.machine("01")["id"]] = ("theirs", 1e12)
    did = {one.worker: one.did for one in Fleet(on="fly").recover()}
    assert did == {"fly/01": "failed", "fly/02": "resumed"}
    host.leases.clear()
    fleet.watch(["fly/02"], timeout=60)


def test_a_worker_that_is_half_removed_can_be_removed(host: FakeFly) -> None:
    fleet = given("01")
    host.faults.append(Fault("DELETE machines/ID$", 500, {"error": "later"}))
    with pytest.raises(WorkersError):
        fleet.remove("fly/01")
    host.settle("01", "stopped")
    assert fleet.status(["fly/01"])[0].state == "unknown"
    fleet.remove("fly/01")
    assert host.volumes == {}
    with pytest.raises(NotFound):
        fleet.status(["fly/01"])


def test_what_may_have_work_is_not_destroyed_unasked(host: FakeFly, calc: Path, cli: Cli) -> None:
    fleet = given("01")
    fleet.dispatch("fly/01", str(calc), prompt=steps(HERE, HANG))
    host.machine("01")["host_status"] = "unreachable"
    assert "fly/01 may have work" in cli.refused(6, "host", "remove", "fly", "--destroy")
    assert len(host.volumes) == 1
    host.machine("01")["host_status"] = "ok"
    fleet.stop("fly/01")


def test_a_worker_that_is_removed_is_not_watched_for_ever(host: FakeFly, calc: Path) -> None:
    given("01").dispatch("fly/01", str(calc), prompt=steps(HERE, HANG))
    there = opened.housed(registry.find("fly"))
    there.life.engine.destroy(there.machine("01"))
    watched = {**host.found}
    host.found = {name: {**one, "state": "started"} for name, one in watched.items()}
    original = host.answer

    def gone(*args: object) -> tuple[int, object]:
        told = original(*args)  # type: ignore[arg-type]
        host.found = watched
        return told

    host.answer = gone  # type: ignore[method-assign, assignment]
    with pytest.raises(Lost, match="was removed"):
        Fleet().watch(["fly/01"], timeout=20)


def test_an_answer_that_fly_finds_too_long_is_told_shorter(host: FakeFly, calc: Path) -> None:
    fleet = given("01")
    host.faults.append(Fault("metadata", 400, {"error": "value too large"}, times=2))
    task = fleet.dispatch("fly/01", str(calc), prompt=steps(ADD, DONE))
    assert task.task_id
    assert fleet.watch(["fly/01"], timeout=60)[0].outcome == "pull_request"


def test_a_budget_that_is_spent_meanwhile_stops_the_task_its_work_kept(host: FakeFly, calc: Path) -> None:
    given("01")
    write_host("weekly_budget_usd = 4\n[hosts.fly.sizes.standard]\ncpus = 2\nmemory_mb = 2048\nusd_per_hour = 3600\n")
    fleet = Fleet()
    fleet.dispatch("fly/01", str(calc), prompt=steps({"run": "echo draft > draft.txt"}, HERE, HANG))
    host.settle("01", "stopped")
    [row] = fleet.status(["fly/01"])
    assert (row.state, row.reason) == ("stopped", "the host's budget for machines is spent")
    write_host()
    assert [one.changed for one in fleet.rescues("fly/01")] == [1]


def test_a_machine_ends_with_its_time_though_nobody_looks(
    host: FakeFly, calc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = given("01")
    monkeypatch.setattr("claude_workers.hosts.housed._BESIDE", 1.0)
    fleet.dispatch("fly/01", str(calc), prompt=steps(HERE, HANG), time_limit=2.0)
    # The runner that is to end it at its time is held up: the machine ends all the same.
    [row] = fleet.status(["fly/01"])
    leader = host.running[host.machine("01")["id"]]
    leader.execute(["sh", "-c", f"kill -STOP {row.pid}"], "", 5)
    host.settle("01", "stopped")
    assert fleet.status(["fly/01"])[0].state in {"stopped", "crashed"}


def test_a_long_prompt_gets_there_whole(host: FakeFly, calc: Path) -> None:
    fleet = given("01")
    prompt = steps(ADD, DONE) + "ü" * 60_000
    fleet.dispatch("fly/01", str(calc), prompt=prompt)
    [receipt] = fleet.watch(["fly/01"], timeout=60)
    assert receipt.outcome == "pull_request"
    assert fleet.show("fly/01").prompt == prompt[:299] + "…"


class Box:
    """An outbox that keeps what is put into it."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def put(self, told: Mapping[str, str]) -> None:
        """Keep texts."""
        self.kept |= told


def test_what_is_carried_out_is_never_too_long_and_never_cut_to_pieces(stage: Stage) -> None:
    stage.play(ADD, DONE)
    [path] = (stage.home / "completed").glob("*.json")
    data = json.loads(path.read_text("utf-8"))
    many = [f"folder-{n * n * 7919}/{n * 104729:x}.txt" for n in range(3000)]
    data["receipt"] |= {"gate_changes": many, "files_changed": many, "answer": "".join(many), "reason": "".join(many)}
    path.write_text(json.dumps(data), encoding="utf-8")
    box = Box()
    report = Report(stage.fleet.layout, "01", box)
    [row] = stage.fleet.status(["01"])

    long = dataclasses.replace(row, blocked_hosts=many, reason="".join(many), questions=many)
    assert report.last(long, {"2026-11-22": 1.5})
    for name, text in box.kept.items():
        assert len(text) <= words.MOST, name
        assert words.unpacked(text), name
    assert words.unpacked(box.kept[words.RECEIPT])["task"]["receipt"]["outcome"] == "pull_request"


@pytest.mark.parametrize("lost", range(1, 4))
def test_a_command_s_end_is_brought_again_when_it_was_not_heard(host: FakeFly, lost: int) -> None:
    given("01")
    life = opened.housed(registry.find("fly")).life
    machine = life.woken(life.find("01"), ["team"])
    host.faults.append(Fault("POST machines/ID/exec", silent="after", times=0))
    seen = []

    def lose(call: str) -> None:
        if "exec" in call:
            seen.append(call)
            host.faults[-1].times = 1 if len(seen) == 1 + lost else 0

    host.before = lose
    running = life.engine.run(machine, ["sh", "-c", "echo one; sleep 1; echo two; sleep 1; exit 3"], b"", 60.0)
    lines, told = [], None
    while told is None:
        try:
            lines.append(next(running))
        except StopIteration as end:
            told = end.value
    assert (lines, told["status"]) == ([b"one", b"two"], 3)
    assert piecewise.PROBE <= 20
