"""A whole life, on the fake in every run and with `-m live` on the real GitHub."""

from __future__ import annotations

import os

import pytest

from tests.github.fake import GitHub
from tests.github.life import live

# Read before the fixtures clear the environment.
_LIVE = {name: os.environ.get(name, "") for name in ("CLAUDE_WORKERS_LIVE_REPO", "GH_TOKEN")}


def test_on_the_fake(github: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_SERVER_URL", github.url)
    monkeypatch.setenv("GH_TOKEN", github.token("ann"))
    live("ann/calc")


@pytest.mark.live
def test_on_the_real_github(monkeypatch: pytest.MonkeyPatch) -> None:
    if not all(_LIVE.values()):
        pytest.skip("set CLAUDE_WORKERS_LIVE_REPO=owner/repo, a repository for tests, and GH_TOKEN")
    monkeypatch.setenv("GH_TOKEN", _LIVE["GH_TOKEN"])
    live(_LIVE["CLAUDE_WORKERS_LIVE_REPO"])
