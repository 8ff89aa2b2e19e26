"""The fake serves git over HTTP with GitHub's rules of who may fetch and push."""

from __future__ import annotations

import gzip
import os
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.github.fake import GitHub
from tests.github.fixtures import CALC

REPO = "ann/calc"


class Desk:
    """A person's git with a token, and a clone."""

    def __init__(self, github: GitHub, path: Path, token: str | None = None, repo: str = REPO) -> None:
        self.path, self._token = path, token
        self.address = f"{github.url}/{repo}.git"

    def git(self, *arguments: str) -> tuple[int, str]:
        """Run git and return its status and all it said."""
        helper = "!f() { echo username=x-access-token; echo password=$TOKEN; }; f"
        settings = {"user.name": "Ann", "user.email": "ann@example.org", "credential.helper": helper}
        options = [part for key, value in settings.items() if self._token or "helper" not in key
                   for part in ("-c", f"{key}={value}")]  # fmt: skip
        env = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "TOKEN": self._token or "", "LC_ALL": "C"}
        at = self.path if self.path.exists() else self.path.parent
        done = subprocess.run(
            ["git", *options, *arguments], cwd=at, env=env, capture_output=True, text=True, check=False
        )
        return done.returncode, (done.stdout + done.stderr).strip()

    def clone(self) -> tuple[int, str]:
        """Clone the repository."""
        return self.git("clone", "--quiet", self.address, str(self.path))

    def commit(self, name: str = "new.txt", data: bytes = b"new\n") -> str:
        """Commit one file and return the commit."""
        (self.path / name).write_bytes(data)
        self.git("add", ".")
        self.git("commit", "--quiet", "-m", "New")
        return self.git("rev-parse", "HEAD")[1]


@pytest.fixture
def desk(github: GitHub, token: str, tmp_path: Path) -> Desk:
    """Robot's clone."""
    made = Desk(github, tmp_path / "clone", token)
    assert made.clone() == (0, "")
    return made


def test_what_is_pushed_is_there_for_rest(github: GitHub, desk: Desk, robot: httpx.Client) -> None:
    commit = desk.commit()
    assert desk.git("push", "--quiet", "origin", "HEAD:refs/heads/w01/x") == (0, "")
    assert robot.get("/branches/w01/x").json()["commit"]["sha"] == commit
    pull = robot.post("/pulls", json={"head": "w01/x", "base": "main", "title": "T"}).json()["number"]
    newer = desk.commit("newer.txt")
    desk.git("push", "--quiet", "origin", "HEAD:refs/heads/w01/x")
    assert github.issue(REPO, pull).pull
    assert robot.get(f"/pulls/{pull}").json()["head"]["sha"] == newer
    assert desk.git("fetch", "--quiet", "origin", f"refs/pull/{pull}/head")[0] == 0
    assert desk.git("push", "--quiet", "origin", "--delete", "w01/x")[0] == 0
    assert robot.get(f"/pulls/{pull}").json()["state"] == "closed"
    assert {one.method for one in github.git_calls} == {"GET", "POST"}


def test_a_big_push_comes_in_pieces(github: GitHub, desk: Desk) -> None:
    commit = desk.commit("big.bin", os.urandom(3 << 20))
    assert desk.git("push", "--quiet", "origin", "HEAD:refs/heads/big") == (0, "")
    assert github.refs(REPO, "refs/heads/big") == {"refs/heads/big": commit}


def test_a_compressed_request_is_read(github: GitHub) -> None:
    command = b"0014command=ls-refs\n0000"
    headers = {"Content-Type": "application/x-git-upload-pack-request", "Content-Encoding": "gzip",
               "Git-Protocol": "version=2"}  # fmt: skip
    answer = httpx.post(f"{github.url}/{REPO}.git/git-upload-pack", content=gzip.compress(command), headers=headers)
    assert answer.status_code == 200
    assert github.refs(REPO)["refs/heads/main"] in answer.text


@pytest.mark.parametrize("suffix", ["", ".git"])
def test_a_public_repository_is_read_without_a_token_but_not_written(
    github: GitHub, tmp_path: Path, suffix: str
) -> None:
    stranger = Desk(github, tmp_path / "clone")
    stranger.address = f"{github.url}/{REPO}{suffix}"
    assert stranger.clone() == (0, "")
    assert (stranger.path / "calc.py").read_text(encoding="utf-8") == CALC["calc.py"]
    stranger.commit()
    status, words = stranger.git("push", "origin", "HEAD:refs/heads/x")
    assert status
    assert "could not read Username" in words


