"""Rescuing: what an agent made is kept while it works and before it is left, and nothing is deleted that was not."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from claude_workers import Task
from claude_workers.errors import WorkersError
from claude_workers.home import tasks
from claude_workers.home.home import find
from claude_workers.process.table import marked
from claude_workers.workspace import merged, rescues
from claude_workers.workspace.clone import Carried
from tests.conftest import STAND_IN, git
from tests.racing import until
from tests.stage import ADD, DONE, HERE, WAIT, Stage

UNCOMMITTED = {"run": "echo '# more' >> calc.py; echo new > new.txt; git rev-parse HEAD > ~/.cache/head"}
OFTEN = 'rescue_every = "1s"\n'
HANGING = {"run": "rm .git/index; mkfifo .git/index"}  # whoever reads it hangs
TERM = 8.0


def clone_of(stage: Stage) -> Path:
    """Return the agent's clone."""
    return stage.home / "github/local/calc"


def kept(stage: Stage, task: Task) -> Carried | None:
    """Return what was last rescued of a task."""
    place = [one for one in rescues.stores(stage.fleet.layout) if one.is_dir()]
    return rescues.last(place[0], f"{task.worker}/{task.task_id}") if place else None


def names(stage: Stage, task: Task) -> list[str]:
    """Return the names of the files that are kept of a task's working tree."""
    found = kept(stage, task)
    return git("ls-tree", "-r", "--name-only", found.state, at=stage.bare()).splitlines() if found else []


def runner(stage: Stage) -> int:
    """Return the runner's pid."""
    return int(stage.until(lambda row: row.pid).pid or 0)


def kill(stage: Stage) -> None:
    """Kill the runner as the kernel would."""
    os.kill(runner(stage), signal.SIGKILL)
    stage.until(lambda row: row.state == "crashed")


def working(stage: Stage, *script: Mapping[str, object]) -> Task:
    """Return a task whose agent has come to its last words and stays."""
    task = stage.start(*script, HERE, WAIT, DONE)
    stage.until(lambda row: row.last_text == "here")
    return task


def restart(stage: Stage) -> Task:
    """Restart the task and return it once its agent goes on."""
    (stage.home / ".cache/came").unlink()
    task = stage.fleet.restart("01")
    stage.until(lambda _: (stage.home / ".cache/came").exists())
    return task


def go(stage: Stage) -> None:
    """Let an agent go on that came to WAIT."""
    (stage.home / ".cache/go").touch()


def carrying(task: Task) -> bool:
    """Tell whether a clone of a task is being carried at this moment."""
    return any(b"refs/carry/state" in _command(pid) for pid in marked(f"CLAUDE_WORKERS_TASK={task.task_id}"))


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def host_stops(stage: Stage) -> str:
    """Stop the runner as a machine that goes down does; return why the task waits, within the time there is."""
    os.kill(runner(stage), signal.SIGTERM)
    deadline = time.monotonic() + TERM
    row = stage.fleet.status(["01"])[0]
    while row.state == "busy" and time.monotonic() < deadline:
        time.sleep(0.02)
        row = stage.fleet.status(["01"])[0]
    assert row.state == "waiting", row
    return str(row.reason)


@pytest.fixture(autouse=True)
def _end(stage: Stage) -> Iterator[None]:
    """End whatever a test left at work."""
    yield
    for row in stage.fleet.status():
        if row.pid and row.state == "busy":
            os.kill(row.pid, signal.SIGKILL)


def test_work_is_carried_while_the_agent_still_works(stage: Stage) -> None:
    stage.configure(OFTEN)
    task = working(stage, ADD, UNCOMMITTED)
    until(lambda: "new.txt" in names(stage, task), "the work was carried")
    found = kept(stage, task)
    assert found
    assert stage.fleet.status(["01"])[0].state == "busy"
    assert found.tip == (stage.home / ".cache/head").read_text(encoding="utf-8").strip()
    assert (found.modified, found.untracked) == (["calc.py"], ["new.txt"])
    (clone_of(stage) / "later.txt").touch()
    until(lambda: "later.txt" in names(stage, task), "and is carried again")
    go(stage)
    assert stage.end().outcome == "pull_request"


def no_repository(clone: Path) -> None:
    """Take the clone's repository away."""
    shutil.rmtree(clone / ".git")


def no_objects(clone: Path) -> None:
    """Leave of the clone's own objects what a power cut may leave."""
    for one in clone.glob(".git/objects/??/*"):
        one.chmod(0o600)
        one.write_bytes(b"")


