"""The records of pull requests, reviews, check runs and statuses."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class ReviewComment:
    """A comment on a line of a pull request."""

    id: int
    review: int | None
    author: str
    path: str
    line: int
    body: str
    commit: str
    created_at: str
    side: str = "RIGHT"
    in_reply_to: int | None = None


@dataclass
class Review:
    """A review; the state is APPROVED, CHANGES_REQUESTED, COMMENTED, DISMISSED or PENDING."""

    id: int
    author: str
    state: str
    body: str
    commit: str
    submitted_at: str


@dataclass
class Pull:
    """What a pull request has besides its issue; `sha` is the head while the branch is there."""

    id: int
    head: str
    base: str
    sha: str
    base_sha: str
    draft: bool = False
    merged_at: str | None = None
    merged_by: str | None = None
    merge_commit: str | None = None
    mergeable_known: bool = True
    reviews: list[Review] = field(default_factory=list)
    comments: list[ReviewComment] = field(default_factory=list)


@dataclass
class Annotation:
    """A check run's remark on lines of a file."""

    path: str
    line: int
    message: str
    level: str = "failure"


@dataclass
class CheckRun:
    """A check run on a commit; of GitHub Actions the job has the same id, and `log` is the job's."""

    id: int
    sha: str
    name: str
    status: str
    conclusion: str | None
    title: str | None
    summary: str | None
    started_at: str
    completed_at: str | None
    text: str | None = None
    log: str | None = None
    app: str = "github-actions"
    annotations: list[Annotation] = field(default_factory=list)


@dataclass
class Status:
    """A commit status of the older kind."""

    id: int
    sha: str
    state: str
    context: str
    description: str | None
    target_url: str | None
    creator: str
    created_at: str
