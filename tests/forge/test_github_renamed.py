"""A repository that was renamed, or given to another owner, is the same repository under its old name."""

from __future__ import annotations

import pytest

from claude_workers.errors import IssueTaken
from tests.forge.conformance import a_task
from tests.forge.operator import REPO, Operator, bodies

NEW = "ann/calculator"


@pytest.fixture(params=["renamed", "given to another owner"])
def moved(request: pytest.FixtureRequest, operator: Operator) -> Operator:
    """An operator whose repository has another name since an hour."""
    repository = operator.github.repository(REPO)
    if request.param == "renamed":
        operator.github.rename(REPO, "calculator")
    else:
        operator.github.add_user("zoe")
        repository.former.append(REPO)
        repository.owner = "zoe"
        operator.github.set_permission("zoe/calc", "ann", "admin")
    return operator


@pytest.fixture(params=[True, False], ids=["checked", "unchecked"])
def checked(request: pytest.FixtureRequest) -> bool:
    """Whether the repository was looked at before."""
    return bool(request.param)


def test_every_verb_works_by_the_old_name(moved: Operator, *, checked: bool) -> None:
    number = moved.file()
    forge = moved.forge()
    if checked:
        forge.check(issues=True)
    for _ in range(2):
        forge.label(number, add=("ready",), remove=("bug",))
        forge.comment(number, "Done.", "key")
    found = forge.issue(number)
    assert (found.body, found.labels, bodies(found)) == ("It is missing.", ["ready"], ["Done."])
    assert forge.waiting("ready") == [number]
    assert len(moved.said(number)) == 1


def test_claims_are_made_and_seen_by_the_old_name(moved: Operator, *, checked: bool) -> None:
    number = moved.file()
    forge = moved.forge()
    if checked:
        forge.check(issues=True)
    forge.claim(a_task(number, "01"))
    for _ in range(2):
        assert [one.issue for one in forge.claims()] == [number]
    with pytest.raises(IssueTaken, match="01"):
        moved.forge().claim(a_task(number, "02"))
    with pytest.raises(IssueTaken, match="01"):
        moved.forge(moved.github.repository(REPO).full_name).claim(a_task(number, "02"))
    forge.release(a_task(number, "01"), proposed=True)
    assert moved.claims() == []


def test_a_change_is_proposed_once_by_the_old_name(moved: Operator, *, checked: bool) -> None:
    number = moved.file()
    forge = moved.forge()
    if checked:
        forge.check(issues=True)
    change = moved.change(number)
    addresses = {forge.propose(change) for _ in range(2)}
    assert len(addresses) == len(moved.pulls()) == 1
    found = forge.open_change(change.branch)
    assert found
    assert found.head == change.head


def test_an_approval_is_seen_by_the_old_name(moved: Operator) -> None:
    moved.configure(f'[repos."{REPO}"]\napproval_label = "ok"\n')
    moved.github.add_user("eve")
    number = moved.file("Do it.", "eve")
    moved.github.clock.advance(60)
    moved.github.add_label(REPO, number, "ok", "ann")
    assert moved.forge().issue(number).body == "Do it."