def no_branch(clone: Path) -> None:
    """Fill the branch's file with zeros."""
    [branch] = (one for one in clone.glob(".git/refs/heads/**/*") if one.is_file())
    branch.write_bytes(bytes(41))


DAMAGE = {"repository": no_repository, "objects": no_objects, "branch": no_branch, "folder": shutil.rmtree}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_destroyed_clone_is_made_again_from_the_rescue_and_the_work_goes_on(
    stage: Stage, damage: Callable[[Path], None]
) -> None:
    stage.configure(OFTEN)
    task = working(stage, ADD, UNCOMMITTED)
    until(lambda: "new.txt" in names(stage, task), "the work was carried")
    kill(stage)
    clone = clone_of(stage)
    (clone / "after.txt").write_text("made after the last rescue", encoding="utf-8")
    damage(clone)
    there = clone.is_dir()
    restart(stage)
    assert git("rev-parse", task.branch, at=clone) == (stage.home / ".cache/head").read_text(encoding="utf-8").strip()
    assert git("status", "--porcelain", at=clone).split() == ["M", "calc.py", "??", "new.txt"]
    assert (clone / "calc.py").read_text(encoding="utf-8").endswith("return a - b\n# more\n")
    assert (clone / "new.txt").read_text(encoding="utf-8") == "new\n"
    aside = list(clone.parent.glob("*.kept-*"))
    assert len(aside) == there
    assert all((one / "after.txt").exists() for one in aside), "what was not kept is not deleted"
    go(stage)
    receipt = stage.end()
    assert (receipt.outcome, receipt.untracked) == ("pull_request", ["new.txt"])
    assert git("show", f"{receipt.branch}:calc.py", at=stage.calc).endswith("return a - b\n# more")
    assert any("made again from what was rescued" in note for note in receipt.notes)


@pytest.mark.parametrize("left", [b"", bytes(200)])
def test_a_clone_whose_index_a_power_cut_emptied_can_be_worked_in_again(stage: Stage, left: bytes) -> None:
    working(stage, ADD, UNCOMMITTED)
    kill(stage)
    (clone_of(stage) / ".git/index").write_bytes(left)
    restart(stage)
    git("status", at=clone_of(stage))


def test_two_damaged_clones_of_one_task_are_both_moved_aside(stage: Stage) -> None:
    stage.configure(OFTEN)
    task = working(stage, ADD, UNCOMMITTED)
    until(lambda: "new.txt" in names(stage, task), "the work was carried")
    for number in (1, 2):
        kill(stage)
        (clone_of(stage) / f"after-{number}.txt").touch()
        no_repository(clone_of(stage))
        restart(stage)
    found = {path.name for one in clone_of(stage).parent.glob("*.kept-*") for path in one.glob("after-*")}
    assert found == {"after-1.txt", "after-2.txt"}
    stage.fleet.stop("01")


def test_before_a_retry_the_work_is_carried(stage: Stage) -> None:
    stage.configure('backoff = "0.05s"')
    once = {"run": "[ -e ~/.cache/died ] || { touch ~/.cache/died; kill -9 $PPID; sleep 9; }"}
    task = working(stage, ADD, UNCOMMITTED, once)
    assert stage.fleet.status(["01"])[0].attempt == 2
    assert "new.txt" in names(stage, task)


@pytest.mark.parametrize("crashed", [False, True])
def test_before_a_task_is_reset_and_its_home_removed_the_work_is_carried(stage: Stage, *, crashed: bool) -> None:
    task = working(stage, ADD, UNCOMMITTED)
    if crashed:
        kill(stage)
    else:
        stage.fleet.stop("01")
        assert "new.txt" in names(stage, task)
    (clone_of(stage) / "late.txt").touch()
    stage.fleet.reset("01")
    assert "late.txt" in names(stage, task)
    (clone_of(stage) / "latest.txt").touch()
    stage.fleet.remove("01")
    assert {"latest.txt", "late.txt", "new.txt"} <= set(names(stage, task))
    assert not stage.home.exists()


def test_before_another_task_takes_the_clone_what_was_left_in_it_is_carried(stage: Stage) -> None:
    first = stage.play(ADD, DONE)
    (clone_of(stage) / "left.txt").touch()
    second = stage.play({"run": "echo 2 >> calc.py && git commit -qam Two"}, DONE)
    assert second.outcome == "pull_request"
    assert not (clone_of(stage) / "left.txt").exists()
    [before] = [one for one in stage.fleet.rescues("01") if one.task_id == f"before-{second.task_id}"]
    assert "left.txt" in git("ls-tree", "--name-only", before.state, at=stage.bare())
    assert first.task_id in {one.task_id for one in stage.fleet.rescues("01")}


