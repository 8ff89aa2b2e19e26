"""The forge seam's conformance suite: what every forge promises, whatever stands behind it.

An implementation's tests subclass `ForgeConformance` and give it a `bench`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Protocol

import pytest

from claude_workers.errors import IssueTaken, NotFound
from claude_workers.forge.seam import Forge
from claude_workers.model import Change, Task
from tests.racing import race


class Bench(Protocol):
    """One repository on a forge, with what only a person does there."""

    repository: str
    """Its name as a `Change` carries it."""

    def forge(self) -> Forge:
        """Return a new view of the repository, as another process would have."""

    def file(self, title: str, body: str = "") -> int:
        """File an issue and return its number."""

    def file_elsewhere(self) -> int:
        """Return a number that is no issue of this repository, but may be one of another."""

    def close(self, number: int) -> None:
        """Close an issue."""

    def publish(self, branch: str) -> str:
        """Put one more commit on a branch, as a push does, and return its name."""


def a_task(number: int | None, worker: str = "01") -> Task:
    """Return a task of a worker on an issue."""
    repo = {"name": "owner/repo", "url": "https://github.com/owner/repo"}
    return Task(f"task-of-{worker}", worker, repo, f"w{worker}/issue-{number}", issue=number, host="host")


def a_change(bench: Bench, number: int | None, more: str = "") -> Change:
    """Publish a branch and return it as a change to propose for an issue."""
    branch = f"w01/issue-{number}{more}"
    head = bench.publish(branch)
    return Change(0, number, bench.repository, branch, "main", head, "task-of-01", "01", "Title", "Body")


class ForgeConformance:
    """The promises."""

    @pytest.fixture
    def bench(self) -> Bench:
        """The implementation under test."""
        raise NotImplementedError

    @pytest.fixture
    def forge(self, bench: Bench) -> Forge:
        """Its forge."""
        return bench.forge()

    @pytest.fixture
    def number(self, bench: Bench) -> int:
        """An open issue."""
        return bench.file("Add sub", "It is *missing*.")

    def test_an_issue_is_told_as_it_was_filed(self, forge: Forge, number: int) -> None:
        found = forge.issue(number)
        assert (found.number, found.title, found.body) == (number, "Add sub", "It is *missing*.")
        assert (found.state, found.labels, found.comments) == ("open", [], [])
        assert found.author
        assert found.url

    def test_a_closed_issue_is_told_as_closed(self, bench: Bench, forge: Forge, number: int) -> None:
        bench.close(number)
        assert forge.issue(number).state == "closed"

    def test_an_issue_that_is_not_there_is_not_found(self, forge: Forge, number: int) -> None:
        with pytest.raises(NotFound):
            forge.issue(number + 1000)

    @pytest.mark.parametrize("verb", ["issue", "label", "comment"])
    def test_an_issue_of_another_repository_is_out_of_every_verb_s_reach(
        self, verb: str, bench: Bench, forge: Forge
    ) -> None:
        foreign = bench.file_elsewhere()
        verbs: dict[str, Callable[[], object]] = {
            "issue": lambda: forge.issue(foreign),
            "label": lambda: forge.label(foreign, add=("x",)),
            "comment": lambda: forge.comment(foreign, "x", "key"),
        }
        with pytest.raises(NotFound):
            verbs[verb]()

    def test_the_labels_of_an_issue_are_a_set(self, bench: Bench, forge: Forge, number: int) -> None:
        for _ in range(2):
            forge.label(number, add=("worker:01", "bug"))
            forge.label(number, remove=("bug", "absent"))
        assert bench.forge().issue(number).labels == ["worker:01"]

    def test_labels_come_and_go_in_one_call(self, forge: Forge, number: int) -> None:
        forge.label(number, add=("old",))
        forge.label(number, add=("new",), remove=("old",))
        assert forge.issue(number).labels == ["new"]

    def test_a_comment_is_part_of_the_conversation(self, bench: Bench, forge: Forge, number: int) -> None:
        forge.comment(number, "First\n\n*line*", "key-1")
        forge.comment(number, "Second", "key-2")
        comments = bench.forge().issue(number).comments
        assert [one.body for one in comments] == ["First\n\n*line*", "Second"]
        assert all(one.author and one.created_at for one in comments)

    def test_a_comment_is_made_once_for_its_key(self, bench: Bench, number: int) -> None:
        for text in ("First", "Second"):
            bench.forge().comment(number, text, "key")
        assert [one.body for one in bench.forge().issue(number).comments] == ["First"]

    def test_the_same_key_under_another_issue_is_another_comment(self, bench: Bench, forge: Forge, number: int) -> None:
        other = bench.file("Another")
        for one in (number, other):
            forge.comment(one, "Text", "key")
        assert [len(forge.issue(one).comments) for one in (number, other)] == [1, 1]

    def test_of_twenty_that_claim_an_issue_one_has_it(self, bench: Bench, number: int) -> None:
        answers = race(lambda one: bench.forge().claim(a_task(number, f"{one:02}")))
        assert answers.count(None) == 1
        assert [type(one) for one in answers if one is not None] == [IssueTaken] * 19, answers

    def test_a_taken_issue_says_by_whom(self, bench: Bench, forge: Forge, number: int) -> None:
        forge.claim(a_task(number, "07"))
        with pytest.raises(IssueTaken, match="07"):
            bench.forge().claim(a_task(number, "08"))

    def test_a_task_that_has_the_claim_may_claim_again(self, bench: Bench, number: int) -> None:
        for _ in range(2):
            bench.forge().claim(a_task(number))

    def test_two_issues_are_claimed_by_two_tasks(self, bench: Bench, forge: Forge, number: int) -> None:
        other = bench.file("Another")
        forge.claim(a_task(number, "01"))
        forge.claim(a_task(other, "02"))
        with pytest.raises(IssueTaken):
            forge.claim(a_task(other, "01"))

    @pytest.mark.parametrize("proposed", [True, False])
    def test_a_released_issue_can_be_claimed_by_another(self, bench: Bench, number: int, *, proposed: bool) -> None:
        bench.forge().claim(a_task(number, "01"))
        for _ in range(2):
            bench.forge().release(a_task(number, "01"), proposed=proposed)
        bench.forge().claim(a_task(number, "02"))

    def test_a_claim_is_released_by_its_own_task_alone(self, forge: Forge, number: int) -> None:
        forge.claim(a_task(number, "01"))
        forge.release(a_task(number, "02"), proposed=False)
        with pytest.raises(IssueTaken):
            forge.claim(a_task(number, "02"))

    def test_a_release_does_not_close_the_issue(self, forge: Forge, number: int) -> None:
        for proposed in (True, False):
            forge.claim(a_task(number))
            forge.release(a_task(number), proposed=proposed)
            assert forge.issue(number).state == "open"

    def test_a_task_without_an_issue_claims_nothing(self, forge: Forge) -> None:
        for worker in ("01", "02"):
            forge.claim(a_task(None, worker))
        for worker in ("01", "02"):
            forge.release(a_task(None, worker), proposed=True)

    def test_who_holds_an_issue_is_told(self, bench: Bench, forge: Forge, number: int) -> None:
        assert forge.holder(number) is None
        forge.claim(a_task(number, "07"))
        held = bench.forge().holder(number)
        assert held
        assert (held.issue, held.worker, held.task_id, held.host) == (number, "07", "task-of-07", "host")
        assert held.root

    def test_the_claims_of_this_root_are_listed(self, bench: Bench, forge: Forge, number: int) -> None:
        other = bench.file("Another")
        assert forge.claims() == []
        forge.claim(a_task(number, "01"))
        forge.claim(a_task(other, "02"))
        assert [(one.issue, one.worker) for one in bench.forge().claims()] == [(number, "01"), (other, "02")]
        forge.release(a_task(number, "01"), proposed=False)
        assert [one.issue for one in forge.claims()] == [other]

    def test_a_freed_issue_has_neither_claim_nor_a_worker_s_label(
        self, bench: Bench, forge: Forge, number: int
    ) -> None:
        forge.claim(a_task(number, "07"))
        forge.label(number, add=("worker:07", "bug"))
        for _ in range(2):
            bench.forge().free(number)
        assert forge.holder(number) is None
        assert forge.issue(number).labels == ["bug"]

    def test_open_issues_under_a_label_wait_oldest_first(self, bench: Bench, forge: Forge, number: int) -> None:
        closed, second, unlabelled = (bench.file(title) for title in ("Closed", "Second", "Unlabelled"))
        for one in (second, closed, number):
            forge.label(one, add=("ready",))
        bench.close(closed)
        assert forge.waiting("ready") == [number, second]
        assert unlabelled not in forge.waiting("ready")
        assert forge.waiting("absent") == []

    def test_an_issue_that_a_worker_is_at_does_not_wait(self, bench: Bench, forge: Forge, number: int) -> None:
        forge.label(number, add=("ready", "worker:01"))
        forge.claim(a_task(number))
        assert bench.forge().waiting("ready") == []

    def test_there_is_no_change_of_a_branch_that_was_not_proposed(self, forge: Forge) -> None:
        assert forge.open_change("w01/issue-1") is None

    def test_a_proposed_change_is_found_by_its_branch(self, bench: Bench, forge: Forge, number: int) -> None:
        change = a_change(bench, number)
        address = forge.propose(change)
        found = bench.forge().open_change(change.branch)
        assert address
        assert found
        assert str(found.number) in address
        assert dataclasses.replace(found, number=0) == change
        assert forge.open_change(f"{change.branch}-2") is None

    def test_a_change_proposed_again_is_the_same_change_brought_up_to_date(
        self, bench: Bench, forge: Forge, number: int
    ) -> None:
        change = a_change(bench, number)
        address = forge.propose(change)
        newer = dataclasses.replace(change, head=bench.publish(change.branch), title="Better", body="More")
        assert bench.forge().propose(newer) == address
        found = forge.open_change(change.branch)
        assert found
        assert (found.head, found.title, found.body) == (newer.head, "Better", "More")

    def test_two_branches_are_two_changes(self, bench: Bench, forge: Forge, number: int) -> None:
        change = a_change(bench, number)
        other = a_change(bench, number, "-2")
        assert forge.propose(change) != forge.propose(other)

    def test_a_change_needs_no_issue(self, bench: Bench, forge: Forge) -> None:
        change = a_change(bench, None)
        forge.propose(change)
        found = forge.open_change(change.branch)
        assert found
        assert found.issue is None
