"""`gc` deletes what is old and safely elsewhere, and nothing that only looks so."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from claude_workers import Receipt, access, clock, files, git, paths
from claude_workers.errors import Refused
from claude_workers.lock import locked
from claude_workers.model import Repository
from claude_workers.pool import gc
from claude_workers.pool.gc import Garbage, collect, plan
from claude_workers.runner.rescue import UNSAVED
from claude_workers.runner.run import MADE_FOR
from claude_workers.workspace import upstream
from tests.cli.conftest import picture
from tests.conftest import git as by_person
from tests.conftest import make_repository
from tests.racing import until
from tests.stage import ADD, Stage

DAY = 86400.0


def names(found: list[Garbage], *, kept: bool = False) -> list[str]:
    """Return what goes, or what is left alone, as `run 01`, `clone 01` and so on; ids and paths cut off."""
    return sorted(
        f"{one.what} {one.name.split(' ')[0] if one.what != 'repository' else Path(one.name).name}"
        for one in found
        if one.kept == kept
    )


def reason(found: list[Garbage], what: str) -> str:
    """Return why the one thing of a kind is left alone."""
    [one] = [one for one in found if one.what == what and one.kept]
    return one.why


def fetch(stage: Stage) -> None:
    """Bring the mirror up to date, as the next task would."""
    repository = Repository("local/calc", str(stage.calc), str(stage.calc))
    upstream.mirror(stage.fleet.layout, access.origin(repository))


def merge(stage: Stage, receipt: Receipt) -> None:
    """Merge a published change as a person would, and let the mirror know."""
    by_person("merge", "--quiet", receipt.branch, at=stage.calc)
    fetch(stage)


def mirror(stage: Stage) -> Path:
    """Return our mirror of the toy repository."""
    return upstream.bare(stage.fleet.layout, Repository("local/calc", str(stage.calc), str(stage.calc)))


def clone_of(stage: Stage) -> Path:
    """Return the worker's clone of the toy repository."""
    return stage.home / "github/local/calc"


def run_of(stage: Stage, receipt: Receipt) -> Path:
    """Return the records of a task."""
    return stage.home / "runs" / receipt.task_id


def kept_refs(stage: Stage) -> list[str]:
    """Return the tasks of which the store keeps anything."""
    listed = git.text("for-each-ref", "--format=%(refname)", "refs/work", at=stage.bare()).splitlines()
    return sorted({name.split("/")[3] for name in listed})


@pytest.fixture
def published(stage: Stage) -> Receipt:
    """A task that ended with a published change."""
    receipt = stage.play(ADD, {"text": "Added."})
    assert receipt.outcome == "pull_request"
    return receipt


@pytest.fixture
def layout(stage: Stage) -> paths.Layout:
    """The root of homes."""
    return stage.fleet.layout


def test_what_ended_lately_is_no_garbage(layout: paths.Layout, published: Receipt) -> None:
    assert plan(layout, 3600.0) == []
    assert collect(layout, 3600.0) == []


def test_a_plan_changes_nothing_and_the_deletion_does_what_it_says(
    stage: Stage, layout: paths.Layout, published: Receipt
) -> None:
    merge(stage, published)
    before = picture(layout.root)
    planned = plan(layout, 0.0)
    assert picture(layout.root) == before
    assert names(planned) == ["clone 01", "repository calc", "rescue 01", "run 01"]
    assert names(planned, kept=True) == []
    assert all(one.bytes > 0 and "ended" in one.why for one in planned if one.what != "repository")
    assert [one.path for one in collect(layout, 0.0)] == [one.path for one in planned]
    assert not [one for one in planned if Path(one.path).exists()]
    assert collect(layout, 0.0) == plan(layout, 0.0) == []
    assert not (stage.home / MADE_FOR).exists()


def test_after_a_deletion_everything_goes_on(stage: Stage, layout: paths.Layout, published: Receipt) -> None:
    merge(stage, published)
    collect(layout, 0.0)
    [archived] = (stage.home / "completed").iterdir()
    assert json.loads(archived.read_text(encoding="utf-8"))["receipt"]["head"] == published.head
    assert stage.fleet.status()[0].outcome == "pull_request"
    assert stage.play({"run": "echo '# more' >> calc.py; git commit -qam More"}).outcome == "pull_request"