LEFT = {
    "large": "head -c 3000 /dev/zero > left",
    "nested": "mkdir left && cd left && git init -q && git commit -q --allow-empty -m Inner",
    "stash": "echo '# stashed' >> calc.py && git stash -q && touch left",
    "unreadable": "echo secret > left && chmod 0 left",
}


def still(stage: Stage, kind: str, task: str) -> bool:
    """Tell whether what no carrying takes is anywhere still: in the clone, moved aside, or in the store after all."""
    places = [clone_of(stage), *clone_of(stage).parent.glob("*.kept-*")] if stage.home.exists() else []
    if kind == "stash":
        where = [one for one in places if (one / ".git/refs/stash").exists()]
        return bool(where) or "stash" in git("for-each-ref", at=stage.bare())
    return any((one / "left").exists() for one in places) or any(
        "left" in git("ls-tree", "--name-only", one.state, at=stage.bare()).split() for one in stage.fleet.rescues("01")
    )


@pytest.mark.parametrize("kind", LEFT)
def test_another_task_deletes_nothing_that_could_not_be_carried(stage: Stage, kind: str) -> None:
    stage.configure("rescue_file_limit = 2000")
    stage.play({"run": LEFT[kind]}, ADD, DONE)
    second = stage.play({"run": "echo 2 >> calc.py && git commit -qam Two"}, DONE)
    assert second.outcome == "pull_request"
    assert still(stage, kind, second.task_id)


@pytest.mark.parametrize("kind", ["large", "unreadable"])
def test_a_home_is_not_removed_while_it_holds_what_could_not_be_carried(stage: Stage, kind: str) -> None:
    stage.configure("rescue_file_limit = 2000")
    receipt = stage.play({"run": LEFT[kind]}, ADD, DONE)
    with pytest.raises(WorkersError):
        stage.fleet.remove("01")
    assert still(stage, kind, receipt.task_id)


def broken_store(stage: Stage) -> Path:
    """Break our store so that nothing can be brought into it."""
    store = stage.bare()
    (store / "objects").rename(store / "objects-away")
    (store / "objects").touch()
    return store


def test_where_the_store_is_broken_nothing_that_would_delete_goes_on(stage: Stage) -> None:
    working(stage, ADD, UNCOMMITTED)
    broken_store(stage)
    task = stage.fleet.stop("01")
    assert "could not be rescued" in task.reason
    before = (clone_of(stage) / "calc.py").read_bytes()
    for verb in (stage.fleet.reset, stage.fleet.remove):
        with pytest.raises(WorkersError):
            verb("01")
    with pytest.raises(WorkersError, match="could not be rescued"):
        stage.start({"text": "Another."}, expect="answer")
    assert (clone_of(stage) / "calc.py").read_bytes() == before
    assert (clone_of(stage) / "new.txt").exists()
    assert stage.fleet.status(["01"])[0].state == "stopped"
    stage.fleet.reset("01", discard=True)
    assert (clone_of(stage) / "new.txt").exists(), "a reset deletes nothing"
    with pytest.raises(WorkersError, match="neither published nor rescued"):
        stage.fleet.remove("01")


def test_a_store_that_cannot_be_read_while_the_agent_works_does_not_stop_it(stage: Stage) -> None:
    stage.configure(OFTEN)
    task = working(stage, ADD)
    store = broken_store(stage)
    log = stage.home / "runs" / task.task_id / "stream.jsonl"
    until(lambda: "could not be rescued this time" in log.read_text(encoding="utf-8"), "the failure is told")
    (store / "objects").unlink()
    (store / "objects-away").rename(store / "objects")
    go(stage)
    assert stage.end().outcome == "pull_request"


def rescue_branch(task: Task) -> str:
    """Return the branch that a task's commits are pushed to."""
    return f"claude-workers/rescue/{task.worker}/{task.task_id}"


def has(place: Path, commit: str) -> bool:
    """Tell whether a repository has an object."""
    return commit in git("cat-file", "--batch-all-objects", "--batch-check=%(objectname)", at=place).split()


