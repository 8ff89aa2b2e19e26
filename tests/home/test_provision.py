"""Making a home whole or not at all, renewing it without loss, and cleaning it between tasks."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from claude_workers import credentials, files, paths
from claude_workers.credentials import API_KEY, TOKEN
from claude_workers.errors import BadInput, Busy, WorkersError
from claude_workers.home import provision
from claude_workers.home.home import Home
from claude_workers.paths import Layout
from tests.conftest import CHECKOUT
from tests.racing import race

KEY = "sk-ant-test-key-0123456789"


def template(name: str, text: str) -> None:
    """Write a worker template of the user's."""
    path = paths.config_dir() / "templates" / "worker" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def home(layout: Layout) -> Home:
    """A home just made."""
    return provision.create(layout, "01")


def test_a_home_holds_its_instructions_settings_and_credentials(home: Home) -> None:
    assert "# You are worker 01" in (home.claude / "CLAUDE.md").read_text(encoding="utf-8")
    assert json.loads((home.claude / "settings.json").read_text(encoding="utf-8"))["permissions"]
    assert credentials.read_env(home.env_file) == {API_KEY: KEY}
    assert f"export {API_KEY}={KEY}\n" in (home.path / ".zshenv").read_text(encoding="utf-8")
    assert not home.task_file.exists()


def test_nobody_else_reads_a_home(home: Home) -> None:
    for folder, folders, names in os.walk(home.path):
        for path, mode in [(folder, 0o700), *((os.path.join(folder, one), 0o600) for one in names)]:
            assert stat.S_IMODE(os.lstat(path).st_mode) == mode, path
        assert not [one for one in folders if os.path.islink(os.path.join(folder, one))]
    assert stat.S_IMODE(home.layout.root.stat().st_mode) == 0o700


def test_a_shell_started_by_hand_gets_every_value_as_it_is(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    value = """a'b "c" $HOME `id` \\ {{workerId}} #"""
    monkeypatch.setenv(API_KEY, value)
    home = provision.create(layout, "01")
    script = f'. "$1"; printf %s "${API_KEY}"'
    done = subprocess.run(
        ["sh", "-c", script, "sh", home.path / ".zshenv"], capture_output=True, text=True, check=True, env={}
    )
    assert done.stdout == value


def test_a_home_without_credentials_is_made_all_the_same(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(API_KEY)
    assert credentials.read_env(provision.create(layout, "01").env_file) == {}


def test_an_existing_home_is_busy_and_stays_as_it_is(home: Home) -> None:
    (home.claude / "CLAUDE.md").write_text("mine", encoding="utf-8")
    with pytest.raises(Busy, match="exists already"):
        provision.create(home.layout, "01")
    assert (home.claude / "CLAUDE.md").read_text(encoding="utf-8") == "mine"
    assert os.listdir(home.layout.root) == ["01"]


@pytest.mark.parametrize("kind", ["file", "dangling link", "empty folder"])
def test_whatever_has_the_home_s_name_is_left_alone(kind: str, layout: Layout) -> None:
    path = files.make_private(layout.root) / "01"
    make: dict[str, Callable[[], object]] = {
        "file": path.touch,
        "dangling link": lambda: path.symlink_to("nowhere"),
        "empty folder": path.mkdir,
    }
    make[kind]()
    with pytest.raises(Busy):
        provision.create(layout, "01")
    assert os.listdir(layout.root) == ["01"]
    assert not path.is_dir() or os.listdir(path) == []


def test_of_twenty_that_make_the_same_home_one_does_and_the_rest_are_told_so(layout: Layout) -> None:
    answers = race(lambda _: provision.create(layout, "01"))
    assert sum(isinstance(one, Home) for one in answers) == 1
    assert [one for one in answers if not isinstance(one, Home | Busy)] == []
    assert os.listdir(layout.root) == ["01"]
    assert credentials.read_env(Home(layout, "01").env_file) == {API_KEY: KEY}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".claude/CLAUDE.md", "{{nothing}}"),
        (".claude/settings.json", "{"),
        (".claude/settings.json", "[]"),
        (".zshenv", "{{issueNumber}}"),
    ],
)
def test_a_bad_template_makes_no_home_at_all(name: str, text: str, layout: Layout) -> None:
    template(name, text)
    with pytest.raises(BadInput):
        provision.create(layout, "01")
    assert not layout.root.exists() or os.listdir(layout.root) == []


