"""Budgets: what a task, a day, a week and a month may cost, summed over turns, deaths and workers."""

from __future__ import annotations

import math
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from claude_workers import Receipt, spending
from claude_workers.home import archive, events, tasks
from claude_workers.home.home import find
from claude_workers.model import Progress, Task
from claude_workers.pool import dispatch
from claude_workers.process.table import marked
from tests.conftest import make_repository
from tests.racing import until
from tests.stage import ADD, DONE, Stage, steps

QUICK = 'backoff = "0.05s"\nverify = "test -e passed"\nverify_retries = 20\n'
PASS = {"run": "touch passed; git add passed; git commit -qm Pass"}
# Looks at the budgets as often as the runner reads its agent, where the package takes seconds: the rest is its own.
HASTENED = """#!{python}
import runpy, sys
from claude_workers.runner import purse, watch
assert purse._EVERY and watch._TELL
purse._EVERY = watch._TELL = 0.1
sys.argv[1:] = sys.argv[4:]
runpy.run_module("claude_workers.runner", run_name="__main__")
"""


@pytest.fixture
def hastened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every runner look at its budgets ten times a second."""
    program = tmp_path / "runner"
    program.write_text(HASTENED.format(python=sys.executable), encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(dispatch, "sys", SimpleNamespace(executable=str(program)))


def turn(cost: float = 0.01, **result: Any) -> dict[str, object]:
    """Return the end of a turn that cost so much."""
    return {"text": "So far.", "result": {"total_cost_usd": cost, **result}, "turn": True}


def kill(after: str = "true") -> dict[str, object]:
    """Return a step in which the agent dies, the first time it is played."""
    return {"run": f"{after}; [ -e ~/.cache/died ] || {{ touch ~/.cache/died; kill -9 $PPID; sleep 9; }}"}


def observed(stage: Stage, task: Task) -> Progress:
    """Return what was observed of a task."""
    return tasks.progress(find(stage.fleet.layout, task.worker), task.task_id)


def ended(stage: Stage, task: Task, worker: str = "01") -> Receipt:
    """Wait for a task's receipt, nothing of its tree being left."""
    [receipt] = stage.fleet.watch([worker], timeout=60)
    until(lambda: not marked(f"CLAUDE_WORKERS_TASK={task.task_id}"), "nothing of the task is left")
    return receipt


def waiting(stage: Stage, worker: str = "01") -> Task:
    """Wait until a worker's task waits, and return its file."""
    until(lambda: stage.fleet.status([worker])[0].state == "waiting", f"worker {worker} waits")
    found = tasks.load(find(stage.fleet.layout, worker))
    assert found
    return found


def given(stage: Stage) -> list[float]:
    """Return the --max-budget-usd of each turn, where the agent told its command line."""
    outputs = [one.text.split() for one in stage.fleet.logs("01") if one.kind == "output"]
    return [float(words[1]) for words in outputs if words[:1] == ["--max-budget-usd"]]


TELL = {"run": "tr '\\0' '\\n' < /proc/$PPID/cmdline | grep -A1 max-budget"}


@pytest.mark.parametrize(
    "said", ["budget_usd of 0.025 is used up: 0.03", "budget_tokens of 300 is used up: 360"], ids=["usd", "tokens"]
)
def test_the_turns_of_a_task_together_end_it(stage: Stage, said: str) -> None:
    name, _, limit, *_ = said.split()
    stage.configure(f"{QUICK}{name} = {limit}\n")
    task = stage.start(ADD, *[turn()] * 6, PASS, DONE)
    receipt = ended(stage, task)
    assert (receipt.outcome, receipt.reason) == ("failed", said)
    assert (observed(stage, task).turns, round(receipt.cost_usd, 6)) == (3, 0.03)


