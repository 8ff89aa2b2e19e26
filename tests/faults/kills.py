"""Kills: SIGKILL to a runner, its agent or both at random moments, and the ways of going on after that."""

from __future__ import annotations

import itertools
import random
import signal
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from claude_workers import Receipt, Task
from claude_workers.home import tasks
from claude_workers.process.identity import Identity, boot_id, send
from claude_workers.process.table import marked
from claude_workers.process.tree import members, wait_gone
from tests.faults.plan import KINDS, Plan
from tests.faults.scenes import Scene

WAYS = ("restart", "dispatch", "recover")
VICTIMS = ("runner", "agent", "both")
_PATIENCE = 60.0
_GONE = 10.0
_PATIENT_POLLS = 30


@dataclass
class Tally:
    """What was counted: kills that hit, those that nothing was lost by, and the seconds until `crashed` was seen."""

    kills: int = 0
    survived: int = 0
    crashes: list[float] = field(default_factory=list)
    stuck: int = 0

    def __str__(self) -> str:
        """Say it in one line."""
        seen = self.crashes or [0.0]
        least, middle, most = min(seen), statistics.median(seen), max(seen)
        return (
            f"{self.survived} of {self.kills} kills survived; crashed seen {len(self.crashes)} times, "
            f"after {least:.3f} s at least, {middle:.3f} s in the middle, {most:.3f} s at most; "
            f"{self.stuck} left a bubblewrap behind that waits for its dead parent"
        )


def plan_of(seed: int) -> Plan:
    """Return a life's plan: half of them on tickets, half with a gate, a quarter with work left uncommitted."""
    chance = random.Random(f"plan {seed}")
    kind = "ticket" if seed % 2 else chance.choice([one for one in KINDS if one != "ticket"])
    return Plan(kind, verify=seed // 2 % 2 == 0, open_end=seed // 4 % 4 == 0)


def live(scene: Scene, seed: int, tally: Tally, kills: int | None = None) -> Receipt:
    """Live one life with so many kills at random moments, else one to three; see that nothing is lost or twice."""
    chance = random.Random(seed)
    task = scene.dispatch()
    moments = sorted(chance.uniform(0.0, scene.plan.length) for _ in range(kills or chance.randint(1, 3)))
    for before, moment in itertools.pairwise([0.0, *moments]):
        victim = chance.choice(VICTIMS)
        time.sleep(moment - before)  # not a wait: the moment of the kill
        print(f"seed {seed}: {victim} killed at {moment:.3f} s")
        if kill(scene, task, victim, tally):
            go_on(scene, task, chance.choice(WAYS))
        if scene.row().state == "idle":
            break
    await_end(scene)
    receipt = scene.assert_done(task)
    tally.survived = tally.kills
    return receipt


def kill(scene: Scene, task: Task, victim: str, tally: Tally) -> bool:
    """Kill, see that what must die dies, and tell whether the task is crashed now."""
    current = tasks.load(scene.home)
    runner = tasks.runner_of(current) if current else None
    if runner is None:
        return False
    agent = agent_of(scene, task)
    tree = [Identity(one.pid, one.start, boot_id()) for one in members(runner)]
    struck = [one for one in (agent, runner) if one and (victim == "both" or (one == agent) == (victim == "agent"))]
    hit = [send(one, signal.SIGKILL) for one in struck or [runner]]
    begun = time.monotonic()
    tally.kills += any(hit)
    if runner not in (struck or [runner]):
        return False
    state = await_death(scene)
    if state == "crashed":
        tally.crashes.append(time.monotonic() - begun)
    tally.stuck += assert_gone(task, tree)
    return state == "crashed"


def agent_of(scene: Scene, task: Task) -> Identity | None:
    """Return the recorded agent."""
    seen = tasks.progress(scene.home, task.task_id)
    return Identity(seen.agent_pid, seen.agent_start or 0, boot_id()) if seen.agent_pid else None


def await_death(scene: Scene) -> str:
    """Wait until the dead runner's task is seen as crashed, or as ended before that; return the state."""
    return _until(lambda: scene.row().state, {"crashed", "idle"}, scene)


def await_end(scene: Scene) -> None:
    """Wait until the task has ended."""
    _until(lambda: scene.row().state, {"idle"}, scene)


def _until(look: Callable[[], str], wanted: set[str], scene: Scene) -> str:
    deadline = time.monotonic() + _PATIENCE
    while (seen := look()) not in wanted:
        if time.monotonic() > deadline or (seen in {"crashed", "waiting"} and "crashed" not in wanted):
            pytest.fail(f"{seen} instead of {sorted(wanted)}\n{scene.evidence()}")
        time.sleep(0.005)
    return seen


def assert_gone(task: Task, tree: list[Identity]) -> int:
    """See that nothing of a killed runner's tree is left, without anybody's doing; return how many are stuck."""
    left = marked_within(f"CLAUDE_WORKERS_TASK={task.task_id}", _GONE)
    assert wait_gone([one for one in tree if one.pid not in left], _GONE) == []
    return len(left)


def marked_within(marker: str, seconds: float) -> list[int]:
    """Return who carries a mark once nobody does, or only a bubblewrap that waits for its dead parent for ever.

    It is caught between its birth and its parent's word to go on. It runs nothing and holds nothing.
    """
    deadline, known = time.monotonic() + seconds, _PATIENT_POLLS
    while (left := marked(marker)) and known:
        known = known - 1 if all(_is_stuck(pid) for pid in left) else _PATIENT_POLLS
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.01)
    return left


def _is_stuck(pid: int) -> bool:
    try:
        inside = Path(f"/proc/{pid}/status").read_text("utf-8").partition("NSpid:")[2].splitlines()[0].split()[-1]
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8")
        return inside == "1" and not children and Path(f"/proc/{pid}/comm").read_text("utf-8") == "bwrap\n"
    except OSError:
        return False


def ask(scene: Scene, way: str) -> str:
    """Ask for a crashed task to go on, and return which task does."""
    if way == "recover":
        return "".join(one.task_id for one in scene.fleet.recover(["01"]) if one.did == "resumed")
    return (scene.fleet.restart("01") if way == "restart" else scene.dispatch()).task_id


def go_on(scene: Scene, task: Task, way: str) -> None:
    """Let a crashed task go on, as the same task; its session and branch are looked at in the end."""
    print(f"going on by {way}")
    assert ask(scene, way) == task.task_id
