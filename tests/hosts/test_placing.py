"""Placing: a task that names no worker gets one of a host, once, whatever dies; never this machine's by surprise."""

from __future__ import annotations

import dataclasses
import json
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from claude_workers import Busy, Fleet, IssueTaken, Unreachable
from claude_workers.hosts import registry
from claude_workers.tickets.tickets import Tickets
from tests.cli.conftest import Cli
from tests.hosts.conftest import Remote
from tests.stage import ADD, DONE, HANG, steps


def change(name: str, **values: Any) -> None:
    """Write a host's table anew."""
    registry.add(dataclasses.replace(registry.remove(name), **values))


def tasks(*machines: Remote) -> int:
    """Return how many tasks were ever begun on machines."""
    return sum(len(list(one.root.glob("*/runs/*-*"))) for one in machines)


def file(machine: Remote, calc: Path, *script: Mapping[str, object]) -> int:
    """File a ticket on a machine."""
    return Tickets(Fleet(machine.root).layout.tickets).create(str(calc), "Add", steps(*script), "ann")


def test_this_machine_is_the_one_only_where_there_is_no_other(calc: Path) -> None:
    fleet = Fleet()
    fleet.init("01")
    assert fleet.dispatch("any", str(calc), prompt=steps(HANG)).worker == "01"
    with pytest.raises(Busy, match=r"no worker is free: local: 1 busy"):
        fleet.dispatch("any", str(calc), prompt=steps(HANG))
    fleet.stop("01")


def test_a_host_takes_it_and_never_this_machine_by_surprise(remote: Remote, calc: Path, cli: Cli) -> None:
    fleet = Fleet()
    fleet.init("01", "vps/07")
    said = json.loads(cli.ok("dispatch", "any", str(calc), "-p", steps(HANG), "--json"))
    assert said["task"]["worker"] == "vps/07"
    done = cli("dispatch", "any", str(calc), "-p", "more")
    assert (done.returncode, "vps: 1 busy" in done.stderr) == (4, True)
    assert fleet.dispatch("local/any", str(calc), prompt=steps(HANG)).worker == "01"
    assert Fleet(local=True).status(["01"])[0].state == "busy"
    fleet.stop("01")
    cli.refused(3, "dispatch", "nowhere/any", str(calc), "-p", "x")


def test_the_emptiest_host_takes_it_unless_another_had_the_issue(remote: Remote, office: Remote, calc: Path) -> None:
    fleet = Fleet()
    fleet.init("vps/01", "office/01", "office/02")
    assert file(remote, calc, ADD, DONE) == file(office, calc, ADD, DONE) == 1
    fleet.dispatch("vps/01", str(calc), 1)
    assert fleet.watch(["vps/01"], timeout=60)[0].outcome == "pull_request"
    assert fleet.dispatch("any", str(calc), prompt=steps(HANG)).worker == "office/01"
    assert fleet.dispatch("any", str(calc), 1, "Again").worker == "vps/01"


def test_no_more_work_at_once_than_they_may(remote: Remote, calc: Path) -> None:
    change("vps", max_workers=2)
    fleet = Fleet()
    fleet.init("vps/01", "vps/02", "vps/03")
    for _ in range(2):
        fleet.dispatch("any", str(calc), prompt=steps(HANG))
    with pytest.raises(Busy, match="may have no more at work"):
        fleet.dispatch("any", str(calc), prompt=steps(HANG))
    with pytest.raises(Busy, match="2 workers are at work, of 2 that may be"):
        fleet.dispatch("vps/03", str(calc), prompt=steps(HANG))
    fleet.stop("vps/01")
    fleet.dispatch("vps/03", str(calc), prompt=steps(HANG))
    with pytest.raises(Busy, match="of 2 that may be"):  # nor by the very order that it had before
        fleet.dispatch("vps/01", str(calc), prompt=steps(HANG))
    fleet.stop("vps/03")
    fleet.reset("vps/03")
    fleet.dispatch("vps/01", str(calc), prompt=steps(HANG))
    assert fleet.status(["vps/03"])[0].state == "idle"
    fleet.stop("vps/01")
    assert fleet.dispatch("any", str(calc), prompt=steps(HANG)).worker == "vps/03"