def test_a_root_that_is_a_file_is_our_error(layout: Layout) -> None:
    layout.root.touch()
    with pytest.raises(WorkersError, match="cannot write"):
        provision.create(layout, "01")
    assert layout.root.is_file()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        '{"permissions": []}',
        '{"permissions": null}',
        '{"permissions": {"allow": "Bash"}}',
        '{"permissions": {"deny": [1]}}',
        '{"permissions": {"ask": null}}',
        '{"sandbox": true}',
        '{"sandbox": {"enabled": "yes"}}',
        '{"sandbox": {"network": {"allowedDomains": "example.org"}}}',
        '{"env": []}',
        '{"hooks": []}',
        '{"model": 5}',
    ],
)
def test_settings_that_claude_code_would_drop_without_a_word_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match="here"):
        provision.check_settings(text, "here")


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"permissions": {}},
        {"permissions": {"allow": ["Bash"], "deny": [], "defaultMode": "dontAsk"}},
        {"sandbox": {"enabled": True, "network": {"allowedDomains": ["example.org"]}}},
        {"unknown": 1, "model": "opus", "env": {"A": "b"}, "hooks": {}},
    ],
)
def test_settings_that_claude_code_takes_are_taken(data: dict[str, Any]) -> None:
    provision.check_settings(json.dumps(data), "here")


def test_a_refresh_takes_what_the_operator_has_now(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(API_KEY, "another")
    assert set(provision.refresh(home)) == {".env", ".zshenv"}
    assert credentials.read_env(home.env_file) == {API_KEY: "another"}


@pytest.mark.parametrize("value", [None, ""])
def test_a_refresh_never_empties_a_value(value: str | None, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, "token")
    provision.refresh(home)
    for name in (API_KEY, TOKEN):
        monkeypatch.delenv(name) if value is None else monkeypatch.setenv(name, value)
    assert provision.refresh(home) == []
    assert credentials.read_env(home.env_file) == {API_KEY: KEY, TOKEN: "token"}


def test_a_refresh_keeps_what_a_person_added(home: Home) -> None:
    with open(home.env_file, "a", encoding="utf-8") as stream:
        stream.write("ADDED='by hand'\n")
    provision.refresh(home)
    assert credentials.read_env(home.env_file) == {API_KEY: KEY, "ADDED": "by hand"}
    assert "export ADDED='by hand'" in (home.path / ".zshenv").read_text(encoding="utf-8")


def test_a_refresh_with_nothing_new_changes_nothing(home: Home) -> None:
    assert provision.refresh(home) == []


def test_a_refresh_brings_back_what_is_gone_or_was_loosened(home: Home) -> None:
    (home.claude / "CLAUDE.md").unlink()
    (home.claude / "settings.json").write_text("{}", encoding="utf-8")
    home.env_file.chmod(0o644)
    assert set(provision.refresh(home)) == {".claude/CLAUDE.md", ".claude/settings.json"}
    assert "# You are worker 01" in (home.claude / "CLAUDE.md").read_text(encoding="utf-8")
    assert stat.S_IMODE(home.env_file.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["not an assignment\n", "A=b\nB\n"])
def test_an_env_file_that_cannot_be_read_is_refused_and_kept(text: str, home: Home) -> None:
    home.env_file.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput):
        provision.refresh(home)
    assert home.env_file.read_text(encoding="utf-8") == text


def test_a_bad_template_refreshes_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    template(".claude/settings.json", "{")
    monkeypatch.setenv(API_KEY, "another")
    with pytest.raises(BadInput):
        provision.refresh(home)
    assert credentials.read_env(home.env_file) == {API_KEY: KEY}


