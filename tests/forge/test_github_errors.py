"""What GitHub refuses is told as one of our errors, with what mends it, before and while a worker works."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from claude_workers.errors import NoCredentials, NotFound, Refused, WorkersError
from tests.forge.conformance import a_task
from tests.forge.operator import REPO, Operator, bodies
from tests.github.fake import GitHub
from tests.github.faults import Fault
from tests.github.messages import Message, Reply

SECRET = "ghp_000000000000000000000000000000000000"  # no token of anybody's


def refusal(kind: type[WorkersError], verb: Callable[[], object]) -> WorkersError:
    """Return the error of a verb, of exactly this kind, in one line, with a remedy."""
    with pytest.raises(WorkersError) as caught:
        verb()
    assert type(caught.value) is kind, caught.value
    assert caught.value.remedy
    assert "\n" not in str(caught.value)
    return caught.value


def every_verb(operator: Operator, number: int) -> list[Callable[[], object]]:
    """Return every verb for which the server is shown the token; git shows it only where it is asked to."""
    forge, change = operator.forge(), operator.change(number)
    return [
        lambda: forge.check(issues=False),
        lambda: forge.issue(number),
        lambda: forge.waiting("ready"),
        lambda: forge.claim(a_task(number)),
        lambda: forge.label(number, add=("x",)),
        lambda: forge.comment(number, "x", "key"),
        lambda: forge.open_change(change.branch),
        lambda: forge.propose(change),
    ]


@pytest.mark.parametrize("name", ["ann/absent", "nobody/absent", "ann/secret"])
def test_a_repository_that_is_not_there_for_this_token_is_not_found(operator: Operator, name: str) -> None:
    operator.github.add_repository("ann/secret", private=True)
    forge = operator.forge(name)
    told = refusal(NotFound, lambda: forge.check(issues=False))
    assert name in told.message
    assert "$GH_TOKEN" in told.message
    refusal(NotFound, lambda: forge.issue(1))
    refusal(NotFound, lambda: forge.claim(a_task(1)))


def test_a_private_repository_is_there_for_a_token_that_may_see_it(operator: Operator) -> None:
    operator.github.add_repository("ann/secret", {"a": "b"}, private=True)
    operator.github.set_permission("ann/secret", "robot", "write")
    forge = operator.forge("ann/secret")
    forge.check(issues=True)
    forge.claim(a_task(1))
    assert [one.issue for one in forge.claims()] == [1]


@pytest.mark.parametrize("kind", ["wrong", "revoked"])
def test_a_bad_token_is_named_by_where_it_is_kept_and_not_shown(operator: Operator, token: str, kind: str) -> None:
    number = operator.file()
    if kind == "wrong":
        operator.holds(SECRET)
    else:
        operator.github.revoke(token)
    for verb in every_verb(operator, number):
        told = refusal(NoCredentials, verb)
        assert "the token of $GH_TOKEN" in told.message
        assert not {SECRET, token} & set(str(told).split())
    assert operator.claims() == []


def test_without_a_token_nothing_is_begun(operator: Operator) -> None:
    operator.holds(None)
    forge = operator.forge()
    assert "gh auth login" in refusal(NoCredentials, lambda: forge.check(issues=False)).remedy
    assert operator.requests() == []
    refusal(NoCredentials, lambda: forge.claim(a_task(operator.file())))
    refusal(NoCredentials, lambda: forge.comment(1, "x", "key"))


@pytest.mark.parametrize("ending", ["\n", "\r", " \r\n"])
def test_blanks_round_a_token_are_no_part_of_it(operator: Operator, token: str, ending: str) -> None:
    operator.holds(token + ending)
    operator.forge().check(issues=True)


@pytest.mark.parametrize("middle", ["\n", "\r", " ", "\N{ZERO WIDTH SPACE}", "é"])
def test_a_token_that_is_none_is_no_credential_and_not_shown(
    operator: Operator, token: str, waits: list[float], middle: str
) -> None:
    operator.holds(f"{token}{middle}x")
    told = refusal(NoCredentials, lambda: operator.forge().check(issues=False))
    assert token not in str(told)
    assert (operator.requests(), waits) == ([], [])


def test_who_may_not_push_is_told_so_before_anything_begins(operator: Operator) -> None:
    operator.github.set_permission(REPO, "robot", "triage")
    told = refusal(Refused, lambda: operator.forge().check(issues=False))
    assert f"may not push to {REPO}" in told.message
    assert "doctor" in told.remedy


@pytest.mark.parametrize("why", ["role", "contents", "archived"])
def test_a_claim_that_may_not_be_pushed_is_refused(operator: Operator, github: GitHub, why: str) -> None:
    number = operator.file()
    if why == "role":
        github.set_permission(REPO, "robot", "triage")
    if why == "contents":
        operator.holds(github.token("robot", permissions={"metadata": "read", "contents": "read", "issues": "write"}))
    github.repository(REPO).archived = why == "archived"
    assert "$GH_TOKEN" in refusal(Refused, lambda: operator.forge().claim(a_task(number))).message
    assert operator.claims() == []
    assert len([one for one in github.git_calls if one.status == 403]) == 1, "a refusal is not tried in another place"


@pytest.mark.parametrize("verb", ["label", "comment", "propose"])
def test_a_permission_that_a_token_lacks_is_named(operator: Operator, verb: str) -> None:
    number = operator.file()
    reads = {"metadata": "read", "contents": "write", "issues": "read", "pull_requests": "read"}
    operator.holds(operator.github.token("robot", permissions=reads))
    forge, change = operator.forge(), operator.change(number)
    verbs: dict[str, tuple[str, Callable[[], object]]] = {
        "label": ("issues=write", lambda: forge.label(number, add=("worker:01",))),
        "comment": ("issues=write", lambda: forge.comment(number, "x", "key")),
        "propose": ("pull_requests=write", lambda: forge.propose(change)),
    }
    needed, asked = verbs[verb]
    told = refusal(Refused, asked)
    assert needed in told.message
    assert "$GH_TOKEN" in told.message


def test_an_archived_repository_is_refused(operator: Operator) -> None:
    operator.github.repository(REPO).archived = True
    assert "archived" in refusal(Refused, lambda: operator.forge().check(issues=False)).message


def test_where_issues_are_switched_off_a_prompt_still_works(operator: Operator) -> None:
    number = operator.file()
    operator.github.repository(REPO).has_issues = False
    forge = operator.forge()
    forge.check(issues=False)
    assert "-p" in refusal(Refused, lambda: forge.check(issues=True)).remedy
    assert "-p" in refusal(Refused, lambda: forge.issue(number)).remedy


def test_a_deleted_issue_is_not_found(operator: Operator) -> None:
    number = operator.file()
    operator.github.delete_issue(REPO, number)
    assert f"issue {number}" in refusal(NotFound, lambda: operator.forge().issue(number)).message


@pytest.mark.parametrize("verb", ["issue", "comment", "label", "free"])
def test_an_issue_that_was_moved_to_another_repository_is_not_found(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    number = operator.file()
    other = operator.github.add_repository("ann/other")
    operator.github.set_permission("ann/other", "robot", "write")
    moved = [operator.github.file_issue("ann/other", "ann", "Elsewhere", "Theirs") for _ in range(3)][-1]
    transfer(operator.github, monkeypatch, number, f"/repositories/{other.id}/issues/{moved}")
    forge = operator.forge()
    verbs: dict[str, Callable[[], object]] = {
        "issue": lambda: forge.issue(number),
        "comment": lambda: forge.comment(number, "x", "key"),
        "label": lambda: forge.label(number, add=("x",)),
        "free": lambda: forge.free(number),
    }
    refusal(NotFound, verbs[verb])
    assert operator.github.comments("ann/other", moved) == []
    assert operator.github.issue("ann/other", moved).labels == []


def transfer(github: GitHub, monkeypatch: pytest.MonkeyPatch, number: int, target: str) -> None:
    """Let an issue be found elsewhere, as GitHub tells of one that was transferred: 301, or 307 for what writes."""
    answer, prefix = github._server.reply, f"/repos/{REPO}/issues/{number}"

    def redirected(message: Message, fault: Fault | None) -> Reply:
        if not message.path.startswith(prefix):
            return answer(message, fault)
        address = f"{github.api}{target}{message.path.removeprefix(prefix)}"
        return Reply(301 if message.method == "GET" else 307, {"Location": address}, b"{}")

    monkeypatch.setattr(github._server, "reply", redirected)


def test_a_closed_and_a_locked_issue_are_told_as_they_are(operator: Operator) -> None:
    number = operator.file()
    operator.github.close(REPO, number)
    operator.github.lock(REPO, number)
    found = operator.forge().issue(number)
    assert (found.state, found.locked) == ("closed", True)
    operator.forge().comment(number, "Done.", "key")
    assert len(bodies(operator.forge().issue(number))) == 1
