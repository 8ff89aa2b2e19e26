"""What users of programs like this one complain of, and what therefore never happens here: limits.

Collected here are the complaints about limits that are met and not seen: of use, money, silence, memory, and
of the patience of a question that nobody answers. The rest of the 25 are in the modules beside this one.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from claude_workers import clock
from claude_workers.config import Settings
from claude_workers.home import tasks
from claude_workers.home.home import Home
from claude_workers.testing.endpoint import Endpoint, text, tool
from tests.faults.test_complaints_processes import DAEMONS, holding, seconds
from tests.racing import until
from tests.real.conftest import Desk
from tests.runner.test_budget import hastened as hastened
from tests.runner.test_retry import limited
from tests.stage import ADD, DONE, Stage, steps

MORE = {"text": "More."}

# 16 is about how often GitHub's API is asked: tests/runner/test_on_github.py, test_a_task_costs_few_requests, and
# tests/pool/test_issues.py, test_orphans_cost_one_request_a_repository_and_the_second_is_free, show that.


def test_17_a_limit_with_a_reset_parks_the_task_until_then_and_spends_no_attempt(stage: Stage) -> None:
    event, failure = limited(None)
    told = str(event["raw"]).replace("null", "$(($(date +%s) + 3))").replace('"', '\\"')
    stage.start({"run": f'echo "{told}" > /proc/$PPID/fd/1'}, failure, ADD, DONE)
    stage.until(lambda row: row.state == "waiting")
    task = tasks.load(Home(stage.fleet.layout, "01"))
    assert task
    assert (task.wait_for, task.attempt) == ("limit", 1)
    assert clock.now() < str(task.wait_until) <= clock.in_seconds(3)
    assert list(stage.fleet.recover()) == []
    until(lambda: clock.now() > str(task.wait_until), "the limit is lifted")
    assert [one.did for one in stage.fleet.recover()] == ["woken"]
    receipt = stage.end()
    assert (receipt.outcome, receipt.attempts) == ("pull_request", 1)


@pytest.mark.usefixtures("hastened")
def test_18_a_budget_ends_the_whole_tree_and_spending_and_status_agree(stage: Stage) -> None:
    mark = seconds()
    stage.configure("budget_tokens = 500\n")
    stage.start({"run": DAEMONS.format(mark)}, *[MORE] * 3, {"text": "here"}, *[MORE] * 3, {"hang": True})
    receipt = stage.end()
    assert receipt.outcome == "failed"
    assert receipt.reason.startswith("budget_tokens of 500 is used up: ")
    until(lambda: not holding(mark), "nobody is left")
    spent = int(receipt.reason.rpartition(" ")[2])
    assert {one.tokens for one in stage.fleet.budget()[0]} == {spent}


@pytest.mark.real
@pytest.mark.usefixtures("claude")
def test_19_a_permission_that_nobody_is_there_to_give_does_not_hang(
    calc: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(calc, endpoint, monkeypatch)
    desk.configure('silence_limit = "60s"')
    write = tool("Write", file_path="/etc/planted", content="x")
    look = tool("Bash", command="cat ~/.claude.json > seen.json; git add seen.json; git commit -qm Seen")
    receipt = desk.play([write, look, text("I was not allowed to.")])
    assert (receipt.outcome, receipt.attempts) == ("pull_request", 1)
    assert receipt.denials == ["Write /etc/planted"]
    assert receipt.duration_s < 60
    asked = [event.text for event in desk.fleet.logs("01") if event.kind == "system"]
    assert any("dontAsk" in one for one in asked)
    seen = json.loads((desk.fleet.layout.root / "01/github/local/calc/seen.json").read_text(encoding="utf-8"))
    assert seen["hasCompletedOnboarding"], "no dialog stands before the work"
    assert all(one["hasTrustDialogAccepted"] for one in seen["projects"].values())


def test_20_a_gap_longer_than_a_start_may_take_is_survived(stage: Stage) -> None:
    stage.configure('start_limit = "2s"\nsilence_limit = "60s"')
    receipt = stage.play({"text": "Begun."}, {"sleep": 2.5}, ADD, DONE)
    assert (receipt.outcome, receipt.attempts) == ("pull_request", 1)


def test_20_by_default_a_start_is_short_and_a_gap_of_seven_minutes_is_none() -> None:
    assert Settings().start_limit < 405 < Settings().silence_limit


def test_25_who_takes_too_much_memory_is_ended_with_that_reason_and_the_others_live_on(stage: Stage) -> None:
    stage.configure('memory_limit = "100M"\nmax_attempts = 1')
    stage.fleet.init("02")
    wait = {"run": "until [ -e ~/.cache/go ]; do sleep 0.02; done"}
    stage.fleet.dispatch("02", str(stage.calc), prompt=steps(wait, ADD, DONE))
    hog = "import time; x = bytearray(300 << 20); time.sleep(300)"
    receipt = stage.play({"run": f"python3 -c '{hog}'"}, DONE, expect="change")
    assert not receipt.succeeded
    assert [one for one in receipt.notes if one.startswith("over memory_limit of 100 MiB")]
    assert stage.fleet.status(["02"])[0].state == "busy"
    (stage.fleet.layout.root / "02/.cache/go").touch()
    [other] = stage.fleet.watch(["02"], timeout=60)
    assert (other.outcome, other.attempts) == ("pull_request", 1)
