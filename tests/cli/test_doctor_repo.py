"""The doctor looks at a repository: what the token may do there, too little and too much, and its rules."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Cli
from tests.github.fake import GitHub
from tests.github.stage import REPO, GitHubStage


class Doctor:
    """Asks the doctor about a repository in somebody's name."""

    def __init__(self, cli: Cli, github: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cli, self.github, self._environment = cli, github, monkeypatch
        self.said: dict[str, str] = {}

    def __call__(self, token: str, status: int = 0) -> dict[str, str]:
        """Return the state of everything looked at, by name; of two the worse."""
        self._environment.setenv("GH_TOKEN", token)
        done = self.cli("doctor", "--repo", REPO, "--json")
        assert done.returncode == status, done
        assert token not in done.stdout + done.stderr
        findings = json.loads(done.stdout)["findings"]
        order = ("ok", "warning", "failed")
        states: dict[str, str] = {}
        for one in findings:
            states[one["what"]] = max(states.get(one["what"], "ok"), one["state"], key=order.index)
        self.said = {one["what"]: f"{one['said']}; {one['remedy']}" for one in findings if one["state"] != "ok"}
        return states


@pytest.fixture
def doctor(cli: Cli, on_github: GitHubStage, monkeypatch: pytest.MonkeyPatch) -> Doctor:
    """The doctor, on ann/calc."""
    return Doctor(cli, on_github.github, monkeypatch)


def test_a_bots_own_token_behind_a_ruleset_is_all_right(doctor: Doctor, github: GitHub, token: str) -> None:
    github.protect(REPO, "main", ["test"], ruleset=True)
    found = doctor(token)
    assert {what for what, state in found.items() if state != "ok"} <= {"main"}
    assert found["role"] == "ok"
    assert found["w*/ branches"] == "ok"


def test_an_administrators_token_is_warned_of(doctor: Doctor, github: GitHub) -> None:
    found = doctor(github.token("ann"))
    assert found["role"] == "warning"
    assert "administrator" in doctor.said["role"]


def test_a_classic_token_with_more_than_it_needs_is_warned_of(doctor: Doctor, github: GitHub) -> None:
    found = doctor(github.token("robot", "classic", scopes=("repo", "delete_repo", "read:org")))
    assert found["scopes"] == "warning"
    assert "delete_repo" in doctor.said["scopes"]
    assert "read:org" not in doctor.said["scopes"]


@pytest.mark.parametrize(("scopes", "private", "state"), [
    (("repo",), False, "warning"), (("public_repo",), False, "warning"), (("public_repo",), True, "failed"),
    (("read:org",), False, "failed"), ((), False, "failed"),
])  # fmt: skip
def test_a_classic_tokens_scopes(
    doctor: Doctor, github: GitHub, scopes: tuple[str, ...], state: str, *, private: bool
) -> None:
    github.repository(REPO).private = private
    token = github.token("robot", "classic", scopes=scopes)
    found = doctor(token, 1 if state == "failed" else 0)
    assert found.get("scopes", found["token"]) == state


def test_who_may_not_push_fails(doctor: Doctor, github: GitHub, token: str) -> None:
    github.set_permission(REPO, "robot", "read")
    assert doctor(token, 1)["role"] == "failed"
    assert "write access" in doctor.said["role"]


def test_a_token_that_lacks_a_permission_fails(doctor: Doctor, github: GitHub) -> None:
    short = github.token("robot", permissions={"metadata": "read", "contents": "read", "issues": "read"})
    assert "failed" in doctor(short, 1).values()


def test_a_token_that_is_not_accepted_fails(doctor: Doctor, github: GitHub, token: str) -> None:
    github.revoke(token)
    assert doctor(token, 1) == {"token": "failed"}


def test_an_archived_repository_fails(doctor: Doctor, github: GitHub, token: str) -> None:
    github.repository(REPO).archived = True
    assert doctor(token, 1)["repository"] == "failed"


def test_without_a_ruleset_the_default_branch_is_warned_of(doctor: Doctor, token: str) -> None:
    assert doctor(token)["main"] == "warning"


def test_the_older_protection_is_seen_too(doctor: Doctor, github: GitHub, token: str) -> None:
    github.protect(REPO, "main")
    assert doctor(token)["main"] == "warning", "only an administrator is told how"
    assert "pull request" in json.dumps(doctor.said) or "protected" in doctor.said["main"]
    ann = doctor(github.token("ann", "classic"))
    assert ann["main"] == "ok", doctor.said


def test_a_ruleset_over_the_workers_branches_fails(doctor: Doctor, github: GitHub, token: str) -> None:
    github.protect(REPO, "w01/issue-1", ruleset=True)
    assert doctor(token, 1)["w*/ branches"] == "failed"
    assert "exclude w*/**" in doctor.said["w*/ branches"]


def test_it_is_told_for_people_too(cli: Cli, github: GitHub, on_github: GitHubStage) -> None:
    shown = cli.ok("doctor", "--repo", REPO)
    assert "+ token: the token of $GH_TOKEN is robot's" in shown
    assert "~ main: can be pushed to without a pull request" in shown


def test_a_repository_that_is_not_there_or_not_on_github(cli: Cli, on_github: GitHubStage) -> None:
    done = cli("doctor", "--repo", "ann/nothing")
    assert done.returncode == 1
    assert "! token: " in done.stdout
    cli.refused(2, "doctor", "--repo", "nonsense")
