"""An agent that holds a forge token of its own: it pushes and opens the pull request, which its runner finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from claude_workers.errors import NoCredentials
from tests.github.fake import GitHub
from tests.github.stage import REPO, GitHubStage
from tests.stage import ADD, WAIT

# What a model would do with curl or gh.
OPEN = """
import json, os, urllib.request
body = {"title": "By the agent", "head": os.environ["BRANCH"], "base": "main", "body": "Mine."}
request = urllib.request.Request(
    os.environ["GITHUB_API_URL"] + "/repos/ann/calc/pulls",
    json.dumps(body).encode(),
    {"Authorization": "Bearer " + os.environ["GH_TOKEN"], "User-Agent": "agent"},
)
print(urllib.request.urlopen(request).status)
"""
PUSH = {"run": "git push -q origin HEAD"}
PROPOSE = {"run": f"BRANCH=$(git branch --show-current) python3 -c '{OPEN}'"}
TEAM = """
[repos."ann/calc"]
forge_access = "worker"
credential_set = "team"
[credentials.team]
forge_token = {{ env = "TEAM_TOKEN" }}
agent_token = {{ file = "{file}" }}
"""


@pytest.fixture
def mine(github: GitHub, tmp_path: Path) -> str:
    """The agent's token, in a file of the operator's."""
    github.add_user("agent", "Bot")
    github.set_permission(REPO, "agent", "write")
    made = github.token("agent")
    (tmp_path / "operator/agent-token").write_text(f"{made}\n", encoding="utf-8")
    return made


@pytest.fixture
def stage(
    on_github: GitHubStage, token: str, mine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> GitHubStage:
    """A stage whose agent holds a token of its own, and whose runner holds robot's by another name."""
    monkeypatch.delenv("GH_TOKEN")
    monkeypatch.setenv("TEAM_TOKEN", token)
    on_github.configure(TEAM.format(file=tmp_path / "operator/agent-token"))
    return on_github


def test_what_the_agent_pushed_and_opened_is_found_and_used(stage: GitHubStage) -> None:
    receipt = stage.play(ADD, PUSH, PROPOSE, {"text": "Added."})
    assert receipt.outcome == "pull_request"
    [pull] = stage.pulls()
    assert (pull.title, pull.author) == ("By the agent", "agent")
    assert str(pull.body).startswith("Mine.\n")
    assert f"Fixes #{receipt.issue}" in str(pull.body)
    assert str(receipt.pull_request).endswith(f"/pull/{pull.number}")
    assert stage.github.refs(REPO, "refs/heads/w01/") == {f"refs/heads/{receipt.branch}": receipt.head}
    assert stage.labels(int(receipt.issue or 0)) == ["pull-request"]
    assert stage.claims() == {}


def test_what_the_agent_committed_after_its_push_is_published_too(stage: GitHubStage) -> None:
    more = {"run": "echo '# more' >> calc.py; git commit -qam More"}
    receipt = stage.play(ADD, PUSH, PROPOSE, more, {"text": "Added."})
    [pull] = stage.pulls()
    assert pull.pull
    assert pull.pull.sha == receipt.head
    assert stage.github.refs(REPO, "refs/heads/w01/") == {f"refs/heads/{receipt.branch}": receipt.head}


def test_what_the_agent_pushed_is_never_overwritten(stage: GitHubStage) -> None:
    note = {"run": "git rev-parse HEAD > ~/.cache/pushed; git commit -q --amend -m Amended"}
    receipt = stage.play(ADD, PUSH, note, {"text": "Added."})
    pushed = (stage.home / ".cache/pushed").read_text().strip()
    assert stage.github.refs(REPO, "refs/heads/w01/") == {f"refs/heads/{receipt.branch}": pushed}
    assert receipt.outcome == "failed"
    assert "could not be pushed" in receipt.reason
    assert stage.pulls() == []


def test_the_token_is_there_while_it_works_and_gone_afterwards(stage: GitHubStage, mine: str, token: str) -> None:
    look = {"run": "test $(cat ~/.forge/token) = $GH_TOKEN && env | grep -c ^GH_TOKEN= > seen.txt; git add seen.txt"}
    hidden = {"run": "{ env; cat /proc/*/environ; } | grep -q TEAM_TOKEN && touch leak.txt && git add leak.txt"}
    stage.start(WAIT, look, hidden, ADD, {"text": "Added."})
    row = stage.until(lambda row: row.activity)
    assert row.forge_access == "worker"
    assert (stage.home / ".forge/token").read_text().strip() == mine
    assert (stage.home / ".forge/token").stat().st_mode & 0o077 == 0
    stage.go()
    receipt = stage.end()
    assert receipt.files_changed == ["calc.py", "seen.txt"]
    assert not (stage.home / ".forge").exists()
    root = stage.fleet.layout.root
    assert not [one for one in root.rglob("*") if one.is_file() and mine.encode() in one.read_bytes()]
    assert not [one for one in root.rglob("*") if one.is_file() and token.encode() in one.read_bytes()]


def test_the_token_is_gone_after_a_stop_and_after_a_runners_death(stage: GitHubStage) -> None:
    stage.start({"hang": True})
    stage.until(lambda row: row.agent_pid)
    assert (stage.home / ".forge/token").exists()
    stage.fleet.stop("01")
    assert not (stage.home / ".forge").exists()


def test_a_token_left_by_a_killed_runner_is_gone_when_its_task_is_left(stage: GitHubStage) -> None:
    stage.start({"hang": True})
    stage.until(lambda row: row.agent_pid)
    stage.kill()
    stage.fleet.reset("01")
    assert not (stage.home / ".forge").exists()


def test_another_task_does_not_inherit_the_token(stage: GitHubStage) -> None:
    stage.start({"hang": True})
    stage.until(lambda row: row.agent_pid)
    stage.kill()
    stage.fleet.reset("01")
    stage.configure(
        '[repos."ann/calc"]\ncredential_set = "team"\n[credentials.team]\nforge_token = {env="TEAM_TOKEN"}\n'
    )
    look = {"run": "test ! -e ~/.forge && test -z $GH_TOKEN && touch none.txt && git add none.txt"}
    receipt = stage.play(look, ADD, {"text": "Added."})
    assert receipt.files_changed == ["calc.py", "none.txt"]


@pytest.mark.parametrize("kept", ["", 'agent_token = { file = "/nowhere/token" }', 'agent_token = { env = "NOT_SET" }'])
def test_without_a_token_for_the_agent_nothing_is_dispatched(stage: GitHubStage, kept: str) -> None:
    repo = '[repos."ann/calc"]\nforge_access = "worker"\ncredential_set = "team"\n'
    stage.configure(f'{repo}[credentials.team]\nforge_token = {{ env = "TEAM_TOKEN" }}\n{kept}\n')
    number = stage.file(ADD)
    with pytest.raises(NoCredentials, match="agent_token"):
        stage.fleet.dispatch("01", REPO, number)
    assert stage.github.calls == []
    assert stage.claims() == {}
