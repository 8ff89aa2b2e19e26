"""Issues given out, taken back and left behind."""

from __future__ import annotations

import socket
import uuid
from pathlib import Path

import pytest

from claude_workers import Fleet
from claude_workers.errors import Busy, IssueTaken, Limited, NoCredentials
from claude_workers.files import remove_tree
from claude_workers.model import Orphan
from tests.github.stage import REPO, GitHubStage
from tests.stage import ADD, steps

HANG = steps({"hang": True})


def file(on_github: GitHubStage, *labels: str, author: str = "ann", body: str = HANG) -> int:
    """File an issue at which an agent stays."""
    return on_github.github.file_issue(REPO, author, "Add sub", body, labels=labels)


def test_issues_go_to_idle_workers_in_the_order_they_are_named(on_github: GitHubStage) -> None:
    on_github.fleet.init("02", "03")
    numbers = [file(on_github) for _ in range(3)]
    made = list(on_github.fleet.assign(REPO, [numbers[2], numbers[0]]))
    assert [(one.issue, one.worker) for one in made] == [(numbers[2], "01"), (numbers[0], "02")]
    assert [row.issue for row in on_github.fleet.status()] == [numbers[2], numbers[0], None]
    assert [one.task_id for one in made] == [row.task_id for row in on_github.fleet.status(["01", "02"])]


def test_issues_under_a_label_are_given_out_oldest_first(on_github: GitHubStage) -> None:
    on_github.fleet.init("02")
    github = on_github.github
    github.clock.freeze()
    numbers = []
    for labels in (["ready"], [], ["ready"], ["ready"]):
        github.clock.advance(60)
        numbers.append(file(on_github, *labels))
    made = list(on_github.fleet.assign(REPO, label="ready"))
    assert [(one.issue, one.worker) for one in made] == [(numbers[0], "01"), (numbers[2], "02")]


def test_what_is_closed_labelled_or_a_pull_request_does_not_wait(on_github: GitHubStage) -> None:
    github = on_github.github
    closed = file(on_github, "ready")
    github.close(REPO, closed)
    for label in ("worker:07", "pull-request"):
        file(on_github, "ready", label)
    github.commit(REPO, "own", {"a.txt": "a"})
    github.add_label(REPO, github.open_pull(REPO, "ann", "own", "By hand"), "ready")
    assert list(on_github.fleet.assign(REPO, label="ready")) == []
    assert on_github.fleet.status()[0].state == "idle"


def test_a_strangers_issue_is_passed_over_with_the_reason(on_github: GitHubStage) -> None:
    on_github.github.add_user("eve")
    hers, ours = file(on_github, "ready", author="eve"), file(on_github, "ready")
    first, second = on_github.fleet.assign(REPO, label="ready")
    assert (first.issue, first.worker, first.code) == (hers, None, "refused")
    assert "eve, who has no write access" in first.reason
    assert (second.issue, second.worker) == (ours, "01")
    assert on_github.labels(hers) == ["ready"]


def test_what_cannot_be_given_out_is_passed_over_each_with_its_reason(on_github: GitHubStage) -> None:
    on_github.fleet.init("02")
    taken = file(on_github)
    on_github.fleet.dispatch("02", REPO, taken)
    closed, ours = file(on_github), file(on_github)
    on_github.github.close(REPO, closed)
    made = list(on_github.fleet.assign(REPO, [taken, closed, 999, ours]))
    assert [(one.issue, one.worker, one.code) for one in made] == [
        (taken, None, "issue_taken"), (closed, None, "usage"), (999, None, "not_found"), (ours, "01", ""),
    ]  # fmt: skip


def test_more_issues_than_workers_leave_some_for_later(on_github: GitHubStage) -> None:
    numbers = [file(on_github, "ready") for _ in range(3)]
    assert [one.issue for one in on_github.fleet.assign(REPO, numbers)] == numbers[:1]
    with pytest.raises(Busy, match="no worker is idle"):
        list(on_github.fleet.assign(REPO, label="ready"))


