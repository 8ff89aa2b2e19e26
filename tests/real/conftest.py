"""Fixtures: the pinned Claude Code, a scripted endpoint, and a worker that uses both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_workers import Fleet, Receipt, Task, paths
from claude_workers.testing.endpoint import Endpoint, Step
from tests.conftest import CHECKOUT, missing


@pytest.fixture
def claude(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The pinned Claude Code that scripts/setup fetched."""
    found = sorted(CHECKOUT.glob(".cache/claude-code-*/node_modules/.bin/claude"))
    if not found:
        missing("the real Claude Code (scripts/setup fetches it where npm is)")
    monkeypatch.setenv("CLAUDE_WORKERS_CLAUDE", str(found[-1]))
    return found[-1]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """The model's side."""
    with Endpoint() as made:
        yield made


class Desk:
    """One worker, the toy repository, and a model that says what the test wants."""

    def __init__(self, calc: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calc = calc
        self.endpoint = endpoint
        self.fleet = Fleet()
        monkeypatch.setenv("ANTHROPIC_BASE_URL", endpoint.url("model"))
        self.fleet.init("01")

    def configure(self, text: str) -> None:
        """Write config.toml."""
        folder = paths.config_dir()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.toml").write_text(text, encoding="utf-8")

    def start(self, steps: list[Step], prompt: str = "Add subtract.", expect: str = "change") -> Task:
        """Dispatch a task whose model follows a script."""
        self.endpoint.script("model", steps)
        return self.fleet.dispatch("01", str(self.calc), prompt=prompt, expect=expect)

    def play(self, steps: list[Step], prompt: str = "Add subtract.", expect: str = "change") -> Receipt:
        """Dispatch, wait, and return the receipt."""
        self.start(steps, prompt, expect)
        [receipt] = self.fleet.watch(["01"], timeout=90)
        return receipt


@pytest.fixture
def desk(calc: Path, claude: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A worker whose agent is the real Claude Code."""
    return Desk(calc, endpoint, monkeypatch)
