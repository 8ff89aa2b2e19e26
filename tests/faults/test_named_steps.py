"""One SIGKILL at each named step of a life, in the runner or in the dispatch: the task comes to its one right end."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from claude_workers import Task
from claude_workers.errors import WorkersError
from claude_workers.home import tasks
from claude_workers.lock import is_free
from claude_workers.pool import dispatch
from claude_workers.process.identity import Identity, boot_id
from claude_workers.process.spawn import spawn_detached
from claude_workers.process.tree import members
from tests.faults.conftest import Stages
from tests.faults.kills import WAYS, ask, assert_gone, await_death, await_end, go_on
from tests.faults.plan import Plan
from tests.faults.scenes import Scene
from tests.faults.steps import DISPATCH, FORGES, GATED, GITHUB, MERGING, OPEN_END, RUNNER, Step, everyday, soak
from tests.faults.trap import Trap, command, spawner
from tests.racing import until

Spring = Callable[[Scene, Trap], None]
NUMBERS = ("one", "two")


def placed(trap: Trap, folder: Path) -> Trap:
    """Return a trap with its two files in a folder."""
    folder.mkdir()
    return dataclasses.replace(trap, sprung=str(folder / "sprung"), go=str(folder / "go"))


def begin(one: Scene, trap: Trap, monkeypatch: pytest.MonkeyPatch) -> Task:
    """Dispatch, with a runner that walks into the trap."""
    with monkeypatch.context() as patch:
        patch.setattr(dispatch, "spawn_detached", spawner(trap))
        return one.dispatch()


@pytest.fixture
def spring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spring:
    """What lives until a trap, dies there, goes on, and checks the end."""

    def live(one: Scene, trap: Trap) -> None:
        trap = placed(trap, tmp_path / "trap")
        task = begin(one, trap, monkeypatch)
        until(lambda: Path(trap.sprung).exists(), f"a runner came to {trap}")
        current = tasks.load(one.home)
        runner = tasks.runner_of(current) if current else None
        tree = [Identity(each.pid, each.start, boot_id()) for each in members(runner)] if runner else []
        Path(trap.go).touch()
        if await_death(one) == "crashed":
            assert_gone(task, tree)
            go_on(one, task, "restart")
            await_end(one)
        one.assert_done(task)

    return live


@pytest.mark.parametrize(("step", "trap"), everyday(RUNNER))
def test_a_runner_killed_at_a_step_leaves_what_restart_completes(
    step: Step, trap: Trap, stages: Stages, spring: Spring
) -> None:
    plan = Plan("ticket", NUMBERS, pause=0.0, verify=step.name in GATED, open_end=step.name in OPEN_END)
    with stages(plan) as one:
        spring(one, trap)


@pytest.mark.parametrize(("step", "trap"), everyday(GITHUB))
def test_a_runner_killed_at_a_step_on_github_leaves_what_restart_completes(
    step: Step, trap: Trap, stages: Stages, spring: Spring
) -> None:
    with stages(Plan("github", NUMBERS, pause=0.0)) as one:
        spring(one, trap)


@pytest.mark.parametrize(("step", "trap"), everyday(MERGING))
def test_a_runner_killed_while_it_merges_leaves_what_restart_completes_once(
    step: Step, trap: Trap, stages: Stages, spring: Spring
) -> None:
    with stages(Plan("ticket", NUMBERS, pause=0.0, verify=True, merge=True)) as one:
        spring(one, trap)


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["prompt", "ticket", "github"])
@pytest.mark.parametrize(("step", "trap"), [*everyday(RUNNER), *soak(RUNNER)])
def test_a_runner_killed_at_any_moment_of_a_step_leaves_what_restart_completes(
    step: Step, trap: Trap, kind: str, stages: Stages, spring: Spring
) -> None:
    if kind != "ticket" and ("embedded" in trap.target or trap.word == "'push'"):
        pytest.skip("a step of tickets alone")
    with stages(Plan(kind, NUMBERS, pause=0.0, verify=True, open_end=True)) as one:
        spring(one, trap)


def die(one: Scene, *traps: Trap) -> Task | None:
    """Dispatch by a program that dies in its trap, and return the task it left."""
    words = ("dispatch", "01", one.repo, str(one.issue), "--expect", "change")
    argv = command("cli", words, *traps)
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    return tasks.load(one.home)


@pytest.mark.parametrize(
    "given",
    [("ticket", "dispatch"), ("ticket", "restart"), ("ticket", "recover"), ("github", "dispatch")],
    ids="-".join,
)
@pytest.mark.parametrize(("step", "trap"), everyday(DISPATCH))
def test_a_dispatch_killed_at_a_step_is_completed_by_the_next(
    step: Step, trap: Trap, given: tuple[str, str], stages: Stages, tmp_path: Path
) -> None:
    kind, way = given
    trap = placed(dataclasses.replace(trap, target=trap.target.format(forge=FORGES[kind])), tmp_path / "trap")
    Path(trap.go).touch()
    with stages(Plan(kind, NUMBERS, pause=0.0)) as one:
        left = die(one, trap)
        if left and one.row().state == "crashed":
            go_on(one, left, way)
        task = left or one.dispatch()
        await_end(one)
        one.assert_done(task)


@pytest.mark.parametrize("way", WAYS)
def test_a_runner_that_starts_slowly_after_its_dispatcher_died_is_not_run_beside_another(
    way: str, stages: Stages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying = placed(Trap("claude_workers.process.spawn:_first_line", "before"), tmp_path / "dying")
    slow = placed(Trap("claude_workers.runner.life:locked", "held"), tmp_path / "slow")
    Path(dying.go).touch()
    with stages(Plan("ticket", NUMBERS, pause=0.0)) as one:
        lock = one.fleet.layout.runner_lock("01")

        def late(*given: Any) -> dict[str, object]:
            Path(slow.go).touch()
            until(lambda: not is_free(lock), "the slow runner took over")
            return spawn_detached(*given)

        left = die(one, dying, slow)
        assert left
        until(lambda: Path(slow.sprung).exists(), "the slow runner started")
        assert one.row().state == "crashed"
        monkeypatch.setattr(dispatch, "spawn_detached", late)
        with contextlib.suppress(WorkersError):
            ask(one, way)
        await_end(one)
        one.assert_done(left)
