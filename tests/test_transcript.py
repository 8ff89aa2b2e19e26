"""What Claude Code keeps of a session, read as something that an agent may have tampered with."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from claude_workers import transcript
from claude_workers.model import Todo, Todos


@pytest.fixture
def claude(tmp_path: Path) -> Path:
    """Claude Code's own folder."""
    (tmp_path / ".claude" / "tasks" / "list").mkdir(parents=True)
    return tmp_path / ".claude"


def task(claude: Path, name: str, content: object) -> Path:
    path = claude / "tasks" / "list" / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("cwd", "slug"),
    [("/home/01/github/o/r", "-home-01-github-o-r"), ("/z.4_é x", "-z-4---x"), ("/A-b", "-A-b"), ("/", "-")],
)
def test_a_transcript_stands_in_a_folder_named_for_the_working_directory(cwd: str, slug: str, claude: Path) -> None:
    assert transcript.path(claude, Path(cwd), "5f") == claude / "projects" / slug / "5f.jsonl"


def test_a_session_can_be_resumed_when_its_transcript_is_there(claude: Path) -> None:
    assert not transcript.exists(claude, Path("/x"), "5f")
    path = transcript.path(claude, Path("/x"), "5f")
    path.parent.mkdir(parents=True)
    path.touch()
    assert transcript.exists(claude, Path("/x"), "5f")
    assert not transcript.exists(claude, Path("/x"), "other")


@pytest.mark.parametrize("kind", ["link", "dangling link", "folder", "pipe"])
def test_what_only_has_a_transcript_s_name_is_none(kind: str, claude: Path, tmp_path: Path) -> None:
    path = transcript.path(claude, Path("/x"), "5f")
    path.parent.mkdir(parents=True)
    (tmp_path / "real").touch()
    make: dict[str, Callable[[], object]] = {
        "link": lambda: path.symlink_to(tmp_path / "real"),
        "dangling link": lambda: path.symlink_to("nowhere"),
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
    }
    make[kind]()
    assert not transcript.exists(claude, Path("/x"), "5f")


def test_a_task_list_is_counted(claude: Path) -> None:
    for number, status in enumerate(["completed", "in_progress", "pending", "completed", "deleted"]):
        task(claude, f"{number}.json", {"id": number, "status": status})
    assert Todos.of(transcript.todos(claude, "list", "session")) == Todos(done=2, total=4)


@pytest.mark.parametrize("name", [".lock", ".hidden.json", "1.txt", "json"])
def test_only_tasks_are_counted(name: str, claude: Path) -> None:
    task(claude, name, {"status": "pending"})
    assert Todos.of(transcript.todos(claude, "list", "session")) == Todos()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '"pending"',
        "{}",
        {"status": None},
        {"status": 5},
        {"status": ["pending"]},
        {"status": {"pending": 1}},
        {"status": "x"},
        '{"a":' * 100_000,
        "[" * 100_000,
    ],
)
def test_what_cannot_be_read_does_not_count_and_does_not_hide_the_rest(content: object, claude: Path) -> None:
    task(claude, "1.json", content)
    task(claude, "2.json", {"status": "completed"})
    assert Todos.of(transcript.todos(claude, "list", "session")) == Todos(done=1, total=1)


@pytest.mark.parametrize("kind", ["link", "folder", "pipe", "large"])
def test_what_is_no_small_file_does_not_count_and_does_not_hide_the_rest(kind: str, claude: Path) -> None:
    task(claude, "2.json", {"status": "completed"})
    path = claude / "tasks" / "list" / "1.json"
    outside = claude / "outside.json"
    outside.write_text('{"status": "pending"}', encoding="utf-8")
    make: dict[str, Callable[[], object]] = {
        "link": lambda: path.symlink_to(outside),
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
        "large": lambda: path.write_text(json.dumps({"status": "pending", "x": "y" * (2 << 20)}), encoding="utf-8"),
    }
    make[kind]()
    assert Todos.of(transcript.todos(claude, "list", "session")) == Todos(done=1, total=1)


@pytest.mark.parametrize("level", ["tasks", "tasks/list"])
def test_a_list_behind_a_link_is_not_counted(level: str, claude: Path, tmp_path: Path) -> None:
    task(claude, "1.json", {"status": "pending"})
    os.rename(claude / level, tmp_path / "outside")
    (claude / level).symlink_to(tmp_path / "outside")
    assert (claude / "tasks" / "list" / "1.json").exists()
    assert Todos.of(transcript.todos(claude, "list", "session")) == Todos()


def test_a_list_that_is_not_there_is_empty(claude: Path) -> None:
    assert Todos.of(transcript.todos(claude, "nothing", "session")) == Todos()
    assert Todos.of(transcript.todos(claude / "nowhere", "list", "session")) == Todos()


def test_a_list_of_any_length_is_counted_in_bounded_work(claude: Path) -> None:
    for number in range(600):
        task(claude, f"{number:04}.json", {"status": "pending"})
    assert Todos.of(transcript.todos(claude, "list", "session")) == Todos(done=0, total=500)


def test_the_list_of_an_older_version_is_read_where_there_is_no_newer_one(claude: Path) -> None:
    items = [{"content": "One", "status": "completed"}, {"content": "Two", "status": "pending"}, {"content": 3}, 4]
    (claude / "todos").mkdir()
    (claude / "todos/session-agent-session.json").write_text(json.dumps(items), encoding="utf-8")
    assert transcript.todos(claude, "list", "session") == [Todo("One", "completed"), Todo("Two", "pending")]
    task(claude, "10.json", {"subject": "Ten", "status": "in_progress"})
    task(claude, "9.json", {"subject": "Nine", "status": "completed"})
    assert [one.subject for one in transcript.todos(claude, "list", "session")] == ["Nine", "Ten"]