def test_a_turn_that_was_killed_counts_by_its_tokens_and_that_is_said(stage: Stage) -> None:
    stage.configure(QUICK + "budget_usd = 0.04\n")
    task = stage.start(ADD, turn(), *[{"text": "More."}] * 5, kill(), PASS, DONE)
    receipt = ended(stage, task)
    assert (receipt.outcome, receipt.attempts) == ("failed", 2)
    assert "budget_usd of 0.04 is used up" in receipt.reason
    assert receipt.cost_usd > 0.04
    assert any("estimated from its tokens" in one for one in receipt.unchecked)


def test_a_first_turn_that_was_killed_counts_once_a_price_is_known(stage: Stage) -> None:
    stage.configure(QUICK + "budget_usd = 0.04\n")
    task = stage.start(ADD, *[{"text": "More."}] * 5, kill(), turn(), PASS, DONE)
    assert ended(stage, task).cost_usd > 0.04


def test_killed_attempts_count_by_tokens_even_before_any_price_is_known(stage: Stage) -> None:
    stage.configure(QUICK + "budget_tokens = 500\n")
    task = stage.start(*[{"text": "More."}] * 5, kill(), PASS, DONE)
    receipt = ended(stage, task)
    assert receipt.attempts == 2
    assert receipt.reason.startswith("budget_tokens of 500 is used up")


def test_the_time_of_killed_attempts_counts(stage: Stage) -> None:
    stage.configure(QUICK + 'time_limit = "3s"\n')
    task = stage.start({"text": "Begun."}, kill("sleep 2"), DONE)
    receipt = ended(stage, task)
    assert (receipt.outcome, receipt.attempts) == ("failed", 2)
    assert "over the time limit of 3s" in receipt.reason
    assert observed(stage, task).worked_s >= 3


@pytest.mark.parametrize(
    "said",
    ["budget_usd = 0.05\n", 'budget_usd = 9\n[repos."local/calc"]\nbudget_usd_week = 0.05\n'],
    ids=["task", "span"],
)
def test_the_agent_is_told_what_is_left_of_the_least(stage: Stage, said: str) -> None:
    stage.configure(QUICK + said)
    stage.start(TELL, ADD, turn(0.02), TELL, turn(0.025), TELL, PASS, DONE)
    stage.end()
    assert given(stage) == pytest.approx([0.05, 0.03, 0.01])


OVER = turn(0.06, is_error=True, subtype="error_max_budget_usd")


def test_an_agent_that_reached_its_tasks_budget_by_itself_ends_the_task(stage: Stage) -> None:
    stage.configure(QUICK + "budget_usd = 0.05\n")
    assert "budget_usd" in stage.play(ADD, OVER, PASS, DONE).reason


def test_an_agent_that_reached_the_days_budget_by_itself_waits_for_the_next(stage: Stage) -> None:
    stage.configure(QUICK + "budget_usd_day = 0.05\n")
    stage.start(ADD, OVER, PASS, DONE)
    assert stage.until(lambda row: row.state != "busy").state == "waiting"


SPANS = [
    ("budget_usd_day = 0.015\n", "day", "budget_usd_day"),
    ("budget_usd_month = 0.015\n", "month", "budget_usd_month"),
    ("budget_tokens_week = 200\n", "week", "budget_tokens_week"),
    ('[repos."local/calc"]\nbudget_tokens_day = 200\n', "day", "budget_tokens_day of repository local/calc"),
    ("[credentials.default]\nbudget_usd_week = 0.02\n", "week", "budget_usd_week of credentials default"),
]


@pytest.mark.parametrize(("said", "span", "named"), SPANS, ids=[named for _, _, named in SPANS])
def test_what_a_span_may_cost_makes_tasks_wait_for_its_end(stage: Stage, said: str, span: str, named: str) -> None:
    stage.configure(QUICK + said)
    stage.fleet.init("02")
    task = stage.start(ADD, *[turn()] * 6)
    parked = waiting(stage)
    until_ = spending._bounds(span)[1]
    assert (parked.wait_for, parked.wait_until, parked.attempt) == ("limit", until_, 1)
    assert parked.reason.startswith(f"{named} is used up: ")
    assert observed(stage, task).turns == 2
    second = stage.fleet.dispatch("02", str(stage.calc), prompt=steps(ADD, DONE))
    assert (second.state, second.wait_for, second.wait_until, second.pid) == ("waiting", "limit", until_, None)
    assert named in second.reason
    assert list(stage.fleet.recover()) == []


