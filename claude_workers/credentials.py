"""Credentials: what an agent pays with, taken from the operator and told apart without being shown."""

from __future__ import annotations

import os
import re
from pathlib import Path

from claude_workers import files, paths
from claude_workers.errors import BadInput, Refused

API_KEY = "ANTHROPIC_API_KEY"
TOKEN = "CLAUDE_CODE_OAUTH_TOKEN"
BASE_URL = "ANTHROPIC_BASE_URL"
CARRIED = (API_KEY, TOKEN, BASE_URL)
# In a home's environment: it has a credential of its own, which the operator's does not replace.
OWN = "CLAUDE_WORKERS_OWN_LOGIN"
# And the credential set it is bound to.
SET = "CLAUDE_WORKERS_CREDENTIAL_SET"
# And the label its issues get.
LABEL = "CLAUDE_WORKERS_LABEL"
_OURS = frozenset({OWN, SET, LABEL})
LOGIN_FILE = ".claude/.credentials.json"
_LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=([^\n]*)")


def parse_env(text: str, where: str) -> dict[str, str]:
    """Return NAME=value lines; blank lines and # comments pass, anything else is BadInput.

    The value is everything after the first `=`, as it stands; a pair of quotes around it is dropped.
    """
    values = {}
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip(" \t\r").removeprefix("export ")
        if not stripped or stripped.startswith("#"):
            continue
        found = _LINE.fullmatch(stripped)
        if not found or "\0" in stripped:
            raise BadInput(f"{where}, line {number}: not NAME=value", "one NAME=value a line")
        value = found[2]
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        values[found[1]] = value
    return values


def render_env(values: dict[str, str]) -> str:
    """Return what `parse_env` reads back; BadInput for a value of more than one line."""
    for name, value in values.items():
        if "\n" in value or "\0" in value:
            raise BadInput(f"the value of {name} has more than one line", "give it on one line")
    return "".join(f"{name}={_quoted(value)}\n" for name, value in sorted(values.items()))


def _quoted(text: str) -> str:
    """Return a value in quotes where it would otherwise lose its edges."""
    bare = text == text.strip(" \t\r") and not (len(text) > 1 and text[0] == text[-1] and text[0] in "'\"")
    return text if bare else f'"{text}"'


def read_env(path: Path) -> dict[str, str]:
    """Return the values of an env file, {} when there is none."""
    try:
        text = files.read_inside(path.parent, path.name)
    except ValueError as error:
        raise BadInput(f"{path}: {error}", "make it a plain file") from error
    return parse_env(text, str(path)) if text else {}


def env_file(name: str | None) -> dict[str, str]:
    """Return the variables of a configured env_file, {} when none is; BadInput when it is not there."""
    if not name:
        return {}
    path = Path(name).expanduser()
    if not path.is_file():
        raise BadInput(f"env_file {path} does not exist", "mend it in config.toml")
    return read_env(path)


def from_operator() -> dict[str, str]:
    """Return what the operator has: the environment first, then credentials.env; no empty values."""
    stored = read_env(paths.config_dir() / "credentials.env")
    found = {name: os.environ.get(name) or stored.get(name, "") for name in CARRIED}
    return {name: value for name, value in found.items() if value}


def payer(values: dict[str, str], *, login: bool, auth: str | None) -> str:
    """Return which credential pays: key, token, login, or "" for none.

    Raises Refused when both a key and a token are set and nobody decided between them.
    """
    key, token = bool(values.get(API_KEY)), bool(values.get(TOKEN))
    if key and token:
        if auth is None:
            raise Refused(f"both {API_KEY} and {TOKEN} are set", 'decide with auth = "key" or "token" in config.toml')
        return auth
    if key or token:
        return "key" if key else "token"
    return "login" if login else ""


def for_agent(values: dict[str, str], pays: str) -> dict[str, str]:
    """Return the variables an agent gets: the paying credential alone, and the base URL."""
    other = {"key": TOKEN, "token": API_KEY}.get(pays)
    return {name: value for name, value in values.items() if name not in {other, *_OURS}}
