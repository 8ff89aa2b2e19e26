"""Fixtures: a GitHub with one repository, a person, and a robot that may write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import CHECKOUT, missing
from tests.github.contract import Contract
from tests.github.cut import NAME, current
from tests.github.fake import GitHub
from tests.github.stage import GitHubStage

CALC = {"calc.py": "def add(a, b):\n    return a + b\n"}


@pytest.fixture(scope="session")
def contract() -> Contract:
    """GitHub's description of its API."""
    path = CHECKOUT / ".cache" / NAME
    if not current(path):
        missing("GitHub's description of its API (scripts/setup fetches it where npm is)")
    return Contract(path)


@pytest.fixture
def github(contract: Contract, tmp_path: Path) -> Iterator[GitHub]:
    """A GitHub with ann/calc of ann's, and robot who may write there."""
    with GitHub(tmp_path / "github", contract) as made:
        made.add_user("ann")
        made.add_user("robot")
        made.add_repository("ann/calc", CALC)
        made.set_permission("ann/calc", "robot", "write")
        yield made
        assert made.violations == []


@pytest.fixture
def token(github: GitHub) -> str:
    """A fine-grained token of robot's."""
    return github.token("robot")


@pytest.fixture
def on_github(github: GitHub, token: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHubStage]:
    """A worker with its stand-in, whose operator holds robot's token."""
    monkeypatch.setenv("GITHUB_SERVER_URL", github.url)
    monkeypatch.setenv("GH_TOKEN", token)
    made = GitHubStage(github)
    yield made
    made.close()


Connect = Callable[[str | None], httpx.Client]


@pytest.fixture
def connect(github: GitHub) -> Iterator[Connect]:
    """What makes a client below ann/calc for a token, or for none."""
    made: list[httpx.Client] = []

    def connect(token: str | None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        made.append(httpx.Client(base_url=f"{github.api}/repos/ann/calc", headers=headers, timeout=30))
        return made[-1]

    yield connect
    for one in made:
        one.close()


@pytest.fixture
def robot(connect: Connect, token: str) -> httpx.Client:
    """A client of robot's, below ann/calc."""
    return connect(token)