def test_what_a_task_kept_of_the_clone_before_its_own_goes_with_it(
    stage: Stage, layout: paths.Layout, published: Receipt
) -> None:
    merge(stage, published)
    second = stage.play({"run": "echo '# more' >> calc.py; git commit -qam More"})
    assert kept_refs(stage) == sorted([published.task_id, second.task_id, f"before-{second.task_id}"])
    merge(stage, second)
    assert names(collect(layout, 0.0)) == ["clone 01", "repository calc", *["rescue 01"] * 3, *["run 01"] * 2]


def test_only_what_ended_longer_ago_goes(stage: Stage, layout: paths.Layout, published: Receipt) -> None:
    [archived] = (stage.home / "completed").iterdir()
    content = json.loads(archived.read_text(encoding="utf-8"))
    content["receipt"]["finished_at"] = clock.to_iso(datetime.now(UTC) - timedelta(days=31))
    archived.write_text(json.dumps(content), encoding="utf-8")
    second = stage.play({"text": "Nothing."})
    assert names(collect(layout, 30 * DAY)) == ["run 01"]
    assert not run_of(stage, published).exists()
    assert run_of(stage, second).is_dir()


def test_a_busy_worker_is_passed_over(stage: Stage, layout: paths.Layout, published: Receipt) -> None:
    stage.start({"hang": True})
    assert plan(layout, 0.0) == collect(layout, 0.0) == []
    stage.fleet.stop("01")


def test_a_stopped_task_keeps_its_records_clone_work_and_repository(
    stage: Stage, layout: paths.Layout, published: Receipt
) -> None:
    merge(stage, published)
    task = stage.start(ADD, {"hang": True})
    stage.until(lambda row: row.activity and "Bash" in row.activity)
    stage.fleet.stop("01")
    assert names(collect(layout, 0.0)) == ["rescue 01", "run 01"]
    assert [one.name for one in (stage.home / "runs").iterdir()] == [task.task_id]
    assert clone_of(stage).is_dir()
    assert kept_refs(stage) == sorted([task.task_id, f"before-{task.task_id}"])
    stage.fleet.restart("01")
    stage.until(lambda row: row.state == "busy" and row.activity)
    stage.fleet.stop("01")


def test_a_worker_whose_task_cannot_be_read_is_passed_over(
    stage: Stage, layout: paths.Layout, published: Receipt
) -> None:
    merge(stage, published)
    files.remove_tree(clone_of(stage))
    assert len(plan(layout, 0.0)) == 3
    (stage.home / "task.json").write_text("{", encoding="utf-8")
    assert plan(layout, 0.0) == collect(layout, 0.0) == []


def test_records_of_no_known_task_are_named_and_left(stage: Stage, layout: paths.Layout) -> None:
    (stage.home / "runs/nobody").mkdir()
    [one] = plan(layout, 0.0)
    assert one.kept
    assert "unknown, left alone" in one.why
    assert collect(layout, 0.0) == []
    assert (stage.home / "runs/nobody").is_dir()


def touched(stage: Stage, receipt: Receipt) -> None:
    (clone_of(stage) / "calc.py").write_text("mine\n", encoding="utf-8")
    later = time.time() + 2
    os.utime(clone_of(stage) / "calc.py", (later, later))


def unsaved(stage: Stage, receipt: Receipt) -> None:
    path = run_of(stage, receipt) / "progress.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, "notes": [f"{UNSAVED}: no space"]}), encoding="utf-8")


def lost(stage: Stage, receipt: Receipt) -> None:
    git.run("update-ref", "-d", f"refs/work/01/{receipt.task_id}/state", at=stage.bare())


def headless(stage: Stage, receipt: Receipt) -> None:
    [archived] = (stage.home / "completed").iterdir()
    archived.write_text(archived.read_text(encoding="utf-8").replace(receipt.head, "0123456789" * 4), encoding="utf-8")


