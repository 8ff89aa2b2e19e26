"""The shapes of pull requests: they, their reviews and the comments on their lines as JSON."""

from __future__ import annotations

from tests.github import bare, issue_shapes, pulls, shapes
from tests.github.pull_records import Pull, Review, ReviewComment
from tests.github.records import Issue, Repository
from tests.github.shapes import Shape, node
from tests.github.state import State


def short(state: State, repository: Repository, issue: Issue, asker: str | None) -> Shape:
    """Return a pull request as lists show it."""
    pull = issue.pull
    assert pull
    api, html = shapes.api(state, repository), f"{shapes.web(state, repository)}/pull/{issue.number}"
    url, thread = f"{api}/pulls/{issue.number}", f"{api}/issues/{issue.number}"
    links = {
        "html": html, "issue": thread, "comments": f"{thread}/comments", "review_comments": f"{url}/comments",
        "review_comment": f"{api}/pulls/comments{{/number}}", "commits": f"{url}/commits",
        "statuses": f"{api}/statuses/{pull.sha}",
    }  # fmt: skip
    return {
        **issue_shapes.shared(state, repository, issue), "id": pull.id, "node_id": node("PR", pull.id), "url": url,
        **{f"{name}_url": link for name, link in links.items()}, "diff_url": f"{html}.diff",
        "patch_url": f"{html}.patch", "_links": {name: {"href": link} for name, link in {**links, "self": url}.items()},
        "merged_at": pull.merged_at, "merge_commit_sha": pull.merge_commit, "draft": pull.draft, "auto_merge": None,
        "requested_reviewers": [], "requested_teams": [],
        "head": _side(state, repository, (pull.head, pull.sha), asker),
        "base": _side(state, repository, (pull.base, pull.base_sha), asker),
    }  # fmt: skip


def _side(state: State, repository: Repository, branch: tuple[str, str], asker: str | None) -> Shape:
    name, sha = branch
    return {
        "label": f"{repository.owner}:{name}", "ref": name, "sha": sha, "user": shapes.user(state, repository.owner),
        "repo": shapes.repository(state, repository, asker),
    }  # fmt: skip


def whole(state: State, repository: Repository, issue: Issue, asker: str | None) -> Shape:
    """Return a pull request as it is shown alone, with what git says of it."""
    pull = issue.pull
    assert pull
    changed = bare.changes(repository.bare, pull.base_sha, pull.sha)
    able, how = _mergeability(state, repository, issue, pull)
    return {
        **short(state, repository, issue, asker), "merged": pull.merged_at is not None, "mergeable": able,
        "rebaseable": able, "mergeable_state": how, "merged_by": shapes.user(state, pull.merged_by),
        "comments": len(issue.comments), "review_comments": len(pull.comments), "maintainer_can_modify": False,
        "commits": bare.ahead(repository.bare, pull.base_sha, pull.sha), "changed_files": len(changed),
        "additions": sum(added for added, _ in changed.values()),
        "deletions": sum(gone for _, gone in changed.values()),
    }  # fmt: skip


def _mergeability(state: State, repository: Repository, issue: Issue, pull: Pull) -> tuple[bool | None, str]:
    if issue.state == "closed" or not pull.mergeable_known:
        # GitHub works this out in the background: the first to ask sets it going and is told "unknown".
        pull.mergeable_known = True
        return None, "unknown"
    if not pulls.mergeable(repository, pull):
        return False, "dirty"
    if pull.draft:
        return True, "draft"
    if pulls.demands(state, repository, issue):
        return True, "blocked"
    bad = [run for run in repository.runs if run.sha == pull.sha and run.conclusion != "success"]
    return True, "unstable" if bad else "clean"


def review(state: State, repository: Repository, issue: Issue, one: Review) -> Shape:
    """Return a review."""
    html = f"{shapes.web(state, repository)}/pull/{issue.number}#pullrequestreview-{one.id}"
    url = f"{shapes.api(state, repository)}/pulls/{issue.number}"
    return {
        "id": one.id, "node_id": node("PRR", one.id), "user": shapes.user(state, one.author), "body": one.body,
        "state": one.state, "html_url": html, "pull_request_url": url, "commit_id": one.commit,
        "_links": {"html": {"href": html}, "pull_request": {"href": url}},
        "author_association": shapes.association(state, repository, one.author),
        **({} if one.state == "PENDING" else {"submitted_at": one.submitted_at}),
    }  # fmt: skip


def line_comment(state: State, repository: Repository, issue: Issue, one: ReviewComment) -> Shape:
    """Return a comment on a line, as the list of a review shows it: without the line."""
    pull = issue.pull
    assert pull
    api = shapes.api(state, repository)
    url, parent = f"{api}/pulls/comments/{one.id}", f"{api}/pulls/{issue.number}"
    html = f"{shapes.web(state, repository)}/pull/{issue.number}#discussion_r{one.id}"
    diff = bare.git(repository.bare, "diff", f"{pull.base_sha}...{one.commit}", "--", one.path)
    return {
        "id": one.id, "node_id": node("PRRC", one.id), "url": url, "pull_request_url": parent, "html_url": html,
        "pull_request_review_id": one.review, "path": one.path, "body": one.body,
        "diff_hunk": diff[max(diff.find("@@"), 0) :], "position": one.line, "original_position": one.line,
        "commit_id": one.commit, "original_commit_id": one.commit, "user": shapes.user(state, one.author),
        "created_at": one.created_at, "updated_at": one.created_at,
        "author_association": shapes.association(state, repository, one.author),
        "_links": {"self": {"href": url}, "html": {"href": html}, "pull_request": {"href": parent}},
        **({"in_reply_to_id": one.in_reply_to} if one.in_reply_to else {}),
    }  # fmt: skip


def located(state: State, repository: Repository, issue: Issue, one: ReviewComment) -> Shape:
    """Return a comment on a line, as the list of a pull request shows it."""
    return {
        **line_comment(state, repository, issue, one), "line": one.line, "original_line": one.line, "side": one.side,
        "start_line": None, "original_start_line": None, "start_side": None, "subject_type": "line",
    }  # fmt: skip
