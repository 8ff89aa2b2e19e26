"""GitHub keeps the seam's promises, and what it alone has: trust, limits, faults, pull requests of people."""

from __future__ import annotations

import pytest

from claude_workers.forge.choose import forge_of
from claude_workers.forge.seam import Forge
from claude_workers.model import Repository
from claude_workers.paths import Layout
from tests.forge.conformance import Bench, ForgeConformance
from tests.github.fake import GitHub

REPO = "ann/calc"


class GitHubBench:
    """A repository on the fake GitHub, spoken to by robot's token."""

    def __init__(self, layout: Layout, github: GitHub) -> None:
        self._layout = layout
        self._github = github
        self.repository = f"{github.url}/{REPO}.git"
        self._commits = 0

    def forge(self, layout: Layout | None = None) -> Forge:
        return forge_of(layout or self._layout, Repository(REPO, self.repository))

    def file(self, title: str, body: str = "") -> int:
        return self._github.file_issue(REPO, "ann", title, body)

    def file_elsewhere(self) -> int:
        self._github.add_repository("ann/other", {"a": "b"})
        return [self._github.file_issue("ann/other", "ann", "Foreign", "") for _ in range(50)][-1]

    def close(self, number: int) -> None:
        self._github.close(REPO, number)

    def publish(self, branch: str) -> str:
        self._commits += 1
        return self._github.commit(REPO, branch, {"more.txt": f"{self._commits}\n"})


@pytest.fixture
def bench(layout: Layout, github: GitHub, token: str, monkeypatch: pytest.MonkeyPatch) -> GitHubBench:
    monkeypatch.setenv("GITHUB_SERVER_URL", github.url)
    monkeypatch.setenv("GH_TOKEN", token)
    return GitHubBench(layout, github)


class TestGitHubForge(ForgeConformance):
    """The promises, kept on GitHub."""

    @pytest.fixture
    def bench(self, layout: Layout, github: GitHub, token: str, monkeypatch: pytest.MonkeyPatch) -> Bench:
        monkeypatch.setenv("GITHUB_SERVER_URL", github.url)
        monkeypatch.setenv("GH_TOKEN", token)
        return GitHubBench(layout, github)