def unreadable(stage: Stage, receipt: Receipt) -> None:
    (clone_of(stage) / "calc.py").chmod(0o200)


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (touched, "changed since"),
        (unsaved, "could not be carried"),
        (lost, "not in the store"),
        (headless, "not in the store"),
        (unreadable, "cannot be read"),
    ],
)
def test_a_clone_that_may_hold_what_the_store_has_not_stays_with_all_that_tells_of_it(
    stage: Stage, layout: paths.Layout, published: Receipt, harm: Callable[[Stage, Receipt], None], told: str
) -> None:
    merge(stage, published)
    harm(stage, published)
    assert told in reason(plan(layout, 0.0), "clone")
    assert names(collect(layout, 0.0)) == []
    assert clone_of(stage).is_dir()
    assert run_of(stage, published).is_dir()


def test_a_clone_with_files_too_large_to_be_carried_stays(stage: Stage, layout: paths.Layout) -> None:
    stage.configure("rescue_file_limit = 10\n")
    stage.play({"run": "seq 100 > large"}, {"text": "x"})
    assert "too large" in reason(plan(layout, 0.0), "clone")
    assert "clone 01" not in names(collect(layout, 0.0))
    assert (clone_of(stage) / "large").is_file()


def test_a_clone_with_a_submodule_that_was_checked_out_stays(stage: Stage, layout: paths.Layout) -> None:
    add = "git init -q sub && cd sub && git commit -q --allow-empty -m x && cd .. && git add sub && git commit -qm Sub"
    assert stage.play({"run": add}, {"text": "x"}).outcome == "pull_request"
    assert "repositories of their own" in reason(plan(layout, 0.0), "clone")
    assert "clone 01" not in names(collect(layout, 0.0))


def test_work_that_a_person_gave_up_is_not_deleted_as_if_it_were_kept(stage: Stage, layout: paths.Layout) -> None:
    stage.start({"hang": True})
    stage.until(lambda row: row.phase == "working" and row.agent_pid)
    stage.fleet.stop("01")
    later = time.time() + 2
    (clone_of(stage) / "late.py").touch()
    os.utime(clone_of(stage) / "late.py", (later, later))
    (clone_of(stage) / ".git/HEAD").unlink()
    until(lambda: time.time() > later, "the change lies before the task's end")
    stage.fleet.reset("01", discard=True)
    assert "changed since" in reason(plan(layout, 0.0), "clone")
    assert names(collect(layout, 0.0)) == []


def test_what_was_moved_aside_and_clones_of_other_tasks_stay(
    stage: Stage, layout: paths.Layout, published: Receipt, tmp_path: Path
) -> None:
    clone_of(stage).rename(clone_of(stage).with_name("calc.kept-0123"))
    other = make_repository(tmp_path / "other")
    stage.fleet.dispatch("01", str(other), prompt="x", expect="answer")
    stage.end()
    (stage.home / "github/local/third").mkdir()
    found = plan(layout, 0.0)
    left = {one.name: one.why for one in found if one.kept and one.what == "clone"}
    assert set(left) == {"01 local/calc.kept-0123", "01 local/third"}
    assert "rescued" in left["01 local/calc.kept-0123"]
    assert "made for" in left["01 local/third"]
    gone = collect(layout, 0.0)
    assert names(gone) == ["clone 01", "repository other", "rescue 01", "run 01", "run 01"]
    assert sorted(one.name for one in (stage.home / "github/local").iterdir()) == ["calc.kept-0123", "third"]


def test_unmerged_work_stays_though_it_was_published(stage: Stage, layout: paths.Layout, published: Receipt) -> None:
    fetch(stage)
    assert f"refs/upstream/heads/{published.branch}" in git.text("for-each-ref", at=mirror(stage))
    assert "not merged" in reason(plan(layout, 0.0), "rescue")
    assert names(collect(layout, 0.0)) == ["clone 01", "run 01"]
    assert kept_refs(stage) == [published.task_id]
    assert stage.fleet.restore(published.task_id, str(stage.calc.parent / "back")).is_dir()


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("touch untracked", "never committed"),
        ("echo '# more' >> calc.py", "never committed"),
        ("git checkout -q --detach; git commit -q --allow-empty -m Apart", "not merged"),
        ("git checkout -q -b side; git commit -q --allow-empty -m Side; git checkout -q -", "not merged"),
    ],
)
def test_work_beside_the_merged_branch_stays(stage: Stage, layout: paths.Layout, script: str, told: str) -> None:
    receipt = stage.play({"run": script}, {"text": "An answer."}, expect="answer")
    assert receipt.outcome == "answered"
    assert told in reason(plan(layout, 0.0), "rescue")
    assert names(collect(layout, 0.0)) == ["clone 01", "run 01"]
    assert kept_refs(stage) == [receipt.task_id]


