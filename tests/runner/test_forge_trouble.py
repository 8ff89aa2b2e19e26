"""Trouble while a change is published: deaths at every request, lost answers, a forge that is away or says no."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from claude_workers import Receipt, Task
from claude_workers.errors import NoCredentials
from claude_workers.home import tasks
from claude_workers.home.home import find
from tests.github.faults import How
from tests.github.stage import REPO, GitHubStage, nth
from tests.stage import ADD, WAIT

# The requests by which a change is published, each with its place among those that look alike in a task's life.
POINTS = {
    "push": ("POST *git-receive-pack", 2),
    "propose": ("POST */pulls", 1),
    "comment": ("POST */comments", 1),
    "make-label": (f"POST /repos/{REPO}/labels", 2),
    "label": ("POST */issues/*/labels", 2),
    "unlabel": ("DELETE */labels/*", 1),
    "give-back": ("POST *git-receive-pack", 3),
}


class Cut:
    """Loses the answer to one request of a kind, and holds whatever is asked next."""

    def __init__(self, on_github: GitHubStage, point: str) -> None:
        self._meant = nth(*POINTS[point])
        self._lost = self.held = False
        on_github.github.fail_next(self._loses, "lost")
        on_github.github.fail_next(self._holds, "hang")

    def _loses(self, method: str, path: str) -> bool:
        self._lost = self._lost or self._meant(method, path)
        return self._lost

    def _holds(self, _method: str, _path: str) -> bool:
        self.held = self._lost
        return self._lost


def assert_done_once(on_github: GitHubStage, task: Task, receipt: Receipt) -> None:
    """See that all of the forge is as one undisturbed run leaves it."""
    assert receipt.outcome == "pull_request"
    number = int(task.issue or 0)
    [pull] = on_github.pulls()
    assert str(receipt.pull_request).endswith(f"/pull/{pull.number}")
    assert pull.pull
    assert pull.pull.sha == receipt.head
    assert len(on_github.said(number)) == 1
    assert on_github.said(pull.number) == []
    assert on_github.labels(number) == ["pull-request"]
    assert on_github.claims() == {}
    assert list(on_github.github.refs(REPO, "refs/heads/w01/")) == [f"refs/heads/{task.branch}"]
    assert len(list((on_github.home / "completed").iterdir())) == 1
    assert on_github.fleet.status(["01"])[0].state == "idle"


@pytest.mark.parametrize("point", POINTS)
def test_a_runner_killed_before_a_request_takes_effect_ends_with_one_of_everything(
    on_github: GitHubStage, point: str
) -> None:
    on_github.github.fail_next(nth(*POINTS[point]), "hang")
    task = on_github.start(ADD, {"text": "Added."})
    on_github.github.await_hanging()
    on_github.kill()
    on_github.fleet.restart("01")
    assert_done_once(on_github, task, on_github.end())


@pytest.mark.parametrize("point", POINTS)
def test_a_runner_killed_after_a_request_took_effect_ends_with_one_of_everything(
    on_github: GitHubStage, point: str
) -> None:
    cut = Cut(on_github, point)
    task = on_github.start(ADD, {"text": "Added."})
    row = on_github.until(lambda row: cut.held or row.state != "busy")
    if row.state == "busy":
        on_github.kill()
    on_github.github.clear_faults()
    on_github.fleet.restart("01")
    assert_done_once(on_github, task, on_github.end())


@pytest.mark.parametrize("point", POINTS)
def test_a_lost_answer_is_looked_after_without_a_person(on_github: GitHubStage, point: str) -> None:
    on_github.github.fail_next(nth(*POINTS[point]), "lost")
    task = on_github.start(ADD, {"text": "Added."})
    assert_done_once(on_github, task, on_github.end())


@pytest.mark.parametrize("how", ["reset", "502"])
def test_a_passing_fault_at_any_request_is_waited_out(on_github: GitHubStage, how: How) -> None:
    for pattern, number in POINTS.values():
        if "git-receive-pack" not in pattern:
            on_github.github.fail_next(nth(pattern, number), how)
    task = on_github.start(ADD, {"text": "Added."})
    assert_done_once(on_github, task, on_github.end())


@pytest.mark.parametrize("where", ["*", "* /repos/*/pulls", "POST */comments", "DELETE *"])
def test_where_the_forge_is_away_the_task_waits_and_a_restart_ends_it(on_github: GitHubStage, where: str) -> None:
    task = on_github.start(WAIT, ADD, {"text": "Added."})
    on_github.github.fail_next(where, "502", times=1000)
    on_github.go()
    row = on_github.until(lambda row: row.state == "waiting")
    assert str(row.reason).startswith("host: ")
    on_github.github.clear_faults()
    on_github.fleet.restart("01")
    assert_done_once(on_github, task, on_github.end())


def test_a_token_that_is_revoked_during_the_work_is_waited_for(
    on_github: GitHubStage, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = on_github.start(WAIT, ADD, {"text": "Added."})
    on_github.github.revoke(token)
    on_github.go()
    row = on_github.until(lambda row: row.state == "waiting")
    assert str(row.reason).startswith("credentials: ")
    assert token not in str(row.reason)
    with pytest.raises(NoCredentials):
        on_github.fleet.restart("01")
    assert on_github.fleet.status(["01"])[0].state == "waiting"
    monkeypatch.setenv("GH_TOKEN", on_github.github.token("robot"))
    on_github.fleet.restart("01")
    assert_done_once(on_github, task, on_github.end())


@pytest.mark.parametrize("point", ["propose", "comment", "label", "unlabel"])
def test_a_limit_beyond_patience_is_waited_for_and_nothing_more_is_asked(on_github: GitHubStage, point: str) -> None:
    meant, reached = nth(*POINTS[point]), [False]

    def limited(method: str, path: str) -> bool:
        reached[0] = reached[0] or meant(method, path)
        return reached[0]

    on_github.github.fail_next(limited, "primary", times=1000, retry_after=3600)
    task = on_github.start(ADD, {"text": "Added."})
    row = on_github.until(lambda row: row.state == "waiting")
    waits = tasks.load(find(on_github.fleet.layout, "01"))
    assert waits
    assert waits.wait_for == "limit"
    assert 3000 < (datetime.fromisoformat(str(waits.wait_until)) - datetime.now(UTC)).total_seconds() <= 3600
    assert f"until {waits.wait_until}" in str(row.reason)
    assert [one.status for one in on_github.github.calls if one.status >= 400 and one.status != 404] == [403]
    on_github.github.clear_faults()
    on_github.fleet.restart("01")
    assert_done_once(on_github, task, on_github.end())


def test_a_short_limit_is_waited_out(on_github: GitHubStage) -> None:
    on_github.github.fail_next("POST */pulls", "secondary", retry_after=1)
    task = on_github.start(ADD, {"text": "Added."})
    assert_done_once(on_github, task, on_github.end())
