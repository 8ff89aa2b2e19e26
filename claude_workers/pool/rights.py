"""Judging a token's rights on a repository: too few, too many, and what the repository's rules still allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_workers.forge.github.rights import Rights

Judged = tuple[str, str, str, str]
_NEEDED = frozenset({"repo", "public_repo"})
_HARMLESS = frozenset({"read:org", "read:user", "user:email"})
# Rules that stop a branch from being created or pushed to, of docs.github.com/rest/repos/rules.
_HINDERING = frozenset({"creation", "update", "pull_request", "required_status_checks", "branch_name_pattern"})
_GUIDE = "docs/github.md tells how"


def judge(rights: Rights) -> Iterator[Judged]:
    """Yield what, state (ok, warning, failed), text and remedy of everything that can be told."""
    yield from _scopes(rights)
    yield from _lacking(rights)
    yield _role(rights)
    yield _archived(rights)
    yield from _default(rights)
    yield _workers(rights)


def _lacking(rights: Rights) -> Iterator[Judged]:
    if rights.lacking:
        yield ("rights", "failed", f"too few: {', '.join(rights.lacking)} missing", f"give the token these; {_GUIDE}")


def _scopes(rights: Rights) -> Iterator[Judged]:
    if rights.scopes is None:
        yield ("scopes", "ok", "a fine-grained or app token: it reaches only what it was made for", "")
        return
    enough = "repo" in rights.scopes or ("public_repo" in rights.scopes and not rights.private)
    if not enough:
        yield ("scopes", "failed", f"too few: {', '.join(rights.scopes) or 'none'}", "it needs the scope repo")
    more = sorted(set(rights.scopes) - _NEEDED - _HARMLESS)
    if more:
        yield ("scopes", "warning", f"too many: {', '.join(more)}", f"make a fine-grained token; {_GUIDE}")
    elif enough:
        said = "a classic token: it reaches every repository its user may write to"
        yield ("scopes", "warning", said, f"make a fine-grained token; {_GUIDE}")


def _role(rights: Rights) -> Judged:
    if not rights.roles.get("push"):
        return ("role", "failed", f"{rights.login} may not push", "give it write access")
    if rights.roles.get("admin"):
        said = f"{rights.login} is an administrator: a worker's runner could change the rules that hold it"
        return ("role", "warning", said, f"use a bot user with write access; {_GUIDE}")
    return ("role", "ok", f"{rights.login} may write, no more", "")


def _archived(rights: Rights) -> Judged:
    if rights.archived:
        return ("repository", "failed", "it is archived", "unarchive it")
    return ("repository", "ok", "private" if rights.private else "public: anybody may file issues", "")


def _default(rights: Rights) -> Iterator[Judged]:
    name = rights.default_branch
    if "pull_request" in rights.default_rules:
        yield (name, "ok", "is changed by pull requests only", "")
    elif "protected" in rights.default_rules:
        yield (name, "warning", "is protected; only an administrator is told how", f"see its settings; {_GUIDE}")
    else:
        yield (name, "warning", "can be pushed to without a pull request", f"make a ruleset for it; {_GUIDE}")
    if not {"non_fast_forward", "protected"} & set(rights.default_rules):
        yield (name, "warning", "can be force-pushed", f"make a ruleset for it; {_GUIDE}")


def _workers(rights: Rights) -> Judged:
    hindering = sorted(_HINDERING & set(rights.worker_rules))
    if hindering:
        said = f"rules that may stop workers: {', '.join(hindering)}"
        return ("w*/ branches", "failed", said, f"exclude w*/** from that ruleset; {_GUIDE}")
    return ("w*/ branches", "ok", "no rule stops workers from making and pushing them", "")
