"""An operator whose workers are on ann/calc of the fake GitHub, and who looks at it as people do."""

from __future__ import annotations

import pytest

from claude_workers import paths
from claude_workers.forge.choose import github as github_forge
from claude_workers.forge.github.forge import GitHubForge
from claude_workers.model import Change, Issue, Repository
from claude_workers.paths import Layout
from tests.github.fake import GitHub

REPO = "ann/calc"
OWN, BRANCHES = "refs/claude-workers/", "refs/heads/claude-workers/"


class Operator:
    """Holds a token and a configuration, and asks the forge anew each time, as each command does."""

    def __init__(self, layout: Layout, github: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
        self.layout = layout
        self.github = github
        self._environment = monkeypatch
        self._commits = 0
        monkeypatch.setenv("GITHUB_SERVER_URL", github.url)

    def holds(self, token: str | None) -> None:
        """Keep a token in the environment, or none."""
        if token is None:
            self._environment.delenv("GH_TOKEN", raising=False)
        else:
            self._environment.setenv("GH_TOKEN", token)

    def configure(self, text: str) -> None:
        """Write config.toml."""
        folder = paths.config_dir()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.toml").write_text(text, encoding="utf-8")

    def forge(self, name: str = REPO, layout: Layout | None = None) -> GitHubForge:
        """Return a new view of a repository."""
        return github_forge(layout or self.layout, Repository(name, f"{self.github.url}/{name}.git"))

    def file(self, body: str = "It is missing.", author: str = "ann") -> int:
        """File an issue."""
        return self.github.file_issue(REPO, author, "Add sub", body)

    def change(self, number: int | None, title: str = "Add sub", body: str = "Added.", **more: bool) -> Change:
        """Publish a commit more on an issue's branch and return it as a change."""
        self._commits += 1
        branch = f"w01/issue-{number}"
        head = self.github.commit(REPO, branch, {"more.txt": f"{self._commits}\n"})
        url = f"{self.github.url}/{REPO}.git"
        return Change(0, number, url, branch, "main", head, "task-of-01", "01", title, body, **more)

    def said(self, number: int) -> list[str]:
        """Return the comments under an issue as they were written."""
        return [one.body for one in self.github.comments(REPO, number)]

    def pulls(self) -> list[tuple[str, str | None]]:
        """Return the title and the text of every pull request."""
        found = self.github.repository(REPO).issues.values()
        return [(one.title, one.body) for one in found if one and one.pull]

    def claims(self, prefix: str = OWN) -> list[str]:
        """Return the names of the refs by which issues are claimed, without what they have in common."""
        return [name.removeprefix(f"{prefix}claims/") for name in self.github.refs(REPO, prefix)]

    def requests(self, pattern: str = "") -> list[str]:
        """Return the requests so far that hold a word, with what they were answered."""
        told = [f"{one.method} {one.path.removeprefix(f'/repos/{REPO}')} {one.status}" for one in self.github.calls]
        return [one for one in told if pattern in one]


def bodies(issue: Issue) -> list[str]:
    """Return the texts of an issue's comments."""
    return [one.body for one in issue.comments]
