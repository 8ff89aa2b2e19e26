"""Pull requests: found by their branch, made once, brought up to date without touching people's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from claude_workers.errors import Limited, Unreachable
from claude_workers.forge.github import marks
from claude_workers.forge.github.faults import Invalid
from claude_workers.model import Change
from claude_workers.text import one_line

if TYPE_CHECKING:
    from claude_workers.forge.github.rest import Rest

_TITLE = 250
_TRIES = 3


class Pulls:
    """The pull requests of the repository at a path of the API, whose branches are its own."""

    def __init__(self, rest: Rest, at: str, repo: str) -> None:
        self._rest = rest
        self._at = at
        self._repo = repo
        self._owner = at.split("/")[2]

    def of(self, branch: str) -> dict[str, Any] | None:
        """Return the open pull request of a branch as GitHub tells it; None when there is none."""
        found = self._rest.get(f"{self._at}/pulls", head=f"{self._owner}:{branch}", state="open")
        return found[0] if found else None

    def number(self, number: int) -> dict[str, Any]:
        """Return a pull request as GitHub tells it."""
        found: dict[str, Any] = self._rest.get(f"{self._at}/pulls/{number}")
        return found

    def change(self, data: dict[str, Any]) -> Change:
        """Return a pull request as a change; its task and worker are what our section says."""
        facts, body = marks.read(str(data.get("body") or ""))
        issue = facts.get("issue")
        return Change(
            number=int(data["number"]),
            issue=issue if isinstance(issue, int) else None,
            repo=self._repo,
            branch=str(data["head"]["ref"]),
            base=str(data["base"]["ref"]),
            head=str(data["head"]["sha"]),
            task_id=str(facts.get("task_id") or ""),
            worker=str(facts.get("worker") or ""),
            title=str(data["title"]),
            body=body,
            draft=bool(data.get("draft")),
        )

    def propose(self, change: Change) -> str:
        """Find or create the pull request of a pushed branch and return its address."""
        for left in range(_TRIES - 1, -1, -1):
            found = self.of(change.branch)
            try:
                data = self._updated(found, change) if found else self._created(change, draft=change.draft)
            except Limited:
                raise
            except (Invalid, Unreachable) as error:
                # Somebody else, or a request of ours whose answer was lost, may have made it: look again.
                lost = isinstance(error, Unreachable) or "already exists" in error.said
                if not left or not lost:
                    raise
                self._owner = str(self._rest.get(self._at)["owner"]["login"])  # it may have a new one
            else:
                return str(data["html_url"])
        raise AssertionError

    def _created(self, change: Change, *, draft: bool) -> dict[str, Any]:
        body = {"title": _title(change), "head": change.branch, "base": change.base, "draft": draft,
                "body": marks.section(change.body, _facts(change))}  # fmt: skip
        try:
            data: dict[str, Any] = self._rest.send("POST", f"{self._at}/pulls", body)
        except Invalid as error:
            if not draft or "draft" not in error.said.lower():
                raise
            return self._created(change, draft=False)  # this repository's plan has no drafts
        return data

    def _updated(self, found: dict[str, Any], change: Change) -> dict[str, Any]:
        """Bring our section up to date, and the title where it is still ours."""
        text = str(found.get("body") or "")
        facts, _ = marks.read(text)
        body = marks.replaced(text, marks.section(change.body, _facts(change)))
        title = _title(change) if facts.get("title") == found["title"] else found["title"]
        if (body, title) == (text, found["title"]):
            return found
        data: dict[str, Any] = self._rest.send(
            "PATCH", f"{self._at}/pulls/{found['number']}", {"title": title, "body": body}
        )
        return data


def _title(change: Change) -> str:
    return one_line(change.title, _TITLE) or change.branch


def _facts(change: Change) -> dict[str, Any]:
    return {"task_id": change.task_id, "worker": change.worker, "issue": change.issue, "title": _title(change)}