def test_a_token_that_is_not_accepted_ends_it_at_once(on_github: GitHubStage, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = [file(on_github) for _ in range(2)]
    monkeypatch.setenv("GH_TOKEN", "nonsense")
    with pytest.raises(NoCredentials):
        list(on_github.fleet.assign(REPO, numbers))


def test_a_limit_that_is_reached_ends_it_at_once(on_github: GitHubStage) -> None:
    numbers = [file(on_github) for _ in range(3)]
    on_github.github.limit("robot", remaining=0)
    with pytest.raises(Limited):
        list(on_github.fleet.assign(REPO, numbers))


def test_what_a_crashed_worker_left_before_is_not_for_a_restart_to_mend(on_github: GitHubStage, left: int) -> None:
    on_github.fleet.dispatch("01", REPO, file(on_github))
    on_github.kill()
    orphans, _ = on_github.fleet.orphans()
    assert len({one.state for one in orphans}) == 2


@pytest.fixture
def left(on_github: GitHubStage) -> int:
    """An issue whose claim an ended task could not give back."""
    number = file(on_github, body=steps(ADD, {"text": "Added."}))
    refusal = on_github.github.repository(REPO).bare / "refuse-namespace"
    on_github.fleet.dispatch("01", REPO, number)
    refusal.touch()
    receipt = on_github.end()
    assert receipt.outcome == "pull_request"
    refusal.unlink()
    assert len(on_github.claims()) == 1
    return number


def test_what_is_left_behind_is_released(on_github: GitHubStage, left: int) -> None:
    on_github.github.add_label(REPO, left, "worker:01")
    on_github.github.add_label(REPO, left, "worker:09")
    held = on_github.fleet.release(REPO, left)
    assert held
    assert (held.worker, held.issue, held.host) == ("01", left, socket.gethostname())
    assert on_github.claims() == {}
    assert on_github.labels(left) == ["pull-request"]
    assert on_github.fleet.release(REPO, left) is None


def test_the_claim_of_another_machine_with_homes_in_the_same_place_is_no_orphan_here(
    on_github: GitHubStage, left: int
) -> None:
    [orphan] = on_github.fleet.orphans()[0]
    assert orphan.issue == left
    # As the root of another machine sees it that lies at the very same path.
    on_github.fleet.layout.identity.write_text(str(uuid.uuid4()), encoding="utf-8")
    assert on_github.fleet.orphans() == ([], [])
    list(on_github.fleet.recover())
    assert len(on_github.claims()) == 1
    with pytest.raises(Busy, match="worker 01 on"):
        on_github.fleet.release(REPO, left)


def test_a_claim_of_another_root_is_released_by_force_only(on_github: GitHubStage, left: int, tmp_path: Path) -> None:
    other = Fleet(tmp_path / "other")
    other.init("01")
    with pytest.raises(IssueTaken):
        other.dispatch("01", REPO, left)
    with pytest.raises(Busy, match=f"worker 01 on {socket.gethostname()}"):
        other.release(REPO, left)
    assert len(on_github.claims()) == 1
    assert other.release(REPO, left, force=True)
    assert on_github.claims() == {}


@pytest.mark.parametrize("force", [False, True])
def test_an_issue_that_a_worker_is_at_is_not_released(on_github: GitHubStage, *, force: bool) -> None:
    number = file(on_github)
    on_github.fleet.dispatch("01", REPO, number)
    for _ in ("busy", "stopped"):
        with pytest.raises(Busy, match="worker 01 has a task for it"):
            on_github.fleet.release(REPO, number, force=force)
        on_github.fleet.stop("01")
    assert len(on_github.claims()) == 1
    assert on_github.labels(number) == ["worker:01"]


def only(on_github: GitHubStage) -> Orphan:
    """Return the one orphan there is."""
    [found], faults = on_github.fleet.orphans()
    assert faults == []
    return found


def test_a_claim_that_an_idle_worker_left_is_an_orphan(on_github: GitHubStage, left: int) -> None:
    found = only(on_github)
    assert (found.repo, found.issue, found.worker, found.state) == (REPO, left, "01", "idle")
    on_github.fleet.release(REPO, left)
    assert on_github.fleet.orphans() == ([], [])


def test_a_claim_of_a_crashed_worker_is_an_orphan(on_github: GitHubStage) -> None:
    number = file(on_github)
    on_github.fleet.dispatch("01", REPO, number)
    assert on_github.fleet.orphans() == ([], [])
    on_github.kill()
    assert (only(on_github).issue, only(on_github).state) == (number, "crashed")


def test_a_claim_of_a_worker_that_is_gone_is_an_orphan(on_github: GitHubStage, left: int) -> None:
    remove_tree(on_github.home)
    assert only(on_github).state == "gone"
    on_github.fleet.init("02")
    assert on_github.fleet.release(REPO, left)


def test_a_worker_at_another_issue_does_not_hide_what_it_left(on_github: GitHubStage, left: int) -> None:
    on_github.fleet.dispatch("01", REPO, file(on_github))
    assert (only(on_github).issue, only(on_github).state) == (left, "elsewhere")


def test_another_roots_claims_are_no_orphans_of_ours(on_github: GitHubStage, left: int, tmp_path: Path) -> None:
    other = Fleet(tmp_path / "other")
    other.init("01")
    with pytest.raises(IssueTaken):
        other.dispatch("01", REPO, left)
    assert other.orphans() == ([], [])


def test_orphans_cost_one_request_a_repository_and_the_second_is_free(on_github: GitHubStage, left: int) -> None:
    github = on_github.github
    github.add_repository("ann/other", {"calc.py": ""})
    github.set_permission("ann/other", "robot", "write")
    on_github.fleet.dispatch("01", "ann/other", github.file_issue("ann/other", "ann", "Add", steps({"text": "x"})))
    on_github.end()
    github.reset_calls()
    first = on_github.fleet.orphans()
    paths = sorted((one.method, one.path) for one in github.calls)
    assert paths == [
        ("GET", f"/repos/{one}/git/matching-refs/claude-workers/claims/issue-") for one in (REPO, "ann/other")
    ]
    assert github.git_calls == []
    github.reset_calls()
    assert on_github.fleet.orphans() == first
    assert [one.status for one in github.calls] == [304, 304]


def test_where_nothing_was_ever_claimed_nothing_is_asked(on_github: GitHubStage) -> None:
    on_github.fleet.dispatch("01", REPO, prompt=steps({"text": "x"}), expect="answer")
    on_github.end()
    on_github.github.reset_calls()
    assert on_github.fleet.orphans() == ([], [])
    assert on_github.github.calls == []


@pytest.mark.parametrize("how", ["502", "reset", "primary"])
def test_a_repository_that_cannot_be_asked_hides_no_other(on_github: GitHubStage, left: int, how: str) -> None:
    github = on_github.github
    github.add_repository("ann/other", {"calc.py": ""})
    github.set_permission("ann/other", "robot", "write")
    on_github.fleet.dispatch("01", "ann/other", github.file_issue("ann/other", "ann", "Add", steps({"text": "x"})))
    on_github.end()
    github.fail_next("* /repos/ann/other/*", how, retry_after=3600)  # type: ignore[arg-type]
    orphans, [fault] = on_github.fleet.orphans()
    assert [one.issue for one in orphans] == [left]
    assert fault.host == "ann/other"
    assert fault.code == ("limited" if how == "primary" else "unreachable")


def test_a_renamed_repositorys_orphans_are_still_found(on_github: GitHubStage, left: int) -> None:
    on_github.github.rename(REPO, "counting")
    assert only(on_github).issue == left