@pytest.mark.parametrize("kind", ["origin", "path"])
def test_commits_and_nothing_else_are_pushed_to_the_rescue_remote(stage: Stage, kind: str, tmp_path: Path) -> None:
    place = stage.calc if kind == "origin" else tmp_path / "elsewhere"
    if kind == "path":
        git("init", "-q", "--bare", str(place), at=tmp_path)
    stage.configure(f'rescue_remote = "{"origin" if kind == "origin" else place}"')
    task = working(stage, ADD, UNCOMMITTED)
    stage.fleet.stop("01")
    found = kept(stage, task)
    assert found
    assert git("rev-parse", rescue_branch(task), at=place) == found.tip
    assert git("branch", "--format=%(refname:short)", at=place).split() == [
        rescue_branch(task), *(["main"] if kind == "origin" else []),
    ]  # fmt: skip
    assert not has(place, found.state), "what was not committed stays here"
    assert git("ls-tree", "--name-only", rescue_branch(task), at=place) == "calc.py"
    git("commit", "-q", "--amend", "-m", "Rewritten", at=clone_of(stage))
    stage.fleet.reset("01")
    assert git("log", "-1", "--format=%s", rescue_branch(task), at=place) == "Rewritten"


def test_where_nothing_was_committed_nothing_is_pushed(stage: Stage) -> None:
    stage.configure('rescue_remote = "origin"')
    task = working(stage, UNCOMMITTED)
    stage.fleet.stop("01")
    assert "new.txt" in names(stage, task)
    assert git("branch", "--format=%(refname:short)", at=stage.calc) == "main"


def test_a_rescue_that_cannot_be_pushed_is_noted_and_stops_nothing(stage: Stage) -> None:
    stage.configure('rescue_remote = "/nowhere/at/all"')
    task = working(stage, ADD, UNCOMMITTED)
    assert stage.fleet.stop("01").state == "stopped"
    assert "new.txt" in names(stage, task)
    stage.fleet.restart("01")
    go(stage)
    receipt = stage.end()
    assert receipt.outcome == "pull_request"
    assert any("could not be pushed to rescue_remote" in note for note in receipt.notes)


def test_commits_are_pushed_while_the_agent_still_works(stage: Stage) -> None:
    stage.configure(OFTEN + 'rescue_remote = "origin"')
    task = working(stage, ADD)
    until(lambda: rescue_branch(task) in git("branch", "--format=%(refname:short)", at=stage.calc), "a push")
    assert stage.fleet.status(["01"])[0].state == "busy"


def test_a_rescue_remote_that_hangs_does_not_hold_a_stop_up(stage: Stage, tmp_path: Path) -> None:
    place, gate, came = tmp_path / "elsewhere", tmp_path / "gate", tmp_path / "came"
    git("init", "-q", "--bare", str(place), at=tmp_path)
    hook(place, f"touch {came}; until [ -e {gate} ]; do sleep 0.05; done")
    stage.configure(f'rescue_remote = "{place}"')
    working(stage, ADD)
    stopping = threading.Thread(target=stage.fleet.stop, args=("01",))
    stopping.start()
    try:
        until(came.exists, "the push hangs")
        stopping.join(10)
        assert not stopping.is_alive()
    finally:
        gate.touch()
        stopping.join()


def hook(repository: Path, script: str) -> None:
    """Let a repository run a script before it takes a push."""
    path = repository / "hooks/pre-receive"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def test_what_was_pushed_to_origin_is_still_shown_as_rescued(stage: Stage) -> None:
    stage.configure('rescue_remote = "origin"')
    task = working(stage, ADD)
    stage.fleet.stop("01")
    assert len(stage.fleet.rescue(task.task_id).commits) == 1
    stage.fleet.reset("01")
    stage.play({"text": "An answer."}, expect="answer")  # fetches origin, rescue branches too
    assert len(stage.fleet.rescue(task.task_id).commits) == 1


def test_what_was_pushed_to_origin_is_not_taken_for_merged(stage: Stage) -> None:
    stage.configure('rescue_remote = "origin"')
    task = working(stage, ADD)
    stage.fleet.stop("01")
    stage.fleet.reset("01")
    stage.play({"text": "An answer."}, expect="answer")
    rescue, store = stage.fleet.rescue(task.task_id).rescue, stage.bare()
    assert merged.needed(store, rescues.mirror_of(store), rescue)


def test_a_host_that_stops_finds_the_work_rescued_and_recover_goes_on(stage: Stage) -> None:
    task = working(stage, ADD, UNCOMMITTED)
    assert host_stops(stage) == "host: host stopping"
    assert {"calc.py", "new.txt"} == set(names(stage, task))
    assert [one.did for one in stage.fleet.recover()] == ["woken"]
    go(stage)
    receipt = stage.end()
    assert (receipt.outcome, receipt.attempts) == ("pull_request", 1)


