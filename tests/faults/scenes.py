"""A scene: one assignment on one of the three kinds of place, and how everything must be once it is done."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from claude_workers import Fleet, Receipt, Task, WorkerStatus, paths
from claude_workers.home import archive
from claude_workers.home.home import Home
from claude_workers.lock import is_free
from claude_workers.process.table import marked
from claude_workers.tickets.tickets import Tickets
from tests.conftest import git, make_repository
from tests.desk import filed
from tests.faults.plan import Plan
from tests.github.contract import Contract
from tests.github.fake import GitHub
from tests.github.fixtures import CALC
from tests.github.stage import REPO, GitHubStage
from tests.racing import until
from tests.stage import Stage


class Scene:
    """A worker and its assignment; what the place shows is asked of the place itself."""

    def __init__(self, stage: Stage | GitHubStage, plan: Plan, repo: str, upstream: Path) -> None:
        self.stage = stage
        self.plan = plan
        self.repo = repo
        self.upstream = upstream
        self.issue: int | None = None
        self.fleet: Fleet = stage.fleet
        self.home = Home(self.fleet.layout, "01")
        stage.configure(plan.settings)

    @property
    def prompt(self) -> str:
        """What the dispatch itself says."""
        return "" if self.issue else self.plan.prompt

    def dispatch(self) -> Task:
        """Dispatch the assignment, as often as it is wanted."""
        return self.fleet.dispatch("01", self.repo, self.issue, self.prompt, expect="change")

    def row(self) -> WorkerStatus:
        """Return the worker's row."""
        return self.fleet.status(["01"])[0]

    def changes(self) -> list[tuple[str, bool]]:
        """Return each change's branch and whether it is a draft."""
        with sqlite3.connect(self.fleet.layout.tickets) as db:
            return [(branch, bool(draft)) for branch, draft in db.execute("SELECT branch, draft FROM changes")]

    def said(self) -> int:
        """Return how many comments there are."""
        with sqlite3.connect(self.fleet.layout.tickets) as db:
            return int(db.execute("SELECT count(*) FROM comments").fetchone()[0])

    def labels(self) -> list[str]:
        """Return the issue's labels."""
        with sqlite3.connect(self.fleet.layout.tickets) as db:
            return [name for (name,) in db.execute("SELECT name FROM labels ORDER BY name")]

    def claims(self) -> int:
        """Return how many claims stand."""
        with sqlite3.connect(self.fleet.layout.tickets) as db:
            return int(db.execute("SELECT count(*) FROM claims").fetchone()[0])

    def close(self) -> None:
        """Stop whatever a failed test left at work."""
        if self.row().state == "busy":
            self.fleet.stop("01")

    def assert_done(self, task: Task) -> Receipt:
        """Check that the task came to its one right end, everything there and nothing twice."""
        receipt = archive.receipt(self.home, task.task_id)
        assert receipt, self.evidence()
        assert receipt.outcome == "pull_request", self.evidence()
        assert receipt.verified == self.plan.verify
        assert receipt.untracked == self.plan.untracked
        self._assert_same(task)
        self._assert_published(task)
        self._assert_forge(task)
        self._assert_clean(task)
        return receipt

    def evidence(self) -> str:
        """Return what `why` knows, for a failure's message."""
        why = self.fleet.why("01", last=100)
        return f"{why}\n{[event.text for event in self.fleet.logs('01')]}"

    def _assert_same(self, task: Task) -> None:
        [kept] = [one for one in archive.every(self.home) if one["task_id"] == task.task_id]
        assert (kept["session_id"], kept["branch"]) == (task.session_id, task.branch)
        assert [kept] == archive.every(self.home)
        assert not self.home.task_file.exists()

    def _assert_published(self, task: Task) -> None:
        at, plan = self.upstream, self.plan
        assert git("branch", "--list", "w01/*", "--format=%(refname:short)", at=at) == task.branch
        subjects = git("log", "--reverse", "--format=%s", f"main..{task.branch}", at=at).splitlines()
        assert subjects == plan.subjects, self.evidence()
        names = git("ls-tree", "--name-only", task.branch, at=at).splitlines()
        elsewhere = ["elsewhere.txt"] if plan.merge else []
        assert names == sorted(["calc.py", *elsewhere, *(f"{number}.txt" for number in plan.numbers)])
        said = [line for line in git("show", f"{task.branch}:calc.py", at=at).splitlines() if line.startswith("# ")]
        assert said == [f"# {word}" for word in (*plan.numbers, *(["left"] if plan.open_end else []))]

    def _assert_forge(self, task: Task) -> None:
        assert self.changes() == [(task.branch, not self.plan.verify)]
        assert self.claims() == 0
        if self.issue:
            assert self.said() == 1
            assert self.labels() == ["pull-request"]

    def _assert_clean(self, task: Task) -> None:
        layout = self.fleet.layout
        until(lambda: is_free(layout.runner_lock("01")), "the runner let go of its lock")
        assert marked(f"CLAUDE_WORKERS_TASK={task.task_id}") == []
        assert locks(layout.repositories, self.upstream) == []
        assert not list(self.home.path.glob("github/**/*.making"))
        assert not (self.home.run(task.task_id) / "checkout").exists()
        found = [one for one in self.fleet.recover() if one.did != "cleared"]
        assert found == [], "nothing was left to be done"
        assert list(self.fleet.recover()) == []
        assert len(list(self.home.completed.iterdir())) == 1


