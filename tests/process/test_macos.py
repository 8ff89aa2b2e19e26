"""macOS, simulated: who a process is by ps and sysctl, a whole life at level claude, recovery, launchd."""

from __future__ import annotations

import contextlib
import os
import plistlib
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import git
from tests.macos import Mac
from tests.process.conftest import Start
from tests.racing import until
from tests.stage import ADD, DONE, HERE, WAIT, steps

PROBE = """
import sys
from claude_workers.process.identity import Identity, boot_id, identify, probe, send
found = identify({pid})
{then}
"""


@pytest.fixture
def mac(tmp_path: Path) -> Iterator[Mac]:
    """A simulated machine, on which nothing of ours is left running."""
    machine = Mac(tmp_path / "mac")
    yield machine
    machine.printed("stop", "--all")


def begun(mac: Mac, calc: Path, *script: Mapping[str, object]) -> dict[str, Any]:
    """Dispatch a script and return the row as soon as its agent speaks."""
    mac.say("init", "01")
    mac.say("dispatch", "01", str(calc), "-p", steps(*script))
    until(lambda: mac.row()["last_text"] == "here", "the agent speaks")
    return mac.row()


def test_a_process_is_known_by_what_ps_and_sysctl_tell(mac: Mac, start: Start) -> None:
    child = start("sleep", "1000")
    then = "print(found == identify(found.pid), probe(found).evidence); print(boot_id())"
    same, boot = mac.ask(PROBE.format(pid=child.pid, then=then)).splitlines()
    assert same == f"True pid {child.pid} runs with the recorded start"
    assert boot == Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip().upper()
    then = "print(probe(Identity(found.pid, found.start - 1, found.boot)).evidence)"
    assert "another process" in mac.ask(PROBE.format(pid=child.pid, then=then))
    then = "print(send(Identity(found.pid, found.start - 1, found.boot), 9), send(found, 15))"
    assert mac.ask(PROBE.format(pid=child.pid, then=then)) == "False True"
    assert child.wait(10) == -signal.SIGTERM
    assert mac.ask(PROBE.format(pid=child.pid, then="print(found)")) == "None"


def test_a_zombie_is_dead_there_too(mac: Mac, start: Start) -> None:
    child = start("true")
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert "zombie" in mac.ask(PROBE.format(pid=child.pid, then="print(probe(found).evidence)"))


@pytest.mark.parametrize(
    "ps",
    ["echo no memory >&2; exit 1", "exit 1", "echo 17 1 S nonsense", "echo $$ 1 S 0:00 Mo Jan", "kill -9 $$"],
)
def test_what_ps_does_not_tell_is_unknown(mac: Mac, start: Start, ps: str) -> None:
    child = start("sleep", "1000")
    mac.program("ps", f"#!/bin/sh\n{ps}\n")
    then = f"print(probe(Identity({child.pid}, 1, boot_id())).liveness.value)"
    assert mac.ask(PROBE.format(pid=0, then=then)) == "unknown"


@pytest.mark.parametrize("sysctl", ["echo 'sysctl: unknown oid' >&2; exit 1", "exit 1", "true"])
def test_without_a_boot_s_name_nobody_is_judged(mac: Mac, sysctl: str) -> None:
    mac.program("sysctl", f"#!/bin/sh\n{sysctl}\n")
    assert mac.ask(PROBE.format(pid=os.getpid(), then="print(probe(found).liveness.value)")) == "unknown"


def test_a_whole_life_is_lived_at_level_claude(mac: Mac, calc: Path) -> None:
    mac.say("init", "01")
    mac.say("dispatch", "01", str(calc), "-p", steps({"run": "echo mine > notes.txt"}, ADD))
    receipt = mac.end()
    assert (receipt["outcome"], receipt["isolation"]) == ("pull_request", "claude")
    assert "sub" in git("show", f"{receipt['branch']}:calc.py", at=calc)
    assert mac.row()["state"] == "idle"


def test_a_killed_runner_s_agent_is_found_and_ended_and_the_work_goes_on(mac: Mac, calc: Path) -> None:
    seen = begun(mac, calc, ADD, HERE, WAIT, DONE)
    os.kill(seen["pid"], signal.SIGKILL)
    until(lambda: mac.row()["state"] == "crashed", "the crash is seen")
    # There the kernel ends nobody with its parent.
    os.kill(seen["agent_pid"], 0)
    (Path(os.environ["CLAUDE_WORKERS_ROOT"]) / "01/.cache/go").touch()
    mac.say("recover")
    receipt = mac.end()
    assert (receipt["outcome"], receipt["attempts"]) == ("pull_request", 2)
    with contextlib.suppress(ProcessLookupError):
        os.kill(seen["agent_pid"], 0)
        pytest.fail("the first agent lives")


def test_a_stop_ends_the_tree_and_keeps_the_work_as_far_as_its_limit(mac: Mac, calc: Path) -> None:
    work = "echo kept > small.txt; head -c 3000000 /dev/zero > large.bin"
    config = Path(os.environ["CLAUDE_WORKERS_CONFIG_DIR"]) / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text('rescue_file_limit = "1M"\n', encoding="utf-8")
    seen = begun(mac, calc, {"run": work}, HERE, {"run": "sleep 1000"})
    assert any("carry its mark" in str(one["said"]) for one in mac.say("why", "01")["evidence"])
    mac.say("stop", "01")
    with contextlib.suppress(ProcessLookupError):
        os.kill(seen["agent_pid"], 0)
        pytest.fail("the agent lives")
    [kept] = mac.say("rescue", "list")["rescues"]
    assert "large.bin" in str(kept)
    shown = str(mac.say("rescue", "show", "01"))
    assert "small.txt" in shown


def test_a_service_is_launchd_s(mac: Mac) -> None:
    printed = mac.printed("service", "print").encode()
    plist = plistlib.loads(printed[printed.index(b"<?xml") : printed.index(b"</plist>") + len(b"</plist>")])
    assert plist["ProgramArguments"][-2:] == ["recover", "--watch"]
    assert plist["RunAtLoad"]
