"""Keeping credential sets that another machine sends: each secret in a file of its own, named by a reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from claude_workers import config, credentials, files, paths, references, toml
from claude_workers.errors import BadInput, Refused, WorkersError
from claude_workers.home import sets
from claude_workers.home.home import every
from claude_workers.model import Record
from claude_workers.pool import homes

if TYPE_CHECKING:
    from pathlib import Path

    from claude_workers.paths import Layout

_FOLDER = "credentials"


@dataclass(frozen=True)
class Kept(Record):
    """The sets that were kept, and of each home that is bound to one what its refresh changed, or why it could not.

    `credential_set` is the set whose forge tokens are used there, "" for none.
    """

    sets: list[str]
    credential_set: str
    refreshed: dict[str, str]


def keep(layout: Layout, sent: dict[str, Any], *, force: bool = False) -> Kept:
    """Write sets as `sets.whole` returns them, into private files and config.toml, and render homes bound to them.

    All is looked at before anything is written. BadInput for what is no set, Refused for a table in
    config.toml that a person wrote: `force` has ours take its place.
    """
    for name, values in sent.items():
        _check(name, values)
    with toml.edited(config.file()) as document:
        tables = document.setdefault("credentials", {})
        for name, values in sent.items():
            _merge(tables.setdefault(name, {}), name, values, force=force)
        for name, values in sent.items():
            for key in sets.SECRETS & set(values):
                files.make_private(_place(name, key).parent)
                files.write_atomic(_place(name, key), values[key])
        with_token = [name for name, values in sent.items() if "forge_token" in values]
        if with_token and "credential_set" not in document:
            document["credential_set"] = with_token[0]  # a machine without tokens of its own
        used = str(document.get("credential_set") or "")
    return Kept(sorted(sent), used, _refreshed(layout, set(sent)))


def _check(name: str, values: object) -> None:
    known = sets.SECRETS | sets.PLAIN
    if not config.is_set_name(name) or not isinstance(values, dict) or not values or set(values) - known:
        raise BadInput("that is no credential set", "claude-workers host push-credentials sends them")
    for key, value in values.items():
        if not isinstance(value, str):
            raise BadInput(f"[credentials.{name}]: {key} is not a text", "mend it where it is sent from")
        if key in sets.SECRETS:
            references.checked(value, f"[credentials.{name}] {key}")


def _place(name: str, key: str) -> Path:
    return paths.config_dir() / _FOLDER / name / key


def _merge(table: Any, name: str, values: dict[str, str], *, force: bool) -> None:  # noqa: ANN401
    """Have a table of config.toml name what was sent and nothing that was sent before; budgets in it stay."""
    for key in sorted(sets.SECRETS | sets.PLAIN):
        ours = {"file": str(_place(name, key))} if key in sets.SECRETS else values.get(key)
        if key in sets.SECRETS and key in table and table[key] != ours and not force:
            raise Refused(
                f"{config.file()} [credentials.{name}] has its own {key}", "remove it there, or push with --force"
            )
        if key in values:
            table[key] = ours
        elif key in table:
            del table[key]


def _refreshed(layout: Layout, names: set[str]) -> dict[str, str]:
    found = {}
    for home in every(layout):
        if credentials.read_env(home.env_file).get(credentials.SET) not in names:
            continue
        try:
            found[home.worker] = ", ".join(homes.refresh(layout, home.worker))
        except WorkersError as error:
            found[home.worker] = f"not now: {error.message}"
    return found
