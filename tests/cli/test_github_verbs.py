"""GitHub on the command line: what dispatch, status, assign, release and follow say."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Cli
from tests.github.fake import GitHub
from tests.github.stage import REPO, GitHubStage
from tests.stage import ADD, steps

HANG = steps({"hang": True})


@pytest.fixture
def number(on_github: GitHubStage) -> int:
    """An open issue of ann's, at which an agent stays."""
    return on_github.github.file_issue(REPO, "ann", "Add sub", HANG)


def test_an_url_of_repository_and_issue_is_as_good_as_their_names(cli: Cli, github: GitHub, number: int) -> None:
    url = f"{github.url}/{REPO}"
    said = cli.ok("dispatch", "01", url, f"{url}/issues/{number}#issuecomment-1")
    assert f"dispatched: worker 01, {REPO}#{number}, branch w01/issue-{number}" in said


def test_status_names_what_was_left_behind_and_what_could_not_be_asked(
    cli: Cli, on_github: GitHubStage, number: int
) -> None:
    on_github.fleet.dispatch("01", REPO, number)
    assert json.loads(cli.ok("status", "--json"))["orphans"] == []
    on_github.kill()
    shown = json.loads(cli.ok("status", "--json"))
    [orphan] = shown["orphans"]
    assert (orphan["repo"], orphan["issue"], orphan["worker"], orphan["state"]) == (REPO, number, "01", "crashed")
    assert (shown["schema"], shown["errors"]) == (1, [])
    assert f"left behind: {REPO}#{number}, worker 01 is crashed: claude-workers restart 01" in cli.ok("status")
    on_github.github.fail_next("*", "502")
    done = cli("status")
    assert done.returncode == 0
    assert f"not asked: {REPO}: " in done.stderr
    on_github.github.fail_next("*", "502")
    [fault] = json.loads(cli.ok("status", "--json"))["errors"]
    assert (fault["host"], fault["code"]) == (REPO, "unreachable")
    on_github.github.reset_calls()
    shown = json.loads(cli.ok("status", "--json", "--no-forge"))
    assert (shown["orphans"], shown["errors"], on_github.github.calls) == ([], [], [])


def test_status_shows_who_holds_the_token(
    cli: Cli, on_github: GitHubStage, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    on_github.fleet.dispatch("01", REPO, number)
    [row] = json.loads(cli.ok("status", "--no-forge", "--json"))["workers"]
    assert row["forge_access"] == "runner"
    assert "forge token" not in cli.ok("status", "--no-forge")
    on_github.fleet.stop("01")
    on_github.fleet.reset("01")
    access = f'[repos."{REPO}"]\nforge_access = "worker"\ncredential_set = "team"\n'
    on_github.configure(f'{access}[credentials.team]\nagent_token = {{ env = "GH_TOKEN" }}\n')
    on_github.fleet.dispatch("01", REPO, number)
    [row] = json.loads(cli.ok("status", "--no-forge", "--json"))["workers"]
    assert row["forge_access"] == "worker"
    assert "+forge token" in cli.ok("status", "--no-forge")


def test_assign(cli: Cli, on_github: GitHubStage, number: int) -> None:
    on_github.github.add_user("eve")
    hers = on_github.github.file_issue(REPO, "eve", "Add sub", HANG)
    third = on_github.github.file_issue(REPO, "ann", "Third", HANG)
    done = cli("assign", REPO, str(hers), str(number), f"#{third}")
    assert done.returncode == 4
    first, second, last = done.stdout.splitlines()
    assert first.startswith(f"issue {hers}: passed over: ")
    assert second.startswith(f"issue {number}: worker 01, task ")
    assert last == "1 issues left: no worker is idle any more"
    done = cli("assign", REPO, str(third))
    assert done.returncode == 4
    assert "no worker is idle" in done.stderr


def test_assign_by_label_as_json(cli: Cli, github: GitHub, number: int) -> None:
    github.add_label(REPO, number, "ready")
    [one] = json.loads(cli.ok("assign", REPO, "--label", "ready", "--json"))["assigned"]
    assert (one["issue"], one["worker"]) == (number, "01")


def test_assign_without_anything_to_give_out(cli: Cli, github: GitHub, number: int) -> None:
    assert "no open issue with the label ready" in cli.ok("assign", REPO, "--label", "ready")
    cli.refused(2, "assign", REPO)
    cli.refused(2, "assign", REPO, str(number), "--label", "ready")
    github.close(REPO, number)
    assert cli("assign", REPO, str(number)).returncode == 1


def test_release(cli: Cli, on_github: GitHubStage, number: int) -> None:
    assert "nobody held it" in cli.ok("release", REPO, str(number))
    on_github.fleet.dispatch("01", REPO, number)
    done = cli("release", REPO, str(number))
    assert done.returncode == 4
    assert done.stderr.startswith("claude-workers: worker 01 has a task for it; ")
    on_github.fleet.stop("01")
    assert "no issue 999" in cli.refused(3, "release", REPO, "999")


def test_follow_once(cli: Cli, on_github: GitHubStage) -> None:
    receipt = on_github.play(ADD, {"text": "Added."})
    address = str(receipt.pull_request)
    pull = address.rpartition("/")[2]
    said = f"{address}: quiet (nothing to mend), worker 01, round 0"
    assert cli.ok("follow", REPO, pull, "--once").strip() == said
    found = json.loads(cli.ok("follow", REPO, address, "--once", "--json"))
    assert (found["state"], found["number"], found["url"]) == ("quiet", int(pull), address)
    assert "no worker here made change 999" in cli.refused(3, "follow", REPO, "999", "--once")
    on_github.github.close(REPO, int(pull))
    assert ": closed, worker 01" in cli.ok("follow", REPO, pull)
