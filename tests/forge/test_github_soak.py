"""A thousand races of two machines for an issue on GitHub: each is won once."""

from __future__ import annotations

from pathlib import Path

import pytest

from claude_workers.errors import IssueTaken
from claude_workers.forge.choose import forge_of
from claude_workers.model import Repository
from claude_workers.paths import Layout
from tests.forge.conformance import a_task
from tests.github.fake import GitHub
from tests.racing import race

RACES = 1000


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_of_two_machines_that_claim_an_issue_one_has_it(
    github: GitHub, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_SERVER_URL", github.url)
    monkeypatch.setenv("GH_TOKEN", token)
    repository = Repository("ann/calc", f"{github.url}/ann/calc.git")
    machines = [Layout(tmp_path / name) for name in ("laptop", "vps")]
    wins = [0, 0]
    for number in range(1, RACES + 1):

        def claim(one: int, number: int = number) -> None:
            forge_of(machines[one], repository).claim(a_task(number, f"{one:02}"))

        answers = race(claim, 2)
        assert sorted(type(one).__name__ for one in answers) == ["IssueTaken", "NoneType"], answers
        winner = answers.index(None)
        wins[winner] += 1
        held = forge_of(machines[0], repository).holder(number)
        assert held
        assert held.worker == f"{winner:02}"
        assert isinstance(answers[1 - winner], IssueTaken)
    assert min(wins) > 0, "both were quicker at times"
