"""`service print` gives what the service managers read back, without a secret in it."""

from __future__ import annotations

import plistlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from claude_workers import paths
from claude_workers.pool import linger, service
from claude_workers.pool.linger import lingering


def printed(*words: str) -> str:
    argv = [sys.executable, "-m", "claude_workers", "service", "print", *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_unit_leaves_workers_alone_and_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GH_TOKEN", "ghp_canary_0123456789")
    unit = printed("--systemd")
    assert "KillMode=process" in unit
    assert '"recover" "--watch"' in unit
    assert str(paths.layout().root) in unit
    assert "canary" not in unit
    assert "sk-ant" not in unit


def test_odd_letters_reach_systemd_as_they_are(tmp_path: Path) -> None:
    layout = paths.layout(tmp_path / 'a "b" %h $HOME \\n')
    unit = service.systemd(layout)
    assert r'a \"b\" %%h $HOME \\n"' in unit


def test_systemd_finds_no_fault_in_the_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = shutil.which("systemd-analyze")
    if not program:
        pytest.skip("systemd-analyze is not here")
    unit = tmp_path / "claude-workers.service"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    unit.write_text(printed("--systemd"), encoding="utf-8")
    done = subprocess.run([program, "verify", "--user", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_job_is_a_property_list_that_starts_again() -> None:
    job = plistlib.loads(printed("--launchd").encode())
    assert job["ProgramArguments"][-2:] == ["recover", "--watch"]
    assert job["KeepAlive"]
    assert job["AbandonProcessGroup"]
    assert job["EnvironmentVariables"]["CLAUDE_WORKERS_ROOT"] == str(paths.layout().root)


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a systemd user manager, as its files tell; loginctl is the test's to write."""
    private = tmp_path / "run/systemd/private"
    private.parent.mkdir(parents=True)
    private.touch()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    program = tmp_path / "bin/loginctl"
    program.parent.mkdir()
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    return program


@pytest.mark.skipif(sys.platform != "linux", reason="there is no systemd")
@pytest.mark.parametrize(
    ("says", "state", "remedy"),
    [("echo yes", "ok", ""), ("echo no", "warning", linger.REMEDY), ("exit 1", "warning", linger.REMEDY)],
)
def test_the_doctor_hears_whether_services_outlive_the_login(manager: Path, says: str, state: str, remedy: str) -> None:
    manager.write_text(f"#!/bin/sh\n{says}\n", encoding="utf-8")
    manager.chmod(0o755)
    assert lingering()[::2] == (state, remedy)


def test_without_a_user_manager_lingering_is_not_checked_and_said_so() -> None:
    assert lingering() == ("ok", "not checked: no systemd user manager here", "")
