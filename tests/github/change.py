"""A pull request that a worker made, and its rounds."""

from __future__ import annotations

from collections.abc import Mapping

from claude_workers.home import archive
from claude_workers.home.home import find
from claude_workers.model import Followed, Task
from claude_workers.pool.follow import look
from tests.github.stage import REPO, GitHubStage
from tests.stage import ADD, steps

TURN = {"turn": True}


class Change:
    """A pull request that a worker made, and whose rounds are looked at."""

    def __init__(self, stage: GitHubStage, *rounds: Mapping[str, object], with_issue: bool = True) -> None:
        self.stage, self.github = stage, stage.github
        # A round's steps stand behind the end of the first turn: there the stand-in looks for them.
        script: list[Mapping[str, object]] = [ADD, {"text": "Added."}]
        for one in rounds:
            script += [TURN, one, {"text": "Mended."}]
        issue = stage.file(*script) if with_issue else None
        self.task = stage.fleet.dispatch("01", REPO, issue, "" if issue else steps(*script))
        self.first = stage.end()
        [pull] = stage.pulls()
        self.number = pull.number

    @property
    def head(self) -> str:
        """The commit that the pull request stands at."""
        pull = self.github.issue(REPO, self.number).pull
        assert pull
        return pull.sha

    def look(self) -> Followed:
        """Look at it once."""
        return look(self.stage.fleet.layout, REPO, self.number)

    def last(self) -> Task:
        """Return the task that was archived last."""
        done = archive.every(find(self.stage.fleet.layout, "01"))
        newest = max(done, key=lambda one: str(one["dispatched_at"]))
        return Task.from_json({name: value for name, value in newest.items() if name != "receipt"})

    def fail(self, name: str = "test", log: str = "E   assert 1 == 2\n") -> None:
        """Let a check of GitHub Actions fail on its head."""
        self.github.check_run(REPO, self.head, name, "failure", "1 failed", app="github-actions", log=log)