def test_a_dead_host_and_a_paused_one_are_passed_by(remote: Remote, office: Remote, calc: Path, cli: Cli) -> None:
    fleet = Fleet()
    fleet.init("vps/01", "vps/02", "office/01")
    Fleet(on="vps").pause("repairs")
    registry.add(registry.parsed("dead", "root@127.0.0.1:1"))
    assert fleet.dispatch("any", str(calc), prompt=steps(HANG)).worker == "office/01"
    done = cli("dispatch", "any", str(calc), "-p", "x")
    assert done.returncode == 4
    assert "dead: nobody answers" in done.stderr
    assert "vps: dispatching was paused" in done.stderr
    assert tasks(remote, office) == 1


def test_where_nobody_answers_nobody_is_said_to_be_busy(calc: Path, cli: Cli) -> None:
    registry.add(registry.parsed("dead", "root@127.0.0.1:1"))
    Fleet().init("01")
    cli.refused(5, "dispatch", "any", str(calc), "-p", "x")
    assert Fleet(local=True).status(["01"])[0].state == "idle"


def test_a_line_that_dies_after_the_task_began_moves_it_nowhere(remote: Remote, office: Remote, calc: Path) -> None:
    fleet = Fleet()
    fleet.init("vps/01", "vps/02", "office/01")
    once, real = remote.root.parent / "once", f"{sys.executable} -m claude_workers"
    remote.program.write_text(
        f'#!/bin/sh\ncase "$*" in *dispatch*) if mkdir {once} 2>/dev/null; then {real} "$@" >/dev/null; '
        f'kill -9 $PPID; fi;; esac\nexec {real} "$@"\n',
        encoding="utf-8",
    )
    task = fleet.dispatch("any", str(calc), prompt=steps(HANG))
    assert once.is_dir()
    assert task.worker == "vps/01"
    assert tasks(remote, office) == 1


def test_a_task_that_was_named_is_found_again_or_not_given_twice(remote: Remote, office: Remote, calc: Path) -> None:
    fleet, name = Fleet(), str(uuid.uuid4())
    fleet.init("vps/01", "office/01", "office/02")
    first = fleet.order("any", str(calc), None, steps(ADD, DONE), task_id=name)
    fleet.watch([first.task.worker], timeout=60)
    again = fleet.order("any", str(calc), None, steps(ADD, DONE), task_id=name)
    assert (again.new, again.task.worker) == (False, first.task.worker)
    registry.add(registry.parsed("dead", "root@127.0.0.1:1"))
    with pytest.raises(Unreachable, match="cannot be seen: dead"):
        fleet.dispatch("any", str(calc), prompt=steps(HANG), task_id=str(uuid.uuid4()))
    assert tasks(remote, office) == 1


def test_an_issue_that_is_being_worked_on_is_not_given_to_a_second(remote: Remote, calc: Path) -> None:
    fleet = Fleet()
    fleet.init("vps/01", "vps/02")
    number = file(remote, calc, HANG)
    fleet.order("any", str(calc), number, "")
    with pytest.raises(IssueTaken):
        fleet.order("any", str(calc), number, "")
    assert tasks(remote) == 1


def test_issues_are_given_out_over_all_hosts(remote: Remote, office: Remote, calc: Path, cli: Cli) -> None:
    Fleet().init("01", "vps/01", "office/01")
    for machine in (remote, office):
        for _ in range(3):
            file(machine, calc, HANG)
    done = cli("assign", str(calc), "1", "2", "3", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["left"]) == (4, 1)
    assert sorted(one["worker"] for one in told["assigned"]) == ["office/01", "vps/01"]
    assert Fleet(local=True).status(["01"])[0].state == "idle"
    assert cli("assign", str(calc), "3").returncode == 4
