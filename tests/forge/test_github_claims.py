"""Claims on GitHub: one winner among machines, found again after a fault, in whichever namespace the server takes."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
from pathlib import Path

import pytest

from claude_workers.errors import IssueTaken, Refused
from claude_workers.forge.github import claims
from claude_workers.model import Task
from claude_workers.paths import Layout
from tests.forge.conformance import a_task
from tests.forge.operator import BRANCHES, OWN, REPO, Operator
from tests.github import bare
from tests.racing import race

ROUNDS, RACERS = 8, 4


@pytest.fixture
def machines(tmp_path: Path) -> list[Layout]:
    """The roots of two machines."""
    return [Layout(tmp_path / name) for name in ("laptop", "vps")]


@pytest.fixture
def number(operator: Operator) -> int:
    """An issue."""
    return operator.file()


def on(host: str, number: int, worker: str = "01") -> Task:
    """Return a task of a worker on a machine."""
    return dataclasses.replace(a_task(number, worker), task_id=f"task-of-{worker}-on-{host}", host=host)


def refuse_namespace(operator: Operator, *, refused: bool = True) -> None:
    """Let the server refuse, or take, refs that are no branches."""
    marker = operator.github.repository(REPO).bare / "refuse-namespace"
    marker.touch() if refused else marker.unlink()


def refuse_branch(operator: Operator, number: int) -> None:
    """Let the server refuse the branch by which an issue would be claimed."""
    operator.github.protect(REPO, f"claude-workers/claims/issue-{number}")


def put(operator: Operator, ref: str, thing: str) -> None:
    """Put a ref on the server that we did not make."""
    bare.git(operator.github.repository(REPO).bare, "update-ref", ref, thing)


@pytest.mark.parametrize("namespace", ["own", "branches"])
def test_of_workers_on_two_machines_one_has_the_issue_and_the_others_are_told_who(
    operator: Operator, machines: list[Layout], namespace: str
) -> None:
    if namespace == "branches":
        refuse_namespace(operator)
    for number in range(1, ROUNDS + 1):
        tasks = [on(f"host-{one % 2}", number, f"{one:02}") for one in range(RACERS)]

        def claim(one: int, tasks: list[Task] = tasks) -> None:
            operator.forge(layout=machines[one % 2]).claim(tasks[one])

        answers = race(claim, RACERS)
        assert answers.count(None) == 1, answers
        winner = answers.index(None)
        for answer in (one for one in answers if one is not None):
            assert isinstance(answer, IssueTaken), answer
            assert f"worker {winner:02} on host-{winner % 2}" in answer.message
        held = operator.forge().holder(number)
        assert held
        assert (held.task_id, held.root) == (tasks[winner].task_id, str(machines[winner % 2].root))
    spaces = [len(operator.claims(one)) for one in (OWN, BRANCHES)]
    assert spaces == ([ROUNDS, 0] if namespace == "own" else [0, ROUNDS])


def test_the_same_task_takes_its_claim_up_again(operator: Operator, number: int) -> None:
    for _ in range(2):
        operator.forge().claim(on("laptop", number))
    assert len(operator.forge().claims()) == 1


def test_the_same_worker_on_another_machine_is_another(operator: Operator, machines: list[Layout], number: int) -> None:
    operator.forge(layout=machines[0]).claim(on("laptop", number))
    with pytest.raises(IssueTaken, match="worker 01 on laptop"):
        operator.forge(layout=machines[1]).claim(on("vps", number))


def test_another_task_releases_nothing(operator: Operator, machines: list[Layout], number: int) -> None:
    operator.forge(layout=machines[0]).claim(on("laptop", number))
    operator.forge(layout=machines[1]).release(on("vps", number), proposed=True)
    held = operator.forge().holder(number)
    assert held
    assert held.host == "laptop"


def test_a_root_lists_its_own_claims_alone(operator: Operator, machines: list[Layout], number: int) -> None:
    other = operator.file()
    operator.forge(layout=machines[0]).claim(on("laptop", number))
    operator.forge(layout=machines[1]).claim(on("vps", other))
    assert [[one.issue for one in operator.forge(layout=root).claims()] for root in machines] == [[number], [other]]


@pytest.mark.parametrize("first", ["the first claim of a root", "a later one"])
def test_where_the_namespace_is_refused_claims_are_branches(operator: Operator, number: int, first: str) -> None:
    if first == "a later one":
        operator.forge().claim(on("laptop", number + 1, "02"))
        operator.forge().release(on("laptop", number + 1, "02"), proposed=False)
    refuse_namespace(operator)
    operator.forge().claim(on("laptop", number))
    assert (operator.claims(OWN), operator.claims(BRANCHES)) == ([], [f"issue-{number}"])
    held = operator.forge().holder(number)
    assert held
    assert (held.worker, held.ref) == ("01", f"{BRANCHES}claims/issue-{number}")
    assert [one.issue for one in operator.forge().claims()] == [number]
    operator.forge().claim(on("laptop", number))
    with pytest.raises(IssueTaken, match="01"):
        operator.forge().claim(on("laptop", number, "02"))
    operator.forge().release(on("laptop", number), proposed=True)
    assert operator.claims(BRANCHES) == []
    assert operator.forge().claims() == []


def test_claims_in_both_namespaces_are_listed(operator: Operator, number: int) -> None:
    later = operator.file()
    operator.forge().claim(on("laptop", number))
    refuse_namespace(operator)
    operator.forge().claim(on("laptop", later))
    assert sorted(one.issue for one in operator.forge().claims()) == [number, later]


def test_a_claim_in_the_other_namespace_is_a_claim(operator: Operator, machines: list[Layout], number: int) -> None:
    refuse_namespace(operator)
    operator.forge(layout=machines[0]).claim(on("laptop", number))
    refuse_namespace(operator, refused=False)  # the rules were changed, or do not bind who asks now
    with pytest.raises(IssueTaken, match="laptop"):
        operator.forge(layout=machines[1]).claim(on("vps", number))


def test_where_every_claim_is_refused_nothing_is_left_and_the_remedy_names_the_rules(
    operator: Operator, number: int
) -> None:
    refuse_namespace(operator)
    refuse_branch(operator, number)
    with pytest.raises(Refused) as caught:
        operator.forge().claim(on("laptop", number))
    assert "refs/claude-workers/claims/*" in caught.value.remedy
    assert "claude-workers/claims/*" in caught.value.remedy.replace("refs/claude-workers/claims/*", "")
    assert (operator.claims(OWN), operator.claims(BRANCHES)) == ([], [])
    assert operator.forge().holder(number) is None


# Where a connection was used before, curl sends what was lost once more: the second loss is git's.
@pytest.mark.parametrize("times", [1, 2])
def test_a_claim_whose_answer_is_lost_is_taken_up(operator: Operator, number: int, times: int) -> None:
    operator.github.fail_next("POST *git-receive-pack", "lost", times=times)
    operator.forge().claim(on("laptop", number))
    assert operator.claims() == [f"issue-{number}"]
    with pytest.raises(IssueTaken):
        operator.forge().claim(on("laptop", number, "02"))


def test_a_claim_whose_answer_never_ends_is_found_to_be_made_and_leaves_no_program(
    operator: Operator, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "_LIMIT", 3.0)
    operator.github.fail_next("POST *git-receive-pack", "truncated")  # git waits for the other half
    operator.forge().claim(on("laptop", number))
    assert operator.claims() == [f"issue-{number}"]
    assert ended(operator.github.url.encode())


def ended(word: bytes) -> bool:
    """Tell whether no program runs that was given a word; end those that do."""
    found = [path.parent.name for path in Path("/proc").glob("[0-9]*/cmdline") if word in read(path)]
    for one in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(one), signal.SIGKILL)
    return not found


def read(path: Path) -> bytes:
    """Return a program's arguments, none for one that has ended."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("times", [1, 2])
