"""Limits: until when a credential is not to be used on this machine, as its endpoint has said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_workers import clock, credentials, files
from claude_workers.lock import locked
from claude_workers.model import Record

if TYPE_CHECKING:
    from claude_workers.paths import Layout

_LOCK_WAIT = 10.0


@dataclass(frozen=True)
class Limit(Record):
    """A limit that was met: the moment it is lifted (ISO 8601 UTC), what was said, and by which worker."""

    until: str
    reason: str
    worker: str


def standing(layout: Layout, worker: str, values: dict[str, str], pays: str) -> Limit | None:
    """Return the limit that stands for the credential a worker pays with; None when there is none."""
    if not layout.limits.exists():
        return None
    found = _read(layout).get(_name(worker, values, pays))
    return found if found and found.until > clock.now() else None


def note(layout: Layout, values: dict[str, str], pays: str, limit: Limit) -> None:
    """Keep a limit for everyone on this machine who pays with the same credential."""
    _change(layout, _name(limit.worker, values, pays), limit)


def lift(layout: Layout, worker: str, values: dict[str, str], pays: str) -> None:
    """Forget the limit of the credential a worker pays with: a person says that it may be tried again."""
    if layout.limits.exists():
        _change(layout, _name(worker, values, pays), None)


def _change(layout: Layout, credential: str, limit: Limit | None) -> None:
    with locked(layout.locks / "limits", _LOCK_WAIT, "the limits are being written"):
        now = clock.now()
        known = {name: one for name, one in _read(layout).items() if one.until > now and name != credential}
        if limit:
            known[credential] = limit
        files.write_atomic(layout.limits, files.to_text({name: one.to_json() for name, one in known.items()}))


def _read(layout: Layout) -> dict[str, Limit]:
    try:
        data = files.read_json(layout.limits) or {}
        found = {name: Limit.from_json(one) for name, one in data.items()}
        return {
            name: one for name, one in found.items() if all(isinstance(text, str) for text in one.to_json().values())
        }
    except (ValueError, TypeError, AttributeError):
        return {}


def _name(worker: str, values: dict[str, str], pays: str) -> str:
    """Return a name for a credential that tells nothing of it; a login belongs to one home alone."""
    import hashlib  # noqa: PLC0415  OpenSSL in a runner's memory, for the rare case

    secret = values.get({"key": credentials.API_KEY, "token": credentials.TOKEN}.get(pays, ""), "")
    if not secret:
        return f"login-of-{worker}"
    return hashlib.sha256(f"claude-workers {secret}".encode()).hexdigest()[:16]
