"""Bad input: one clear line with a remedy, the right exit status, nothing changed on disk."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.conftest import git, make_repository


@pytest.fixture
def ready(cli: Cli, calc: Path) -> Cli:
    """A worker, the toy repository beside it, and two tickets, the second closed."""
    cli.ok("init", "01")
    cli.ok("ticket", "create", "Open", "--repo", "./calc")
    cli.ok("ticket", "create", "Closed", "--repo", "./calc")
    cli.ok("ticket", "close", "2")
    return cli


@pytest.mark.parametrize("worker", ["../evil", "", "x" * 300, "any", "local", "A1", "01/02/03", "é"])
def test_worker_ids(cli: Cli, worker: str) -> None:
    assert "id" in cli.refused(2, "init", worker) or "name" in cli.refused(2, "init", worker)


def test_a_worker_id_that_looks_like_an_option(cli: Cli) -> None:
    cli.refused(2, "init", "-x")


def test_one_bad_id_among_good_ones_makes_no_worker(cli: Cli) -> None:
    cli.refused(2, "init", "01", "../evil")


@pytest.mark.parametrize("label", ["", "-x", "a\nb", "x" * 44, "a,b", "é"])
def test_words_that_are_no_label_make_no_worker(cli: Cli, label: str) -> None:
    cli.refused(2, "init", "01", f"--worker-label={label}")


def test_one_label_for_two_workers_makes_none(cli: Cli) -> None:
    cli.refused(2, "init", "01", "02", "--worker-label", "night")


def test_a_worker_that_exists_is_not_made_again(ready: Cli) -> None:
    assert "refresh" in ready.refused(4, "init", "02", "01")


@pytest.mark.parametrize("verb", ["status", "watch", "logs", "stop", "restart", "reset", "refresh", "remove"])
def test_a_worker_that_does_not_exist(cli: Cli, verb: str) -> None:
    assert "init 09" in cli.refused(3, verb, "09")


@pytest.mark.parametrize("verb", ["stop", "restart", "reset"])
def test_an_idle_worker_has_nothing_to_stop(ready: Cli, verb: str) -> None:
    ready.refused(3, verb, "01")


def test_nobody_to_tell_or_nothing_to_say(ready: Cli) -> None:
    assert "dispatch 01" in ready.refused(3, "tell", "01", "hello")
    assert "init 09" in ready.refused(3, "tell", "09", "hello")
    ready.refused(2, "tell", "01", " ")
    ready.refused(2, "tell", "01", "x" * 100_001)
    ready.refused(2, "tell", "01")
    ready.refused(2, "tell", "../01", "hello")


@pytest.mark.parametrize("issue", ["abc", "0", "-1", "1.5", "99999999999"])
def test_issues_that_are_none(ready: Cli, issue: str) -> None:
    ready.refused(2, "dispatch", "01", "./calc", issue)


def test_an_issue_that_does_not_exist(ready: Cli) -> None:
    assert "ticket 77" in ready.refused(3, "dispatch", "01", "./calc", "77")


def test_a_closed_issue(ready: Cli) -> None:
    assert "closed" in ready.refused(2, "dispatch", "01", "./calc", "2")


def test_another_repositorys_issue(ready: Cli, tmp_path: Path) -> None:
    make_repository(tmp_path / "other")
    assert "calc" in ready.refused(3, "dispatch", "01", "./other", "1")


@pytest.mark.parametrize(("repo", "status"), [("./nothing", 3), ("calc", 2), ("a/b/c", 2), ("o/..", 2), ("-x/y", 2)])
def test_repositories_that_are_none(ready: Cli, repo: str, status: int) -> None:
    ready.refused(status, "dispatch", "01", repo, "1")


def test_a_folder_that_is_not_git(ready: Cli, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    assert "git init" in ready.refused(3, "dispatch", "01", "./plain", "1")


def test_an_empty_repository(ready: Cli, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    git("init", "-q", at=tmp_path / "empty")
    assert "no commits" in ready.refused(2, "dispatch", "01", "./empty", "-p", "x")


def test_a_detached_head_needs_a_base(ready: Cli, calc: Path) -> None:
    git("checkout", "-q", "--detach", at=calc)
    assert "--base" in ready.refused(2, "dispatch", "01", "./calc", "1")


def test_a_base_that_does_not_exist(ready: Cli) -> None:
    assert "main" in ready.refused(2, "dispatch", "01", "./calc", "1", "--base", "nowhere")


def test_a_repository_inside_the_root_of_homes(ready: Cli, tmp_path: Path) -> None:
    make_repository(tmp_path / "workers" / "01" / "github" / "local" / "x")
    ready.refused(6, "dispatch", "01", str(tmp_path / "workers/01/github/local/x"), "-p", "x")


def test_nothing_to_do(ready: Cli) -> None:
    ready.refused(2, "dispatch", "01", "./calc")


def test_two_prompts(ready: Cli) -> None:
    ready.refused(2, "dispatch", "01", "./calc", "1", "one", "-p", "two")


@pytest.mark.parametrize(
    "content",
    ['{"task', "[]", '{"schema": 99}', "{}", '{"task_id": "../../x", "worker": "01", "repo": {}, "branch": "b"}'],
)
def test_task_files_that_cannot_be_believed(ready: Cli, tmp_path: Path, content: str) -> None:
    (tmp_path / "workers/01/task.json").write_text(content, encoding="utf-8")
    assert "unknown" in ready.refused(4, "dispatch", "01", "./calc", "1")
    row = json.loads(ready.ok("status", "01", "--json"))["workers"][0]
    assert row["state"] == "unknown"
    assert "task.json" in row["reason"]
    assert "task.json" in ready.refused(1, "reset", "01")


def test_a_task_file_that_is_a_link(ready: Cli, tmp_path: Path) -> None:
    (tmp_path / "workers/01/task.json").symlink_to("/etc/passwd")
    assert "symbolic link" in ready.refused(4, "dispatch", "01", "./calc", "1")


def test_settings_that_do_not_parse(ready: Cli, tmp_path: Path) -> None:
    (tmp_path / "workers/01/.claude/settings.json").write_text('{"sandbox": {"enabled": tru', encoding="utf-8")
    assert "refresh" in ready.refused(6, "dispatch", "01", "./calc", "1")


def test_settings_of_the_wrong_kind(ready: Cli, tmp_path: Path) -> None:
    (tmp_path / "workers/01/.claude/settings.json").write_text('{"permissions": "all"}', encoding="utf-8")
    assert "refresh" in ready.refused(6, "dispatch", "01", "./calc", "1")


def test_no_claude(ready: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDE_WORKERS_CLAUDE", "/nowhere/claude")
    assert "claude" in ready.refused(6, "dispatch", "01", "./calc", "1")


def _path_of(folder: Path, *programs: str) -> str:
    folder.mkdir(exist_ok=True)
    for program in programs:
        found = shutil.which(program)
        assert found
        (folder / program).symlink_to(found)
    return str(folder)


def test_no_git(ready: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", _path_of(tmp_path / "programs", "bwrap", "sh"))
    assert "install" in ready.refused(6, "dispatch", "01", "./calc", "1")


def test_no_bubblewrap(ready: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", _path_of(tmp_path / "programs", "git", "sh"))
    assert "bubblewrap" in ready.refused(6, "dispatch", "01", "./calc", "1")


def test_user_namespaces_forbidden(ready: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(_path_of(tmp_path / "programs", "git", "sh"))
    said = "bwrap: setting up uid map: Permission denied"
    (folder / "bwrap").write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n", encoding="utf-8")
    (folder / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    assert "uid map" in ready.refused(6, "dispatch", "01", "./calc", "1")


def test_no_login(cli: Cli, calc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    cli.ok("init", "01")
    assert "setup-token" in cli.refused(6, "dispatch", "01", "./calc", "-p", "x")


def test_a_key_and_a_token_and_no_decision(cli: Cli, calc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDE_CODE_OAUTH_TOKEN", "token")
    cli.ok("init", "01")
    assert "auth" in cli.refused(6, "dispatch", "01", "./calc", "-p", "x")


def test_called_from_a_sandbox(ready: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_RUNTIME", "1")
    assert "sandbox" in ready.refused(6, "dispatch", "01", "./calc", "1")


def test_stdin_that_never_speaks(ready: Cli) -> None:
    reader, writer = os.pipe()
    try:
        assert "--no-stdin" in ready.refused(2, "dispatch", "01", "./calc", "1", stdin=reader)
    finally:
        os.close(reader)
        os.close(writer)


def test_a_home_of_somebody_else(ready: Cli, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a home away")
    os.chown(tmp_path / "workers" / "01", 12345, 12345)
    assert "another user" in ready.refused(6, "dispatch", "01", "./calc", "1")
    row = json.loads(ready.ok("status", "--json"))["workers"][0]
    assert row["state"] == "unknown"


def test_a_full_disk(cli: Cli, calc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", small], check=False)
    if mounted.returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        monkeypatch.setenv("CLAUDE_WORKERS_ROOT", str(small / "workers"))
        cli.ok("init", "01")
        _fill(small / "filler")
        assert "space" in cli.refused(1, "dispatch", "01", "./calc", "-p", "x")
        assert "space" in cli.refused(1, "init", "02")
    finally:
        subprocess.run(["umount", small], check=True)


def _fill(path: Path) -> None:
    with open(path, "wb", buffering=0) as stream:
        try:
            while True:
                stream.write(b"x" * 512)
        except OSError:
            return


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense = 1", "nonsense"),
        ("model = [", "does not parse"),
        ("time_limit = true", "time_limit"),
        ('isolation = "some"', "isolation"),
        ('allowed_domains = ["*.com"]', "*.com"),
    ],
)
def test_configuration_that_is_wrong(ready: Cli, tmp_path: Path, text: str, said: str) -> None:
    folder = tmp_path / "config"
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_text(text, encoding="utf-8")
    assert said in ready.refused(2, "dispatch", "01", "./calc", "1")


def test_a_prompt_template_with_an_unknown_variable(ready: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "config" / "prompts"
    folder.mkdir(parents=True)
    (folder / "mine.md").write_text("{{nonsense}}", encoding="utf-8")
    assert "nonsense" in ready.refused(2, "dispatch", "01", "./calc", "1", "--prompt-template", "mine")


def test_a_prompt_template_that_does_not_exist(ready: Cli) -> None:
    ready.refused(2, "dispatch", "01", "./calc", "1", "--prompt-template", "nothing")


def test_an_unknown_verb_and_an_unknown_option(cli: Cli) -> None:
    cli.refused(2, "dance")
    cli.refused(2, "status", "--dance")


def test_an_unknown_host(ready: Cli) -> None:
    assert "vps" in ready.refused(3, "status", "vps/01")


def test_errors_are_json_where_json_was_asked_for(cli: Cli) -> None:
    done = cli("status", "09", "--json")
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "not_found"
    assert error["remedy"] == "claude-workers init 09"
    assert done.returncode == 3


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("ticket", "show", "9"), 1),
        (("ticket", "comment", "9", "x"), 1),
        (("ticket", "comment", "1", " "), 2),
        (("ticket", "create", "", "--repo", "./calc"), 2),
        (("ticket", "create", "x", "--repo", "./nothing"), 1),
        (("ticket", "label", "1", "a,b"), 2),
    ],
)
def test_tickets(ready: Cli, words: tuple[str, ...], status: int) -> None:
    ready.refused(status, *words)
