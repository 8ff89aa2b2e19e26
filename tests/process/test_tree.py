"""A process tree: everybody who belongs to it is found and ended, nobody else is."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import uuid

import pytest

from claude_workers.process.identity import Identity, identify, probe
from claude_workers.process.tree import end_tree, members, wait_gone
from tests.process.conftest import Start
from tests.racing import until

FAMILY = "sleep 1000 & echo $!; wait"
SESSION = "setsid sleep 1000 & echo $!; wait"
ORPHAN = "(setsid sleep 1000 & echo $!); exec sleep 1000"
STUBBORN = "trap '' TERM; sleep 1000 & echo $!; while :; do wait; done"


def leader_and_child(child: subprocess.Popen[str], doomed: list[int]) -> tuple[Identity, Identity]:
    """Return a started leader and the process whose pid it told."""
    assert child.stdout
    told = int(child.stdout.readline())
    doomed.append(told)
    leader, member = identify(child.pid), identify(told)
    assert leader
    assert member
    return leader, member


@pytest.fixture
def marker() -> str:
    """A variable that no other process carries."""
    return f"CLAUDE_WORKERS_TEST={uuid.uuid4()}"


def begin(start: Start, script: str, marker: str = "") -> subprocess.Popen[str]:
    name, _, value = marker.partition("=")
    return start("bash", "-c", script, **({name: value} if name else {}))


def test_a_tree_is_its_leader_and_all_below(start: Start, doomed: list[int]) -> None:
    leader, grandchild = leader_and_child(begin(start, FAMILY), doomed)
    assert {one.pid for one in members(leader)} == {leader.pid, grandchild.pid}


def test_a_leader_with_a_recycled_pid_has_no_tree(start: Start, doomed: list[int]) -> None:
    leader, _ = leader_and_child(begin(start, FAMILY), doomed)
    assert members(dataclasses.replace(leader, start=leader.start + 1)) == []


@pytest.mark.parametrize("script", [FAMILY, SESSION])
def test_a_tree_is_ended_whole(script: str, start: Start, doomed: list[int]) -> None:
    leader, grandchild = leader_and_child(begin(start, script), doomed)
    assert end_tree(leader) == []
    assert probe(leader).dead
    assert probe(grandchild).dead


def test_an_orphan_that_left_its_session_is_found_by_its_marker(start: Start, doomed: list[int], marker: str) -> None:
    leader, orphan = leader_and_child(begin(start, ORPHAN, marker), doomed)
    until(lambda: orphan.pid not in {one.pid for one in members(leader)}, "the grandchild is given to init")
    assert orphan.pid in {one.pid for one in members(leader, marker)}
    assert end_tree(leader, marker=marker) == []
    assert probe(leader).dead
    assert probe(orphan).dead


def test_an_orphan_is_ended_even_when_its_leader_is_gone(start: Start, doomed: list[int], marker: str) -> None:
    child = begin(start, ORPHAN, marker)
    leader, orphan = leader_and_child(child, doomed)
    child.kill()
    child.wait()
    assert end_tree(leader, marker=marker) == []
    assert probe(orphan).dead


def test_whoever_does_not_listen_is_killed(start: Start, doomed: list[int]) -> None:
    child = begin(start, STUBBORN)
    leader, grandchild = leader_and_child(child, doomed)
    assert end_tree(leader, grace=0.05) == []
    assert child.wait(10) == -signal.SIGKILL
    assert probe(grandchild).dead


def test_nobody_outside_the_tree_is_signalled(start: Start, doomed: list[int], marker: str) -> None:
    bystander = start("cat", CLAUDE_WORKERS_TEST=marker.partition("=")[2] + "0")
    leader, _ = leader_and_child(begin(start, ORPHAN, marker), doomed)
    end_tree(leader, marker=marker)
    assert bystander.communicate("still here", timeout=10)[0] == "still here"


def test_a_recycled_leader_s_tree_is_left_alone(start: Start, doomed: list[int]) -> None:
    leader, grandchild = leader_and_child(begin(start, FAMILY), doomed)
    assert end_tree(dataclasses.replace(leader, start=leader.start + 1)) == []
    assert probe(leader).alive
    assert probe(grandchild).alive


def test_who_still_lives_is_told_when_the_wait_is_over(start: Start, doomed: list[int]) -> None:
    leader, grandchild = leader_and_child(begin(start, FAMILY), doomed)
    gone = dataclasses.replace(leader, start=leader.start + 1)
    assert wait_gone([gone, grandchild], 0.01) == [grandchild]


def test_there_is_nobody_to_wait_for_when_all_are_gone(start: Start, doomed: list[int]) -> None:
    leader, _ = leader_and_child(begin(start, FAMILY), doomed)
    assert wait_gone([dataclasses.replace(leader, boot="another")], 1000) == []
