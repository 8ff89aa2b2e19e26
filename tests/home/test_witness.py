"""The runner's lock is a second witness: no task is given up while one of the two says that it lives."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from claude_workers import files, paths
from claude_workers.errors import WorkersError
from claude_workers.home import tasks
from claude_workers.home.home import Home
from claude_workers.lock import locked
from claude_workers.model import Task
from claude_workers.process import identity
from claude_workers.process.identity import Identity, boot_id, current, identify, send
from claude_workers.process.spawn import spawn_detached
from claude_workers.process.tree import end_tree
from claude_workers.runner import life
from tests.home.test_tasks import ID, REPO
from tests.process.test_probe_soak import AHEAD, PIDS, World, apart, calling, said

ELSEWHERE = "1"  # no namespace has this inode: the kernel's begin at 0xF0000000
BOOT, _, HERE = boot_id().partition("/")


@pytest.fixture
def home(layout: paths.Layout) -> Home:
    """An idle home."""
    made = Home(layout, "01")
    files.make_private(made.path)
    return made


@pytest.fixture
def lock(layout: paths.Layout) -> Path:
    """The lock of its runner."""
    return layout.runner_lock("01")


def reside(lock: str) -> None:
    """Live where this is called, holding a lock if one is named, until standard input ends."""
    with locked(Path(lock), 5.0, "taken") if lock else contextlib.nullcontext():
        print(json.dumps(dataclasses.asdict(current())), flush=True)
        sys.stdin.read()


@contextlib.contextmanager
def resident(*what: str, lock: Path | None = None) -> Iterator[Identity]:
    """Let a process live, in namespaces of its own where they are named, and hold a lock; it ends with the block."""
    argv = [*(apart(*what) if what else ()), *calling(reside, str(lock or ""))]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        yield Identity(**json.loads(child.stdout.readline()))
        assert child.poll() is None, "it lived as long as the block"


def by(runner: Identity) -> dict[str, Any]:
    """Return what a task file says of its runner."""
    return {"pid": runner.pid, "pid_start": runner.start, "boot_id": runner.boot}


def seen(home: Home, recorded: dict[str, Any]) -> tasks.State:
    """Give the worker a task of which this is recorded; return what is made of it."""
    assert tasks.claim(home, Task(ID, "01", dict(REPO), "w01/issue-42", issue=42, **recorded))
    return tasks.state(home)


def look(root: str) -> None:
    """Print what a command that runs here makes of the worker."""
    print(json.dumps({tasks.state(Home(paths.layout(root), "01")).name: 1}))


def test_a_runner_in_another_pid_namespace_is_busy_with_its_lock_and_crashed_once_it_is_gone(
    home: Home, lock: Path
) -> None:
    with resident(*PIDS, lock=lock) as runner:
        assert runner.boot.partition("/")[0] == BOOT
        assert runner.boot != boot_id()
        found = seen(home, by(runner))
        assert found.name == "busy"
        assert "another pid or time namespace, where it holds its lock" in found.reason
    found = tasks.state(home)
    assert found.name == "crashed"
    assert "its lock is free" in found.reason


@pytest.mark.parametrize("held_once", [True, False])
@pytest.mark.parametrize(
    "boot",
    [f"{BOOT}/{ELSEWHERE}", f"another/{HERE}", f"another/{ELSEWHERE}", "another"],
    ids=["elsewhere", "earlier here", "earlier elsewhere", "earlier"],
)
def test_a_runner_of_elsewhere_or_of_an_earlier_boot_whose_lock_is_free_is_crashed(
    boot: str, home: Home, lock: Path, *, held_once: bool
) -> None:
    if held_once:
        with locked(lock, 1.0, "taken"):
            pass
    found = seen(home, by(dataclasses.replace(current(), boot=boot)))
    assert found.name == "crashed"
    assert found.reason.startswith("runner: pid ")
    assert lock.exists() == held_once, "looking at a lock makes none"


@pytest.mark.parametrize("lie", [{"pid_start": 1}, {"pid": 1 << 22}, {"boot_id": "another"}], ids=str)
def test_a_runner_that_is_dead_but_whose_lock_is_held_is_unknown_with_both_testimonies(
    lie: dict[str, Any], home: Home, lock: Path
) -> None:
    with resident(lock=lock) as holder:
        found = seen(home, by(holder) | lie)
    assert found.name == "unknown"
    assert found.reason.startswith("runner: ")
    assert found.reason.endswith(", but its lock is held")


@pytest.mark.parametrize("unknown", ["its own", "the present one"])
def test_where_a_boot_is_not_known_a_runner_is_busy_with_its_lock_and_else_unknown_and_never_crashed(
    unknown: str, home: Home, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if unknown == "the present one":
        for module in (identity, tasks):
            monkeypatch.setattr(module, "boot_id", str)
    with resident(lock=lock) as runner:
        recorded = by(runner) | ({"boot_id": None} if unknown == "its own" else {})
        assert seen(home, recorded).name == "busy"
    found = tasks.state(home)
    assert (found.name, found.reason) == ("unknown", "runner: the boot it belongs to is not known")


def test_a_dispatcher_in_another_pid_namespace_that_has_not_yet_spawned_is_unknown_and_crashed_once_it_is_gone(
    home: Home, lock: Path
) -> None:
    with resident(*PIDS, lock=home.layout.worker_lock("01")) as dispatcher:
        starter = {"pid": dispatcher.pid, "start": dispatcher.start, "boot": dispatcher.boot}
        found = seen(home, {"extra": {"dispatcher": starter}})
        assert (found.name, found.task and found.task.pid) == ("unknown", None)
        assert "another pid or time namespace" in found.reason
        with resident(*PIDS, lock=lock):
            assert tasks.state(home).name == "busy", "its runner has come so far"
        assert tasks.state(home).name == "unknown"
    assert tasks.state(home).name == "crashed"


def test_a_living_runner_is_not_crashed_for_who_sees_another_moment_of_the_boot(home: Home, lock: Path) -> None:
    with resident(lock=lock) as runner:
        assert seen(home, by(runner)).name == "busy"
        found = said(*apart(*AHEAD), *calling(look, str(home.layout.root)))
    assert set(found) <= {"busy", "unknown"}


def take_over(task_id: str, root: str) -> None:
    """Be a runner that waits but a moment for the one before it."""
    life._HANDOVER = 0.1
    sys.argv[1:] = [root, "01", task_id]
    runpy.run_module("claude_workers.runner", run_name="__main__")


def every_file(home: Home) -> dict[Path, tuple[int, int]]:
    return {one: (one.lstat().st_ino, one.lstat().st_mtime_ns) for one in home.path.rglob("*")}


def test_a_second_runner_ends_and_touches_nothing_in_the_home(home: Home, lock: Path, tmp_path: Path) -> None:
    with resident(lock=lock) as first:
        assert seen(home, by(first)).name == "busy"
        before = every_file(home)
        with pytest.raises(WorkersError, match="another runner of worker 01 is alive"):
            spawn_detached(calling(take_over, ID, str(home.layout.root)), dict(os.environ), tmp_path / "log")
        assert every_file(home) == before
        assert home.task_file in before
        assert tasks.state(home).name == "busy"
    with pytest.raises(WorkersError, match="worker 01 has no task another"):  # nothing but the lock was in its way
        spawn_detached(calling(take_over, "another", str(home.layout.root)), dict(os.environ), tmp_path / "log")


def spare() -> None:
    """Signal one that is gone and whose pid is somebody else's; print whom that reached."""
    world = World(random.Random(ID))
    for change in (world.bear, world.kill, world.reap):
        change()
    gone = world.recycle()
    sent = send(gone, signal.SIGTERM) + send(gone, signal.SIGKILL) + len(end_tree(gone, grace=0.0))
    stranger = world.holders[gone.pid][1]
    # What was sent before comes before this one: of two signals the lower number ends a process.
    stranger.send_signal(signal.SIGPROF)
    print(json.dumps({"sent": sent, "stranger ended by": -stranger.wait()}))


def test_whoever_has_a_dead_process_s_pid_is_not_signalled() -> None:
    assert said(*apart(*PIDS), *calling(spare)) == {"sent": 0, "stranger ended by": signal.SIGPROF}


def test_whoever_has_the_pid_of_a_process_in_another_pid_namespace_is_not_signalled() -> None:
    with resident(*PIDS) as foreign, subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        mine = identify(child.pid)
        assert mine
        same = dataclasses.replace(mine, boot=foreign.boot)
        assert not send(same, signal.SIGTERM)
        assert not send(same, signal.SIGKILL)
        end_tree(same, grace=0.0)
        child.send_signal(signal.SIGPROF)
        assert child.wait() == -signal.SIGPROF
