"""Trying again: what is mended by a wait, what by the forgiveness of time, and what by nobody but a person."""

from __future__ import annotations

import json
import os
import signal
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from claude_workers import clock, credentials, limits
from claude_workers.config import Settings
from claude_workers.home import events, tasks
from claude_workers.home.home import find
from claude_workers.model import Progress, Task, WorkerStatus
from claude_workers.pool.watch import Lost
from claude_workers.process.table import marked
from claude_workers.runner.retry import delay
from claude_workers.testing.endpoint import Endpoint, error
from tests.conftest import CHECKOUT, git, missing
from tests.racing import until
from tests.real.conftest import Desk
from tests.stage import ADD, DONE, Stage, steps

QUICK = 'backoff = "0.05s"\nbackoff_limit = "0.2s"\n'
KILL = {"run": "kill -9 $PPID; sleep 9"}
ONCE = {"run": "[ -e ~/.cache/died ] || { touch ~/.cache/died; kill -9 $PPID; sleep 9; }"}
SAID: dict[str, dict[str, Any]] = {
    "overloaded": {"api_error_status": 529, "result": "API Error: 529 overloaded_error"},
    "unreachable": {"api_error_status": None, "result": "API Error: Unable to connect to API (ECONNREFUSED)"},
}


def failing(**result: Any) -> dict[str, object]:
    """Return a turn that ends with an API error."""
    return {"result": {"is_error": True, "subtype": "success", **result}, "turn": True}


def limited(resets: object, status: str = "rejected") -> list[dict[str, object]]:
    """Return a turn that meets a usage limit, lifted at a moment in seconds since 1970."""
    told = {"type": "rate_limit_event", "rate_limit_info": {"status": status, "resetsAt": resets}}
    return [{"raw": json.dumps(told)}, failing(api_error_status=429, result="You've hit your limit")]


def observed(stage: Stage, task: Task) -> Progress:
    """Return what was observed of a task."""
    return tasks.progress(find(stage.fleet.layout, task.worker), task.task_id)


def current(stage: Stage, worker: str = "01") -> Task:
    """Return a worker's task file."""
    found = tasks.load(find(stage.fleet.layout, worker))
    assert found
    return found


def waiting(stage: Stage) -> WorkerStatus:
    """Wait until the task waits for something outside, its runner gone."""
    row = stage.until(lambda row: row.state == "waiting")
    until(lambda: not marked(f"CLAUDE_WORKERS_TASK={row.task_id}"), "nothing of the task is left")
    return row


def said(stage: Stage, task: Task) -> list[dict[str, Any]]:
    """Return the runner's own lines of a task's log."""
    path = stage.home / "runs" / task.task_id / "stream.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [one for one in lines if one["type"] == "claude_workers"]


def test_the_waits_grow_twofold_up_to_the_longest_and_half_of_each_is_chance() -> None:
    settings = Settings(backoff=10.0, backoff_limit=300.0)
    for number, longest in [(1, 10.0), (2, 20.0), (3, 40.0), (5, 160.0), (6, 300.0), (7, 300.0), (5000, 300.0)]:
        waits = [delay(settings, number) for _ in range(300)]
        assert longest / 2 <= min(waits) < longest * 0.6
        assert longest * 0.9 < max(waits) <= longest
        assert len(set(waits)) > 290


def test_a_first_wait_longer_than_the_longest_is_cut_and_none_at_all_is_none() -> None:
    assert delay(Settings(backoff=100.0, backoff_limit=1.0), 1) <= 1.0
    assert delay(Settings(backoff=0.0), 9) == 0.0


@pytest.mark.parametrize(
    ("fatal", "kind", "why"), [(KILL, "killed", "killed by signal 9"), ({"exit": 3}, "error", "exit 3")]
)
def test_an_agent_that_dies_again_and_again_is_tried_so_often_and_each_reason_kept(
    stage: Stage, fatal: dict[str, object], kind: str, why: str
) -> None:
    stage.configure(QUICK + "max_attempts = 3")
    task = stage.start({"text": "Begun."}, fatal)
    receipt = stage.end()
    assert (receipt.outcome, receipt.attempts) == ("failed", 3)
    assert why in receipt.reason
    seen = observed(stage, task)
    assert [(one["attempt"], one["kind"]) for one in seen.tries] == [(1, kind), (2, kind)]
    assert all(why in str(one["reason"]) and clock.seconds_since(str(one["at"])) is not None for one in seen.tries)
    assert seen.turns == 3
    told = [one.text for one in events.read(find(stage.fleet.layout, "01")) if one.task_id == task.task_id]
    for number in (2, 3):
        assert any(f"attempt {number}" in text and f"again after {kind}" in text and why in text for text in told)
    assert any("failed" in text and why in text for text in told)


