"""An issue of GitHub's as a task may have it: what people with write access said, nothing hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from claude_workers.errors import BadInput, NotFound, Refused
from claude_workers.forge.github.trust import AGAIN, Trust
from claude_workers.model import Comment, Issue
from claude_workers.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_workers.forge.github.rest import Rest


class Issues:
    """Reads the issues of the repository at a path of the API."""

    def __init__(self, rest: Rest, at: str, approval: str | None) -> None:
        self._rest = rest
        self._at = at
        self._approval = approval
        self.trust = Trust(rest, at)

    def read(self, number: int, *, vouched: bool) -> Issue:
        """Return an issue and those of its comments that may be a prompt.

        Refused when its author has no write access, nobody approved it and the caller does not vouch
        for the author; BadInput for a pull request; NotFound.
        """
        data = self.raw(number)
        if data.get("pull_request"):
            raise BadInput(f"{number} is a pull request", f"name an issue, or claude-workers follow REPO {number}")
        author = data.get("user")
        approved = None if vouched or self.trust.writes(author) else self._approved(data)
        if not (vouched or approved or self.trust.writes(author)):
            raise Refused(f"issue {number} is by {_login(author)}, who has no write access", self._remedy())
        trusted = _login(author) if vouched and author else ""
        comments, left_out = self._comments(data, approved, trusted)
        return Issue(
            number=number,
            title=visible(str(data["title"])),
            body=visible(str(data.get("body") or "")),
            author=_login(author),
            url=str(data["html_url"]),
            state=str(data["state"]),
            labels=[visible(name) for name in label_names(data)],
            comments=comments,
            locked=bool(data.get("locked")),
            left_out=left_out,
        )

    def raw(self, number: int) -> dict[str, Any]:
        """Return an issue as GitHub tells it; NotFound with the issue's name when there is none."""
        try:
            found: dict[str, Any] = self._rest.get(f"{self._at}/issues/{number}")
        except NotFound as error:
            name = self._at.removeprefix("/repos/")
            raise NotFound(f"{name} has no issue {number}, or not for this token", error.remedy) from error
        return found

    def comments(self, number: int, since: str = "") -> Iterator[dict[str, Any]]:
        """Yield an issue's comments as GitHub tells them, oldest first."""
        query = {"since": since} if since else {}
        return self._rest.pages(f"{self._at}/issues/{number}/comments", **query)

    def _approved(self, data: dict[str, Any]) -> str | None:
        """Return when an issue was approved as it stands; None when it was not; Refused if changed since."""
        if not self._approval or self._approval.lower() not in {one.lower() for one in label_names(data)}:
            return None
        number = int(data["number"])
        approved = self.trust.approved_at(number, self._approval)
        owner, name = self._at.split("/")[2:4]
        edited = self.trust.edited_at(owner, name, number) if approved else None
        if approved and edited and edited >= approved:
            raise Refused(
                f"issue {number} was edited after it was approved",
                AGAIN.format(label=self._approval),
            )
        return approved

    def _comments(self, data: dict[str, Any], approved: str | None, trusted: str) -> tuple[list[Comment], int]:
        """Return the comments that may be read, and how many are left out."""
        kept: list[Comment] = []
        left_out = 0
        for one in self.comments(int(data["number"])) if data.get("comments") else ():
            user = one.get("user")
            seen = approved is not None and str(one["updated_at"]) < approved
            if seen or (trusted and _login(user) == trusted) or self.trust.writes(user):
                kept.append(Comment(_login(user), visible(str(one.get("body") or "")).rstrip(), str(one["created_at"])))
            else:
                left_out += 1
        return kept, left_out

    def _remedy(self) -> str:
        label = f"label it {self._approval}" if self._approval else "set approval_label in config.toml and label it so"
        return f"read it, then {label}, or vouch for its author with --trust-author"


def label_names(data: dict[str, Any]) -> list[str]:
    """Return the names of an issue's labels."""
    return [str(one["name"]) if isinstance(one, dict) else str(one) for one in data.get("labels", [])]


def _login(user: dict[str, Any] | None) -> str:
    return str(user.get("login") or "ghost") if user else "ghost"
