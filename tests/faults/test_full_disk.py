"""A full disk: whenever it fills up nothing is lost or half-written, and with room again everything goes on."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from claude_workers import Task, WorkerStatus, paths
from claude_workers.errors import WorkersError
from claude_workers.home import tasks
from claude_workers.pool import dispatch
from tests.cli.conftest import picture
from tests.faults.conftest import Stages
from tests.faults.kills import await_end
from tests.faults.plan import Plan
from tests.faults.scenes import Scene
from tests.faults.steps import EMBEDDED
from tests.faults.trap import Trap, spawner
from tests.racing import until
from tests.stage import Stage

Begin = Callable[[Callable[[], Task], Trap, Callable[[], None]], Task]
_SIZE = "24m"
# The agent dies of it, and goes on with its next command when it is resumed.
FILL = "[ -e ~/.cache/been ] || { touch ~/.cache/been; cat /dev/zero > ~/.cache/filler; kill -9 $PPID; sleep 9; }"
# What a runner is about to do when the disk fills up.
MOMENTS = {
    "mirror": Trap("claude_workers.workspace.upstream:mirror", "held"),
    "clone": Trap("claude_workers.workspace.clone:create", "held"),
    "turn": Trap("claude_workers.runner.work:take_turn", "held"),
    "carry": Trap("claude_workers.runner.work:collect", "held"),
    "push": Trap("claude_workers.git:run", "held", "'push'"),
    "propose": Trap(f"{EMBEDDED}.propose", "held"),
    "receipt": Trap("claude_workers.files:write_atomic", "held", "receipt.json"),
    "comment": Trap(f"{EMBEDDED}.comment", "held"),
    "archive": Trap("claude_workers.files:create_exclusive", "held", "completed"),
}


class Disk:
    """A disk of a few megabytes below the root of homes."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._filler = place / "filler"

    def fill(self, left: int = 0) -> None:
        """Leave no more than so many bytes on it."""
        with open(self._filler, "ab", buffering=0) as stream:
            for size in (1 << 20, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while stream.write(b"x" * size):
                        pass
            stream.truncate(max(0, stream.tell() - left))

    def free(self) -> None:
        """Give back what was filled, by us or by the agent."""
        for one in (self._filler, self.place / "01/.cache/filler"):
            one.unlink(missing_ok=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """The small disk on which the first scene keeps its homes."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    place = tmp_path / "life-0/workers"
    place.mkdir(parents=True)
    mounted = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE},mode=700", "tmpfs", str(place)]
    if subprocess.run(mounted, check=False, capture_output=True).returncode:
        pytest.skip("no tmpfs can be mounted here")
    yield Disk(place)
    subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Begin:
    """What dispatches, lets the runner stay at a moment while something is done, and then go on."""

    def made(start: Callable[[], Task], moment: Trap, meanwhile: Callable[[], None]) -> Task:
        trap = dataclasses.replace(moment, sprung=str(tmp_path / "sprung"), go=str(tmp_path / "go"))
        with monkeypatch.context() as patch:
            patch.setattr(dispatch, "spawn_detached", spawner(trap))
            task = start()
        until(lambda: Path(trap.sprung).exists(), f"a runner came to {moment}")
        meanwhile()
        Path(trap.go).touch()
        return task

    return made


def assert_goes_on(one: Scene, disk: Disk, task: Task) -> WorkerStatus:
    """See that the task halts, and with room again comes to its one right end; return the row it halted with."""
    until(lambda: one.row().state != "busy", "the runner came to an end")
    row = one.row()
    assert row.state in {"waiting", "crashed"}, one.evidence()
    disk.free()
    assert [seen.did for seen in one.fleet.recover() if seen.did != "cleared"] in (["woken"], ["resumed"])
    await_end(one)
    one.assert_done(task)
    return row


@pytest.mark.parametrize("kind", ["ticket", "prompt"])
def test_a_dispatch_onto_a_full_disk_is_refused_and_changes_nothing(disk: Disk, stages: Stages, kind: str) -> None:
    with stages(Plan(kind, ("one",))) as one:
        root = one.fleet.layout.root
        disk.fill()
        before = picture(root)
        with pytest.raises(WorkersError, match="no space left") as caught:
            one.dispatch()
        assert (caught.value.exit_code, len(str(caught.value).splitlines())) == (1, 1)
        assert picture(root) == before
        assert one.row().state == "idle"
        disk.free()
        task = one.dispatch()
        await_end(one)
        one.assert_done(task)


def test_a_task_whose_agent_fills_the_disk_goes_on(disk: Disk, stages: Stages) -> None:
    with stages(Plan("ticket", ("one",), pause=0.0, prelude=FILL)) as one:
        task = one.dispatch()
        until(lambda: (one.home.path / ".cache/been").exists(), "the agent fills the disk")
        assert_goes_on(one, disk, task)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_task_whose_runner_meets_a_full_disk_goes_on(disk: Disk, stages: Stages, begin: Begin, moment: str) -> None:
    with stages(Plan("ticket", ("one",), pause=0.0)) as one:
        task = begin(one.dispatch, MOMENTS[moment], disk.fill)
        assert_goes_on(one, disk, task)


def test_a_task_whose_runner_meets_a_full_disk_waits_for_the_disk(disk: Disk, stages: Stages, begin: Begin) -> None:
    with stages(Plan("ticket", ("one",), pause=0.0)) as one:
        task = begin(one.dispatch, MOMENTS["turn"], disk.fill)
        row = assert_goes_on(one, disk, task)
        assert (row.state, str(row.reason)[:6]) == ("waiting", "disk: ")


@pytest.mark.parametrize("left", [2, 4])
def test_work_for_which_there_is_no_room_waits_for_it(
    disk: Disk, calc: Path, begin: Begin, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(paths.ROOT_VARIABLE, str(disk.place))
    stage = Stage(calc)
    stage.configure("disk_floor = 0\n")
    big = {"run": "head -c 3000000 /dev/urandom > big.bin; git add big.bin; git commit -qm Big"}
    begin(lambda: stage.start(big, {"text": "Done."}), MOMENTS["carry"], lambda: disk.fill(left << 20))
    row = stage.until(lambda row: row.state != "busy")
    assert (row.state, str(row.reason)[:6]) == ("waiting", "disk: ")
    disk.free()
    assert [one.did for one in stage.fleet.recover() if one.did != "cleared"] == ["woken"]
    receipt = stage.end()
    assert (receipt.outcome, receipt.files_changed) == ("pull_request", ["big.bin"])


def test_while_the_disk_is_full_whoever_recovers_is_told_and_the_task_still_waits(disk: Disk, stages: Stages) -> None:
    with stages(Plan("prompt", ("one",))) as one:
        one.stage.configure('disk_floor = "1G"\n')
        task = one.dispatch()
        assert (task.state, task.wait_for) == ("waiting", "disk")
        one.stage.configure(one.plan.settings)
        disk.fill()
        [found] = one.fleet.recover()
        assert found.did == "failed"
        assert "no space left" in found.said
        assert tasks.load(one.home) == task
        assert assert_goes_on(one, disk, task).state == "waiting"
