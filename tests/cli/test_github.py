"""GitHub on the command line: what is refused, in one line each, with a remedy and the right exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from claude_workers import Fleet
from tests.cli.conftest import Cli
from tests.github.fake import GitHub
from tests.github.stage import REPO, GitHubStage
from tests.stage import steps

HANG = steps({"hang": True})


@pytest.fixture
def number(on_github: GitHubStage) -> int:
    """An open issue of ann's, at which an agent stays."""
    return on_github.github.file_issue(REPO, "ann", "Add sub", HANG)


def dispatch(cli: Cli, status: int, *words: str) -> str:
    """Return the one line of a dispatch that is refused with a status."""
    return cli.refused(status, "dispatch", "01", *words)


def test_a_closed_issue(cli: Cli, github: GitHub, number: int) -> None:
    github.close(REPO, number)
    assert f"issue {number} is closed" in dispatch(cli, 2, REPO, str(number))


def test_a_locked_issue(cli: Cli, github: GitHub, number: int) -> None:
    github.lock(REPO, number)
    assert f"issue {number} is locked" in dispatch(cli, 2, REPO, str(number))


def test_a_pull_requests_number(cli: Cli, github: GitHub, number: int) -> None:
    github.commit(REPO, "own", {"a.txt": "a"})
    pull = github.open_pull(REPO, "ann", "own", "By hand")
    said = dispatch(cli, 2, REPO, str(pull))
    assert f"{pull} is a pull request" in said
    assert "follow" in said


@pytest.mark.parametrize("named", ["999", "#999", "url"])
def test_an_issue_that_does_not_exist(cli: Cli, github: GitHub, number: int, named: str) -> None:
    issue = f"{github.url}/{REPO}/issues/999" if named == "url" else named
    assert f"{REPO} has no issue 999" in dispatch(cli, 3, REPO, issue)


def test_a_deleted_issue(cli: Cli, github: GitHub, number: int) -> None:
    github.delete_issue(REPO, number)
    said = dispatch(cli, 3, REPO, str(number))
    assert "deleted" in said or "no issue" in said


def test_issues_that_are_switched_off(cli: Cli, github: GitHub, number: int) -> None:
    github.repository(REPO).has_issues = False
    said = dispatch(cli, 6, REPO, str(number))
    assert "issues switched off" in said
    assert "-p" in said


def test_an_archived_repository(cli: Cli, github: GitHub, number: int) -> None:
    github.repository(REPO).archived = True
    assert "archived" in dispatch(cli, 6, REPO, str(number))


def test_no_right_to_push(cli: Cli, github: GitHub, number: int) -> None:
    github.set_permission(REPO, "robot", "triage")
    said = dispatch(cli, 6, REPO, str(number))
    assert "the token of $GH_TOKEN may not push" in said
    assert "doctor --repo" in said


def test_a_strangers_issue(cli: Cli, github: GitHub, number: int) -> None:
    github.add_user("eve")
    hers = github.file_issue(REPO, "eve", "Add sub", HANG)
    said = dispatch(cli, 6, REPO, str(hers))
    assert "eve, who has no write access" in said
    assert "--trust-author" in said
    assert "dispatched" in cli.ok("dispatch", "01", REPO, str(hers), "--trust-author")


def test_a_taken_issue(cli: Cli, github: GitHub, number: int, tmp_path: Path) -> None:
    other = Fleet(tmp_path / "other")
    other.init("07")
    other.dispatch("07", REPO, number)
    done = cli("dispatch", "01", REPO, str(number), "--json")
    other.stop("07")
    assert done.returncode == 4
    assert json.loads(done.stdout)["error"]["code"] == "issue_taken"
    [line] = done.stderr.splitlines()
    assert f"issue {number} is taken by worker 07 on " in line
    assert f"claude-workers release {REPO} {number}" in line
    assert [row.state for row in Fleet().status()] == ["idle"]
    assert "worker:01" not in {one.name for one in github.issue(REPO, number).labels}


def test_a_repository_that_does_not_exist(cli: Cli, on_github: GitHubStage) -> None:
    assert "no repository ann/nothing" in dispatch(cli, 3, "ann/nothing", "1")


def test_a_token_that_is_not_accepted(cli: Cli, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GH_TOKEN", "nonsense-of-mine")
    said = dispatch(cli, 6, REPO, str(number))
    assert "did not accept the token of $GH_TOKEN" in said
    assert "nonsense-of-mine" not in said


def test_no_token_at_all(cli: Cli, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GH_TOKEN")
    assert "GH_TOKEN" in dispatch(cli, 6, REPO, str(number))


def test_a_forge_that_does_not_answer(cli: Cli, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_SERVER_URL", "http://127.0.0.1:1")
    assert "does not answer" in dispatch(cli, 5, REPO, str(number))


def test_a_limit_that_is_reached(cli: Cli, github: GitHub, number: int) -> None:
    github.limit("robot", remaining=0)
    said = dispatch(cli, 5, REPO, str(number))
    assert "limit is reached" in said
    assert "again after" in said


@pytest.mark.parametrize(
    "issue",
    [
        "{url}/ann/other/issues/1",
        "https://gitlab.com/ann/calc/-/issues/1",
        "https://gitlab.com/ann/calc/issues/1",
    ],
)
def test_an_issue_of_another_place(cli: Cli, github: GitHub, number: int, issue: str) -> None:
    dispatch(cli, 2, REPO, issue.format(url=github.url))
    assert github.calls == []


@pytest.mark.parametrize("repo", ["https://gitlab.com/ann/calc", "git@gitlab.com:ann/calc.git"])
def test_a_repository_of_another_place(cli: Cli, github: GitHub, number: int, repo: str) -> None:
    assert "gitlab.com" in dispatch(cli, 2, repo, "1")


@pytest.mark.parametrize("verb", ["assign", "release", "follow"])
def test_a_number_of_another_repository_is_not_taken_for_one_of_this(
    cli: Cli, github: GitHub, number: int, verb: str
) -> None:
    kind = "pull" if verb == "follow" else "issues"
    cli.refused(2, verb, REPO, f"{github.url}/ann/other/{kind}/{number}")


def test_without_a_token_for_the_agent_nothing_is_dispatched(cli: Cli, on_github: GitHubStage, number: int) -> None:
    on_github.configure(f'[repos."{REPO}"]\nforge_access = "worker"\n')
    assert "no agent_token" in dispatch(cli, 6, REPO, str(number))
    assert on_github.github.calls == []
