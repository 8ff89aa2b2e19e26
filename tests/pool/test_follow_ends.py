"""How following a pull request ends: merged, closed, capped, or with nothing to follow."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest

from claude_workers.errors import NotFound
from claude_workers.model import Followed
from claude_workers.pool.follow import follow, look
from claude_workers.tickets.queue import Draft
from claude_workers.tickets.tickets import Tickets
from tests.github.change import Change
from tests.github.stage import REPO, GitHubStage
from tests.stage import ADD, Stage, steps

MORE = {"run": "date +%N >> more.txt && git add . && git commit -qm More"}
MakeChange = Callable[..., Change]


@pytest.fixture
def change(on_github: GitHubStage) -> MakeChange:
    """What makes a change with the steps of its later rounds."""
    return functools.partial(Change, on_github)


def test_rounds_are_counted_and_end_where_a_person_is_needed(change: MakeChange) -> None:
    made = change(MORE, MORE)
    made.stage.configure("follow_rounds = 1\n")
    made.fail()
    assert made.look().state == "dispatched"
    made.stage.end()
    made.fail()
    found = made.look()
    assert (found.state, found.round) == ("capped", 1)
    assert made.stage.fleet.status(["01"])[0].state == "idle"


def test_three_rounds_are_the_most_where_nothing_is_configured(change: MakeChange) -> None:
    made = change(MORE, MORE, MORE)
    for count in (1, 2, 3):
        made.fail()
        assert made.look().round == count
        made.stage.end()
    made.fail()
    assert made.look().state == "capped"


@pytest.mark.parametrize("end", ["merged", "closed"])
def test_it_is_followed_to_its_end(change: MakeChange, end: str) -> None:
    made = change()
    seen: list[Followed] = []
    pauses: list[float] = []
    looks = follow(made.stage.fleet.layout, REPO, made.number, interval=7, pause=pauses.append)
    seen.append(next(looks))
    if end == "merged":
        made.github.ready(REPO, made.number)
        made.github.merge(REPO, made.number)
    else:
        made.github.close(REPO, made.number)
    seen += list(looks)
    assert [one.state for one in seen] == ["quiet", end]
    assert pauses == [7]


def test_a_merge_while_the_worker_is_busy_ends_it_too(change: MakeChange) -> None:
    made = change()
    made.stage.start({"hang": True})
    made.github.ready(REPO, made.number)
    made.github.merge(REPO, made.number)
    assert made.look().state == "merged"


def test_a_pull_request_that_no_worker_here_made(change: MakeChange) -> None:
    made = change()
    made.github.commit(REPO, "own", {"a.txt": "a"})
    other = made.github.open_pull(REPO, "ann", "own", "By hand")
    for number in (other, 999, int(made.task.issue or 0)):
        with pytest.raises(NotFound, match=f"no worker here made change {number}"):
            look(made.stage.fleet.layout, REPO, number)


def test_what_people_say_under_a_tickets_change_goes_back_to_its_agent_once(stage: Stage) -> None:
    layout = stage.fleet.layout
    number = stage.fleet.tickets.create(Draft(str(stage.calc), "Add", steps(ADD, {"text": "Added."})))
    tickets = Tickets(layout.tickets)
    tickets.comment(number, "Before", "ann")
    stage.fleet.dispatch("01", str(stage.calc), number)
    stage.end()
    assert look(layout, str(stage.calc), 1).state == "quiet"
    tickets.comment(number, "Shorter, please", "ann")
    found = look(layout, str(stage.calc), 1)
    assert (found.state, found.reason) == ("dispatched", "1 remark")
    stage.end()
    assert look(layout, str(stage.calc), 1).state == "quiet"
    with pytest.raises(NotFound):
        look(layout, str(stage.calc), 9)
