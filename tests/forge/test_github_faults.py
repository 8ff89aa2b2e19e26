"""Faults on the way to GitHub: passing ones are waited out, lost answers looked after, nothing is done twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from claude_workers.errors import Limited, Unreachable
from claude_workers.forge.github import rest
from tests.forge.conformance import a_task
from tests.forge.operator import REPO, Operator, bodies
from tests.github import limits
from tests.github.faults import How

PASSING: tuple[How, ...] = ("500", "502", "reset", "lost", "truncated")
# Each request that a verb makes, where a fault may meet it.
REQUESTS = {
    "comment": ("GET *", "POST */comments"),
    "label": ("GET */labels/*", f"POST /repos/{REPO}/labels", "POST */issues/*/labels", "DELETE *"),
    "propose": ("GET */pulls", "POST */pulls"),
    "propose again": ("GET */pulls", "PATCH */pulls/*"),
}
MEETINGS = [(verb, request) for verb, requests in REQUESTS.items() for request in requests]


def ask(operator: Operator, verb: str) -> Callable[[], object]:
    """Return a verb that changes an issue, which is to be done once."""
    number = operator.file()
    forge = operator.forge()
    if verb == "comment":
        return lambda: forge.comment(number, "Done.", "key")
    if verb == "label":
        operator.github.add_label(REPO, number, "old")
        return lambda: forge.label(number, add=("worker:01",), remove=("old",))
    if verb == "propose again":
        forge.propose(operator.change(number, "First", "First."))
    change = operator.change(number)
    return lambda: forge.propose(change)


def assert_done_once(operator: Operator, verb: str) -> None:
    """See that a verb's effect is there, once."""
    [number, *pulls] = operator.github.repository(REPO).issues
    if verb == "comment":
        assert bodies(operator.forge().issue(number)) == ["Done."]
        assert len(operator.said(number)) == 1
    elif verb == "label":
        assert operator.forge().issue(number).labels == ["worker:01"]
        assert len([one for one in operator.github.repository(REPO).labels if one.name == "worker:01"]) == 1
    else:
        assert len(pulls) == 1
        change = operator.forge().open_change(f"w01/issue-{number}")
        assert change
        assert (change.title, change.body, change.number) == ("Add sub", "Added.", pulls[0])


@pytest.mark.parametrize("how", PASSING)
@pytest.mark.parametrize(("verb", "request_"), MEETINGS)
def test_a_fault_at_any_request_of_a_verb_is_outlived_and_the_verb_done_once(
    operator: Operator, waits: list[float], verb: str, request_: str, how: How
) -> None:
    asked = ask(operator, verb)
    operator.github.fail_next(request_, how)
    asked()
    assert_done_once(operator, verb)
    assert sum(waits) < 5


@pytest.mark.parametrize("how", PASSING)
def test_reading_outlives_three_faults_in_a_row(operator: Operator, waits: list[float], how: How) -> None:
    number = operator.file()
    operator.github.fail_next("GET */issues/*", how, times=3)
    assert operator.forge().issue(number).body == "It is missing."
    assert len(waits) == 3
    assert waits == sorted(waits), "each wait is longer than the one before"
    assert 0 < waits[0] <= rest._PAUSE


@pytest.mark.parametrize("how", PASSING)
def test_a_server_that_is_broken_for_good_is_unreachable(operator: Operator, waits: list[float], how: How) -> None:
    number = operator.file()
    operator.github.fail_next("*", how, times=1000)
    for verb in (
        lambda: operator.forge().check(issues=True),
        lambda: operator.forge().issue(number),
        lambda: operator.forge().claims(),
        lambda: operator.forge().comment(number, "Done.", "key"),
    ):
        with pytest.raises(Unreachable) as caught:
            verb()
        assert type(caught.value) is Unreachable
        assert operator.github.url in caught.value.message
        assert "<html>" not in str(caught.value)
    assert sum(waits) < 20


