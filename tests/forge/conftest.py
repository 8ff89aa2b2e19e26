"""The conformance suite's assertions explain themselves as those of any test do; operators and their patience."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from claude_workers.forge.github import rest
from claude_workers.paths import Layout
from tests.forge.operator import Operator
from tests.github.fake import GitHub

pytest.register_assert_rewrite("tests.forge.conformance")


@pytest.fixture
def operator(layout: Layout, github: GitHub, token: str, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """An operator who holds robot's token."""
    made = Operator(layout, github, monkeypatch)
    made.holds(token)
    return made


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that our requests wait for GitHub, told instead of slept."""
    told: list[float] = []
    monkeypatch.setattr(rest, "time", SimpleNamespace(sleep=told.append))
    return told
