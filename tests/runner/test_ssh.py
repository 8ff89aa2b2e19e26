"""SSH remotes and private submodules: fetched by the runner with a key or token the agent never sees."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_workers import Fleet, paths
from claude_workers.errors import NoCredentials, Refused
from tests.github.fake import GitHub
from tests.github.stage import REPO, GitHubStage
from tests.sshd import Sshd, serve
from tests.stage import ADD


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    yield from serve(tmp_path / "sshd")


@pytest.fixture
def on_ssh(github: GitHub, token: str, sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> GitHubStage:
    monkeypatch.setenv("GITHUB_SERVER_URL", github.url)
    monkeypatch.setenv("GH_TOKEN", token)
    folder = paths.config_dir()
    folder.mkdir(parents=True, exist_ok=True)
    url = f"ssh://{sshd.user}@127.0.0.1:{sshd.port}{github.repository(REPO).bare}"
    (folder / "config.toml").write_text(f'[repos."{REPO}"]\nssh_key = "{sshd.key}"\nssh_url = "{url}"\n')
    (folder / "known_hosts").write_text(sshd.known_hosts)
    return GitHubStage(github)


def test_a_task_goes_over_ssh_where_a_key_is_configured(on_ssh: GitHubStage, sshd: Sshd) -> None:
    hidden = sshd.key.read_text().splitlines()[1]
    receipt = on_ssh.play(ADD, {"run": f"cat {sshd.key} || true; env"}, {"text": "Added."})
    assert receipt.outcome == "pull_request"
    assert on_ssh.github.git_calls == []
    assert on_ssh.github.refs(REPO, "refs/claude-workers/") == {}
    log = "\n".join(event.raw for event in on_ssh.fleet.events("01"))
    assert hidden not in log


def test_an_unknown_server_is_refused_before_anything_is_claimed(on_ssh: GitHubStage) -> None:
    (paths.config_dir() / "known_hosts").write_text("")
    with pytest.raises(Refused, match="Host key verification"):
        on_ssh.start(ADD)
    assert on_ssh.fleet.status()[0].state == "idle"


def test_a_key_the_server_does_not_know_is_no_credential(on_ssh: GitHubStage, sshd: Sshd) -> None:
    (sshd.key.parent / "user.pub").write_text("")
    with pytest.raises(NoCredentials):
        on_ssh.start(ADD)


@pytest.fixture
def with_lib(github: GitHub, token: str, monkeypatch: pytest.MonkeyPatch) -> GitHubStage:
    """ann/calc with the private ann/lib as a submodule."""
    monkeypatch.setenv("GITHUB_SERVER_URL", github.url)
    monkeypatch.setenv("GH_TOKEN", token)
    github.add_repository("ann/lib", {"lib.py": "SECRET = 42\n"}, private=True)
    github.set_permission("ann/lib", "robot", "read")
    _add_submodule(github, "lib", "../lib.git", github.refs("ann/lib", "refs/heads/")["refs/heads/main"])
    return GitHubStage(github)


def _add_submodule(github: GitHub, path: str, url: str, sha: str) -> None:
    """Commit a submodule to main, as git does it."""
    head = github.commit(REPO, "main", {".gitmodules": f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n'})
    bare = github.repository(REPO).bare
    index = {"GIT_INDEX_FILE": f"{bare}/index", "GIT_DIR": str(bare)}

    def git(*words: str) -> str:
        who = ("-c", "user.name=ann", "-c", "user.email=ann@localhost")
        done = subprocess.run(["git", *who, *words], env={**os.environ, **index}, capture_output=True, check=True)
        return done.stdout.decode().strip()

    git("read-tree", head)
    git("update-index", "--add", "--cacheinfo", f"160000,{sha},{path}")
    commit = git("commit-tree", "-m", "Add lib", "-p", head, git("write-tree"))
    git("update-ref", "refs/heads/main", commit)


def _configure(text: str) -> None:
    folder = paths.config_dir()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(text)


def test_a_listed_submodule_is_there_for_the_agent_and_for_the_gate(with_lib: GitHubStage) -> None:
    _configure(f'[repos."{REPO}"]\nsubmodules = ["ann/lib"]\nverify = "grep 42 lib/lib.py"\n')
    receipt = with_lib.play({"run": "grep -q 42 lib/lib.py"}, ADD, {"text": "Added."})
    assert receipt.outcome == "pull_request"
    assert receipt.verified
    assert receipt.files_changed == ["calc.py"]


def test_a_submodule_that_is_not_listed_is_not_fetched(with_lib: GitHubStage) -> None:
    receipt = with_lib.play({"run": "test ! -e lib/lib.py"}, ADD, {"text": "Added."})
    assert receipt.outcome == "pull_request"
    assert not list(Fleet().layout.repositories.glob("*lib*"))