def test_merged_work_of_a_worker_that_is_gone_goes(stage: Stage, layout: paths.Layout, published: Receipt) -> None:
    merge(stage, published)
    stage.fleet.remove("01")
    assert plan(layout, 3600.0) == []
    assert names(collect(layout, 0.0)) == ["repository calc", "rescue 01"]


def test_work_of_a_task_that_a_home_does_not_know_stays(stage: Stage, layout: paths.Layout, published: Receipt) -> None:
    merge(stage, published)
    stage.fleet.remove("01")
    stage.fleet.init("01")
    assert plan(layout, 0.0) == collect(layout, 0.0) == []


def test_git_collects_what_is_old_and_named_by_nobody(stage: Stage, layout: paths.Layout, published: Receipt) -> None:
    merge(stage, published)
    store = stage.bare()
    loose = {}
    for text, age in (("old", 15 * DAY), ("fresh", 13 * DAY)):
        (stage.calc / text).write_text(text, encoding="utf-8")
        sha = git.text("hash-object", "-w", str(stage.calc / text), at=store)
        loose[text] = store / "objects" / sha[:2] / sha[2:]
        os.utime(loose[text], (time.time() - age, time.time() - age))
    # So that the repository itself stays.
    git.run("update-ref", "refs/work/02/other/state", published.head, at=store)
    assert names(collect(layout, 0.0)) == ["clone 01", "rescue 01", "run 01"]
    assert not loose["old"].exists()
    assert loose["fresh"].exists()
    assert git.text("rev-parse", "refs/work/02/other/state", at=store) == published.head
    assert not (store / "packed-refs").exists()


def another(stage: Stage, tmp_path: Path) -> Path:
    """Give a second worker a clone of another repository, and return it."""
    stage.fleet.init("02")
    stage.fleet.dispatch("02", str(make_repository(tmp_path / "other")), prompt="x", expect="answer")
    stage.fleet.watch(["02"])
    clone = stage.home.with_name("02") / "github/local/other"
    (clone / "mine").touch()
    later = time.time() + 2
    os.utime(clone / "mine", (later, later))
    return clone


def borrowed(stage: Stage, clone: Path) -> None:
    made = clone / "deep/sub/.git/objects/info"
    made.mkdir(parents=True)
    (made / "alternates").write_text(f"{mirror(stage)}/objects\n", encoding="utf-8")


def of_that_name(stage: Stage, clone: Path) -> None:
    (clone.parent / "calc").mkdir()


def closed(stage: Stage, clone: Path) -> None:
    made = clone / "sub/.git/objects/info"
    made.mkdir(parents=True)
    (made / "alternates").symlink_to("/etc/hostname")


@pytest.mark.parametrize("need", [borrowed, of_that_name, closed])
def test_a_repository_that_a_clone_may_need_stays(
    stage: Stage, layout: paths.Layout, published: Receipt, tmp_path: Path, need: Callable[[Stage, Path], None]
) -> None:
    merge(stage, published)
    need(stage, another(stage, tmp_path))
    assert "repository calc" not in names(plan(layout, 0.0))
    assert "repository calc" not in names(collect(layout, 0.0))
    assert mirror(stage).is_dir()


def test_a_repository_that_no_clone_needs_goes_while_others_stay(
    stage: Stage, layout: paths.Layout, published: Receipt, tmp_path: Path
) -> None:
    merge(stage, published)
    another(stage, tmp_path)
    assert names(collect(layout, 0.0)) == ["clone 01", "repository calc", "rescue 01", "run 01"]
    assert sorted(one.name.rpartition("%2F")[2] for one in layout.repositories.iterdir()) == [
        "other.git",
        "other.made.git",
    ]


