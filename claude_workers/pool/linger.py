"""Lingering: whether a user's services outlive the user's login on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

REMEDY = "loginctl enable-linger"


def lingering() -> tuple[str, str, str]:
    """Return what was found: ok or warning, what was seen, and the remedy; "not checked" where there is no systemd."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if sys.platform != "linux" or not runtime or not os.path.exists(f"{runtime}/systemd/private"):
        return "ok", "not checked: no systemd user manager here", ""
    program = shutil.which("loginctl")
    if not program:
        return "warning", "not checked: there is no loginctl", REMEDY
    argv = [program, "show-user", str(os.getuid()), "--property=Linger", "--value"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired) as error:
        return "warning", f"not checked: {error}", REMEDY
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
        return "warning", f"not checked: loginctl: {said[:200]}", REMEDY
    if done.stdout.strip() == "yes":
        return "ok", "your services and workers outlive your login", ""
    return "warning", "your services, and workers with them, end with your last login", REMEDY
