"""The verbs of tickets: each whole, repeatable, and refused where it makes no sense."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from claude_workers.errors import BadInput, IssueTaken, NotFound
from claude_workers.model import Change
from claude_workers.tickets.rows import BODY_LIMIT, TITLE_LIMIT
from claude_workers.tickets.tickets import Tickets
from tests.desk import close, filed, holders
from tests.racing import race

REPO = "/srv/repo"
PLACE = ("host", "/root/workers")


@pytest.fixture
def tickets(tmp_path: Path) -> Tickets:
    """An empty database of tickets."""
    return Tickets(tmp_path / "tickets.db")


@pytest.fixture
def number(tickets: Tickets) -> int:
    """A ticket."""
    return tickets.create(REPO, "Add sub", "It is *missing*.\n", "ann")


def a_change(**changes: object) -> Change:
    data = {"number": 0, "issue": None, "repo": REPO, "branch": "w01/issue-1", "base": "main", "head": "a" * 40}
    data |= {"task_id": "t1", "worker": "01", "title": "Add sub", "body": "Text", "draft": False}
    return Change.from_json({**data, **changes})


def test_a_ticket_is_read_as_it_was_filed(tickets: Tickets, number: int) -> None:
    found = tickets.read(number)
    assert (found.number, found.title, found.body) == (1, "Add sub", "It is *missing*.\n")
    assert (found.author, found.state, found.labels, found.comments) == ("ann", "open", [], [])


def test_numbers_are_never_used_twice(tickets: Tickets) -> None:
    assert [tickets.create(REPO, "x", "", "ann") for _ in range(3)] == [1, 2, 3]


def test_twenty_that_file_at_once_get_twenty_numbers(tickets: Tickets) -> None:
    answers = race(lambda one: tickets.create(REPO, f"Ticket {one}", "", "ann"))
    assert {one for one in answers if isinstance(one, int)} == set(range(1, 21))


@pytest.mark.parametrize(
    "title",
    ["", "  ", "\n", "a\nb", "a\0b", "a\x1b[31mb", "a\rb", "a\x9bb", "x" * (TITLE_LIMIT + 1), os.fsdecode(b"caf\xe9")],
)
def test_a_title_is_one_line_of_text(title: str, tickets: Tickets) -> None:
    with pytest.raises(BadInput):
        tickets.create(REPO, title, "", "ann")
    assert filed(tickets) == []


@pytest.mark.parametrize("body", ["a\0b", "x" * (BODY_LIMIT + 1), os.fsdecode(b"caf\xe9")])
def test_a_description_is_text_of_a_bounded_length(body: str, tickets: Tickets) -> None:
    with pytest.raises(BadInput):
        tickets.create(REPO, "x", body, "ann")
    assert filed(tickets) == []


def test_what_is_just_not_too_long_is_kept_whole(tickets: Tickets) -> None:
    number = tickets.create(REPO, "é" * TITLE_LIMIT, "é" * BODY_LIMIT, "ann")
    found = tickets.read(number)
    assert (len(found.title), len(found.body)) == (TITLE_LIMIT, BODY_LIMIT)


@pytest.mark.parametrize("text", ["'; DROP TABLE tickets; --", '"', "%s ? :x", "a\u2028b", "\U0001f600"])
def test_any_text_is_only_text(text: str, tickets: Tickets) -> None:
    number = tickets.create(REPO, text, text, text)
    tickets.comment(number, text, text)
    tickets.label(number, (text,))
    found = tickets.read(number)
    assert (found.title, found.body, found.author) == (text, text, text)
    assert (found.labels, found.comments[0].body) == ([text], text)


@pytest.mark.parametrize("missing", [0, -1, 2, 999_999_999, 1 << 70])
def test_a_ticket_that_is_not_there_is_not_found(missing: int, tickets: Tickets, number: int) -> None:
    verbs: list[Callable[[], object]] = [
        lambda: tickets.read(missing),
        lambda: tickets.comment(missing, "x", "ann"),
        lambda: tickets.label(missing, ("x",)),
        lambda: close(tickets, missing),
        lambda: tickets.claim(missing, "t1", "01", PLACE),
    ]
    for verb in verbs:
        with pytest.raises(NotFound, match="no ticket"):
            verb()


def test_a_ticket_of_another_repository_is_not_found_and_says_whose_it_is(tickets: Tickets, number: int) -> None:
    with pytest.raises(NotFound, match=REPO):
        tickets.read(number, "/srv/other")
    assert tickets.read(number, REPO).number == number


def test_comments_are_kept_in_order(tickets: Tickets, number: int) -> None:
    for text in ("first", "second\nline"):
        tickets.comment(number, text, "ben")
    assert [(one.author, one.body) for one in tickets.read(number).comments] == [
        ("ben", "first"),
        ("ben", "second\nline"),
    ]


@pytest.mark.parametrize("body", ["", " \n", "a\0b", "x" * (BODY_LIMIT + 1), os.fsdecode(b"caf\xe9")])
def test_a_comment_needs_a_text(body: str, tickets: Tickets, number: int) -> None:
    with pytest.raises(BadInput):
        tickets.comment(number, body, "ann")
    assert tickets.read(number).comments == []


def test_a_comment_with_a_key_is_made_once_however_many_make_it(tickets: Tickets, number: int) -> None:
    assert race(lambda one: tickets.comment(number, f"Text {one}", "w", "t1:done")) == [None] * 20
    assert len(tickets.read(number).comments) == 1


def test_comments_without_a_key_are_all_made(tickets: Tickets, number: int) -> None:
    for _ in range(3):
        tickets.comment(number, "Again", "ann")
    assert len(tickets.read(number).comments) == 3


def test_labels_are_put_on_and_taken_off_as_often_as_one_likes(tickets: Tickets, number: int) -> None:
    for _ in range(2):
        tickets.label(number, add=("worker:01", " bug "), remove=("absent",))
    assert tickets.read(number).labels == ["bug", "worker:01"]
    for _ in range(2):
        tickets.label(number, remove=("bug",))
    assert tickets.read(number).labels == ["worker:01"]


@pytest.mark.parametrize("name", ["", " ", "a,b", "a\nb", os.fsdecode(b"caf\xe9")])
def test_what_is_no_label_is_refused_and_none_is_changed(name: str, tickets: Tickets, number: int) -> None:
    with pytest.raises(BadInput):
        tickets.label(number, add=("good", name))
    assert tickets.read(number).labels == []


def test_a_closed_ticket_is_closed_however_often(tickets: Tickets, number: int) -> None:
    for _ in range(2):
        close(tickets, number)
    assert tickets.read(number).state == "closed"


def test_a_claimed_ticket_is_not_closed(tickets: Tickets, number: int) -> None:
    tickets.claim(number, "t1", "01", PLACE)
    with pytest.raises(IssueTaken, match="worker 01"):
        close(tickets, number)
    assert tickets.read(number).state == "open"
    tickets.release(number, "t1", "unclaimed")
    close(tickets, number)
    assert tickets.read(number).state == "closed"


def test_of_twenty_that_claim_a_ticket_one_has_it(tickets: Tickets, number: int) -> None:
    answers = race(lambda one: tickets.claim(number, f"t{one}", f"{one:02}", PLACE))
    assert answers.count(None) == 1
    assert [type(one) for one in answers if one is not None] == [IssueTaken] * 19
    assert holders(tickets) == {number: f"{answers.index(None):02}"}


def test_the_same_task_may_claim_again(tickets: Tickets, number: int) -> None:
    assert race(lambda _: tickets.claim(number, "t1", "01", PLACE)) == [None] * 20
    assert holders(tickets) == {number: "01"}


def test_a_taken_ticket_says_by_whom(tickets: Tickets, number: int) -> None:
    tickets.claim(number, "t1", "01", PLACE)
    with pytest.raises(IssueTaken) as caught:
        tickets.claim(number, "t2", "02", PLACE)
    assert "worker 01" in caught.value.message
    assert "watch 01" in caught.value.remedy


def test_a_released_ticket_can_be_claimed_by_another(tickets: Tickets, number: int) -> None:
    tickets.claim(number, "t1", "01", PLACE)
    for _ in range(2):
        tickets.release(number, "t1", "unclaimed")
    assert holders(tickets) == {}
    tickets.claim(number, "t2", "02", PLACE)
    assert holders(tickets) == {number: "02"}


def test_a_claim_is_released_by_its_own_task_alone(tickets: Tickets, number: int) -> None:
    tickets.claim(number, "t1", "01", PLACE)
    tickets.release(number, "t2", "completed")
    assert holders(tickets) == {number: "01"}
    assert tickets.read(number).state == "open"


def test_a_change_is_recorded_once_for_each_branch(tickets: Tickets, number: int) -> None:
    first = tickets.record(a_change(issue=number))
    again = tickets.record(a_change(issue=number, head="b" * 40, title="Better", task_id="t2", draft=True))
    assert again == first
    found = tickets.change(REPO, "w01/issue-1")
    assert found == a_change(number=first, issue=number, head="b" * 40, title="Better", task_id="t2", draft=True)
    assert tickets.record(a_change(branch="w02/issue-1")) != first


@pytest.mark.parametrize(("name", "value"), [("base", "release"), ("worker", "02"), ("body", "New"), ("issue", 1)])
def test_a_record_is_brought_up_to_date_in_every_field(name: str, value: object, tickets: Tickets, number: int) -> None:
    first = tickets.record(a_change())
    tickets.record(a_change(**{name: value}))
    assert tickets.change(REPO, "w01/issue-1") == a_change(**{name: value, "number": first})


def test_there_is_no_change_of_another_branch_or_repository(tickets: Tickets) -> None:
    tickets.record(a_change())
    assert tickets.change(REPO, "w02/issue-1") is None
    assert tickets.change("/srv/other", "w01/issue-1") is None


def test_twenty_that_record_a_branch_record_one_change(tickets: Tickets) -> None:
    assert race(lambda _: tickets.record(a_change())) == [1] * 20