def test_a_server_that_is_not_there_is_unreachable(
    operator: Operator, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_API_URL", "http://127.0.0.1:9/api/v3")
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        operator.forge().comment(1, "x", "key")
    assert waits


@pytest.mark.parametrize("how", ["500", "lost", "truncated"])
def test_a_comment_that_never_comes_through_is_there_at_most_once(
    operator: Operator, waits: list[float], how: How
) -> None:
    number = operator.file()
    operator.github.fail_next("POST */comments", how, times=2)
    operator.forge().comment(number, "Done.", "key")
    operator.forge().comment(number, "Done.", "key")
    assert len(operator.said(number)) == 1


@pytest.mark.parametrize("how", ["secondary", "secondary-429"])
def test_a_short_limit_is_waited_for_as_long_as_it_was_said(operator: Operator, waits: list[float], how: How) -> None:
    operator.github.fail_next("GET */issues/*", how, retry_after=7, times=2)
    assert operator.forge().issue(operator.file()).body == "It is missing."
    assert [one for one in waits if one >= 1] == [7, 7]


@pytest.mark.parametrize("how", ["secondary", "primary"])
def test_a_short_limit_is_waited_for_where_something_is_written(
    operator: Operator, waits: list[float], how: How
) -> None:
    operator.github.clock.freeze()
    for verb in ("comment", "propose"):
        operator.github.fail_next(f"POST */{'comments' if verb == 'comment' else 'pulls'}", how, retry_after=9)
        ask(operator, verb)()
    assert [one for one in waits if one >= 1] == [9, 9]


def test_the_primary_limit_is_waited_for_by_github_s_own_clock(operator: Operator, waits: list[float]) -> None:
    operator.github.clock.freeze()
    operator.github.clock.advance(-86400)  # its clock and ours differ
    operator.github.fail_next("GET */issues/*", "primary", retry_after=9)
    operator.forge().issue(operator.file())
    assert [one for one in waits if one >= 1] == [9]


@pytest.mark.parametrize("how", ["secondary", "secondary-429", "primary"])
def test_a_limit_beyond_patience_is_told_with_its_end_and_nothing_more_is_asked(
    operator: Operator, waits: list[float], how: How
) -> None:
    number, change = operator.file(), operator.change(None)
    for pattern, verb in (
        ("GET */issues/*", lambda: operator.forge().issue(number)),
        ("POST */comments", lambda: operator.forge().comment(number, "Done.", "key")),
        ("POST */pulls", lambda: operator.forge().propose(change)),
        ("POST */labels", lambda: operator.forge().label(number, add=("x",))),
        ("GET */matching-refs/*", lambda: operator.forge().claims()),
    ):
        operator.github.reset_calls()
        operator.github.fail_next(pattern, how, times=100, retry_after=3600)
        with pytest.raises(Limited) as caught:
            verb()
        operator.github.clear_faults()
        left = (datetime.fromisoformat(str(caught.value.until)) - datetime.now(UTC)).total_seconds()
        assert 3500 < left <= 3601
        assert operator.github.calls[-1].status in {403, 429}
        assert len([one for one in operator.github.calls if one.status in {403, 429}]) == 1, pattern
    assert waits == []


def test_limits_that_add_up_beyond_patience_are_not_waited_for(operator: Operator, waits: list[float]) -> None:
    operator.github.fail_next("GET */issues/*", "secondary", retry_after=25, times=100)
    with pytest.raises(Limited):
        operator.forge().issue(operator.file())
    assert sum(waits) <= rest.PATIENCE + 3


def test_who_has_no_requests_left_is_told_when_there_are(operator: Operator, waits: list[float]) -> None:
    operator.github.limit("robot", remaining=0)
    with pytest.raises(Limited, match="API rate limit exceeded") as caught:
        operator.forge().check(issues=True)
    assert caught.value.until


def test_what_people_look_at_is_told_at_once_or_not_at_all(operator: Operator, waits: list[float]) -> None:
    for how in ("502", "reset", "secondary"):
        operator.github.fail_next("GET */matching-refs/*", how)
        with pytest.raises(Unreachable):
            operator.forge().claims()
    assert waits == []


def test_claims_that_did_not_change_cost_one_request_and_none_of_the_limit(operator: Operator) -> None:
    number = operator.file()
    operator.forge().claim(a_task(number))
    first = operator.forge().claims()
    operator.github.reset_calls()
    used = limits.budget(operator.github.state, "robot", "core").used
    assert operator.forge().claims() == first
    assert [one.status for one in operator.github.calls] == [304]
    assert limits.budget(operator.github.state, "robot", "core").used == used
    operator.forge().release(a_task(number), proposed=False)
    assert operator.forge().claims() == []


def test_every_page_is_read(operator: Operator) -> None:
    number = operator.file()
    for one in range(130):
        operator.github.comment(REPO, number, "ann", f"{one}")
        operator.github.file_issue(REPO, "ann", "More", "", labels=["ready"])
    forge = operator.forge()
    assert bodies(forge.issue(number)) == [f"{one}" for one in range(130)]
    assert forge.waiting("ready") == list(range(number + 1, number + 131))
    forge.comment(number, "Last", "key")
    forge.comment(number, "Last", "key")
    assert len(operator.said(number)) == 131