def test_a_repositorys_budget_stops_nobody_elsewhere_and_a_raised_one_lets_go_on(stage: Stage, tmp_path: Path) -> None:
    stage.configure(QUICK + '[repos."local/calc"]\nbudget_usd_day = 0.015\n')
    stage.fleet.init("02")
    stage.start(ADD, turn(), turn(), PASS, DONE)
    waiting(stage)
    other = make_repository(tmp_path / "other")
    stage.fleet.dispatch("02", str(other), prompt=steps(ADD, PASS, DONE))
    [receipt] = stage.fleet.watch(["02"], timeout=60)
    assert receipt.outcome == "pull_request"
    stage.configure(QUICK + '[repos."local/calc"]\nbudget_usd_day = 1\n')
    stage.fleet.restart("01")
    assert stage.end().outcome == "pull_request"


def told(stage: Stage, task: Task, key: str) -> list[str]:
    """Return the event log's words on a budget."""
    found = events.read(find(stage.fleet.layout, task.worker))
    return [one.text for one in found if one.kind == "budget" and one.text.startswith(f"{key}:")]


@pytest.mark.parametrize("key", ["budget_usd", "budget_usd_day", "budget_usd_month of repository local/calc"])
def test_at_four_fifths_it_is_said_once_in_receipt_log_and_event_log(stage: Stage, key: str) -> None:
    name, _, scope = key.partition(" of ")
    stage.configure(QUICK + ('[repos."local/calc"]\n' if scope else "") + f"{name} = 0.05\n")
    many = {"input_tokens": 100_000}
    task = stage.start(ADD, turn(0.03, usage=many), turn(0.012), turn(0.001), kill(), turn(0.001), PASS, DONE)
    receipt = ended(stage, task)
    assert (receipt.outcome, receipt.attempts) == ("pull_request", 2)
    [noted] = [one for one in receipt.notes if one.startswith(f"{key}:")]
    assert told(stage, task, key) == [noted]
    assert "84%" in noted
    assert [one.text for one in stage.fleet.logs("01") if one.text == noted] == [noted]


def test_at_four_fifths_it_is_said_though_the_task_ends_there(stage: Stage) -> None:
    stage.configure(QUICK + "budget_usd = 0.05\n")
    spent = {**DONE, "result": {"total_cost_usd": 0.045}}
    assert [one for one in stage.play(ADD, PASS, spent).notes if one.startswith("budget_usd:")]


def test_below_four_fifths_nothing_is_said(stage: Stage) -> None:
    stage.configure(QUICK + "budget_usd = 0.05\nbudget_tokens = 5000\nbudget_usd_day = 1\n")
    assert not [one for one in stage.play(ADD, turn(0.029), PASS, DONE).notes if "budget" in one]


@pytest.mark.usefixtures("hastened")
def test_in_the_middle_of_a_turn_the_tree_is_ended(stage: Stage) -> None:
    stage.configure(QUICK + "budget_tokens = 500\n")
    task = stage.start({"run": "setsid sleep 300 > /dev/null 2>&1 &"}, *[{"text": "More."}] * 6, {"hang": True})
    assert ended(stage, task).reason.startswith("budget_tokens of 500 is used up")


@pytest.mark.usefixtures("hastened")
def test_workers_together_use_up_one_days_budget_while_they_work(stage: Stage) -> None:
    stage.configure(QUICK + "budget_tokens_day = 1000\n")
    stage.fleet.init("02")
    for worker in ("01", "02"):
        stage.fleet.dispatch(worker, str(stage.calc), prompt=steps(*[{"text": "More."}] * 5, {"hang": True}))
    for worker in ("01", "02"):
        parked = waiting(stage, worker)
        assert (parked.wait_for, parked.wait_until) == ("limit", spending._bounds("day")[1])
        assert "budget_tokens_day is used up: 1200 of 1000" in parked.reason
    assert spending.totals(stage.fleet.layout)[0].tokens == 1200