def test_a_mirror_without_a_store_goes_with_the_last_clone_and_claims_never(
    stage: Stage, layout: paths.Layout, published: Receipt
) -> None:
    for name in ("github.com%2Fann%2Fsub.git", "claims.git"):
        git.make_bare(layout.repositories / name)
    merge(stage, published)
    touched(stage, published)
    assert names(collect(layout, 0.0)) == []
    files.remove_tree(clone_of(stage))
    assert names(collect(layout, 0.0)) == ["repository calc", "repository sub", "rescue 01", "run 01"]
    assert [one.name for one in layout.repositories.iterdir()] == ["claims.git"]


@pytest.mark.parametrize("link", ["runs", "github", "github/local"])
def test_no_link_in_a_home_leads_a_deletion_elsewhere(
    stage: Stage, layout: paths.Layout, published: Receipt, tmp_path: Path, link: str
) -> None:
    outside = tmp_path / "outside"
    (stage.home / link).rename(outside)
    (stage.home / link).symlink_to(outside)
    before = picture(outside)
    collect(layout, 0.0)
    assert picture(outside) == before


def test_what_cannot_be_deleted_is_told_and_stops_nothing(
    stage: Stage, layout: paths.Layout, published: Receipt, monkeypatch: pytest.MonkeyPatch
) -> None:
    merge(stage, published)
    real = files.remove_tree

    def fails(folder: Path) -> None:
        if folder == run_of(stage, published):
            raise PermissionError(13, "Permission denied", str(folder))
        real(folder)

    monkeypatch.setattr(files, "remove_tree", fails)
    found = collect(layout, 0.0)
    assert names(found) == ["clone 01", "repository calc", "rescue 01"]
    assert "Permission denied" in reason(found, "run")


def test_a_store_that_cannot_be_looked_at_is_told_and_stops_nothing(
    stage: Stage, layout: paths.Layout, published: Receipt
) -> None:
    (layout.repositories / "broken.made.git").mkdir()
    (layout.repositories / "broken.git").mkdir()
    assert "could not be looked at" in next(one.why for one in plan(layout, 0.0) if one.name == "broken.made.git")
    assert names(collect(layout, 0.0)) == ["clone 01", "run 01"]
    assert (layout.repositories / "broken.made.git").is_dir()


def test_a_worker_that_another_command_holds_is_passed_over(
    stage: Stage, layout: paths.Layout, published: Receipt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gc, "LOCK_WAIT", 0.05)
    with locked(layout.worker_lock("01"), 1.0, "held"):
        assert names(plan(layout, 0.0)) == ["clone 01", "run 01"]
        assert collect(layout, 0.0) == []
    assert names(collect(layout, 0.0)) == ["clone 01", "run 01"]


def test_everything_is_judged_once_more_under_its_lock(
    stage: Stage, layout: paths.Layout, published: Receipt, monkeypatch: pytest.MonkeyPatch
) -> None:
    merge(stage, published)

    @contextlib.contextmanager
    def late(path: Path, timeout: float, busy: str) -> Iterator[None]:
        with locked(path, timeout, busy):
            (stage.home / "task.json").write_text("{", encoding="utf-8")  # somebody was faster
            yield

    monkeypatch.setattr(gc, "locked", late)
    before = names(plan(layout, 0.0))
    assert before == ["clone 01", "repository calc", "rescue 01", "run 01"]
    assert collect(layout, 0.0) == []
    assert clone_of(stage).is_dir()
    assert run_of(stage, published).is_dir()
    assert kept_refs(stage) == [published.task_id]


def test_inside_claude_s_sandbox_nothing_is_deleted(layout: paths.Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_RUNTIME", "1")
    with pytest.raises(Refused):
        collect(layout, 0.0)


def test_without_a_root_there_is_no_garbage(tmp_path: Path) -> None:
    nowhere = paths.layout(tmp_path / "nowhere")
    assert plan(nowhere, 0.0) == collect(nowhere, 0.0) == []
    assert not nowhere.root.exists()
