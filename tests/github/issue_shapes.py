"""The shapes of issues: they, their labels, comments, events and reactions as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from tests.github import shapes
from tests.github.records import Comment, Event, Issue, Label, Reaction, Repository
from tests.github.shapes import Shape, node
from tests.github.state import State

CONTENTS = ("+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes")


def touch(state: State, issue: Issue, event: str, actor: str, **extra: Any) -> None:
    """Remember what happened to an issue; whatever happened, it is newer now."""
    commit = extra.pop("commit", None)
    issue.updated_at = state.now()
    issue.events.append(Event(state.id(), actor, event, issue.updated_at, commit, extra))


def label(state: State, repository: Repository, one: Label) -> Shape:
    """Return a label."""
    return {
        "id": one.id, "node_id": node("LA", one.id), "name": one.name, "color": one.color, "default": False,
        "url": f"{shapes.api(state, repository)}/labels/{quote(one.name, safe='')}", "description": one.description,
    }  # fmt: skip


def reactions(url: str, given: Iterable[Reaction]) -> Shape:
    """Return how many reacted, and how."""
    contents = [one.content for one in given]
    counts = {content: contents.count(content) for content in CONTENTS}
    return {"url": f"{url}/reactions", "total_count": len(contents), **counts}


def reaction(state: State, one: Reaction) -> Shape:
    """Return one reaction."""
    return {
        "id": one.id, "node_id": node("REA", one.id), "user": shapes.user(state, one.login), "content": one.content,
        "created_at": one.created_at,
    }  # fmt: skip


def comment(state: State, repository: Repository, one: Comment) -> Shape:
    """Return a comment."""
    api = shapes.api(state, repository)
    issue, url = repository.issues[one.number], f"{api}/issues/comments/{one.id}"
    kind = "pull" if issue and issue.pull else "issues"
    return {
        "id": one.id, "node_id": node("IC", one.id), "url": url, "issue_url": f"{api}/issues/{one.number}",
        "html_url": f"{shapes.web(state, repository)}/{kind}/{one.number}#issuecomment-{one.id}",
        "user": shapes.user(state, one.author), "created_at": one.created_at, "updated_at": one.updated_at,
        "body": one.body, "author_association": shapes.association(state, repository, one.author),
        "performed_via_github_app": None, "reactions": reactions(url, one.reactions),
    }  # fmt: skip


def event(state: State, repository: Repository, one: Event) -> Shape:
    """Return one line of an issue's history."""
    api = shapes.api(state, repository)
    return {
        "id": one.id, "node_id": node("EV", one.id), "url": f"{api}/issues/events/{one.id}",
        "actor": shapes.user(state, one.actor), "event": one.event, "commit_id": one.commit,
        "commit_url": f"{api}/commits/{one.commit}" if one.commit else None, "created_at": one.created_at,
        "performed_via_github_app": None, **one.extra,
    }  # fmt: skip


def people(state: State, logins: Iterable[str]) -> list[Shape]:
    """Return those of these accounts that exist."""
    return [found for login in logins if (found := shapes.user(state, login))]


def shared(state: State, repository: Repository, one: Issue) -> Shape:
    """Return what an issue and a pull request have in common."""
    assignees = people(state, one.assignees)
    return {
        "number": one.number, "state": one.state, "title": one.title, "body": one.body, "locked": one.locked,
        "user": shapes.user(state, one.author), "labels": [label(state, repository, each) for each in one.labels],
        "assignee": assignees[0] if assignees else None, "assignees": assignees, "milestone": None,
        "active_lock_reason": None, "created_at": one.created_at, "updated_at": one.updated_at,
        "closed_at": one.closed_at, "author_association": shapes.association(state, repository, one.author),
    }  # fmt: skip


def issue(state: State, repository: Repository, one: Issue) -> Shape:
    """Return an issue; a pull request is one, with a key that says so."""
    api, web = shapes.api(state, repository), shapes.web(state, repository)
    url, html = f"{api}/issues/{one.number}", f"{web}/{'pull' if one.pull else 'issues'}/{one.number}"
    return {
        **shared(state, repository, one), "id": one.id, "node_id": node("I", one.id), "url": url,
        "repository_url": api, "html_url": html, "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments", "events_url": f"{url}/events", "timeline_url": f"{url}/timeline",
        "state_reason": one.state_reason, "comments": len(one.comments), "performed_via_github_app": None,
        "closed_by": shapes.user(state, one.closed_by), "reactions": reactions(url, one.reactions),
        **(_pull_keys(f"{api}/pulls/{one.number}", html, one) if one.pull else {}),
    }  # fmt: skip


def _pull_keys(url: str, html: str, one: Issue) -> Shape:
    assert one.pull
    links = {"url": url, "html_url": html, "diff_url": f"{html}.diff", "patch_url": f"{html}.patch"}
    return {"draft": one.pull.draft, "pull_request": {**links, "merged_at": one.pull.merged_at}}
