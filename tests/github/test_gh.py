"""GitHub's own program agrees with the fake on labels, issues and pull requests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import missing
from tests.github.fake import GitHub

REPO = "ann/calc"


class Gh:
    """The program, for which the fake is a proxy before github.localhost."""

    def __init__(self, github: GitHub, token: str, folder: Path) -> None:
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "GH_CONFIG_DIR": str(folder / "gh"),
            "GH_HOST": "github.localhost",
            "GH_TOKEN": token,
            "GH_NO_UPDATE_NOTIFIER": "1",
            "GH_PROMPT_DISABLED": "1",
            "NO_COLOR": "1",
            "http_proxy": github.url,
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it and return how it went."""
        return subprocess.run(["gh", *arguments], env=self._env, capture_output=True, text=True, check=False)

    def api(self, *arguments: str) -> Any:
        """Run `gh api` and return what it printed."""
        done = self.run("api", *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout else None


@pytest.fixture
def gh(github: GitHub, tmp_path: Path) -> Gh:
    """The program with a classic token of robot's."""
    if shutil.which("gh") is None:
        missing("gh (scripts/setup installs it where we are root)")
    return Gh(github, github.token("robot", "classic", scopes=("repo", "read:org", "gist")), tmp_path)


def test_gh_is_logged_in(gh: Gh) -> None:
    done = gh.run("auth", "status", "--hostname", "github.localhost")
    assert "Logged in to github.localhost as robot" in done.stdout + done.stderr
    assert gh.api("user")["login"] == "robot"


def test_gh_makes_a_label_and_is_told_that_it_is_there(github: GitHub, gh: Gh) -> None:
    arguments = ("label", "create", "worker:01", "--color", "ff0000", "--repo", f"github.localhost/{REPO}")
    assert gh.run(*arguments).returncode == 0
    assert [(one.name, one.color) for one in github.repository(REPO).labels] == [("worker:01", "ff0000")]
    again = gh.run(*arguments)
    assert again.returncode
    assert "already exists" in again.stderr
    assert gh.run(*arguments, "--force", "--description", "Its worker").returncode == 0
    assert [one["description"] for one in gh.api(f"repos/{REPO}/labels")] == ["Its worker"]


def test_gh_labels_an_issue(github: GitHub, gh: Gh) -> None:
    number = github.file_issue(REPO, "ann", "T")
    path = f"repos/{REPO}/issues/{number}/labels"
    assert [one["color"] for one in gh.api(path, "--method", "POST", "--field", "labels[]=new")] == ["ededed"]
    assert gh.api(f"{path}/new", "--method", "DELETE") == []
    refused = gh.run("api", f"{path}/new", "--method", "DELETE")
    assert refused.returncode
    assert "Label does not exist (HTTP 404)" in refused.stderr


def test_gh_opens_and_merges_a_pull_request(github: GitHub, gh: Gh) -> None:
    github.commit(REPO, "w01/x", {"a.txt": "a"})
    fields = [f"--field={one}" for one in ("head=w01/x", "base=main", "title=Change", "draft=true")]
    made = gh.api(f"repos/{REPO}/pulls", "--method", "POST", *fields)
    assert (made["draft"], made["head"]["sha"]) == (True, github.refs(REPO)["refs/heads/w01/x"])
    refused = gh.run("api", f"repos/{REPO}/pulls", "--method", "POST", *fields)
    assert "A pull request already exists for ann:w01/x." in refused.stdout
    github.ready(REPO, made["number"])
    assert gh.api(f"repos/{REPO}/pulls/{made['number']}/merge", "--method", "PUT")["merged"] is True


def test_gh_follows_the_pages(github: GitHub, gh: Gh) -> None:
    for index in range(5):
        github.file_issue(REPO, "ann", f"T{index}")
    done = gh.run("api", f"repos/{REPO}/issues?per_page=2", "--paginate", "--jq", ".[].number")
    assert [int(line) for line in done.stdout.split()] == [5, 4, 3, 2, 1]
    assert len(github.calls) == 3
