"""Conflicts ahead: what two live branches both touch is named, by `status` and by `plan`."""

from __future__ import annotations

import json

import pytest

from claude_workers.model import Overlap
from claude_workers.pool import overlaps
from claude_workers.tickets.queue import Draft, Queue
from tests.cli.conftest import Cli
from tests.racing import until
from tests.stage import ADD, DONE, HANG, Stage, steps

MUL = {"run": "echo '# mul' >> calc.py && git commit -qam Mul"}


@pytest.fixture
def two(stage: Stage) -> Stage:
    """Two workers that have both changed calc.py."""
    stage.configure('rescue_every = "0.1s"\n')
    stage.fleet.init("02")
    for worker, step in (("01", ADD), ("02", MUL)):
        stage.fleet.dispatch(worker, str(stage.calc), prompt=steps(step, HANG))
    return stage


def test_two_at_work_on_one_file_are_named(two: Stage) -> None:
    until(lambda: overlaps.at_work(two.fleet.layout), "both were seen")
    [found] = two.fleet.overlaps()
    branches = [row.branch for row in two.fleet.status()]
    assert found == Overlap(str(two.calc), "calc.py", branches)  # type: ignore[arg-type]
    told = Cli(two.calc.parent).ok("status", "--no-forge")
    assert f"conflict ahead: calc.py: {branches[0]}, {branches[1]}" in told
    assert json.loads(Cli(two.calc.parent).ok("status", "--no-forge", "--json"))["overlaps"] == [found.to_json()]
    two.fleet.stop_all()


def test_a_change_that_waits_and_one_at_work_are_named_by_the_plan(stage: Stage) -> None:
    stage.configure('rescue_every = "0.1s"\n')
    number = Queue(stage.fleet.layout.tickets).create(Draft(str(stage.calc), "Add sub", steps(ADD, DONE)))
    stage.fleet.dispatch("01", str(stage.calc), number)
    stage.end()
    assert overlaps.ahead(stage.fleet.layout) == []
    task = stage.start(MUL, HANG)
    until(lambda: overlaps.ahead(stage.fleet.layout), "it was seen")
    assert overlaps.at_work(stage.fleet.layout) == []
    [found] = overlaps.ahead(stage.fleet.layout)
    assert sorted(found.branches) == sorted([f"w01/issue-{number}", task.branch])
    assert "conflict ahead: calc: calc.py: " in Cli(stage.calc.parent).ok("plan")
    stage.fleet.stop("01")


def test_the_plan_is_a_page_or_a_graph(stage: Stage) -> None:
    queue = Queue(stage.fleet.layout.tickets)
    cli = Cli(stage.calc.parent)
    assert cli.ok("plan") == "No tickets found\n"
    assert cli.ok("plan", "--format", "mermaid") == "graph LR\n"
    first = queue.create(Draft(str(stage.calc), 'Add "sub" \\ #1', priority=2))
    queue.create(Draft(str(stage.calc), "Then", blocked_by=(first,)))
    queue.create(Draft(str(stage.calc), "Which?", type="question"))
    queue.create(Draft(str(stage.calc), "Taken"))
    queue.claim_next("a1")
    assert cli.ok("plan").splitlines() == [
        "at work:", '  #1 [2] Add "sub" \\ #1  (task, in_progress, a1)',
        "can be taken:", "  #4 [0] Taken  (task, open)",
        "waits:", "  #2 [0] Then  (task, open)  after #1",
        "for a person:", "  #3 [0] Which?  (question, open)",
    ]  # fmt: skip
    assert cli.ok("plan", "--format", "mermaid").splitlines() == [
        "graph LR", '  t1["1: Add #quot;sub#quot; #92; #35;1"]', "  style t1 fill:#fe9", '  t2["2: Then"]',
        '  t3["3: Which?"]', "  style t3 fill:#fbb", '  t4["4: Taken"]', "  t1 --> t2",
    ]  # fmt: skip
    assert [one["id"] for one in json.loads(cli.ok("plan", "--json"))["tickets"]] == [1, 2, 3, 4]