def test_each_wait_is_as_long_as_it_was_said_to_be(stage: Stage) -> None:
    stage.configure('backoff = "0.4s"\nbackoff_limit = "0.6s"\nmax_attempts = 4')
    task = stage.start(KILL)
    stage.end()
    lines = [one for one in said(stage, task) if str(one["text"]).startswith(("waiting ", "attempt "))]
    moments = [datetime.fromisoformat(one["at"]).timestamp() for one in lines]
    assert [str(one["text"]).split()[0] for one in lines] == ["waiting", "attempt"] * 3
    waits = [moments[at + 1] - moments[at] for at in (0, 2, 4)]
    assert all(wait >= least - 0.002 for wait, least in zip(waits, (0.2, 0.3, 0.3), strict=True))


def test_after_a_death_the_same_session_goes_on_with_what_it_had(stage: Stage) -> None:
    stage.configure(QUICK)
    keep = {"run": "echo kept > kept.txt; git add kept.txt"}
    task = stage.start(ADD, keep, ONCE, {"run": "git commit -qm Kept"}, DONE)
    receipt = stage.end()
    assert (receipt.outcome, receipt.attempts) == ("pull_request", 2)
    assert receipt.files_changed == ["calc.py", "kept.txt"]
    assert git("log", "--format=%s", f"main..{receipt.branch}", at=stage.calc).split("\n") == ["Kept", "Add sub"]
    assert len(list((stage.home / ".claude/projects").rglob("*.jsonl"))) == 1
    assert [one["attempt"] for one in observed(stage, task).tries] == [1]


def test_a_stop_ends_a_wait_at_once(stage: Stage) -> None:
    stage.configure('backoff = "300s"')
    stage.start(KILL)
    row = stage.until(lambda row: str(row.activity).startswith("waiting "))
    assert "after killed" in str(row.activity)
    assert row.agent_pid is None
    assert stage.fleet.stop("01").state == "stopped"


def test_a_runner_that_is_killed_while_it_waits_for_the_second_attempt_begins_the_second(stage: Stage) -> None:
    stage.configure('backoff = "300s"')
    stage.start(ADD, ONCE, DONE)
    row = stage.until(lambda row: str(row.activity).startswith("waiting "))
    os.kill(int(row.pid or 0), signal.SIGKILL)
    stage.until(lambda row: row.state == "crashed")
    assert [one.did for one in stage.fleet.recover()] == ["resumed"]
    receipt = stage.end()
    assert receipt.outcome == "pull_request"
    assert receipt.attempts == 2


@pytest.mark.parametrize("kind", list(SAID))
def test_an_api_that_is_away_for_a_while_costs_waits_and_no_attempt(stage: Stage, kind: str) -> None:
    stage.configure(QUICK)
    task = stage.start(failing(**SAID[kind]), failing(**SAID[kind]), ADD, {**DONE, "result": {"is_error": False}})
    receipt = stage.end()
    assert (receipt.outcome, receipt.attempts) == ("pull_request", 1)
    seen = observed(stage, task)
    assert (seen.turns, seen.tries) == (3, [])
    assert len([one for one in said(stage, task) if f"after {kind}" in one["text"]]) == 2


@pytest.mark.parametrize("kind", list(SAID))
def test_an_api_that_stays_away_parks_the_task_until_a_moment_and_recover_wakes_it(stage: Stage, kind: str) -> None:
    stage.configure('backoff = "0.01s"\nbackoff_limit = "2s"\nmax_attempts = 2')
    begun = clock.now()
    task = stage.start(*[failing(**SAID[kind])] * 4, ADD, DONE)
    row = waiting(stage)
    assert str(row.reason).startswith("backoff until ")
    parked = current(stage)
    assert (parked.wait_for, parked.attempt) == ("backoff", 1)
    assert observed(stage, task).turns == 3
    assert begun < str(parked.wait_until) < clock.in_seconds(2)
    with pytest.raises(Lost):
        stage.fleet.watch(["01"], timeout=5)
    until(lambda: clock.now() > str(parked.wait_until), "its time has come")
    assert [one.did for one in stage.fleet.recover()] == ["woken"]
    receipt = stage.end()
    assert (receipt.outcome, receipt.attempts) == ("pull_request", 1)


