"""Making machines: whatever fails, is not answered or is killed, there is one volume and one machine in the end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from claude_workers import Fleet
from claude_workers.errors import Busy, Refused, Unreachable, WorkersError
from claude_workers.fly import faults
from claude_workers.hosts import opened, registry
from tests.cli.conftest import Cli
from tests.fly.conftest import given, write_host
from tests.fly.fake import FakeFly, Fault
from tests.racing import race
from tests.stage import ADD, DONE, steps

INIT = ["GET machines", "GET volumes", "POST volumes", "POST machines", "POST machines/ID/lease", "GET machines/ID",
        "POST machines/ID", "DELETE machines/ID/lease"]  # fmt: skip


def credentials() -> None:
    """Give the host its credentials."""
    given()


def whole(host: FakeFly) -> bool:
    """Tell whether there is exactly one of everything."""
    machines = [one for one in host.found.values() if one["state"] != "destroyed"]
    return len(machines) == len(host.volumes) == 1 and [row.state for row in Fleet().status()] == ["idle"]


@pytest.mark.parametrize("silent", ["before", "after"])
@pytest.mark.parametrize("call", ["POST volumes", "POST machines$", "POST machines/ID$", "POST machines/ID/lease"])
def test_a_call_that_is_not_answered_makes_nothing_twice(host: FakeFly, call: str, silent: str) -> None:
    credentials()
    host.faults.append(Fault(call, silent=silent))
    try:
        Fleet().init("fly/01")
    except WorkersError:
        host.leases.clear()  # a minute goes by
        Fleet().init("fly/01")
    assert whole(host)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", INIT)
def test_killed_at_any_call_and_run_again_there_is_one_of_everything(host: FakeFly, call: str, when: str) -> None:
    credentials()
    words = [sys.executable, "-m", "claude_workers", "init", "fly/01"]
    popen: subprocess.Popen[bytes] | None = None

    def kill(made: str) -> None:
        if made == call and popen is not None and popen.poll() is None:
            os.kill(popen.pid, signal.SIGKILL)

    setattr(host, when, kill)
    popen = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert popen.wait(60) == -signal.SIGKILL
    popen.communicate()
    setattr(host, when, lambda _: None)
    host.leases.clear()  # a minute goes by
    for machine in host.found.values():
        if machine["state"] in {"starting", "started"}:
            host.settle("01", "stopped")
    if [row.state for row in Fleet().status()] != ["idle"]:
        Fleet().init("fly/01")
    assert whole(host)


DISPATCH = [
    "GET machines$",
    "GET machines/ID$",
    "POST machines/ID/lease",
    "POST machines/ID$",
    "DELETE machines/ID/lease",
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", DISPATCH)
def test_a_dispatch_killed_at_any_call_and_asked_again_is_done_once(
    host: FakeFly, calc: Path, call: str, when: str
) -> None:
    given("01")
    task = str(uuid.uuid4())
    words = [sys.executable, "-m", "claude_workers", "dispatch", "fly/01", str(calc), "--task-id", task]
    popen: subprocess.Popen[bytes] | None = None

    def kill(made: str) -> None:
        if re.search(call, made) and popen is not None and popen.poll() is None:
            os.kill(popen.pid, signal.SIGKILL)

    setattr(host, when, kill)
    popen = subprocess.Popen([*words, "-p", steps(ADD, DONE)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert popen.wait(60) == -signal.SIGKILL
    popen.communicate()
    setattr(host, when, lambda _: None)
    host.leases.clear()  # a minute goes by
    assert Fleet().dispatch("fly/01", str(calc), prompt=steps(ADD, DONE), task_id=task).task_id == task
    [receipt] = Fleet().watch(["fly/01"], timeout=60)
    assert (receipt.outcome, receipt.task_id, receipt.attempts) == ("pull_request", task, 1)
    host.settle("01", "stopped")
    runs = list((host.folder / host.machine("01")["config"]["mounts"][0]["volume"] / "workers/01/runs").iterdir())
    assert [one.name for one in runs] == [task]


def test_a_region_that_is_full_is_passed_over(host: FakeFly) -> None:
    write_host('fallback_regions = ["iad", "sjc"]\n')
    host.full = {"ord", "iad"}
    given("01")
    assert host.machine("01")["region"] == "sjc"
    host.full = {"ord", "iad", "sjc"}
    with pytest.raises(faults.NoCapacity):
        Fleet().init("fly/02")
    assert len(host.volumes) == 1


def test_a_region_without_room_for_the_machine_keeps_no_volume(host: FakeFly) -> None:
    write_host('fallback_regions = ["iad"]\n')
    credentials()
    host.faults.append(Fault("POST machines$", 409, {"error": "could not reserve resource: insufficient memory"}))
    Fleet().init("fly/01")
    assert [one["region"] for one in host.volumes.values()] == ["iad"]


@pytest.mark.parametrize(
    ("status", "said", "wanted"),
    [(403, "over the allowed quota", faults.Quota), (422, "add a payment method", faults.Payment)],
)
def test_a_provision_that_fails_leaves_nothing(host: FakeFly, status: int, said: str, wanted: type[Refused]) -> None:
    credentials()
    host.faults.append(Fault("POST machines$", status, {"error": said}))
    with pytest.raises(wanted):
        Fleet().init("fly/01")
    assert host.volumes == {}


def test_a_home_that_cannot_be_made_leaves_nothing(host: FakeFly) -> None:
    credentials()
    with pytest.raises(WorkersError, match="fly: "):
        Fleet().init("fly/01", label="a label with\na line")
    assert host.volumes == {}
    assert all(one["state"] == "destroyed" for one in host.found.values())


def test_a_secret_that_was_not_sent_is_named(host: FakeFly) -> None:
    with pytest.raises(WorkersError, match="CW_SET_TEAM"):
        Fleet().init("fly/01")
    assert host.volumes == {}


def test_two_at_the_same_moment_make_one(host: FakeFly) -> None:
    credentials()
    told = race(lambda _: Fleet().init("fly/01"), 3)
    assert all(one == [] or isinstance(one, Busy | WorkersError) for one in told)
    assert [] in told
    assert whole(host)


def test_a_lease_of_somebody_else_s_is_busy(host: FakeFly, cli: Cli) -> None:
    fleet = given("01")
    host.leases[host.machine("01")["id"]] = ("theirs", 1e12)
    with pytest.raises(faults.Leased):
        fleet.dispatch("fly/01", "/none", prompt="x")
    assert host.machine("01")["state"] == "stopped"
    assert "lease" in cli("dispatch", "fly/01", "/none", "-p", "x").stderr


def test_a_machine_that_never_starts_is_told(host: FakeFly, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = given("01")
    monkeypatch.setattr("claude_workers.machines.life._ANSWER", 1.0)
    host.stuck.add(host.machine("01")["id"])
    with pytest.raises(WorkersError, match="has not answered for"):
        fleet.dispatch("fly/01", "/none", prompt="x")
    [row] = fleet.status()
    assert (row.state, row.phase, row.reason) == (
        "busy",
        "starting",
        "its machine is starting, and has not told more yet",
    )


def test_a_host_that_fly_does_not_reach_is_unknown(host: FakeFly) -> None:
    fleet = given("01")
    host.machine("01")["host_status"] = "unreachable"
    [row] = fleet.status()
    assert (row.state, row.reason) == ("unknown", "its machine is unreachable")


def test_fly_that_does_not_answer_is_a_fault_beside_the_rows(
    host: FakeFly, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    given("01")
    monkeypatch.setenv("FLY_FLAPS_BASE_URL", "http://127.0.0.1:1")
    assert cli("status", "fly/01").returncode == 5
    told = json.loads(cli.ok("status", "--json"))
    assert [one["host"] for one in told["errors"]] == ["fly"]


def test_what_no_worker_owns_is_swept(host: FakeFly, cli: Cli) -> None:
    given("01")
    host.answer("POST", "/v1/apps/my-workers/volumes", {"authorization": "Bearer fly-test-token"},
                {"name": "cw_09", "region": "ord", "size_gb": 1})  # fmt: skip
    host.answer("POST", "/v1/apps/my-workers/volumes", {"authorization": "Bearer fly-test-token"},
                {"name": "theirs", "region": "ord", "size_gb": 1})  # fmt: skip
    assert "nothing is left over" in cli.ok("host", "sweep", "fly"), "somebody may be making its machine"
    for volume in host.volumes.values():
        volume["created_at"] = "2026-01-01T00:00:00Z"
    assert "left over: volume cw_09" in cli.ok("host", "sweep", "fly")
    assert len(host.volumes) == 3
    assert "deleted: volume cw_09" in cli.ok("host", "sweep", "fly", "--yes")
    assert sorted(one["name"] for one in host.volumes.values()) == ["cw_01", "theirs"]
    assert "nothing is left over" in cli.ok("host", "sweep", "fly")


def test_a_host_is_set_up_and_examined(fly: FakeFly, cli: Cli) -> None:
    write_host()
    assert "> app: my-workers is not there" in cli.ok("host", "setup", "fly", "--dry-run")
    assert fly.apps == {}
    said = cli.ok("host", "setup", "fly")
    assert "* app: my-workers in personal" in said
    assert "* credentials: team, kept as a secret" in said
    assert [name.startswith("CW_SET_TEAM_") for name in fly.secrets] == [True]
    Fleet().init("fly/01")
    fly.digest = "sha256:" + "b" * 64
    write_host(f'digest = "{fly.digest}"\n')
    found = {one["what"]: one for one in json.loads(cli.ok("host", "check", "fly", "--json"))["findings"]}
    assert found["machines"]["said"] == "1 machines; an older image have 01"
    assert Fleet().status()[0].reason == "its machine has an older image"
    assert cli("host", "setup", "vps").returncode == 3


def test_a_command_that_takes_long_is_fetched_in_pieces(host: FakeFly) -> None:
    given("01")
    engine = opened.housed(registry.find("fly")).life
    machine = engine.woken(engine.find("01"), ["team"])
    script = "for n in 1 2 3; do echo line $n; sleep 0.3; done; head -c 200000 /dev/zero | tr '\\0' x"
    script += "; cat; echo oops >&2; exit 7"
    running = engine.engine.run(machine, ["sh", "-c", script], b"in" * 40000, None)
    lines = []
    while True:
        try:
            lines.append(next(running))
        except StopIteration as end:
            told = end.value
            break
    assert lines[:3] == [b"line 1", b"line 2", b"line 3"]
    assert lines[3] == b"x" * 200000 + b"in" * 40000
    assert told == {"status": 7, "stderr": "oops\n"}
    assert host.counted()["POST machines/ID/exec"] > 6
    left = engine.engine.run(machine, ["sh", "-c", "echo begun; sleep 97531"], b"", None)
    assert next(left) == b"begun"
    left.close()
    seen = engine.engine.run(machine, ["sh", "-c", "ps -eo args | grep -c '[s]leep 97531'"], b"", None)
    assert list(seen) == [b"0"]
    host.faults.append(Fault("POST machines/ID/exec", 408, {"error": "deadline_exceeded"}, times=99))
    with pytest.raises(Unreachable):
        list(engine.engine.run(machine, ["true"], b"", 1.0))
