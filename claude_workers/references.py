"""Secrets by reference: named in the configuration by where they are kept, read when they are used."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from claude_workers.errors import BadInput, NoCredentials

_KINDS = ("env", "file", "command")
_COMMAND_LIMIT = 30.0
_LONGEST = 64 << 10
_WRITTEN = 0.2


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
    read = {"env": _from_environment, "file": _from_file, "command": _from_command}[kind]
    found = read(value, what)
    if not found.strip() and kind != "env":
        time.sleep(_WRITTEN)  # whoever renews it has emptied the file, and writes it next
        found = read(value, what)
    where = f"{what} ({kind})" if kind == "env" else f"{what} ({kind} {value})"
    return checked(found, where), where


def checked(text: str, where: str) -> str:
    """Return a secret without the blanks round it; NoCredentials for what is none. It is never shown."""
    found = text.strip()
    if not found or not found.isascii() or not found.isprintable() or " " in found:
        raise NoCredentials(f"{where} holds no token", "look at what it names")
    return found


def _from_environment(name: str, what: str) -> str:
    # The name is not shown: a token written in its place by mistake would be.
    if name not in os.environ:
        raise NoCredentials(f"{what}: the environment variable it names is not set", "export it")
    return os.environ[name]


def _from_file(name: str, what: str) -> str:
    try:
        with Path(name).expanduser().open(encoding="utf-8") as stream:
            return stream.read(_LONGEST)
    except (OSError, ValueError, RuntimeError) as error:
        raise NoCredentials(f"{what}: {name!r} cannot be read", "look at the file") from error


def _from_command(command: str, what: str) -> str:
    argv = ["sh", "-c", command]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_COMMAND_LIMIT
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise NoCredentials(f"{what}: the command took longer than {_COMMAND_LIMIT:.0f} s", "run it by hand") from error
    except ValueError as error:
        raise BadInput(f"{what}: the command is no text", "mend it in config.toml") from error
    if done.returncode != 0:
        raise NoCredentials(f"{what}: the command ended with exit {done.returncode}", "run it by hand")
    return done.stdout.decode("utf-8", "replace")