# An upstream's own: when a worker's branch comes in for the first time, somebody else has changed the base, too.
_MOVING = """#!/bin/sh
[ -e elsewhere ] && exit 0
touch elsewhere
blob=$(echo x | git hash-object -w --stdin)
tree=$({ git ls-tree main; printf '100644 blob %s\\telsewhere.txt\\n' "$blob"; } | git mktree)
new=$(git -c user.name=Ann -c user.email=ann@example.org commit-tree -p main -m Elsewhere "$tree")
git update-ref refs/heads/main "$new"
"""


class Merging(Scene):
    """The same where what passes is merged onto a base that moves meanwhile."""

    def __init__(self, stage: Stage, plan: Plan, repo: str, upstream: Path) -> None:
        super().__init__(stage, plan, repo, upstream)
        hook = upstream / ".git/hooks/post-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(_MOVING, encoding="utf-8")
        hook.chmod(0o755)

    def _assert_published(self, task: Task) -> None:
        super()._assert_published(task)
        merged = git("rev-parse", "refs/claude-workers/merged/main", at=self.upstream)
        assert merged == git("rev-parse", task.branch, at=self.upstream)
        subjects = git("log", "--reverse", "--format=%s", merged, at=self.upstream).splitlines()
        assert subjects == ["Begin", "Elsewhere", *self.plan.subjects]
        assert git("rev-list", "--merges", merged, at=self.upstream) == ""
        [ticket] = filed(self.fleet.layout.tickets)
        assert ticket.status == "done"


class OnGitHub(Scene):
    """The same on the fake GitHub."""

    def __init__(self, stage: GitHubStage, plan: Plan) -> None:
        super().__init__(stage, plan, REPO, stage.github.repository(REPO).bare)
        self._hub = stage
        self.issue = stage.github.file_issue(REPO, "ann", "Count", plan.prompt)

    def changes(self) -> list[tuple[str, bool]]:
        """Return each pull request's branch and whether it is a draft."""
        return [(one.pull.head, one.pull.draft) for one in self._hub.pulls() if one.pull and one.state == "open"]

    def said(self) -> int:
        """Return how many comments there are."""
        return len(self._hub.said(int(self.issue or 0)))

    def labels(self) -> list[str]:
        """Return the issue's labels."""
        return self._hub.labels(int(self.issue or 0))

    def claims(self) -> int:
        """Return how many claims stand."""
        return len(self._hub.claims())


def locks(*repositories: Path) -> Sequence[Path]:
    """Return the lock files that git left behind."""
    return [path for one in repositories for path in one.rglob("*.lock") if path.is_file()]


@contextlib.contextmanager
def scene(plan: Plan, folder: Path, contract: Contract, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """Set a scene in a folder of its own, and clear it away."""
    monkeypatch.setenv(paths.ROOT_VARIABLE, str(folder / "workers"))
    monkeypatch.setenv(paths.CONFIG_VARIABLE, str(folder / "config"))
    with contextlib.ExitStack() as last:
        if plan.kind == "github":
            github = last.enter_context(GitHub(folder / "github", contract))
            github.add_user("ann")
            github.add_user("robot")
            github.add_repository(REPO, CALC)
            github.set_permission(REPO, "robot", "write")
            monkeypatch.setenv("GITHUB_SERVER_URL", github.url)
            monkeypatch.setenv("GH_TOKEN", github.token("robot"))
            made: Scene = OnGitHub(GitHubStage(github), plan)
        else:
            calc = make_repository(folder / "calc")
            made = (Merging if plan.merge else Scene)(Stage(calc), plan, str(calc), calc)
            if plan.kind == "ticket":
                tickets = Tickets(made.fleet.layout.tickets)
                made.issue = tickets.create(str(calc), "Count", plan.prompt, "ann")
        last.callback(made.close)
        yield made
        if plan.kind == "github":
            assert github.violations == []
