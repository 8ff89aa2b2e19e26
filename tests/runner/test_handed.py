"""The agent's own token is renewed in its home while it works, and taken away after that."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from claude_workers import paths
from claude_workers.home.home import Home
from claude_workers.model import Repository
from claude_workers.paths import Layout
from claude_workers.runner import handed
from claude_workers.runner.blot import Blot
from claude_workers.runner.run import Run
from tests.racing import until

COUNTING = "n=$(cat {0} 2>/dev/null || echo 0); n=$((n + 1)); echo $n > {0}; [ $n != 3 ] && echo token-$n"


class Working:
    """What `Handed` knows of a run."""

    def __init__(self, home: Home, *, holds_token: bool = True) -> None:
        self.home = home
        self.repository = Repository("ann/calc", "https://github.com/ann/calc.git")
        self.holds_token = holds_token
        self.blot = Blot([])
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def run(layout: Layout, tmp_path: Path) -> Working:
    folder = paths.config_dir()
    folder.mkdir(parents=True)
    command = COUNTING.format(tmp_path / "count")
    (folder / "config.toml").write_text(
        f"credential_set = 'team'\n[credentials.team]\nagent_token = {{ command = '''{command}''' }}\n"
    )
    home = Home(layout, "01")
    home.path.mkdir(parents=True)
    return Working(home)


def test_a_token_is_renewed_while_the_agent_works_and_gone_after_it(
    run: Working, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handed, "_EVERY", 0.01)
    token = run.home.forge / "token"
    held = handed.Handed(cast("Run", run))
    assert token.stat().st_mode & 0o777 == 0o600
    until(lambda: token.read_text() == "token-2", "renewed")
    until(lambda: run.said, "one renewal that failed is told")
    until(lambda: token.read_text() not in {"token-1", "token-2"}, "renewed again")
    held.close()
    assert not run.home.forge.exists()


def test_what_an_earlier_task_left_is_taken_away(run: Working) -> None:
    run.home.forge.mkdir()
    (run.home.forge / "token").write_text("old")
    run.holds_token = False
    handed.Handed(cast("Run", run)).close()
    assert not run.home.forge.exists()
