"""Secrets by reference: named in the configuration by where they are kept, read when they are used."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from claude_workers.errors import BadInput, NoCredentials

_KINDS = ("env", "file", "command")
_COMMAND_LIMIT = 30.0


def resolved(reference: object, what: str) -> tuple[str, str]:
    """Return the secret that a reference names, with its place in words.

    A reference is `{ env = "NAME" }`, `{ file = "PATH" }` or `{ command = "..." }`. Raises BadInput for
    anything else, NoCredentials when it leads to no secret; the secret is in no message.
    """
    if not isinstance(reference, dict) or len(reference) != 1 or next(iter(reference)) not in _KINDS:
        raise BadInput(f"{what}: not a reference", 'write { env = "NAME" }, { file = "PATH" } or { command = "..." }')
    kind, value = next(iter(reference.items()))
    if not isinstance(value, str) or not value:
        raise BadInput(f"{what}: {kind} is not a text", f'write {{ {kind} = "..." }}')
    found = {"env": _from_environment, "file": _from_file, "command": _from_command}[kind](value, what).strip()
    if not found or not found.isprintable() or " " in found:
        raise NoCredentials(f"{what}: {kind} {value!r} holds no token", "look at what it names")
    return found, f"{what} ({kind} {value})"


def _from_environment(name: str, what: str) -> str:
    if name not in os.environ:
        raise NoCredentials(f"{what}: ${name} is not set", f"export {name}")
    return os.environ[name]


def _from_file(name: str, what: str) -> str:
    try:
        return Path(name).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NoCredentials(f"{what}: {name} cannot be read", "look at the file") from error


def _from_command(command: str, what: str) -> str:
    try:
        done = subprocess.run(
            ["sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=_COMMAND_LIMIT,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise NoCredentials(f"{what}: the command took longer than {_COMMAND_LIMIT:.0f} s", "run it by hand") from error
    if done.returncode != 0:
        raise NoCredentials(f"{what}: the command ended with exit {done.returncode}", "run it by hand")
    return done.stdout