def test_a_private_repository_is_not_found_by_a_token_that_may_not_see_it(github: GitHub, tmp_path: Path) -> None:
    github.add_repository("ann/secret", private=True)
    github.add_user("eve")
    for name, token, expected in (("a", None, "could not read Username"), ("b", "wrong", "Authentication failed"),
                                  ("c", github.token("eve"), "Repository not found"),
                                  ("d", github.token("ann"), "")):  # fmt: skip
        status, words = Desk(github, tmp_path / name, token, "ann/secret").clone()
        assert (status == 0) == (expected == "")
        assert expected in words
    asked = httpx.get(f"{github.url}/ann/secret.git/info/refs?service=git-upload-pack")
    assert (asked.status_code, asked.headers["www-authenticate"]) == (401, 'Basic realm="GitHub"')


def test_a_push_needs_the_role_and_the_token_s_right(github: GitHub, tmp_path: Path) -> None:
    github.add_user("eve")
    narrow = github.token("robot", permissions={"contents": "read"})
    for name, token, expected in (("a", github.token("eve"), "Permission to ann/calc.git denied to eve."),
                                  ("b", narrow, "Write access to repository not granted.")):  # fmt: skip
        one = Desk(github, tmp_path / name, token)
        assert one.clone() == (0, "")
        one.commit()
        status, words = one.git("push", "origin", "HEAD:refs/heads/x")
        assert status
        assert expected in words
        assert "403" in words
    assert github.refs(REPO, "refs/heads/x") == {}


def test_a_token_in_the_password_is_enough_whoever_the_user(github: GitHub, token: str, tmp_path: Path) -> None:
    github.add_repository("robot/own", private=True)
    address = github.url.replace("http://", f"http://anyone:{token}@")
    one = Desk(github, tmp_path / "clone")
    one.address = f"{address}/robot/own"
    assert one.clone() == (0, "")


def test_an_archived_repository_takes_no_push(github: GitHub, desk: Desk) -> None:
    github.repository(REPO).archived = True
    desk.commit()
    status, words = desk.git("push", "origin", "HEAD:refs/heads/x")
    assert status
    assert "archived" in words
    assert desk.git("fetch", "--quiet")[0] == 0


def test_a_namespace_is_declined_where_the_repository_refuses_it(
    github: GitHub, desk: Desk, token: str, tmp_path: Path
) -> None:
    assert desk.git("push", "--quiet", "origin", "HEAD:refs/claude-workers/claims/1") == (0, "")
    github.add_repository("ann/strict", refuse_namespace=True)
    github.set_permission("ann/strict", "robot", "write")
    strict = Desk(github, tmp_path / "strict", token, "ann/strict")
    strict.clone()
    status, words = strict.git("push", "origin", "HEAD:refs/claude-workers/claims/1", "HEAD:refs/heads/x")
    assert status
    assert "remote rejected" in words
    assert list(github.refs("ann/strict")) == ["refs/heads/main", "refs/heads/x"]


def test_a_claim_is_won_by_one_of_two(github: GitHub, desk: Desk, token: str, tmp_path: Path) -> None:
    other = Desk(github, tmp_path / "other", token)
    other.clone()
    claim = "HEAD:refs/claude-workers/claims/1"
    lease = "--force-with-lease=refs/claude-workers/claims/1:"
    desk.commit()
    assert desk.git("push", "--quiet", lease, "origin", claim)[0] == 0
    other.commit("other.txt")
    assert other.git("push", "--quiet", lease, "origin", claim)[0] != 0


def test_a_protected_branch_and_a_pull_request_s_ref_are_not_pushed_to(
    github: GitHub, desk: Desk, robot: httpx.Client
) -> None:
    github.protect(REPO, "main")
    desk.commit()
    for target in ("refs/heads/main", "refs/pull/1/head"):
        status, words = desk.git("push", "origin", f"HEAD:{target}")
        assert status
        assert "rejected" in words


def test_a_renamed_repository_is_found_under_its_old_name(github: GitHub, desk: Desk, robot: httpx.Client) -> None:
    github.rename(REPO, "sums")
    asked = httpx.get(f"{github.url}/ann/calc.git/info/refs?service=git-upload-pack")
    assert asked.status_code == 301
    assert asked.headers["location"].startswith(f"{github.url}/ann/sums.git/info/refs?service=")
    assert desk.git("fetch", "--quiet") == (0, "")
    commit = desk.commit()
    assert desk.git("push", "--quiet", "origin", "HEAD:refs/heads/x") == (0, "")
    assert github.refs("ann/sums", "refs/heads/x") == {"refs/heads/x": commit}


def test_a_git_older_than_smart_http_is_sent_away(github: GitHub) -> None:
    assert httpx.get(f"{github.url}/ann/calc.git/info/refs").status_code == 403