def test_an_agent_that_ignores_the_signal_does_not_hold_the_host_up(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf = tmp_path / "tools/deaf"
    deaf.parent.mkdir()
    spoken = STAND_IN.read_text(encoding="utf-8")
    ignore = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    deaf.write_text(spoken.replace("import json\n", f"import json\n{ignore}", 1), encoding="utf-8")
    deaf.chmod(0o755)
    monkeypatch.setenv("CLAUDE_WORKERS_CLAUDE", str(deaf))
    task = working(stage, ADD, UNCOMMITTED, {"run": "(trap '' TERM; exec setsid sleep 300) >/dev/null 2>&1 &"})
    assert host_stops(stage) == "host: host stopping"
    assert {"calc.py", "new.txt"} == set(names(stage, task))
    assert marked(f"CLAUDE_WORKERS_TASK={task.task_id}") == []


def test_a_hook_of_the_upstream_that_hangs_does_not_hold_the_host_up(stage: Stage, tmp_path: Path) -> None:
    came, gate = tmp_path / "came", tmp_path / "gate"
    hook(stage.calc / ".git", f"touch {came}; [ -e {gate} ] || sleep 30")
    task = stage.start(ADD, {"run": "echo new > new.txt"}, DONE)
    until(came.exists, "the push hangs")
    assert host_stops(stage) == "host: host stopping"
    assert {"calc.py", "new.txt"} == set(names(stage, task))
    gate.touch()
    assert [one.did for one in stage.fleet.recover()] == ["woken"]
    receipt = stage.end()
    assert (receipt.outcome, receipt.attempts, receipt.untracked) == ("pull_request", 1, ["new.txt"])


def test_a_host_that_stops_while_work_is_carried_finds_it_rescued(stage: Stage) -> None:
    stage.configure(OFTEN)
    many = "mkdir -p many; for n in $(seq 800); do echo $n > many/$n; done"
    task = working(stage, ADD, UNCOMMITTED, {"run": many})
    for _ in range(20):
        until(lambda: carrying(task), "the work is carried")
        if carrying(task):
            break
    (clone_of(stage) / "late.txt").touch()
    assert host_stops(stage) == "host: host stopping"
    assert {"late.txt", "new.txt", "many/800"} <= set(names(stage, task))
    assert not carrying(task)


def test_a_rescue_that_hangs_does_not_hold_the_host_up_and_is_told(stage: Stage) -> None:
    working(stage, ADD, HANGING)
    assert "the work could not be rescued: it took longer than 4 s" in host_stops(stage)
    assert (clone_of(stage) / "calc.py").exists()


def test_a_host_that_stops_while_a_task_is_parked_finds_it_waiting(stage: Stage) -> None:
    limit = {"is_error": True, "subtype": "success", "api_error_status": 429, "result": "You've hit your limit"}
    task = stage.start(ADD, HANGING, {"result": limit, "turn": True})
    until(lambda: carrying(task), "the work is carried before the task is parked")
    host_stops(stage)


def test_a_periodic_rescue_that_is_late_does_not_replace_what_was_carried_after_it(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_git(tmp_path, monkeypatch)
    stage.configure(OFTEN + 'verify = "sleep 4"')
    task = stage.start(ADD, WAIT, {"run": "touch late.txt"}, DONE)
    until((tmp_path / "tools/slow").exists, "a periodic rescue has come to our store")
    go(stage)
    assert stage.end().outcome == "pull_request"
    assert "late.txt" in names(stage, task)


def slow_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the first taking of a bundle as slow as a busy disk does."""
    folder = tmp_path / "tools"
    folder.mkdir()
    real = shutil.which("git")
    once = f"mkdir {folder}/slow 2>/dev/null && sleep 3"
    text = f'#!/bin/sh\ncase "$*" in *index-pack*) {once} ;; esac\nexec {real} "$@"\n'
    (folder / "git").write_text(text, encoding="utf-8")
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_a_task_that_is_resumed_has_the_records_of_its_home(stage: Stage) -> None:
    task = working(stage, ADD)
    kill(stage)
    shutil.rmtree(clone_of(stage))
    again = restart(stage)
    assert (again.task_id, again.attempt) == (task.task_id, 2)
    assert tasks.progress(find(stage.fleet.layout, "01"), task.task_id).notes == []
    assert git("log", "-1", "--format=%s", at=clone_of(stage)) == "Begin"