def test_a_refresh_replaces_a_link_and_does_not_write_through_it(home: Home, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("kept", encoding="utf-8")
    (home.claude / "settings.json").unlink()
    (home.claude / "settings.json").symlink_to(outside)
    assert ".claude/settings.json" in provision.refresh(home)
    assert outside.read_text(encoding="utf-8") == "kept"
    assert not (home.claude / "settings.json").is_symlink()


def swapped(home: Home, outside: Path) -> None:
    """Put a link to another folder where .claude/ was, as an agent at level claude or none can."""
    files.remove_tree(home.claude)
    home.claude.symlink_to(outside)


def test_a_refresh_does_not_write_where_a_linked_folder_leads(home: Home, tmp_path: Path) -> None:
    outside = files.make_private(tmp_path / "outside")
    swapped(home, outside)
    with contextlib.suppress(WorkersError):
        provision.refresh(home)
    assert os.listdir(outside) == []


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x", encoding="utf-8")
    return path


SURVIVES = [
    "CLAUDE.md",
    "settings.json",
    ".credentials.json",
    "projects/-home-01/5f.jsonl",
    "tasks/list/1.json",
    "todos/5f.json",
]


@pytest.mark.parametrize("name", SURVIVES)
def test_between_tasks_a_home_keeps_what_a_session_needs(name: str, home: Home) -> None:
    path = put(home.claude / name)
    provision.clean_claude(home, login=True)
    assert path.read_text(encoding="utf-8") == "x"


@pytest.mark.parametrize(
    "name",
    [
        ".claude.json",
        "settings.local.json",
        "rules/evil.md",
        "memory/evil.md",
        "agents/evil.md",
        "commands/evil.md",
        "skills/evil/SKILL.md",
        "plugins/evil/plugin.json",
        "hooks/evil.sh",
        "shell-snapshots/x.sh",
        "CLAUDE.local.md",
        "projects/evil.md",
        "projects/-home-01/memory/MEMORY.md",
        "projects/-home-01/memory.jsonl/MEMORY.md",
        "projects/-home-01/notes.md",
    ],
)
def test_between_tasks_a_home_loses_what_one_task_could_say_to_the_next(name: str, home: Home) -> None:
    path = put(home.claude / name)
    provision.clean_claude(home, login=True)
    assert not path.exists()


@pytest.mark.parametrize("name", ["CLAUDE.md", "settings.json", ".credentials.json", "projects", "tasks", "todos"])
def test_a_link_does_not_survive_and_what_it_leads_to_does(name: str, home: Home, tmp_path: Path) -> None:
    outside = put(tmp_path / "outside" / "deep" / "kept.md")
    files.remove_tree(home.claude / name)
    (home.claude / name).symlink_to(tmp_path / "outside")
    provision.clean_claude(home, login=True)
    assert not os.path.lexists(home.claude / name)
    assert outside.exists()


def test_a_linked_project_does_not_survive_and_what_it_leads_to_does(home: Home, tmp_path: Path) -> None:
    outside = put(tmp_path / "outside" / "kept.md")
    for link in (home.claude / "projects" / "evil", home.claude / "projects" / "p" / "evil.jsonl"):
        files.make_private(link.parent)
        link.symlink_to(tmp_path / "outside")
        provision.clean_claude(home, login=True)
        assert not link.is_symlink()
    assert outside.exists()


def test_a_linked_claude_folder_leads_the_cleaning_nowhere(home: Home, tmp_path: Path) -> None:
    outside = put(tmp_path / "outside" / "rules" / "kept.md")
    swapped(home, tmp_path / "outside")
    with contextlib.suppress(WorkersError):
        provision.clean_claude(home, login=True)
    assert outside.exists()


def test_a_home_without_a_claude_folder_is_clean(home: Home) -> None:
    files.remove_tree(home.claude)
    provision.clean_claude(home, login=True)
    assert not home.claude.exists() or os.listdir(home.claude) == []


def test_a_login_that_does_not_pay_does_not_survive(home: Home) -> None:
    path = put(home.claude / ".credentials.json")
    provision.clean_claude(home, login=True)
    assert path.exists()
    provision.clean_claude(home, login=False)
    assert not path.exists()


@pytest.mark.parametrize("name", ["CLAUDE.md", "settings.json", ".credentials.json"])
def test_a_folder_in_a_file_s_place_does_not_survive(name: str, home: Home) -> None:
    files.remove_tree(home.claude / name)
    put(home.claude / name / "evil.md")
    provision.clean_claude(home, login=True)
    assert not (home.claude / name).exists()


@pytest.mark.parametrize("name", ["projects", "tasks", "todos"])
def test_a_file_in_a_folder_s_place_does_not_survive(name: str, home: Home) -> None:
    path = put(home.claude / name)
    provision.clean_claude(home, login=True)
    assert not path.exists()


CLEANER = """
import sys
from claude_workers.home import home, provision
from claude_workers.paths import layout
provision.clean_claude(home.Home(layout(sys.argv[1]), "01"), login=True)
"""


@pytest.mark.parametrize("name", ["pipe", "projects", "projects/pipe", "projects/-home-01/pipe.jsonl"])
def test_a_pipe_that_an_agent_left_does_not_hold_the_cleaning_up(name: str, home: Home) -> None:
    pipe = home.claude / name
    files.make_private(pipe.parent)
    os.mkfifo(pipe)
    subprocess.run([sys.executable, "-c", CLEANER, home.layout.root], cwd=CHECKOUT, timeout=2, check=True)
    assert not os.path.lexists(pipe)
