"""The task file: taken once, replaced whole, believed only when all of it makes sense."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import stat
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from claude_workers import files
from claude_workers.errors import WorkersError
from claude_workers.home import archive, tasks
from claude_workers.home.home import Home
from claude_workers.model import Progress, Receipt, Task
from claude_workers.paths import Layout
from claude_workers.process.identity import Identity, Liveness, Probe, boot_id, current, identify
from tests.racing import race

ID = "0b6f1c1e-9c3a-4a9e-8a0e-1f2d3c4b5a69"
REPO = {"name": "owner/repo", "url": "https://github.com/owner/repo", "path": None}


@pytest.fixture
def home(layout: Layout) -> Home:
    """An idle home."""
    made = Home(layout, "01")
    files.make_private(made.path)
    return made


def a_task(**changes: Any) -> Task:
    return dataclasses.replace(Task(ID, "01", dict(REPO), "w01/issue-42", issue=42), **changes)


TEXTS = ("reason", "branch", "base", "head", "pull_request", "answer", "isolation", "finished_at", "worker")
LISTS = ("files_changed", "denials", "blocked_hosts", "gate_changes", "untracked", "unchecked", "notes")


def a_receipt(**changes: Any) -> Receipt:
    data: dict[str, Any] = {
        **dict.fromkeys(TEXTS, ""),
        **{name: [] for name in LISTS},
        "outcome": "pull_request",
        "task_id": ID,
    }
    data |= {"repo": "owner/repo", "issue": 42, "verify": None, "usage": {}, "attempts": 1}
    return Receipt(**{**data, "cost_usd": 0.0, "duration_s": 1.0, **changes})


def alive() -> dict[str, Any]:
    """Return what a task file says when this very process is its runner."""
    me = current()
    return {"pid": me.pid, "pid_start": me.start, "boot_id": me.boot}


def write(home: Home, text: str) -> None:
    home.task_file.write_text(text, encoding="utf-8")


def test_without_a_file_a_worker_is_idle(home: Home) -> None:
    assert tasks.load(home) is None
    assert tasks.state(home) == tasks.State("idle")


def test_a_claimed_worker_has_the_task(home: Home) -> None:
    assert tasks.claim(home, a_task())
    assert tasks.load(home) == a_task()
    assert stat.S_IMODE(home.task_file.stat().st_mode) == 0o600


def test_a_second_claim_changes_nothing(home: Home) -> None:
    tasks.claim(home, a_task())
    assert not tasks.claim(home, a_task(task_id="another"))
    assert tasks.load(home) == a_task()


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_file_that_cannot_be_believed_still_holds_the_worker(text: str, home: Home) -> None:
    write(home, text)
    assert not tasks.claim(home, a_task())
    assert home.task_file.read_text(encoding="utf-8") == text


def test_of_twenty_that_claim_a_worker_one_has_it(home: Home) -> None:
    answers = race(lambda number: tasks.claim(home, a_task(task_id=f"task-{number}")))
    assert sorted(answers, key=str) == [False] * 19 + [True]
    found = tasks.load(home)
    assert found
    assert found.task_id == f"task-{answers.index(True)}"


def test_a_saved_task_is_the_one_that_is_read(home: Home) -> None:
    tasks.claim(home, a_task())
    saved = tasks.save(home, a_task(), phase="working", attempt=2)
    assert (saved.phase, saved.attempt) == ("working", 2)
    assert saved.updated_at
    assert tasks.load(home) == saved


def test_keys_of_a_newer_version_are_kept(home: Home) -> None:
    write(home, json.dumps({**a_task().to_json(), "colour": ["blue"], "extra": {"x": 1}}))
    found = tasks.load(home)
    assert found
    tasks.save(home, found, phase="working")
    kept = json.loads(home.task_file.read_text(encoding="utf-8"))
    assert (kept["colour"], kept["extra"], kept["phase"]) == (["blue"], {"x": 1}, "working")


@pytest.mark.parametrize(
    "text",
    ["", " ", "{", "null", "[]", "1", '"x"', "{}", '{"schema": 1}', "\0" * 100, "not json", '{"a":' * 50_000],
)
def test_a_file_that_is_no_task_is_unreadable(text: str, home: Home) -> None:
    write(home, text)
    with pytest.raises(tasks.Unreadable, match=r"task\.json"):
        tasks.load(home)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_file_that_was_cut_off_is_unreadable(share: float, home: Home) -> None:
    text = files.to_text(a_task().to_json()).rstrip()
    write(home, text[: int(len(text) * share)])
    with pytest.raises(tasks.Unreadable):
        tasks.load(home)


@pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
def test_what_is_no_file_is_unreadable(kind: str, home: Home) -> None:
    real = home.path / "real.json"
    files.write_atomic(real, files.to_text(a_task().to_json()))
    make: dict[str, Callable[[], object]] = {
        "folder": home.task_file.mkdir,
        "pipe": lambda: os.mkfifo(home.task_file),
        "link": lambda: home.task_file.symlink_to(real),
    }
    make[kind]()
    with pytest.raises(tasks.Unreadable):
        tasks.load(home)


def test_a_file_of_a_newer_version_says_so(home: Home) -> None:
    write(home, json.dumps({**a_task().to_json(), "schema": 2}))
    with pytest.raises(tasks.Unreadable, match="newer version"):
        tasks.load(home)


HOSTILE: list[tuple[str, object]] = [
    ("schema", "2"),
    ("schema", 2.0),
    ("schema", None),
    ("worker", "02"),
    ("worker", 1),
    ("task_id", 5),
    ("task_id", ""),
    ("task_id", ".."),
    ("task_id", "../../02"),
    ("task_id", "a/b"),
    ("repo", None),
    ("repo", "owner/repo"),
    ("repo", {}),
    ("repo", {"name": "owner/repo"}),
    ("repo", {**REPO, "name": "../../etc"}),
    ("repo", {**REPO, "name": "owner/.."}),
    ("repo", {**REPO, "name": "owner//etc"}),
    ("repo", {**REPO, "name": "/etc"}),
    ("repo", {**REPO, "name": "owner"}),
    ("repo", {**REPO, "name": 5}),
    ("repo", {**REPO, "url": 5}),
    ("repo", {**REPO, "path": 5}),
    ("branch", None),
    ("branch", ""),
    ("branch", "--upload-pack=id"),
    ("branch", "../x"),
    ("branch", "a b"),
    ("issue", "42"),
    ("issue", True),
    ("issue", 1.5),
    ("prompt", None),
    ("expect", 5),
    ("base", 5),
    ("model", ["opus"]),
    ("session_id", ["x"]),
    ("attempt", "1"),
    ("attempt", True),
    ("attempt", None),
    ("state", "idle"),
    ("state", None),
    ("state", "ended"),
    ("phase", 5),
    ("pid", "1"),
    ("pid", 1.0),
    ("pid", True),
    ("pid_start", "1"),
    ("boot_id", 5),
    ("dispatched_at", 5),
    ("started_at", 5),
    ("wait_until", {}),
    ("reason", ["x"]),
    ("isolation", 5),
    ("options", []),
    ("options", None),
]


@pytest.mark.parametrize(("name", "value"), HOSTILE)
def test_one_field_that_makes_no_sense_makes_the_task_unreadable(name: str, value: object, home: Home) -> None:
    write(home, json.dumps({**a_task().to_json(), name: value}))
    with pytest.raises(tasks.Unreadable):
        tasks.load(home)


@pytest.mark.parametrize("name", ["task_id", "worker", "repo", "branch"])
def test_a_task_without_a_needed_field_is_unreadable(name: str, home: Home) -> None:
    data = a_task().to_json()
    del data[name]
    write(home, json.dumps(data))
    with pytest.raises(tasks.Unreadable):
        tasks.load(home)


@pytest.mark.parametrize("text", ["{", '{"schema": 99}', json.dumps({**a_task().to_json(), "worker": "x" * 1000})])
def test_an_unreadable_task_is_unknown_with_its_reason_and_never_idle(text: str, home: Home) -> None:
    write(home, text)
    found = tasks.state(home)
    assert (found.name, found.task) == ("unknown", None)
    assert found.reason.startswith("task.json: ")
    assert len(found.reason) < 300


@pytest.mark.parametrize("starter", [{"pid": "x", "start": 1, "boot": ""}, {"pid": None, "start": 1, "boot": "b"}])
def test_a_starter_that_makes_no_sense_is_unknown_or_crashed_but_told(starter: dict[str, Any], home: Home) -> None:
    write(home, json.dumps({**a_task().to_json(), "dispatcher": starter}))
    assert tasks.state(home).name in {"unknown", "crashed"}


def test_a_task_whose_runner_lives_is_busy(home: Home) -> None:
    tasks.claim(home, a_task(**alive()))
    assert tasks.state(home) == tasks.State("busy", "", a_task(**alive()))


@pytest.mark.parametrize(
    "changes", [{"pid_start": 1}, {"boot_id": "another"}, {"pid": 1 << 22}, {"pid": -1}, {"pid": 0}]
)
def test_a_task_whose_runner_is_dead_is_crashed_with_the_evidence(changes: dict[str, Any], home: Home) -> None:
    tasks.claim(home, a_task(**{**alive(), **changes}))
    found = tasks.state(home)
    assert found.name == "crashed"
    assert found.reason.startswith("runner: ")


def test_a_task_whose_runner_is_a_zombie_is_crashed(home: Home) -> None:
    child = subprocess.Popen(["sleep", "1000"])
    runner = identify(child.pid)
    assert runner
    tasks.claim(home, a_task(pid=runner.pid, pid_start=runner.start, boot_id=runner.boot))
    assert tasks.state(home).name == "busy"
    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert tasks.state(home).name == "crashed"
    child.wait()


def test_a_runner_that_ended_between_reading_and_probing_is_no_crash(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks.claim(home, a_task(**alive()))

    def ends_first(_: Identity) -> Probe:
        home.task_file.unlink()
        return Probe(Liveness.DEAD, "pid 1 is a zombie")

    monkeypatch.setattr(tasks, "probe", ends_first)
    assert tasks.state(home) == tasks.State("idle")


@pytest.mark.parametrize("boot", [None, ""])
def test_a_task_whose_runner_cannot_be_told_is_unknown(boot: str | None, home: Home) -> None:
    tasks.claim(home, a_task(**{**alive(), "boot_id": boot}))
    assert tasks.state(home).name == "unknown"


def test_until_its_runner_took_over_a_task_lives_by_its_dispatcher(home: Home) -> None:
    me = current()
    starter = {"pid": me.pid, "start": me.start, "boot": me.boot}
    tasks.claim(home, a_task(extra={"dispatcher": starter}))
    assert tasks.state(home).name == "busy"
    tasks.save(home, a_task(extra={"dispatcher": {**starter, "start": 1}}))
    assert tasks.state(home).name == "crashed"


def test_a_task_that_nobody_ever_ran_is_crashed(home: Home) -> None:
    tasks.claim(home, a_task(boot_id=boot_id()))
    assert tasks.state(home).name == "crashed"


@pytest.mark.parametrize("name", ["stopped", "waiting"])
def test_a_task_that_rests_needs_no_process(name: str, home: Home) -> None:
    tasks.claim(home, a_task(state=name, reason="because"))
    assert tasks.state(home) == tasks.State(name, "because", a_task(state=name, reason="because"))


def test_progress_is_read_back(home: Home) -> None:
    files.make_private(home.run(ID))
    tasks.save_progress(home, Progress(ID, turns=3, last_text="é"))
    assert tasks.progress(home, ID) == Progress(ID, turns=3, last_text="é")


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"unknown": 1}'])
def test_progress_that_cannot_be_read_is_none_yet(text: str | None, home: Home) -> None:
    if text is not None:
        (files.make_private(home.run(ID)) / "progress.json").write_text(text, encoding="utf-8")
    assert tasks.progress(home, ID).turns == 0


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '{"outcome": "pull_request"}'])
def test_a_receipt_that_cannot_be_read_is_none(text: str | None, home: Home) -> None:
    if text is not None:
        (files.make_private(home.run(ID)) / "receipt.json").write_text(text, encoding="utf-8")
    assert archive.receipt(home, ID) is None


def test_an_archived_task_frees_the_worker_and_keeps_its_receipt(home: Home) -> None:
    tasks.claim(home, a_task())
    archive.keep(home, a_task(), a_receipt())
    assert tasks.load(home) is None
    assert os.listdir(home.completed) == ["owner-repo-42.json"]
    kept = archive.latest(home)
    assert kept
    assert (kept["task_id"], kept["state"], kept["receipt"]) == (ID, "ended", a_receipt().to_json())
    assert archive.find(home, ID) == a_task(state="ended")


def test_a_task_without_an_issue_is_archived_under_its_own_id(home: Home) -> None:
    archive.keep(home, a_task(issue=None), a_receipt(issue=None))
    assert os.listdir(home.completed) == [f"owner-repo-{ID}.json"]


def test_an_archive_overwrites_nothing(home: Home) -> None:
    files.make_private(home.completed)
    strangers = {"owner-repo-42.json": "not json", "owner-repo-42.1.json": "{}", "owner-repo-42.2.json": "[]"}
    for name, text in strangers.items():
        (home.completed / name).write_text(text, encoding="utf-8")
    (home.completed / "owner-repo-42.3.json").symlink_to("nowhere")
    archive.keep(home, a_task(), a_receipt())
    assert {name: (home.completed / name).read_text(encoding="utf-8") for name in strangers} == strangers
    assert not (home.completed / "nowhere").exists()
    assert json.loads((home.completed / "owner-repo-42.4.json").read_text(encoding="utf-8"))["task_id"] == ID


def test_the_same_issue_done_again_is_a_second_file(home: Home) -> None:
    for task_id in (ID, "another", "third"):
        archive.keep(home, a_task(task_id=task_id), a_receipt(task_id=task_id))
    assert sorted(os.listdir(home.completed)) == ["owner-repo-42.1.json", "owner-repo-42.2.json", "owner-repo-42.json"]
    assert all(archive.find(home, one) for one in (ID, "another", "third"))


def test_archiving_a_task_again_keeps_one_file(home: Home) -> None:
    archive.keep(home, a_task(task_id="first"), a_receipt())
    for _ in range(3):
        tasks.claim(home, a_task())
        archive.keep(home, a_task(), a_receipt())
    assert len(os.listdir(home.completed)) == 2
    assert tasks.load(home) is None


def test_twenty_archives_at_once_lose_none(home: Home) -> None:
    answers = race(lambda one: archive.keep(home, a_task(task_id=f"task-{one}"), a_receipt()))
    assert answers == [None] * 20
    assert all(archive.find(home, f"task-{one}") for one in range(20))
    assert len(os.listdir(home.completed)) == 20


@pytest.mark.parametrize("name", ["local/" + "x" * 240, "local/" + "é" * 120, "o" * 39 + "/" + "r" * 100])
def test_a_repository_with_a_long_name_is_archived_too(name: str, home: Home) -> None:
    archive.keep(home, a_task(issue=None, repo={**REPO, "name": name}), a_receipt())
    assert archive.find(home, ID)


def test_an_archive_does_not_write_where_a_linked_folder_leads(home: Home, layout: Layout) -> None:
    outside = files.make_private(layout.root / "outside")
    home.completed.symlink_to(outside)
    with contextlib.suppress(WorkersError):
        archive.keep(home, a_task(), a_receipt())
    assert os.listdir(outside) == []


def test_nothing_was_completed_where_nothing_is(home: Home) -> None:
    assert archive.latest(home) is None
    assert archive.find(home, ID) is None


@pytest.mark.parametrize("data", [{"task_id": ID}, {"task_id": ID, "receipt": {}}, {"task_id": ID, "worker": "01"}])
def test_an_archived_task_that_was_cut_short_is_none(data: dict[str, Any], home: Home) -> None:
    files.write_atomic(files.make_private(home.completed) / "x.json", files.to_text(data))
    assert archive.find(home, ID) is None