def test_a_limit_stops_all_who_pay_with_the_same_key_and_nobody_else(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.fleet.init("02")
    monkeypatch.setenv(credentials.API_KEY, "sk-ant-another-key-0123456789")
    stage.fleet.init("03")
    reset = int(time.time()) + 3600
    task = stage.start(*limited(reset), ADD, DONE)
    waiting(stage)
    parked = current(stage)
    assert (parked.wait_for, parked.wait_until, parked.attempt) == ("limit", clock.from_epoch(reset), 1)
    assert (observed(stage, task).turns, observed(stage, task).tries) == (1, [])
    second = stage.fleet.dispatch("02", str(stage.calc), prompt=steps(ADD, DONE))
    assert (second.state, second.wait_for, second.wait_until) == ("waiting", "limit", clock.from_epoch(reset))
    assert "met by worker 01" in second.reason
    assert second.pid is None
    stage.fleet.dispatch("03", str(stage.calc), prompt=steps(ADD, DONE))
    [receipt] = stage.fleet.watch(["03"], timeout=60)
    assert receipt.outcome == "pull_request"
    assert list(stage.fleet.recover()) == []
    assert {row.worker: row.state for row in stage.fleet.status()} == {"01": "waiting", "02": "waiting", "03": "idle"}


def test_recover_before_the_reset_asks_nobody_again_but_a_persons_restart_does(stage: Stage) -> None:
    task = stage.start(*limited(int(time.time()) + 3600), ADD, DONE)
    waiting(stage)
    assert list(stage.fleet.recover()) == []
    assert observed(stage, task).turns == 1
    assert stage.fleet.restart("01").attempt == 1
    assert stage.end().outcome == "pull_request"


def test_after_the_reset_recover_wakes_all_who_waited(stage: Stage) -> None:
    stage.fleet.init("02")
    reset = int(time.time()) + 7
    stage.start(*limited(reset), ADD, DONE)
    waiting(stage)
    second = stage.fleet.dispatch("02", str(stage.calc), prompt=steps(ADD, DONE))
    assert (second.state, second.wait_for) == ("waiting", "limit")
    assert list(stage.fleet.recover()) == []
    until(lambda: clock.now() > clock.from_epoch(reset), "the limit is lifted")
    assert sorted((one.worker, one.did) for one in stage.fleet.recover()) == [("01", "woken"), ("02", "woken")]
    found = stage.fleet.watch(["01", "02"], timeout=60)
    assert [(one.outcome, one.attempts) for one in found] == [("pull_request", 1)] * 2


@pytest.mark.parametrize(
    ("resets", "status"), [(None, "rejected"), ("soon", "rejected"), (1e300, "rejected"), (4e9, "allowed")]
)
def test_a_limit_that_says_no_moment_is_asked_again_in_a_quarter_of_an_hour(
    stage: Stage, resets: object, status: str
) -> None:
    stage.start(*limited(resets, status))
    waiting(stage)
    assert clock.in_seconds(840) < str(current(stage).wait_until) <= clock.in_seconds(900)


def test_a_limit_whose_moment_is_past_is_not_hammered(stage: Stage) -> None:
    stage.start(*limited(int(time.time()) - 60))
    waiting(stage)
    assert str(current(stage).wait_until) > clock.now()


def test_an_agent_cannot_bar_the_operators_key_for_years(stage: Stage) -> None:
    stage.start(*limited(253_402_300_000))
    waiting(stage)
    stands = limits.standing(stage.fleet.layout, "02", {credentials.API_KEY: os.environ[credentials.API_KEY]}, "key")
    assert stands
    assert stands.until < clock.in_seconds(40 * 86400)


@pytest.mark.parametrize(
    "script",
    [
        [{"raw": json.dumps({"type": "system", "subtype": "api_retry", "error_status": 401})}, {"hang": True}],
        [failing(api_error_status=401, result="Invalid API key")],
        [failing(api_error_status=403, result="forbidden")],
        [failing(api_error_status=None, result="Not logged in · Please run /login")],
    ],
    ids=["retried", "401", "403", "login"],
)
def test_a_refused_credential_stops_the_task_at_once_with_what_mends_it(
    stage: Stage, script: list[dict[str, object]]
) -> None:
    stage.configure(QUICK)
    task = stage.start(*script, ADD, DONE)
    row = waiting(stage)
    assert str(row.reason).startswith("credentials: ")
    assert "refresh" in str(row.reason)
    parked = current(stage)
    assert (parked.wait_for, parked.wait_until, parked.attempt) == ("credentials", None, 1)
    assert (observed(stage, task).turns, observed(stage, task).tries) == (1, [])


@pytest.mark.real
def test_the_real_agent_asks_only_once_with_a_refused_credential(calc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = sorted(CHECKOUT.glob(".cache/claude-code-*/node_modules/.bin/claude"))
    if not found:
        missing("the real Claude Code (scripts/setup fetches it where npm is)")
    monkeypatch.setenv("CLAUDE_WORKERS_CLAUDE", str(found[-1]))
    with Endpoint() as endpoint:
        desk = Desk(calc, endpoint, monkeypatch)
        desk.start([error(401)])
        until(lambda: desk.fleet.status(["01"])[0].state == "waiting", "the task waits")
        assert "refresh" in str(desk.fleet.status(["01"])[0].reason)
        assert len([one for one in endpoint.requests if one["body"].get("tools")]) == 1