def test_a_release_whose_answer_is_lost_took_place(operator: Operator, number: int, times: int) -> None:
    operator.forge().claim(on("laptop", number))
    operator.github.fail_next("POST *git-receive-pack", "lost", times=times)
    operator.forge().release(on("laptop", number), proposed=True)
    assert operator.claims() == []


@pytest.mark.parametrize("name", ["issue-x", "issue-12-fix", "issue-", "issue-7"])
def test_a_ref_of_somebody_else_s_in_the_namespace_is_no_claim_of_ours(
    operator: Operator, number: int, name: str
) -> None:
    operator.forge().claim(on("laptop", number))
    put(operator, f"{OWN}claims/{name}", "refs/heads/main")
    assert [one.issue for one in operator.forge().claims()] == [number]


@pytest.mark.parametrize("thing", ["refs/heads/main", "refs/heads/main^{tree}"])
def test_what_stands_where_a_claim_would_is_told_and_can_be_freed(operator: Operator, number: int, thing: str) -> None:
    sha = bare.git(operator.github.repository(REPO).bare, "rev-parse", thing)
    put(operator, f"{OWN}claims/issue-{number}", sha)
    with pytest.raises(IssueTaken, match="release"):
        operator.forge().claim(on("laptop", number))
    operator.forge().free(number)
    operator.forge().claim(on("laptop", number))
