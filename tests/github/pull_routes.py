"""The operations on pull requests, reviews and the comments on lines."""

from __future__ import annotations

from tests.github import bare, issues, pages, pull_shapes, pulls, reviews
from tests.github.answers import Answer, Refused, custom, invalid, not_found
from tests.github.records import Issue
from tests.github.routes import Request, serve
from tests.github.shapes import Shape

_READ, _WRITE = "pull_requests:read", "pull_requests:write"


def _fresh(request: Request) -> Issue:
    pulls.refresh(request.state, request.repository)
    return request.pull()[0]


def _whole(request: Request, issue: Issue) -> Shape:
    return pull_shapes.whole(request.state, request.repository, issue, request.asker)


@serve("GET /pulls", _READ)
def list_pulls(request: Request) -> Answer:
    """List pull requests, the newest first."""
    pulls.refresh(request.state, request.repository)
    query = dict(request.query)
    owner, colon, head = query.get("head", "").partition(":")
    found = []
    for issue, pull in pulls.listed(request.repository):
        # A head without its owner is no filter: GitHub takes no notice of it.
        ours = not colon or (owner.lower() == request.repository.owner.lower() and head == pull.head)
        if ours and query.get("base", pull.base) == pull.base and query.get("state", "open") in ("all", issue.state):
            found.append(issue)
    query["sort"] = query.get("sort", "created") if query.get("sort") in ("created", "updated") else "created"
    shape = pull_shapes.short
    return pages.page(
        request, issues.ordered(found, query), lambda one: shape(request.state, request.repository, one, request.asker)
    )


@serve("POST /pulls", _WRITE, role="write")
def create_pull(request: Request) -> Answer:
    """Open a pull request for a branch that was pushed."""
    body, repository = request.body, request.repository
    if body.get("draft") and not repository.drafts:
        raise Refused(422, "Draft pull requests are not supported in this repository.")
    issues.check(body.get("title", ""), body.get("body"), "PullRequest")
    owner, colon, head = body["head"].rpartition(":")
    if colon and owner.lower() != repository.owner.lower():
        raise invalid("PullRequest", "head")
    pulls.refresh(request.state, repository)
    issue, pull = pulls.open_pull(request.state, repository, request.login, head, body["base"])
    issue.title, issue.body, pull.draft = body["title"], body.get("body"), bool(body.get("draft"))
    shape = _whole(request, issue)
    return Answer(201, shape, {"Location": shape["url"]})


@serve("GET /pulls/{pull_number}", _READ)
def get_pull(request: Request) -> Answer:
    """Tell one pull request."""
    return Answer(200, _whole(request, _fresh(request)))


@serve("PATCH /pulls/{pull_number}", _WRITE)
def update_pull(request: Request) -> Answer:
    """Edit, close or reopen a pull request."""
    issue, body = _fresh(request), request.body
    _, pull = request.pull()
    if issue.author != request.login and not request.may("write"):
        raise Refused(403, "Must have admin rights to Repository.")
    issues.check(body.get("title"), body.get("body"), "PullRequest")
    issues.edit(request.state, issue, request.login, title=body.get("title"), body=body.get("body"))
    if "base" in body:
        found = bare.resolve(request.repository.bare, f"refs/heads/{body['base']}")
        if found is None:
            raise invalid("PullRequest", "base")
        pull.base, pull.base_sha = body["base"], found
    if body.get("state", issue.state) != issue.state:
        _turn(request, issue, body["state"])
    return Answer(200, _whole(request, issue))


def _turn(request: Request, issue: Issue, state: str) -> None:
    if state == "closed":
        issues.close(request.state, issue, request.login)
        return
    _, pull = request.pull()
    sha = bare.resolve(request.repository.bare, f"refs/heads/{pull.head}")
    if pull.merged_at or sha is None:
        why = (
            "merged pull requests can't be reopened" if pull.merged_at else f"The {pull.head} branch has been deleted."
        )
        raise custom("PullRequest", f"state cannot be changed. {why}", "state")
    pull.sha = sha
    issues.reopen(request.state, issue, request.login)


@serve("PUT /pulls/{pull_number}/merge", "contents:write", role="write")
def merge_pull(request: Request) -> Answer:
    """Merge a pull request."""
    issue, body = _fresh(request), request.body or {}
    _, pull = request.pull()
    if body.get("sha", pull.sha) != pull.sha:
        raise Refused(409, "Head branch was modified. Review and try the merge again.")
    method = body.get("merge_method", "merge")
    commit = pulls.merge(request.state, request.repository, issue, request.login, method)
    return Answer(200, {"sha": commit, "merged": True, "message": "Pull Request successfully merged"})


@serve("GET /pulls/{pull_number}/reviews", _READ)
def list_reviews(request: Request) -> Answer:
    """List reviews, the oldest first; one that is pending its author alone sees."""
    issue, pull = request.pull()
    found = [one for one in pull.reviews if one.state != "PENDING" or one.author == request.asker]
    return pages.page(request, found, lambda one: pull_shapes.review(request.state, request.repository, issue, one))


@serve("POST /pulls/{pull_number}/reviews", _WRITE)
def create_review(request: Request) -> Answer:
    """Write a review."""
    issue, made = _fresh(request), reviews.from_body(request)
    return Answer(200, pull_shapes.review(request.state, request.repository, issue, made))


@serve("GET /pulls/{pull_number}/reviews/{review_id}/comments", _READ)
def list_review_comments(request: Request) -> Answer:
    """List the comments of one review."""
    issue, pull = request.pull()
    wanted = int(request.params["review_id"])
    if wanted not in (one.id for one in pull.reviews):
        raise not_found()
    found = [one for one in pull.comments if one.review == wanted]
    return pages.page(
        request, found, lambda one: pull_shapes.line_comment(request.state, request.repository, issue, one)
    )


@serve("GET /pulls/{pull_number}/comments", _READ)
def list_line_comments(request: Request) -> Answer:
    """List all comments on lines, the oldest first."""
    issue, pull = request.pull()
    found = sorted(pull.comments, key=lambda one: one.id, reverse=request.query.get("direction") == "desc")
    return pages.page(request, found, lambda one: pull_shapes.located(request.state, request.repository, issue, one))


@serve("POST /pulls/{pull_number}/comments", _WRITE)
def create_line_comment(request: Request) -> Answer:
    """Comment on a line."""
    issue, made = _fresh(request), reviews.comment_from_body(request)
    return Answer(201, pull_shapes.located(request.state, request.repository, issue, made))
