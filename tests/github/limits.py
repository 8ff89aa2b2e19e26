"""The limits: how many requests an account has left in this hour."""

from __future__ import annotations

from tests.github.answers import Answer, Refused
from tests.github.records import Token
from tests.github.state import Budget, State

LIMITS = {"core": (5000, 3600), "search": (30, 60), "graphql": (5000, 3600)}
_STRANGERS = 60


def kind_of(path: str) -> str:
    """Return the kind that a request is counted under."""
    if path.startswith("/search/"):
        return "search"
    return "graphql" if path == "/graphql" else "core"


def budget(state: State, login: str | None, kind: str) -> Budget:
    """Return an account's budget, a new one where the last one's time is over."""
    limit, seconds = LIMITS[kind]
    key, now = ((login or "").lower(), kind), int(state.clock.seconds())
    if key not in state.budgets or state.budgets[key].reset <= now:
        state.budgets[key] = Budget(limit if login else min(limit, _STRANGERS), now + seconds)
    return state.budgets[key]


def left(state: State, token: Token | None, kind: str) -> dict[str, int | str]:
    """Return a budget as GitHub tells it."""
    found = budget(state, token.login if token else None, kind)
    remaining = max(0, found.limit - found.used)
    return {"limit": found.limit, "remaining": remaining, "reset": found.reset, "used": found.used, "resource": kind}


def headers(state: State, token: Token | None, kind: str) -> dict[str, str]:
    """Return a budget as the headers of every answer tell it."""
    return {f"X-RateLimit-{name.title()}": str(value) for name, value in left(state, token, kind).items()}


def exhausted(state: State, token: Token | None, reset: int) -> Answer:
    """Return what GitHub says to those who have none left before a time."""
    found = state.user(token.login) if token else None
    who = f"user ID {found.id}" if found else "127.0.0.1"
    told = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(reset)}
    return Refused(403, f"API rate limit exceeded for {who}.", headers=told).answer
