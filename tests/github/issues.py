"""Issues: filed, listed, edited and closed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.github import issue_shapes, labels, pages, shapes
from tests.github.answers import Answer, Refused, invalid, too_long
from tests.github.clock import since
from tests.github.issue_shapes import touch
from tests.github.records import Issue, Repository
from tests.github.routes import Request, serve
from tests.github.state import State

LONGEST, LONGEST_TITLE = 65536, 256
_READ = ("issues:read", "pull_requests:read")
_WRITE = ("issues:write", "pull_requests:write")
_ORDER = {"updated": "updated_at"}


def file(state: State, repository: Repository, author: str, title: str, body: str | None) -> Issue:
    """File an issue under the next number, which pull requests share."""
    number, now = max(repository.issues, default=0) + 1, state.now()
    made = Issue(state.id(), number, author, title, body, now, now)
    repository.issues[number] = made
    return made


def close(
    state: State, issue: Issue, actor: str, *, reason: str | None = "completed", commit: str | None = None
) -> None:
    """Close an issue."""
    issue.state, issue.closed_at, issue.closed_by = "closed", state.now(), actor
    issue.state_reason = None if issue.pull else reason
    touch(state, issue, "closed", actor, commit=commit)


def reopen(state: State, issue: Issue, actor: str) -> None:
    """Open an issue again."""
    issue.state, issue.closed_at, issue.closed_by = "open", None, None
    issue.state_reason = None if issue.pull else "reopened"
    touch(state, issue, "reopened", actor)


def edit(state: State, issue: Issue, actor: str, *, title: str | None = None, body: str | None = None) -> None:
    """Change an issue's title or body; only a changed body counts as an edit."""
    if title is not None and title != issue.title:
        touch(state, issue, "renamed", actor, rename={"from": issue.title, "to": title})
        issue.title = title
    if body is not None and body != issue.body:
        issue.body, issue.last_edited_at, issue.updated_at = body, state.now(), state.now()


def check(title: object, body: str | None, resource: str = "Issue") -> None:
    """Refuse a title or body that GitHub would not take."""
    if title is not None and not str(title).strip():
        raise invalid(resource, "title", "missing_field")
    too_long(resource, "title", None if title is None else str(title), LONGEST_TITLE)
    too_long(resource, "body", body, LONGEST)


def assign(request: Request, issue: Issue, logins: Iterable[Any]) -> None:
    """Set who is assigned; who cannot be is left out silently, as GitHub does."""
    names = [str(one["login"] if isinstance(one, dict) else one) for one in logins]
    issue.assignees = [one for one in names if request.state.role(one, request.repository) and request.state.user(one)]
    issue.updated_at = request.state.now()


def _shape(request: Request, issue: Issue) -> shapes.Shape:
    return issue_shapes.issue(request.state, request.repository, issue)


def _enabled(request: Request) -> None:
    if not request.repository.has_issues:
        raise Refused(410, "Issues are disabled for this repo")


def _matches(issue: Issue, query: dict[str, str]) -> bool:
    wanted = {name.strip().lower() for name in query.get("labels", "").split(",") if name.strip()}
    assignee, logins = query.get("assignee", ""), [one.lower() for one in issue.assignees]
    return (
        query.get("state", "open") in ("all", issue.state)
        and wanted <= {label.name.lower() for label in issue.labels}
        # Whole seconds, and the second itself is included.
        and since(issue.updated_at, query)
        and query.get("creator", issue.author).lower() == issue.author.lower()
        and (not assignee or {"*": bool(logins), "none": not logins}.get(assignee, assignee.lower() in logins))
    )


def ordered(found: Iterable[Issue], query: dict[str, str]) -> list[Issue]:
    """Return issues in the order asked for, the newest first where nothing is said."""

    def key(one: Issue) -> tuple[Any, int]:
        if query.get("sort") == "comments":
            return len(one.comments), one.number
        return getattr(one, _ORDER.get(query.get("sort", ""), "created_at")), one.number

    return sorted(found, key=key, reverse=query.get("direction", "desc") == "desc")


@serve("GET /issues", *_READ)
def list_issues(request: Request) -> Answer:
    """List issues, pull requests among them."""
    _enabled(request)
    query = dict(request.query)
    found = [one for one in request.repository.issues.values() if one and _matches(one, query)]
    return pages.page(request, ordered(found, query), lambda one: _shape(request, one))


@serve("POST /issues", "issues:write")
def create_issue(request: Request) -> Answer:
    """File an issue; labels of those who may not set them are dropped silently, as GitHub does."""
    _enabled(request)
    check(request.body["title"], request.body.get("body"))
    wanted = labels.names_of(request, request.body.get("labels", [])) if request.may("triage") else []
    made = file(request.state, request.repository, request.login, str(request.body["title"]), request.body.get("body"))
    labels.put_on(request.state, request.repository, made, wanted, request.login)
    if request.may("triage"):
        assign(request, made, request.body.get("assignees", []))
    return Answer(201, _shape(request, made), {"Location": f"{request.base}{request.path}/{made.number}"})


@serve("GET /issues/{issue_number}", *_READ)
def get_issue(request: Request) -> Answer:
    """Tell one issue."""
    return Answer(200, _shape(request, request.issue()))


@serve("PATCH /issues/{issue_number}", *_WRITE)
def update_issue(request: Request) -> Answer:
    """Edit, close or reopen an issue, or set its labels."""
    issue, body = request.issue(), request.body
    trusted = request.may("triage")
    if not trusted and (issue.author != request.login or {"labels", "assignees"} & set(body)):
        raise Refused(403, "Must have admin rights to Repository.")
    check(body.get("title"), body.get("body"))
    title = body.get("title")
    edit(request.state, issue, request.login, title=None if title is None else str(title), body=body.get("body"))
    if "labels" in body:
        names = labels.names_of(request, body["labels"])
        labels.replace(request.state, request.repository, issue, names, request.login)
    if "assignees" in body:
        assign(request, issue, body["assignees"])
    if body.get("state", issue.state) != issue.state:
        if body["state"] == "closed":
            close(request.state, issue, request.login, reason=body.get("state_reason") or "completed")
        else:
            reopen(request.state, issue, request.login)
    return Answer(200, _shape(request, issue))


@serve("GET /issues/{issue_number}/events", *_READ)
def list_events(request: Request) -> Answer:
    """List what happened to an issue, the oldest first."""
    events = request.issue().events
    return pages.page(request, events, lambda one: issue_shapes.event(request.state, request.repository, one))
