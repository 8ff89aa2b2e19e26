"""The account: the operations outside any repository."""

from __future__ import annotations

import re

from tests.github import issue_shapes, issues, pages, shapes
from tests.github.access import sees
from tests.github.answers import Answer, invalid
from tests.github.limits import LIMITS, left
from tests.github.records import Issue, Repository
from tests.github.routes import Request, serve

_ROOT = """
current_user current_user_authorizations_html authorizations code_search commit_search emails emojis events feeds
followers following gists hub issue_search issues keys label_search notifications organization
organization_repositories organization_teams public_gists rate_limit repository repository_search
current_user_repositories starred starred_gists user user_organizations user_repositories user_search
"""
_NOTHING = ("bio", "blog", "company", "email", "hireable", "location", "name")
_WORD = re.compile(r'(-?)(?:([\w-]+):)?(?:"([^"]*)"|(\S+))')


@serve("GET //")
def get_root(request: Request) -> Answer:
    """Tell the addresses below the root."""
    return Answer(200, {f"{name}_url": f"{request.state.api}/{name}" for name in _ROOT.split()})


@serve("GET //user")
def get_user(request: Request) -> Answer:
    """Tell who asks."""
    shape = shapes.user(request.state, request.login) or {}
    counts = dict.fromkeys(("followers", "following", "public_gists", "public_repos"), 0)
    found = request.state.user(request.login)
    since = found.created_at if found else request.state.now()
    return Answer(200, {**shape, **dict.fromkeys(_NOTHING), **counts, "created_at": since, "updated_at": since})


@serve("GET //rate_limit")
def get_rate_limit(request: Request) -> Answer:
    """Tell how many requests are left; asking costs none."""
    found = {kind: left(request.state, request.token, kind) for kind in LIMITS}
    return Answer(200, {"resources": found, "rate": found["core"]})


@serve("GET //search/issues")
def search_issues(request: Request) -> Answer:
    """Find issues and pull requests by GitHub's search words."""
    words = [_Word(*groups) for groups in _WORD.findall(request.query["q"])]
    for one in words:
        if one.key == "repo":
            _searchable(request, one.text)
    found = [
        (repository, issue)
        for repository in request.state.repositories
        if sees(request.state, request.token, repository)
        for issue in repository.issues.values()
        if issue and all(_matches(word, repository, issue) != word.negated for word in words)
    ]
    query = {"sort": "created", **request.query, "direction": request.query.get("order", "desc")}
    rank = {id(issue): at for at, issue in enumerate(issues.ordered([issue for _, issue in found], query))}
    chosen, headers = pages.slice_of(request, sorted(found, key=lambda pair: rank[id(pair[1])]))
    items = [{**issue_shapes.issue(request.state, *pair), "score": 1.0} for pair in chosen]
    body = {"total_count": len(found), "incomplete_results": False, "items": items, "search_type": "lexical"}
    return Answer(200, body, headers)


def _searchable(request: Request, name: str) -> None:
    repository, _ = request.state.find(name)
    if repository is None or not sees(request.state, request.token, repository):
        why = (
            "The listed users and repositories cannot be searched either because the resources do not exist "
            "or you do not have permission to view them."
        )
        raise invalid("Search", "q", message=why)


class _Word:
    """One word of a search."""

    def __init__(self, minus: str, key: str, quoted: str, bare: str) -> None:
        self.negated, self.key, self.text = minus == "-", key.lower(), quoted or bare


def _matches(word: _Word, repository: Repository, issue: Issue) -> bool:
    text = word.text.lower()
    kinds = {issue.state, "pr" if issue.pull else "issue", "locked" if issue.locked else "unlocked"}
    if issue.pull and issue.pull.merged_at:
        kinds.add("merged")
    known = {
        "repo": {repository.full_name.lower()}, "is": kinds, "type": kinds, "state": kinds,
        "label": {one.name.lower() for one in issue.labels}, "author": {issue.author.lower()},
        "assignee": {one.lower() for one in issue.assignees}, "user": {repository.owner.lower()},
        "head": {issue.pull.head.lower() if issue.pull else ""}, "in": {text},
        "base": {issue.pull.base.lower() if issue.pull else ""},
    }  # fmt: skip
    if word.key:
        if word.key not in known:
            raise AssertionError(f"the fake does not search by {word.key}:")
        return text in known[word.key]
    return text in f"{issue.title}\n{issue.body or ''}".lower()