@pytest.mark.usefixtures("hastened")
def test_the_time_worked_outlives_its_runner(stage: Stage) -> None:
    task = stage.start({"text": "Begun."}, {"hang": True})
    until(lambda: observed(stage, task).worked_s > 0.5, "half a second of work is on disk")
    os.kill(int(stage.until(lambda row: row.pid).pid or 0), signal.SIGKILL)
    stage.until(lambda row: row.state == "crashed")
    before = observed(stage, task).worked_s
    stage.fleet.restart("01")
    until(lambda: observed(stage, task).worked_s > before + 0.5, "more was added to it")
    stage.fleet.stop("01")
    booked = sum(one.seconds for one in spending.booked(stage.fleet.layout, "2"))
    assert booked == pytest.approx(observed(stage, task).worked_s, abs=1.0)


def test_the_books_agree_with_the_receipt_after_deaths_of_agent_and_runner(stage: Stage) -> None:
    stage.configure(QUICK)
    hold = {"run": "[ -e ~/.cache/held ] || { touch ~/.cache/held; sleep 300; }"}
    task = stage.start(ADD, turn(0.02), kill(), turn(0.03), hold, PASS, DONE)
    until(lambda: (stage.home / ".cache/held").exists(), "the third turn works")
    os.kill(int(stage.until(lambda row: row.pid).pid or 0), signal.SIGKILL)
    stage.until(lambda row: row.state == "crashed")
    stage.fleet.restart("01")
    receipt = ended(stage, task)
    assert receipt.outcome == "pull_request"
    booked = spending.booked(stage.fleet.layout, "2")
    assert sum(one.usd for one in booked) == pytest.approx(receipt.cost_usd, abs=1e-5)
    assert sum(one.tokens for one in booked) == observed(stage, task).tokens
    assert {(one.worker, one.repo, one.credentials) for one in booked} == {("01", "local/calc", "default")}


@pytest.mark.parametrize(
    ("said", "result"),
    [
        *(("budget_usd = 0.045", {"total_cost_usd": cost}) for cost in (math.nan, math.inf, -5.0, 10**400)),
        ("budget_tokens = 300", {"usage": {"input_tokens": -(10**9)}}),
    ],
    ids=["nan", "inf", "negative", "huge", "tokens"],
)
def test_no_number_of_an_agents_makes_its_budget_longer_or_the_books_endless(
    stage: Stage, said: str, result: Mapping[str, object]
) -> None:
    stage.configure(f"{QUICK}{said}\n")
    task = stage.start(ADD, turn(0.02), {**turn(), "result": result}, turn(0.03), turn(0.03), PASS, DONE)
    stage.until(lambda row: row.state != "busy")
    receipt = archive.receipt(find(stage.fleet.layout, "01"), task.task_id)
    assert receipt
    assert "is used up" in receipt.reason
    assert math.isfinite(spending.totals(stage.fleet.layout)[0].usd)


def test_a_cost_that_is_known_only_at_the_end_is_noted(stage: Stage) -> None:
    receipt = stage.play({"result": {"total_cost_usd": 3.5}}, DONE, expect="answer", budget_usd=1.0)
    assert receipt.outcome == "answered"
    assert [one for one in receipt.notes if one.startswith("budget_usd of 1 is used up: 3.50, which was known only")]


def test_a_budget_that_was_raised_lets_recover_wake_at_once_and_restart_does_not_pretend(stage: Stage) -> None:
    stage.configure("budget_usd_day = 0.01")
    stage.play(DONE, expect="answer")
    waits = stage.start(DONE, expect="answer")
    assert (waits.state, waits.wait_for) == ("waiting", "limit")
    assert list(stage.fleet.recover()) == []
    assert stage.fleet.restart("01").state == "waiting"
    stage.configure("budget_usd_day = 5.0")
    assert [one.did for one in stage.fleet.recover()] == ["woken"]
    receipt = stage.end()
    assert (receipt.outcome, receipt.attempts) == ("answered", 1)
