"""Reviews: an opinion on a pull request, with comments on its lines."""

from __future__ import annotations

from collections.abc import Sequence

from tests.github import bare
from tests.github.answers import Refused, invalid
from tests.github.pull_records import Pull, Review, ReviewComment
from tests.github.records import Issue, Repository
from tests.github.routes import Request
from tests.github.state import State

STATES = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}
Inline = tuple[str, int, str]


def write(state: State, issue: Issue, review: Review, inline: Sequence[Inline] = ()) -> Review:
    """Add a review and its comments; each of these is a path, a line and a text."""
    pull = issue.pull
    assert pull
    pull.reviews.append(review)
    for path, line, body in inline:
        made = ReviewComment(state.id(), review.id, review.author, path, line, body, review.commit, state.now())
        pull.comments.append(made)
    issue.updated_at = state.now()
    return review


def touches(repository: Repository, pull: Pull, path: str) -> bool:
    """Tell whether a pull request changes a file, so that its lines can be commented on."""
    return path in bare.changes(repository.bare, pull.base_sha, pull.sha)


def _unprocessable(why: str) -> Refused:
    return Refused(422, "Unprocessable Entity", errors=[why])


def from_body(request: Request) -> Review:
    """Write the review that a request describes."""
    body, (issue, pull) = request.body or {}, request.pull()
    event, text = body.get("event"), body.get("body") or ""
    if event in ("APPROVE", "REQUEST_CHANGES") and issue.author == request.login:
        word = "approve" if event == "APPROVE" else "request changes on"
        raise _unprocessable(f"Can not {word} your own pull request")
    if event in ("REQUEST_CHANGES", "COMMENT") and not text.strip() and not body.get("comments"):
        raise _unprocessable("Review body can't be blank")
    inline = []
    for one in body.get("comments", []):
        place = one.get("line", one.get("position"))
        if place is None:
            raise _unprocessable("Line could not be resolved")
        if not touches(request.repository, pull, one["path"]):
            raise _unprocessable("Path could not be resolved")
        inline.append((one["path"], place, one["body"]))
    state = STATES[event] if event else "PENDING"
    review = Review(
        request.state.id(), request.login, state, text, body.get("commit_id", pull.sha), request.state.now()
    )
    return write(request.state, issue, review, inline)


def comment_from_body(request: Request) -> ReviewComment:
    """Write the comment on a line that a request describes."""
    body, (issue, pull) = request.body, request.pull()
    if not touches(request.repository, pull, body["path"]):
        raise invalid("PullRequestReviewComment", "path")
    if body["commit_id"] != pull.sha:
        raise invalid(
            "PullRequestReviewComment", "commit_id", "custom", message="commit_id is not part of the pull request"
        )
    now = request.state.now()
    review = Review(request.state.id(), request.login, "COMMENTED", "", pull.sha, now)
    line = body.get("line", body.get("position", 1))
    write(request.state, issue, review, [(body["path"], line, body["body"])])
    made = pull.comments[-1]
    made.side, made.in_reply_to = body.get("side", "RIGHT"), body.get("in_reply_to")
    return made
