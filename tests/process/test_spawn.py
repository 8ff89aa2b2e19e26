"""Starting a process that outlives its starter, and knowing that it did start."""

from __future__ import annotations

import os
import signal
import stat
import sys
from pathlib import Path

import pytest

from claude_workers.errors import WorkersError
from claude_workers.process.spawn import report, spawn_detached
from claude_workers.process.table import read_stat
from tests.conftest import CHECKOUT
from tests.racing import until

RUNNER = """
import os, signal, sys
from claude_workers.process import spawn
handle = spawn.become_detached()
spawn.report(handle, {
    "pid": os.getpid(), "parent": os.getppid(), "session": os.getsid(0), "cwd": os.getcwd(),
    "stdin": os.readlink("/proc/self/fd/0"), "told": "CLAUDE_WORKERS_REPORT_FD" in os.environ,
    "given": os.environ["GIVEN"],
})
print("working", flush=True)
signal.pause()
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where the runner's words go."""
    return tmp_path / "runner.log"


def spawn(log: Path, *argv: str, timeout: float = 20.0) -> dict[str, object]:
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "GIVEN": "yes"}
    return spawn_detached(argv, environment, log, timeout)


def test_a_detached_program_reports_and_outlives_its_start(log: Path, doomed: list[int]) -> None:
    answer = spawn(log, sys.executable, "-c", RUNNER)
    pid = int(str(answer["pid"]))
    doomed.append(pid)
    until(lambda: log.read_text(encoding="utf-8") == "working\n", "the program works on after its report")
    found = read_stat(pid)
    assert found
    assert found.parent != os.getpid()
    assert answer["session"] == pid
    assert (answer["cwd"], answer["stdin"], answer["told"], answer["given"]) == ("/", "/dev/null", False, "yes")


def test_a_detached_program_holds_no_file_of_its_starter(log: Path, doomed: list[int], tmp_path: Path) -> None:
    with open(tmp_path / "secret", "w", encoding="utf-8") as secret:
        os.set_inheritable(secret.fileno(), True)  # noqa: FBT003  the call has no keyword
        pid = int(str(spawn(log, sys.executable, "-c", RUNNER)["pid"]))
    doomed.append(pid)
    until(lambda: log.read_text(encoding="utf-8") == "working\n", "the program has done with its report")
    held = {os.readlink(f"/proc/{pid}/fd/{one}") for one in os.listdir(f"/proc/{pid}/fd")}
    assert held == {"/dev/null", str(log)}


def test_the_log_is_its_owner_s_alone_and_is_added_to(log: Path) -> None:
    log.write_text("before\n", encoding="utf-8")
    with pytest.raises(WorkersError):
        spawn(log, "sh", "-c", "echo after")
    assert log.read_text(encoding="utf-8") == "before\nafter\n"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_program_that_dies_first_is_an_error_with_its_last_words(log: Path) -> None:
    with pytest.raises(WorkersError, match="did not start: no such luck") as caught:
        spawn(log, "sh", "-c", "echo reading; echo no such luck >&2; exit 3")
    assert caught.value.remedy


def test_a_program_that_dies_without_a_word_is_an_error(log: Path) -> None:
    with pytest.raises(WorkersError, match="left no message"):
        spawn(log, "true")


def test_half_a_report_is_none(log: Path) -> None:
    with pytest.raises(WorkersError):
        spawn(log, "bash", "-c", """printf '{"pid": 1' >&$CLAUDE_WORKERS_REPORT_FD""")


@pytest.mark.parametrize("said", ["nonsense", "[]", "1"])
def test_a_report_that_is_none_is_an_error(said: str, log: Path) -> None:
    with pytest.raises(WorkersError):
        spawn(log, "bash", "-c", f"echo '{said}' >&$CLAUDE_WORKERS_REPORT_FD")


def test_a_program_that_stays_silent_is_an_error_and_is_ended(log: Path, doomed: list[int]) -> None:
    caught: Exception | None = None
    try:
        spawn(log, "sh", "-c", "echo $$; exec sleep 1000", timeout=0.2)
    except Exception as error:  # noqa: BLE001  which one it is, is asserted below
        caught = error
    pid = int(log.read_text(encoding="utf-8"))
    doomed.append(pid)
    assert isinstance(caught, WorkersError)
    until(lambda: read_stat(pid) is None, "the silent program is ended")


def test_a_program_that_is_not_there_is_an_error(log: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkersError):
        spawn(log, str(tmp_path / "nowhere"))


def test_a_failed_start_leaves_no_file_open(log: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for argv in (["true"], ["/nowhere"]):
        try:
            spawn(log, *argv)
        except (WorkersError, OSError):
            continue
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_report_to_a_starter_that_is_gone_is_no_failure() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    assert signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN
    report(writer, {"pid": 1})
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(writer)


def test_without_a_starter_there_is_nobody_to_report_to() -> None:
    report(None, {"pid": 1})
