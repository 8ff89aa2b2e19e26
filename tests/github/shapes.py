"""The shapes: users and repositories as JSON, with the many addresses that GitHub gives each."""

from __future__ import annotations

import base64
from typing import Any

from tests.github.records import Repository
from tests.github.state import State

Shape = dict[str, Any]

_USER = {
    "followers_url": "/followers", "following_url": "/following{/other_user}", "gists_url": "/gists{/gist_id}",
    "starred_url": "/starred{/owner}{/repo}", "subscriptions_url": "/subscriptions", "organizations_url": "/orgs",
    "repos_url": "/repos", "events_url": "/events{/privacy}", "received_events_url": "/received_events",
}  # fmt: skip
_REPOSITORY = {
    "archive": "/{archive_format}{/ref}", "assignees": "/assignees{/user}", "blobs": "/git/blobs{/sha}",
    "branches": "/branches{/branch}", "collaborators": "/collaborators{/collaborator}",
    "comments": "/comments{/number}", "commits": "/commits{/sha}", "compare": "/compare/{base}...{head}",
    "contents": "/contents/{+path}", "contributors": "/contributors", "deployments": "/deployments",
    "downloads": "/downloads", "events": "/events", "forks": "/forks", "git_commits": "/git/commits{/sha}",
    "git_refs": "/git/refs{/sha}", "git_tags": "/git/tags{/sha}", "hooks": "/hooks",
    "issue_comment": "/issues/comments{/number}", "issue_events": "/issues/events{/number}",
    "issues": "/issues{/number}", "keys": "/keys{/key_id}", "labels": "/labels{/name}", "languages": "/languages",
    "merges": "/merges", "milestones": "/milestones{/number}",
    "notifications": "/notifications{?since,all,participating}", "pulls": "/pulls{/number}",
    "releases": "/releases{/id}", "stargazers": "/stargazers", "statuses": "/statuses/{sha}",
    "subscribers": "/subscribers", "subscription": "/subscription", "tags": "/tags", "teams": "/teams",
    "trees": "/git/trees{/sha}",
}  # fmt: skip
_HAS = {"has_projects": True, "has_wiki": True, "has_pages": False, "has_downloads": True, "has_discussions": False}
_COUNTS = ("forks", "forks_count", "stargazers_count", "watchers", "watchers_count", "size")


def node(kind: str, number: int) -> str:
    """Return a node identifier: opaque, and unlike the number."""
    return f"{kind}_{base64.urlsafe_b64encode(number.to_bytes(8, 'big')).decode().rstrip('=')}"


def user(state: State, login: str | None) -> Shape | None:
    """Return an account, None for one that is gone."""
    found = state.user(login) if login else None
    if found is None:
        return None
    url = f"{state.api}/users/{found.login}"
    return {
        "login": found.login, "id": found.id, "node_id": node("U", found.id), "gravatar_id": "",
        "avatar_url": f"{state.url}/avatars/{found.id}", "url": url, "html_url": f"{state.url}/{found.login}",
        "type": found.kind, "site_admin": False, "user_view_type": "public",
        **{key: url + tail for key, tail in _USER.items()},
    }  # fmt: skip


def api(state: State, repository: Repository) -> str:
    """Return a repository's address below the API."""
    return f"{state.api}/repos/{repository.full_name}"


def web(state: State, repository: Repository) -> str:
    """Return a repository's address for people."""
    return f"{state.url}/{repository.full_name}"


def short_repository(state: State, one: Repository) -> Shape:
    """Return a repository as other things mention it."""
    url = api(state, one)
    return {
        "id": one.id, "node_id": node("R", one.id), "name": one.name, "full_name": one.full_name,
        "private": one.private, "owner": user(state, one.owner), "html_url": web(state, one),
        "description": one.description, "fork": False, "url": url,
        **{f"{key}_url": url + tail for key, tail in _REPOSITORY.items()},
    }  # fmt: skip


def repository(state: State, one: Repository, asker: str | None) -> Shape:
    """Return a repository whole, with what the asker may do in it."""
    html, still_open = web(state, one), sum(issue.state == "open" for issue in one.issues.values() if issue)
    return {
        **short_repository(state, one),
        "clone_url": f"{html}.git", "git_url": f"git://localhost/{one.full_name}.git",
        "ssh_url": f"git@localhost:{one.full_name}.git", "svn_url": html, "mirror_url": None, "homepage": None,
        "language": None, "license": None, **dict.fromkeys(_COUNTS, 0), **_HAS, "has_issues": one.has_issues,
        "default_branch": one.default_branch, "open_issues": still_open, "open_issues_count": still_open,
        "is_template": False, "topics": [], "archived": one.archived, "disabled": False,
        "visibility": "private" if one.private else "public", "pushed_at": one.pushed_at,
        "created_at": one.created_at, "updated_at": one.pushed_at, "allow_forking": True,
        **{f"allow_{method}_{'commit' if method == 'merge' else 'merge'}": method in one.merge_methods
           for method in ("merge", "squash", "rebase")},
        "permissions": permissions(state, one, asker),
    }  # fmt: skip


def permissions(state: State, one: Repository, login: str | None) -> dict[str, bool]:
    """Return a user's rights in a repository."""
    return {
        "admin": state.may(login, one, "admin"), "maintain": state.may(login, one, "maintain"),
        "push": state.may(login, one, "write"), "triage": state.may(login, one, "triage"),
        "pull": state.may(login, one, "read"),
    }  # fmt: skip


def association(state: State, one: Repository, login: str) -> str:
    """Return what an author is to a repository."""
    if login.lower() == one.owner.lower():
        return "OWNER"
    if login.lower() in one.roles:
        return "COLLABORATOR"
    merged = (issue.pull.merged_at for issue in one.issues.values() if issue and issue.pull and issue.author == login)
    return "CONTRIBUTOR" if any(merged) else "NONE"
