"""Git as we run it: shown what a server may see, its refusals told apart, the token in no argv."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_workers import git, paths
from claude_workers.access import Access
from claude_workers.errors import NoCredentials, NotFound, Refused, Unreachable, WorkersError
from claude_workers.git import GitFailed

TOKEN = "ghp_very_secret_0123456789"
ON_GITHUB = Access("https://github.com", TOKEN, "$GH_TOKEN")
URL = "https://github.com/o/r.git"


@pytest.fixture
def closed() -> Iterator[str]:
    """The address of a port that nobody listens at, and nobody can take meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that comes first on PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def program(path: Path, *lines: str) -> None:
    path.write_text("\n".join(("#!/bin/sh", *lines)) + "\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def recorded(programs: Path, tmp_path: Path) -> Path:
    """A git that writes what it was given to `argv` and `env` of a folder, and does nothing else."""
    folder = tmp_path / "recorded"
    folder.mkdir()
    program(programs / "git", f'printf "%s\\n" "$0" "$@" > {folder}/argv', f"env > {folder}/env", "echo done")
    return folder


def refusing(programs: Path, said: str, status: int = 128) -> None:
    """Make git print to stderr and fail."""
    (programs / "said").write_text(said, encoding="utf-8")
    program(programs / "git", f"cat {programs}/said >&2", f"exit {status}")


def test_a_server_that_does_not_listen_is_unreachable(closed: str) -> None:
    with pytest.raises(Unreachable) as caught:
        git.run("ls-remote", f"{closed}/o/r.git", access=Access(closed, TOKEN, "$GH_TOKEN"))
    assert closed in caught.value.message
    assert caught.value.remedy == "try again"
    assert TOKEN not in str(caught.value)
    assert str(caught.value).isprintable()


def test_without_an_access_that_failed_is_git_s_own_error(closed: str) -> None:
    with pytest.raises(GitFailed) as caught:
        git.run("ls-remote", f"{closed}/o/r.git")
    assert caught.value.status == 128


def test_a_repository_of_ours_that_is_not_there_is_git_s_own_error(tmp_path: Path) -> None:
    with pytest.raises(GitFailed, match="not a git repository"):
        git.run("rev-parse", "HEAD", at=tmp_path, access=Access())


def test_a_token_is_in_git_s_environment_and_not_in_its_argv(recorded: Path) -> None:
    assert git.run("fetch", URL, access=ON_GITHUB) == b"done\n"
    argv, env = (recorded / "argv").read_text(), (recorded / "env").read_text()
    assert TOKEN not in argv
    assert TOKEN in env
    assert "credential.https://github.com.helper=!" in argv
    assert argv.splitlines()[-2:] == ["fetch", URL]


@pytest.mark.parametrize("access", [None, Access(), Access("https://github.com")])
def test_without_a_token_there_is_no_helper(access: Access | None, recorded: Path) -> None:
    git.run("fetch", URL, access=access)
    helpers = [line for line in (recorded / "argv").read_text().splitlines() if ".helper" in line]
    assert helpers == ["credential.helper="]


def test_the_operator_s_secrets_are_not_in_git_s_environment(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GH_TOKEN", TOKEN)
    monkeypatch.setenv("GIT_TRACE", "1")
    monkeypatch.setenv("GIT_ASKPASS", "/bin/evil")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    git.run("fetch", URL)
    env = (recorded / "env").read_text()
    assert TOKEN not in env
    assert "GIT_TRACE" not in env
    assert "GIT_CONFIG_COUNT" not in env
    assert "GIT_ASKPASS=true" in env
    assert "GIT_TERMINAL_PROMPT=0" in env


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("https://github.com", True),
        ("https://evil.example", False),
        ("https://github.com.evil.example", False),
        ("http://github.com", False),
        ("https://github.com:8443", False),
    ],
)
def test_git_tells_the_token_to_its_own_server_alone(asked: str, *, told: bool) -> None:
    helper = f"credential.{ON_GITHUB.server}.helper={git._HELPER}"
    done = subprocess.run(
        ["git", "-c", "credential.helper=", "-c", helper, "credential", "fill"],
        input=f"url={asked}/o/r.git\n\n",
        env=git.environment(ON_GITHUB),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (f"password={TOKEN}" in done.stdout) is told
    assert ("username=x-access-token" in done.stdout) is told


def test_a_key_is_used_alone_and_asks_nobody() -> None:
    shown = git.environment(Access("https://github.com", ssh_key="/home/ann/my keys/id"))
    command = shown["GIT_SSH_COMMAND"]
    assert "-i '/home/ann/my keys/id'" in command
    for option in ("IdentitiesOnly=yes", "BatchMode=yes", "StrictHostKeyChecking=yes"):
        assert f"-o {option}" in command
    assert f'"{paths.config_dir() / "known_hosts"}"' in command
    assert "GIT_SSH_COMMAND" not in git.environment(ON_GITHUB)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("fatal: Authentication failed for 'https://github.com/o/r.git/'", NoCredentials),
        ("fatal: could not read Username for 'https://github.com': terminal prompts disabled", NoCredentials),
        ("error: RPC failed\nfatal: ... The requested URL returned error: 401", NoCredentials),
        (
            "git@github.com: Permission denied (publickey).\nfatal: Could not read from remote repository.",
            NoCredentials,
        ),
        ("remote: Permission to o/r.git denied to ann.\nfatal: ... returned error: 403", Refused),
        ("remote: Write access to repository not granted.\nfatal: returned error: 403", Refused),
        ("Host key verification failed.\nfatal: Could not read from remote repository.", Refused),
        ("remote: Repository not found.\nfatal: repository 'https://github.com/o/r.git/' not found", NotFound),
        ("ERROR: Repository not found.\nfatal: Could not read from remote repository.", NotFound),
        ("fatal: unable to access: Could not resolve host: github.com", Unreachable),
        ("fatal: unable to access: Failed to connect to github.com port 443", Unreachable),
        ("ssh: connect to host github.com port 22: Connection timed out", Unreachable),
        ("fatal: unable to access: The requested URL returned error: 503", Unreachable),
        ("fatal: unable to access: The requested URL returned error: 429", Unreachable),
        ("error: RPC failed; curl 18 transfer closed with outstanding read data remaining", Unreachable),
        ("fatal: early EOF\nfatal: fetch-pack: invalid index-pack output", Unreachable),
        ("fatal: the remote end hung up\nfatal: Could not read from remote repository.", Unreachable),
    ],
)
def test_a_server_s_refusal_is_told_apart(said: str, kind: type[WorkersError], programs: Path) -> None:
    refusing(programs, said)
    with pytest.raises(WorkersError) as caught:
        git.run("fetch", URL, access=ON_GITHUB)
    assert type(caught.value) is kind
    assert str(caught.value).startswith("https://github.com and the token of $GH_TOKEN: ")
    assert "\n" not in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "said",
    [
        " ! [rejected]        main -> main (fetch first)\nerror: failed to push some refs",
        " ! [remote rejected] main -> main (pre-receive hook declined: ticket not found)\nerror: failed",
        "remote: Permission to x\n ! [remote rejected] main -> main (protected branch hook declined)",
        "fatal: bad object HEAD",
        "",
    ],
)
def test_what_is_about_the_refs_is_git_s_own_error(said: str, programs: Path) -> None:
    refusing(programs, said, status=1)
    with pytest.raises(GitFailed) as caught:
        git.run("push", URL, access=ON_GITHUB)
    assert caught.value.status == 1


def test_a_very_long_line_of_a_server_is_cut(programs: Path) -> None:
    refusing(programs, "fatal: Authentication failed " + "x" * 10_000)
    with pytest.raises(NoCredentials) as caught:
        git.run("fetch", URL, access=ON_GITHUB)
    assert len(caught.value.message) < 400


@pytest.mark.parametrize(("access", "kind"), [(ON_GITHUB, Unreachable), (None, GitFailed), (Access(), GitFailed)])
def test_a_git_that_does_not_end_is_not_waited_for(
    access: Access | None, kind: type[WorkersError], programs: Path
) -> None:
    program(programs / "git", "exec sleep 60")
    with pytest.raises(kind, match="git fetch took longer"):
        git.run("fetch", URL, access=access, timeout=0.2)


def test_an_exit_status_that_is_accepted_is_no_error(programs: Path) -> None:
    program(programs / "git", "echo printed; exit 2")
    assert git.text("ls-remote", URL, accept=2, access=ON_GITHUB) == "printed"


def test_without_git_there_is_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused, match="git is not on PATH"):
        git.run("version")
