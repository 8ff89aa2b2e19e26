"""Comments and reactions under issues and pull requests."""

from __future__ import annotations

from tests.github import issue_shapes, pages
from tests.github.answers import Answer, Refused, invalid, not_found
from tests.github.clock import since
from tests.github.issues import check
from tests.github.records import Comment, Issue, Reaction, Repository
from tests.github.routes import Request, serve
from tests.github.shapes import Shape
from tests.github.state import State

_READ = ("issues:read", "pull_requests:read")
_WRITE = ("issues:write", "pull_requests:write")


def add(state: State, issue: Issue, author: str, body: str) -> Comment:
    """Write a comment, which makes its issue newer."""
    issue.updated_at = state.now()
    made = Comment(state.id(), issue.number, author, body, issue.updated_at, issue.updated_at)
    issue.comments.append(made)
    return made


def edit(state: State, comment: Comment, body: str) -> None:
    """Change a comment."""
    comment.body, comment.updated_at = body, state.now()


def find(repository: Repository, number: int) -> Comment | None:
    """Return a comment by its number."""
    every = (one for issue in repository.issues.values() if issue for one in issue.comments)
    return next((one for one in every if one.id == number), None)


def _wanted(request: Request) -> Comment:
    found = find(request.repository, int(request.params["comment_id"]))
    if found is None:
        raise not_found()
    return found


def _shape(request: Request, comment: Comment) -> Shape:
    return issue_shapes.comment(request.state, request.repository, comment)


def _written(body: str) -> str:
    if not body.strip():
        raise invalid("IssueComment", "data", "unprocessable", message="Body cannot be blank")
    check(None, body, "IssueComment")
    return body


@serve("GET /issues/{issue_number}/comments", *_READ)
def list_comments(request: Request) -> Answer:
    """List an issue's comments, the oldest first."""
    found = [one for one in request.issue().comments if since(one.updated_at, request.query)]
    return pages.page(request, found, lambda one: _shape(request, one))


@serve("POST /issues/{issue_number}/comments", *_WRITE)
def create_comment(request: Request) -> Answer:
    """Write a comment."""
    issue = request.issue()
    if issue.locked and not request.may("write"):
        raise Refused(403, "Unable to create comment because issue is locked.")
    made = add(request.state, issue, request.login, _written(request.body["body"]))
    shape = _shape(request, made)
    return Answer(201, shape, {"Location": shape["url"]})


@serve("GET /issues/comments/{comment_id}", *_READ)
def get_comment(request: Request) -> Answer:
    """Tell one comment."""
    return Answer(200, _shape(request, _wanted(request)))


@serve("PATCH /issues/comments/{comment_id}", *_WRITE)
def update_comment(request: Request) -> Answer:
    """Change a comment of one's own, or any where one may write."""
    comment = _wanted(request)
    if comment.author != request.login and not request.may("write"):
        raise Refused(403, "Must have admin rights to Repository.")
    edit(request.state, comment, _written(request.body["body"]))
    return Answer(200, _shape(request, comment))


def react(state: State, given: list[Reaction], login: str, content: str) -> tuple[Reaction, bool]:
    """React, and return the reaction and whether it is new: the same one twice is one."""
    for one in given:
        if (one.login, one.content) == (login, content):
            return one, False
    made = Reaction(state.id(), login, content, state.now())
    given.append(made)
    return made, True


def _list(request: Request, given: list[Reaction]) -> Answer:
    wanted = request.query.get("content")
    found = [one for one in given if wanted in (None, one.content)]
    return pages.page(request, found, lambda one: issue_shapes.reaction(request.state, one))


def _add(request: Request, given: list[Reaction]) -> Answer:
    made, new = react(request.state, given, request.login, request.body["content"])
    return Answer(201 if new else 200, issue_shapes.reaction(request.state, made))


@serve("GET /issues/{issue_number}/reactions", *_READ)
def list_issue_reactions(request: Request) -> Answer:
    """List the reactions to an issue."""
    return _list(request, request.issue().reactions)


@serve("POST /issues/{issue_number}/reactions", *_WRITE)
def react_to_issue(request: Request) -> Answer:
    """React to an issue."""
    return _add(request, request.issue().reactions)


@serve("GET /issues/comments/{comment_id}/reactions", *_READ)
def list_comment_reactions(request: Request) -> Answer:
    """List the reactions to a comment."""
    return _list(request, _wanted(request).reactions)


@serve("POST /issues/comments/{comment_id}/reactions", *_WRITE)
def react_to_comment(request: Request) -> Answer:
    """React to a comment."""
    return _add(request, _wanted(request).reactions)
