"""Pull requests: opened for branches that exist, following them, and merged for good."""

from __future__ import annotations

import re

from tests.github import bare, issues
from tests.github.answers import Refused, custom, invalid
from tests.github.issue_shapes import touch
from tests.github.pull_records import Pull
from tests.github.records import Issue, Repository
from tests.github.state import State

_CLOSING = re.compile(r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+(?:([\w.-]+/[\w.-]+))?#(\d+)", re.IGNORECASE)


def listed(repository: Repository) -> list[tuple[Issue, Pull]]:
    """Return a repository's pull requests."""
    return [(one, one.pull) for one in repository.issues.values() if one and one.pull]


def open_pull(state: State, repository: Repository, author: str, head: str, base: str) -> tuple[Issue, Pull]:
    """Open a pull request between two branches, its title and body still to be written."""
    sha, base_sha = (bare.resolve(repository.bare, f"refs/heads/{name}") for name in (head, base))
    if sha is None:
        raise invalid("PullRequest", "head")
    if base_sha is None:
        raise invalid("PullRequest", "base")
    if not bare.ahead(repository.bare, base_sha, sha):
        raise custom("PullRequest", f"No commits between {base} and {head}")
    if any(one.state == "open" and (pull.head, pull.base) == (head, base) for one, pull in listed(repository)):
        raise custom("PullRequest", f"A pull request already exists for {repository.owner}:{head}.")
    made = issues.file(state, repository, author, "", None)
    made.pull = Pull(state.id(), head, base, sha, base_sha, mergeable_known=not repository.slow_mergeable)
    bare.git(repository.bare, "update-ref", f"refs/pull/{made.number}/head", sha)
    return made, made.pull


def refresh(state: State, repository: Repository, actor: str | None = None) -> None:
    """Let open pull requests follow what happened to their branches."""
    heads = bare.refs(repository.bare, "refs/heads/")
    if repository.seen == heads:
        return
    repository.seen = heads
    for issue, pull in listed(repository):
        if issue.state == "open":
            _, sha = heads.get(f"refs/heads/{pull.head}", ("", None))
            _, base = heads.get(f"refs/heads/{pull.base}", ("", None))
            _follow(state, repository, issue, (sha, base, actor or issue.author))


def _follow(state: State, repository: Repository, issue: Issue, seen: tuple[str | None, str | None, str]) -> None:
    (sha, base, actor), pull = seen, issue.pull
    assert pull
    if sha is None:
        touch(state, issue, "head_ref_deleted", actor)
    elif sha != pull.sha:
        pull.sha, pull.base_sha = sha, base or pull.base_sha
        pull.mergeable_known = not repository.slow_mergeable
        issue.updated_at = state.now()
        bare.git(repository.bare, "update-ref", f"refs/pull/{issue.number}/head", sha)
    if base and bare.contains(repository.bare, base, pull.sha):
        _merged(state, repository, issue, (base, actor))
    elif sha is None or base is None:
        issues.close(state, issue, actor)


def mergeable(repository: Repository, pull: Pull) -> bool:
    """Tell whether a pull request could be merged without a conflict."""
    base = bare.resolve(repository.bare, f"refs/heads/{pull.base}")
    return base is not None and bare.merged_tree(repository.bare, base, pull.sha) is not None


def demands(state: State, repository: Repository, issue: Issue) -> str | None:
    """Return what the base branch still demands before a merge, None where nothing is missing."""
    pull = issue.pull
    protection = repository.protected.get(pull.base) if pull else None
    if pull is None or protection is None:
        return None
    good = {run.name for run in repository.runs if run.sha == pull.sha and run.conclusion == "success"}
    good |= {one.context for one in repository.statuses if one.sha == pull.sha and one.state == "success"}
    missing = [name for name in protection.checks if name not in good]
    if missing:
        return f'Required status check "{missing[0]}" is expected.'
    latest = {one.author: one.state for one in pull.reviews if one.state in {"APPROVED", "CHANGES_REQUESTED"}}
    approved = [who for who, what in latest.items() if what == "APPROVED" and state.may(who, repository, "write")]
    if len(approved) < protection.reviews:
        return "At least 1 approving review is required by reviewers with write access."
    return None


def merge(state: State, repository: Repository, issue: Issue, actor: str, method: str = "merge") -> str:
    """Merge a pull request into its base, in the bare repository too, and return the commit."""
    pull = issue.pull
    assert pull
    refusal = (
        None if method in repository.merge_methods else f"{method.title()} merges are not allowed on this repository."
    )
    refusal = refusal or ("Pull Request is still a draft" if pull.draft else demands(state, repository, issue))
    base = bare.resolve(repository.bare, f"refs/heads/{pull.base}")
    tree = bare.merged_tree(repository.bare, base, pull.sha) if base and issue.state == "open" else None
    if refusal or tree is None or base is None:
        raise Refused(405, refusal or "Pull Request is not mergeable")
    words = f"{issue.title} (#{issue.number})"
    parents = ["-p", base]
    if method == "merge":
        words = f"Merge pull request #{issue.number} from {repository.owner}/{pull.head}\n\n{issue.title}"
        parents += ["-p", pull.sha]
    commit = bare.git(repository.bare, "commit-tree", tree, *parents, "-m", words, author=actor)
    bare.git(repository.bare, "update-ref", f"refs/heads/{pull.base}", commit, base)
    repository.pushed_at = state.now()
    _merged(state, repository, issue, (commit, actor))
    return commit


def _merged(state: State, repository: Repository, issue: Issue, how: tuple[str, str]) -> None:
    (commit, actor), pull = how, issue.pull
    assert pull
    pull.merged_at, pull.merged_by, pull.merge_commit = state.now(), actor, commit
    touch(state, issue, "merged", actor, commit=commit)
    issues.close(state, issue, actor)
    # Only a merge into the default branch closes what the words promise to fix.
    if pull.base == repository.default_branch:
        for elsewhere, number in _CLOSING.findall(f"{issue.title}\n{issue.body or ''}"):
            fixed = repository.issues.get(int(number))
            ours = not elsewhere or elsewhere.lower() == repository.full_name.lower()
            if ours and fixed and not fixed.pull and fixed.state == "open":
                issues.close(state, fixed, actor, commit=commit)
