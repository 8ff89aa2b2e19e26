"""What a token may do on a repository, and what the repository's rules forbid: facts for the doctor."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from claude_workers.errors import NotFound, Refused
from claude_workers.forge.github.faults import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from claude_workers.forge.github.rest import Rest

WORKER_BRANCH = "w01/issue-1"
_NOWHERE = "claude-workers-is-only-asking"


@dataclass(frozen=True)
class Rights:
    """What was seen: `scopes` None for a token whose rights cannot be listed (fine-grained, app)."""

    login: str
    scopes: list[str] | None
    roles: dict[str, bool]
    private: bool
    archived: bool
    default_branch: str
    lacking: list[str] = field(default_factory=list)
    default_rules: list[str] = field(default_factory=list)
    worker_rules: list[str] = field(default_factory=list)


def look(rest: Rest, at: str) -> Rights:
    """Look at a repository with the token's eyes; NotFound or Refused where it sees nothing."""
    scopes, found = rest.scopes(at)
    default = str(found["default_branch"])
    return Rights(
        login=_login(rest),
        scopes=None if scopes is None else [one.strip() for one in scopes.split(",") if one.strip()],
        roles=dict(found.get("permissions") or {}),
        private=bool(found.get("private")),
        archived=bool(found.get("archived")),
        default_branch=default,
        lacking=_lacking(rest, at, default),
        default_rules=[*_rules(rest, at, default), *_protection(rest, at, default)],
        worker_rules=_rules(rest, at, WORKER_BRANCH),
    )


def _lacking(rest: Rest, at: str, default: str) -> list[str]:
    """Return which rights a worker's runner would miss, tried by requests that can change nothing.

    Nobody can list a fine-grained token's rights, but GitHub looks at them before it looks for the
    label or branch, which are not there.
    """
    tries: dict[str, Callable[[], object]] = {
        "Issues: write": lambda: rest.send("DELETE", f"{at}/issues/1/labels/{_NOWHERE}"),
        "Pull requests: write": lambda: rest.send(
            "POST", f"{at}/pulls", {"title": _NOWHERE, "head": _NOWHERE, "base": default}, again=True
        ),
        "Checks: read": lambda: rest.get(f"{at}/commits/{quote(default, safe='')}/check-runs"),
        "Commit statuses: read": lambda: rest.get(f"{at}/commits/{quote(default, safe='')}/status"),
    }
    missing = []
    for right, attempt in tries.items():
        try:
            attempt()
        except Refused:
            missing.append(right)
        except (NotFound, Invalid):
            continue
    return missing


def _login(rest: Rest) -> str:
    try:
        return str(rest.get("/user")["login"])
    except (NotFound, Refused):
        return "an app"  # an installation's token belongs to no user


def _rules(rest: Rest, at: str, branch: str) -> list[str]:
    """Return the kinds of rules that rulesets lay on a branch, whether it exists or not."""
    found: list[dict[str, Any]] = list(rest.pages(f"{at}/rules/branches/{quote(branch, safe='')}"))
    return [str(one["type"]) for one in found]


def _protection(rest: Rest, at: str, branch: str) -> list[str]:
    """Return what the older branch protection forbids, in the words of rulesets; it covers its branch alone."""
    data = rest.get(f"{at}/branches/{quote(branch, safe='')}")
    if not data.get("protected"):
        return []
    try:
        found = rest.get(f"{at}/branches/{quote(branch, safe='')}/protection")
    except (NotFound, Refused):
        return ["protected"]  # only an administrator is told how
    forbids = ["protected"]
    if not (found.get("allow_force_pushes") or {}).get("enabled"):
        forbids.append("non_fast_forward")
    if found.get("required_pull_request_reviews"):
        forbids.append("pull_request")
    return forbids
