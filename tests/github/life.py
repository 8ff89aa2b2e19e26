"""A whole life on a GitHub, checked by its REST API alone: the fake's in every run, the real one's on demand."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from claude_workers import Fleet, access
from claude_workers.errors import NotFound
from claude_workers.forge.github.rest import Rest
from claude_workers.model import Repository

_SCRIPT = [
    {"run": "echo life >> LIFE && git add LIFE && git commit -qm 'Add a line'"},
    {"text": "Added a line."},
]


def live(repo: str) -> None:
    """File an issue, have it worked on, check what appeared, and leave nothing open behind."""
    rest = Rest(access.origin(Repository(repo, f"{access.server()}/{repo}.git")).access)
    at = f"/repos/{repo}"
    body = f"Played by the stand-in agent.\n```stand-in\n{json.dumps(_SCRIPT)}\n```"
    number = rest.send("POST", f"{at}/issues", {"title": "A whole life", "body": body})["number"]
    fleet = Fleet()
    fleet.init("01")
    with _closed(rest, f"{at}/issues/{number}"):
        fleet.dispatch("01", repo, number)
        assert "worker:01" in _labels(rest, at, number)
        [receipt] = fleet.watch(["01"], timeout=120)
        assert receipt.outcome == "pull_request", receipt
        pull = rest.get(f"{at}/pulls/{receipt.pull_request.rpartition('/')[2]}")
        with _closed(rest, f"{at}/pulls/{pull['number']}"):
            assert pull["head"]["sha"] == receipt.head
            assert f"Fixes #{number}" in pull["body"]
            assert _labels(rest, at, number) == {"pull-request"}
            comments = list(rest.pages(f"{at}/issues/{number}/comments"))
            assert [receipt.pull_request in one["body"] for one in comments] == [True]
            assert rest.get(f"{at}/git/matching-refs/claude-workers/claims/issue-{number}") == []
            assert fleet.orphans() == ([], [])
        with contextlib.suppress(NotFound):
            rest.send("DELETE", f"{at}/git/refs/heads/{quote(receipt.branch)}")


@contextlib.contextmanager
def _closed(rest: Rest, path: str) -> Iterator[None]:
    """Close an issue or pull request however the block ends."""
    try:
        yield
    finally:
        rest.send("PATCH", path, {"state": "closed"})


def _labels(rest: Rest, at: str, number: int) -> set[str]:
    issue: dict[str, Any] = rest.get(f"{at}/issues/{number}")
    return {one["name"] for one in issue["labels"]}
