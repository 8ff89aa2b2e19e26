"""Credential sets: what a home that is bound to `[credentials.NAME]` pays with, read from where it is kept."""

from __future__ import annotations

from typing import Any

from claude_workers import config, credentials, references
from claude_workers.errors import BadInput

# What a set holds by reference, and what it says as it stands; budgets are of the machine they count on.
SECRETS = frozenset({"api_key", "oauth_token", "forge_token", "agent_token"})
PLAIN = frozenset({"base_url", "auth"})
_KEYS = {"api_key": credentials.API_KEY, "oauth_token": credentials.TOKEN}
_AUTH = {"key": "api_key", "token": "oauth_token"}


def values(name: str) -> dict[str, str]:
    """Return the variables of a set's Claude credential, and its name.

    BadInput when there is no such set, it holds none, or both a key and a token and nothing decides;
    NoCredentials when a reference leads to no secret.
    """
    table, where = _table(name), f"[credentials.{name}]"
    wanted = [key for key in _KEYS if key in table]
    if len(wanted) > 1:
        wanted = [_decided(table.get("auth"), where)]
    if not wanted:
        raise BadInput(f"{where} holds no Claude credential", f"write api_key or oauth_token into {config.file()}")
    found = {_KEYS[key]: references.resolved(table[key], f"{where} {key}")[0] for key in wanted}
    base = table.get("base_url")
    return {**found, **({credentials.BASE_URL: base} if base else {}), credentials.SET: name}


def whole(name: str) -> dict[str, str]:
    """Return a set for another machine: every secret of it, and how they are used. Raises what `values` does."""
    table = _table(name)
    secrets = {
        key: references.resolved(table[key], f"[credentials.{name}] {key}")[0] for key in sorted(SECRETS & set(table))
    }
    if not secrets:
        raise BadInput(
            f"[credentials.{name}] holds no credential", f"write api_key or oauth_token into {config.file()}"
        )
    return {**secrets, **{key: table[key] for key in sorted(PLAIN & set(table))}}


def _table(name: str) -> dict[str, Any]:
    table, where = config.credential_set(name), f"[credentials.{name}]"
    unknown = sorted(set(table) - config.CREDENTIAL_KEYS)
    if unknown:
        raise BadInput(f"{where}: unknown key {unknown[0]!r}", f"known are {', '.join(sorted(config.CREDENTIAL_KEYS))}")
    for key in sorted(PLAIN & set(table)):
        if not isinstance(table[key], str):
            raise BadInput(f"{where}: {key} is not a text", "write it in quotes")
    return table


def _decided(auth: object, where: str) -> str:
    if auth not in _AUTH:
        raise BadInput(f"{where}: both api_key and oauth_token are set", 'decide with auth = "key" or "token" there')
    return _AUTH[str(auth)]


def source(environment: dict[str, str], *, login: bool) -> str:
    """Tell where a home's Claude credential comes from; the first of these that there is counts."""
    if environment.get(credentials.OWN):
        return "its own, of login"
    if environment.get(credentials.SET):
        return f"credential set {environment[credentials.SET]}"
    if environment.get(credentials.API_KEY) or environment.get(credentials.TOKEN):
        return "the operator's, of the environment or credentials.env"
    return "its own login" if login else "none"
