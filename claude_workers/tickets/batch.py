"""Tickets from a file: YAML, JSON or TOML that lists them, with names by which they wait for each other."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

from claude_workers.errors import BadInput, NotFound
from claude_workers.tickets import rows, states
from claude_workers.tickets.queue import Draft

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_MOST = 10_000
_BYTES = 16 << 20
_SAID = 300
_TEXTS = {"title", "description", "type", "assign", "key", "repo"}
_KEYS = _TEXTS | {"priority", "parent", "blocked_by", "labels"}
_REMEDY = "see claude-workers ticket import --help"


def read(path: Path, repo: Callable[[str | None], str], author: str) -> list[tuple[Draft, tuple[int, ...]]]:
    """Return the tickets a file lists, each with the places in the list of those that it waits for.

    `repo` turns what a ticket says of its repository, None for nothing, into a real path. BadInput says
    which ticket is wrong; NotFound for no file.
    """
    listed = _listed(path)
    keys: dict[str, int] = {}
    for place, one in enumerate(listed):
        _check(path, place, one)
        if "key" in one and keys.setdefault(one["key"], place) != place:
            raise _bad(path, place, f"its key {one['key']!r} is another's, too")
    found = []
    for place, one in enumerate(listed):
        before, within = _waits(path, place, one, keys)
        try:
            draft = _draft(one, repo(one.get("repo")), author, before)
        except BadInput as error:
            raise _bad(path, place, error.message) from error
        found.append((draft, within))
    return found


def _listed(path: Path) -> list[Any]:
    data = _parsed(path)
    listed = data.get("tickets") if isinstance(data, dict) else data
    if not isinstance(listed, list) or not listed or len(listed) > _MOST:
        raise BadInput(f"{path} lists no tickets, or more than {_MOST}", _REMEDY)
    return listed


def _parsed(path: Path) -> Any:  # noqa: ANN401
    try:
        if path.stat().st_size > _BYTES:
            raise BadInput(f"{path} is larger than {_BYTES >> 20} MiB", "split it")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {path}", _REMEDY) from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}", _REMEDY) from error
    if path.suffix == ".toml":
        try:
            return tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise _unread(path, error) from error
    if path.suffix == ".json":
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _unread(path, error) from error
    import yaml  # noqa: PLC0415  start-up cost

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise _unread(path, error) from error


def _unread(path: Path, error: Exception) -> BadInput:
    return BadInput(f"{path}: {' '.join(str(error).split())[:_SAID] or type(error).__name__}", _REMEDY)


def _check(path: Path, place: int, one: Any) -> None:  # noqa: ANN401
    if not isinstance(one, dict):
        raise _bad(path, place, "it is no table of fields")
    unknown = sorted(str(name) for name in one if name not in _KEYS)
    if unknown:
        raise _bad(path, place, f"there is no field {unknown[0][:40]!r}, only {', '.join(sorted(_KEYS))}")
    wrong = [name for name in sorted(_TEXTS & set(one)) if not isinstance(one[name], str)]
    wrong += [name for name in ("priority", "parent") if not isinstance(one.get(name, 0), int)]
    wrong += [name for name in ("blocked_by", "labels") if not isinstance(one.get(name, []), list)]
    if not wrong and not all(isinstance(name, str) for name in one.get("labels", [])):
        wrong.append("labels")
    if wrong or "title" not in one:
        raise _bad(path, place, f"its {wrong[0]} is of a wrong kind" if wrong else "it has no title")
    if one.get("type", "task") not in states.TYPES:
        raise _bad(path, place, f"its type is none of {', '.join(states.TYPES)}")


def _waits(
    path: Path, place: int, one: dict[str, Any], keys: dict[str, int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return what a ticket waits for: the ids of tickets that there are, and places in the list."""
    before, within = [], []
    for named in one.get("blocked_by", []):
        if isinstance(named, str) and named in keys:
            within.append(keys[named])
        elif isinstance(named, int) and not isinstance(named, bool):
            before.append(named)
        else:
            raise _bad(path, place, f"it waits for {str(named)[:40]!r}, which is no key and no id")
    return tuple(before), tuple(within)


def _draft(one: dict[str, Any], repo: str, author: str, before: tuple[int, ...]) -> Draft:
    labels = tuple(rows.label_name(str(name)) for name in one.get("labels", []))
    kind = one.get("type") or states.default_type(one.get("assign"), blocked=bool(one.get("blocked_by")))
    return Draft(
        repo, rows.title(one["title"]), one.get("description", ""), author, kind, one.get("priority", 0),
        one.get("assign"), one.get("parent"), before, None, labels,
    )  # fmt: skip


def _bad(path: Path, place: int, what: str) -> BadInput:
    return BadInput(f"{path}: ticket {place + 1}: {what}", _REMEDY)
