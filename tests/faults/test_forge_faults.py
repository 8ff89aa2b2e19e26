"""A forge that fails at each call of a life in turn: it answers 500, nothing at all, or too late.

What becomes of the requests that publish, where the answer is lost or the forge stays away, is shown by
tests/runner/test_forge_trouble.py; here are a dispatch, a fetch, and whatever never answers.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from claude_workers import Task
from claude_workers.errors import Unreachable
from claude_workers.forge.github import claims, rest
from claude_workers.pool import dispatch
from claude_workers.workspace import upstream
from tests.github.faults import How
from tests.github.stage import REPO, GitHubStage, nth
from tests.runner.test_forge_trouble import POINTS, assert_done_once
from tests.stage import ADD

DONE = {"text": "Added."}
HOWS: tuple[How, ...] = ("500", "reset", "hang")
# The calls of a dispatch, each with its place among those that look alike in a task's life.
DISPATCH = {
    "repository": (f"GET /repos/{REPO}", 1),
    "look": ("GET *info/refs", 1),
    "look-refs": ("POST *git-upload-pack", 1),
    "issue": ("GET */issues/*[0-9]", 1),
    "permission": ("GET */permission", 1),
    "comments": ("GET */comments", 1),
    "holder": ("GET *info/refs", 2),
    "holder-refs": ("POST *git-upload-pack", 2),
    "claim-refs": ("GET *info/refs", 3),
    "claim": ("POST *git-receive-pack", 1),
    "known-label": ("GET */labels/*", 1),
    "make-label": (f"POST /repos/{REPO}/labels", 1),
    "label": ("POST */issues/*/labels", 1),
}
# Those of a runner that makes the clone.
FETCH = {
    "look": ("GET *info/refs", 5),
    "fetch-refs": ("GET *info/refs", 6),
    "fetch-objects": ("POST *git-upload-pack", 5),
}
# A runner that has less patience, in seconds, with a server that does not answer: the rest is its own.
HASTENED = """#!{python}
import runpy, sys
from claude_workers import git
from claude_workers.forge.github import claims, rest
from claude_workers.workspace import push, upstream
assert rest._TIMEOUT and claims._LIMIT and push.LOOK == upstream.LOOK and "http.lowSpeedTime=60" in git._OPTIONS
rest._TIMEOUT = claims._LIMIT = push.LOOK = upstream.LOOK = 3.0
git._OPTIONS = tuple(one.replace("lowSpeedTime=60", "lowSpeedTime=1") for one in git._OPTIONS)
sys.argv[1:] = sys.argv[4:]
runpy.run_module("claude_workers.runner", run_name="__main__")
"""


class Meeting:
    """The one call of a life at which something goes wrong; with `for_good`, at all that follow as well."""

    def __init__(self, point: tuple[str, int], *, for_good: bool = False) -> None:
        self._meant = nth(*point)
        self._for_good = for_good
        self.took_place = False

    def __call__(self, method: str, path: str) -> bool:
        """Tell whether a request is meant."""
        now = self._meant(method, path)
        self.took_place = self.took_place or now
        return now or (self._for_good and self.took_place)


@pytest.fixture
def hub(on_github: GitHubStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GitHubStage:
    """A stage on which nobody waits long for a server that does not answer."""
    for module, name in ((rest, "_TIMEOUT"), (claims, "_LIMIT"), (upstream, "LOOK")):
        monkeypatch.setattr(module, name, 3.0)
    monkeypatch.setattr(rest, "_PAUSE", 0.05)
    program = tmp_path / "runner"
    program.write_text(HASTENED.format(python=sys.executable), encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(dispatch, "sys", SimpleNamespace(executable=str(program)))
    return on_github


@pytest.fixture
def number(hub: GitHubStage) -> int:
    """An issue that somebody spoke under; the task that is made of it stays where its dispatch leaves it."""
    hub.configure('disk_floor = "100000T"\n')
    made = hub.file(ADD, DONE)
    hub.github.comment(REPO, made, "ann", "Please.")
    return made


def assert_one_task(hub: GitHubStage, number: int) -> None:
    """See that an issue was given to the worker once."""
    row = hub.fleet.status(["01"])[0]
    assert (row.state, row.issue) == ("waiting", number)
    assert list(hub.claims()) == [f"refs/claude-workers/claims/issue-{number}"]
    assert hub.labels(number) == ["worker:01"]
    assert len(list((hub.home / "runs").iterdir())) == 1


def assert_ends_well(hub: GitHubStage, task: Task) -> None:
    """See that a task comes to its end, woken where it waits for the host, with one of everything."""
    row = hub.until(lambda row: row.state != "busy")
    if row.state == "waiting":
        assert str(row.reason).startswith("host: ")
        assert [one.did for one in hub.fleet.recover()] == ["woken"]
    assert_done_once(hub, task, hub.end())


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("point", DISPATCH)
def test_a_fault_at_a_call_of_a_dispatch_is_outlived_or_undone(
    hub: GitHubStage, number: int, point: str, how: How
) -> None:
    meeting = Meeting(DISPATCH[point])
    hub.github.fail_next(meeting, how)
    try:
        hub.fleet.dispatch("01", REPO, number)
    except Unreachable:
        assert (hub.fleet.status(["01"])[0].state, hub.claims(), hub.labels(number)) == ("idle", {}, [])
        assert list((hub.home / "runs").iterdir()) == []
        hub.fleet.dispatch("01", REPO, number)
    assert meeting.took_place
    assert_one_task(hub, number)


@pytest.mark.parametrize("point", DISPATCH)
def test_a_forge_that_goes_away_at_a_call_of_a_dispatch_leaves_nothing_that_is_not_mended(
    hub: GitHubStage, number: int, point: str
) -> None:
    meeting = Meeting(DISPATCH[point], for_good=True)
    hub.github.fail_next(meeting, "reset", times=1000)
    with pytest.raises(Unreachable):
        hub.fleet.dispatch("01", REPO, number)
    assert meeting.took_place
    assert hub.fleet.status(["01"])[0].state == "idle"
    hub.github.clear_faults()
    assert {one.did for one in hub.fleet.recover()} <= {"released"}
    assert (hub.claims(), hub.labels(number)) == ({}, [])
    hub.fleet.dispatch("01", REPO, number)
    assert_one_task(hub, number)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("point", FETCH)
def test_a_fault_while_a_repository_is_fetched_is_outlived_or_waited_for(
    hub: GitHubStage, point: str, how: How
) -> None:
    meeting = Meeting(FETCH[point])
    hub.github.fail_next(meeting, how)
    task = hub.start(ADD, DONE)
    assert_ends_well(hub, task)
    assert meeting.took_place


@pytest.mark.parametrize("point", POINTS)
def test_a_request_that_is_never_answered_is_given_up_and_made_again(hub: GitHubStage, point: str) -> None:
    meeting = Meeting(POINTS[point])
    hub.github.fail_next(meeting, "hang")
    task = hub.start(ADD, DONE)
    assert_ends_well(hub, task)
    assert meeting.took_place
