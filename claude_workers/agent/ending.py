"""How an agent's turn ended, told from what was seen: exit status, result line, retries, our watch."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from claude_workers import clock
from claude_workers.text import one_line

# What may be tried again by the same session, and what waits for something outside.
RETRYABLE = frozenset({"killed", "error", "memory"})
OUTSIDE = frozenset({"overloaded", "unreachable"})
WAITING = {"overloaded": "backoff", "unreachable": "backoff", "authentication": "credentials", "spent": "limit"}
_AUTHENTICATION = frozenset({401, 403})
_TOO_MANY = 429
_SERVER = 500


@dataclass(frozen=True)
class Ending:
    """One turn's end; `kind` is done, or why not; `until` is when a limit resets (ISO 8601)."""

    kind: str
    reason: str
    until: str | None = None


@dataclass
class Evidence:
    """What was seen of one turn: the last result line, the last retry, a limit, our own watch."""

    result: dict[str, Any] | None = None
    retry_status: int | None = None
    resets_at: float | None = None
    events: int = 0
    began: bool = False
    watch: Ending | None = None

    def see(self, event: dict[str, Any]) -> None:
        """Take one event of the stream in."""
        self.events += 1
        kind = event.get("type")
        self.began = self.began or (kind == "system" and event.get("subtype") == "init")
        if kind == "result":
            self.result = event
        elif kind == "system" and event.get("subtype") == "api_retry":
            status = event.get("error_status")
            self.retry_status = status if isinstance(status, int) else None
        elif kind == "rate_limit_event":
            info = event.get("rate_limit_info")
            resets = info.get("resetsAt") if isinstance(info, dict) else None
            if isinstance(resets, int | float) and isinstance(info, dict) and info.get("status") == "rejected":
                with contextlib.suppress(OverflowError):
                    self.resets_at = float(resets)


def classify(evidence: Evidence, exit_status: int, stderr: str) -> Ending:
    """Return how a turn ended. Exit 0 and the subtype alone prove nothing: both are seen on errors."""
    if evidence.watch:
        return evidence.watch
    result = evidence.result
    if result is None:
        return _without_result(evidence, exit_status, stderr)
    told = isinstance(result.get("api_error_status"), int)
    if told or result.get("is_error") or result.get("subtype") != "success":
        return _failed(result, evidence)
    if result.get("stop_reason") == "refusal":
        return Ending("refusal", "the model refused")
    return Ending("done", "")


def _without_result(evidence: Evidence, exit_status: int, stderr: str) -> Ending:
    if evidence.retry_status in _AUTHENTICATION:
        return _authentication(evidence.retry_status)
    if exit_status < 0 or exit_status > 128:  # noqa: PLR2004  128 + signal, as shells say it
        number = -exit_status if exit_status < 0 else exit_status - 128
        return Ending("killed", f"the agent was killed by signal {number}")
    said = stderr.strip().splitlines()
    why = one_line(said[-1], 200) if said else f"exit {exit_status} without a result"
    return Ending("error" if evidence.events else "start", f"the agent ended: {why}")


def _authentication(status: object) -> Ending:
    return Ending("authentication", f"the API refused the credential ({status}); refresh the worker with a good one")


def _moment(seconds: float | None) -> str | None:
    """Return a written moment; None for what the stream gave as one and is none."""
    try:
        return clock.from_epoch(seconds) if seconds else None
    except (ValueError, OverflowError, OSError):
        return None


def _failed(result: dict[str, Any], evidence: Evidence) -> Ending:
    given = result.get("api_error_status")
    status = given if isinstance(given, int) else None
    said = one_line(str(result.get("result") or result.get("errors") or result.get("subtype")), 200)
    subtype = str(result.get("subtype"))
    by_subtype = {"error_max_turns": "turns", "error_max_budget_usd": "budget"}
    if subtype in by_subtype:
        return Ending(by_subtype[subtype], f"the agent reached its {subtype.removeprefix('error_')}")
    if result.get("stop_reason") == "refusal":
        return Ending("refusal", f"the model refused: {said}")
    if status in _AUTHENTICATION or "/login" in said:
        return _authentication(status or "no login")
    if status == _TOO_MANY:
        return Ending("limit", f"usage limit: {said}", _moment(evidence.resets_at))
    if status is not None and status >= _SERVER:
        return Ending("overloaded", f"the API answered {status}: {said}")
    if status is None and "connect" in said.lower():
        return Ending("unreachable", said)
    return Ending("failed", said)
