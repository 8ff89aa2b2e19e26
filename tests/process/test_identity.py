"""Who a process is: its pid alone says nothing, and nobody else is ever signalled."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
from pathlib import Path

import pytest

from claude_workers.process.identity import Identity, Liveness, boot_id, current, identify, probe, send
from claude_workers.process.table import read_stat
from tests.process.conftest import Start

NOBODY = 1 << 22  # the kernel's highest pid, and one more


def running(start: Start) -> Identity:
    """Start a process and return who it is."""
    found = identify(start("sleep", "1000").pid)
    assert found
    return found


def zombie(start: Start) -> Identity:
    """Return the identity of a child that has ended and was not waited for."""
    child = start("cat")
    found = identify(child.pid)
    assert found
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    return found


def test_this_process_lives() -> None:
    assert current().pid == os.getpid()
    assert probe(current()).alive
    assert not probe(current()).dead


def test_a_running_child_lives(start: Start) -> None:
    assert probe(running(start)).alive


def test_the_same_process_has_the_same_identity_each_time(start: Start) -> None:
    child = running(start)
    assert identify(child.pid) == child


def test_a_process_that_ended_is_dead(start: Start) -> None:
    child = start("true")
    found = identify(child.pid)
    assert found
    child.wait()
    assert probe(found).dead
    assert identify(child.pid) is None


def test_a_zombie_is_dead(start: Start) -> None:
    found = probe(zombie(start))
    assert found.dead
    assert "zombie" in found.evidence


def test_a_recycled_pid_is_dead(start: Start) -> None:
    child = running(start)
    found = probe(dataclasses.replace(child, start=child.start - 1))
    assert found.dead
    assert "another process" in found.evidence


def test_a_process_of_another_boot_is_dead(start: Start) -> None:
    found = probe(dataclasses.replace(running(start), boot="00000000-0000-0000-0000-000000000000"))
    assert found.dead
    assert "earlier boot" in found.evidence


def test_a_process_of_an_unknown_boot_is_neither_alive_nor_dead(start: Start) -> None:
    found = probe(dataclasses.replace(running(start), boot=""))
    assert found.liveness is Liveness.UNKNOWN
    assert not found.alive
    assert not found.dead


@pytest.mark.parametrize("pid", [0, -1, NOBODY, 1 << 40])
def test_a_pid_that_nobody_can_have_is_dead(pid: int) -> None:
    assert probe(Identity(pid, 1, boot_id())).dead


@pytest.mark.parametrize("pid", [0, -1, NOBODY, 1 << 40])
def test_a_pid_that_nobody_can_have_is_not_signalled(pid: int) -> None:
    assert not send(Identity(pid, 1, boot_id()), signal.SIGCONT)


@pytest.mark.parametrize("name", ["a) Z 1 (b", "a b c", ")", "(((", "x\ny) S 1"])
def test_a_process_s_name_cannot_lie_about_its_state(name: str, tmp_path: Path, start: Start) -> None:
    program = shutil.copy(shutil.which("sleep") or "", tmp_path / name)
    child = start(program, "1000")
    stat = read_stat(child.pid)
    assert stat
    assert (stat.pid, stat.parent) == (child.pid, os.getpid())
    assert stat.state in "RSD"
    assert probe(Identity(child.pid, stat.start, boot_id())).alive


def test_a_signal_reaches_the_very_process(start: Start) -> None:
    child = start("sleep", "1000")
    found = identify(child.pid)
    assert found
    assert send(found, signal.SIGTERM)
    assert child.wait(10) == -signal.SIGTERM


def test_a_recycled_pid_is_never_signalled(start: Start) -> None:
    child = start("cat")
    found = identify(child.pid)
    assert found
    assert not send(dataclasses.replace(found, start=found.start + 1), signal.SIGKILL)
    assert not send(dataclasses.replace(found, boot="another"), signal.SIGKILL)
    assert not send(dataclasses.replace(found, boot=""), signal.SIGKILL)
    assert child.communicate("still here", timeout=10)[0] == "still here"


def test_a_zombie_is_not_signalled(start: Start) -> None:
    assert not send(zombie(start), signal.SIGTERM)


def test_signalling_leaves_no_file_open(start: Start) -> None:
    living, dead = running(start), zombie(start)
    before = len(os.listdir("/proc/self/fd"))
    send(living, signal.SIGCONT)
    send(dead, signal.SIGCONT)
    assert len(os.listdir("/proc/self/fd")) == before
