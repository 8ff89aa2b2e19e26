"""A pull request under review: what fails on its head, and what people who may write want changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from claude_workers.errors import NotFound, Refused, Unreachable
from claude_workers.model import Check, Remark, Review
from claude_workers.text import one_line, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_workers.forge.github.pulls import Pulls
    from claude_workers.forge.github.rest import Rest
    from claude_workers.forge.github.trust import Trust

_FAILED = frozenset({"failure", "timed_out", "startup_failure", "error"})
_WANTING = frozenset({"CHANGES_REQUESTED", "COMMENTED"})
_LOG = 200_000  # bytes of a log's end that are handed over
_ACTIONS = "github-actions"


class Reviews:
    """Reads how the pull requests of one repository fare; what was `heard` before is left out."""

    def __init__(self, rest: Rest, at: str, trust: Trust) -> None:
        self._rest = rest
        self._at = at
        self._trust = trust

    def read(self, pulls: Pulls, number: int, heard: frozenset[str]) -> Review:
        """Return a pull request's review; NotFound when there is no such pull request."""
        data = pulls.number(number)
        change = pulls.change(data)
        state = "merged" if data.get("merged") else str(data["state"])
        if state != "open":
            return Review(change, str(data["html_url"]), state)
        runs = list(self._rest.pages(f"{self._at}/commits/{change.head}/check-runs", "check_runs"))
        statuses = self._rest.get(f"{self._at}/commits/{change.head}/status")
        waits = any(one["status"] != "completed" for one in runs)
        waits |= any(one["state"] == "pending" for one in statuses["statuses"])
        failing = [*self._runs(runs, heard), *_statuses(statuses["statuses"], change.head, heard)]
        return Review(
            change,
            str(data["html_url"]),
            state,
            failing=failing,
            remarks=[one for one in self._remarks(number) if one.key not in heard],
            pending=waits,
        )

    def _runs(self, runs: list[dict[str, Any]], heard: frozenset[str]) -> Iterator[Check]:
        for one in runs:
            key = f"check:{one['id']}"
            if one.get("conclusion") in _FAILED and key not in heard:
                told = one.get("output") or {}
                words = [str(told.get(name) or "") for name in ("title", "summary", "text")]
                summary = visible("\n".join(word for word in words if word))
                yield Check(key, one_line(str(one["name"])), str(one["conclusion"]), summary, self._log(one))

    def _log(self, run: dict[str, Any]) -> str:
        """Return the end of what a check printed, where GitHub ran it, and what it says of lines."""
        lines = []
        if (run.get("app") or {}).get("slug") == _ACTIONS:
            try:
                # A check run of Actions has the id of its job (docs.github.com/rest/checks/runs).
                end = self._rest.download(f"{self._at}/actions/jobs/{run['id']}/logs", _LOG)
                lines.append(end.decode("utf-8", "replace"))
            except (NotFound, Refused, Unreachable) as error:
                lines.append(f"(its log could not be had: {error.message})")
        if (run.get("output") or {}).get("annotations_count"):
            notes = self._rest.pages(f"{self._at}/check-runs/{run['id']}/annotations")
            lines += [f"{one.get('path')}:{one.get('start_line')}: {one.get('message')}" for one in notes]
        return visible("\n".join(lines))

    def _remarks(self, number: int) -> Iterator[Remark]:
        for one in self._rest.pages(f"{self._at}/pulls/{number}/reviews"):
            body = visible(str(one.get("body") or "")).strip()
            if one["state"] in _WANTING and body and self._trust.writes(one.get("user")):
                yield Remark(f"review:{one['id']}", str(one["user"]["login"]), body)
        for one in self._rest.pages(f"{self._at}/pulls/{number}/comments"):
            if self._trust.writes(one.get("user")):
                place = f"{one['path']}:{one.get('line') or one.get('original_line') or '?'}"
                body = visible(str(one["body"])).strip()
                yield Remark(f"comment:{one['id']}", str(one["user"]["login"]), body, place)


def _statuses(statuses: list[dict[str, Any]], head: str, heard: frozenset[str]) -> Iterator[Check]:
    for one in statuses:
        key = f"status:{head}:{one['context']}:{one['updated_at']}"
        if one["state"] in _FAILED and key not in heard:
            yield Check(key, one_line(str(one["context"])), one["state"], visible(str(one.get("description") or "")))
