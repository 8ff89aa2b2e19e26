"""GitHub as a forge: the seam's verbs for one repository."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING
from urllib.parse import quote

from claude_workers import config, files
from claude_workers.errors import Limited, NoCredentials, NotFound, Refused, Unreachable
from claude_workers.forge.github import marks, talk
from claude_workers.forge.github.claims import OWN, Claims
from claude_workers.forge.github.faults import Invalid
from claude_workers.forge.github.issues import Issues, label_names
from claude_workers.forge.github.pulls import Pulls
from claude_workers.forge.github.rest import Rest
from claude_workers.forge.github.reviews import Reviews
from claude_workers.forge.github.rights import Rights, look
from claude_workers.model import says_taken

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from claude_workers.access import Origin
    from claude_workers.model import Change, Claim, Issue, Review, Task
    from claude_workers.paths import Layout

_PAGE = 100
_QUESTION = "question"
_COLOUR = "5319e7"
_MEANING = {
    "pull-request": "A worker's pull request awaits review",
    _QUESTION: "A worker asks a person",
    "answered": "A worker's answer awaits a person's word",
}
_TRIES = 3
_OWNERS = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})


class GitHubForge:
    """Speaks the forge seam for `owner/repo`. Not for use from several threads at once."""

    def __init__(self, layout: Layout, origin: Origin) -> None:
        self._layout = layout
        self._origin = origin
        self._at = f"/repos/{origin.name}"
        self._claims = Claims(layout, origin)
        self._heard: dict[str, tuple[str, str | None]] = {}
        self._listed: dict[str, tuple[str, list[int]]] = {}

    @functools.cached_property
    def _rest(self) -> Rest:
        return Rest(self._origin.access)

    @functools.cached_property
    def _issues(self) -> Issues:
        return Issues(self._rest, self._at, config.load(self._origin.name).approval_label)

    @functools.cached_property
    def _pulls(self) -> Pulls:
        return Pulls(self._rest, self._at, self._origin.repository.url)

    def check(self, *, issues: bool) -> None:
        """Raise what forbids tasks here: archived, no right to push, issues switched off where one is named."""
        name, access = self._origin.name, self._origin.access
        if not access.token:
            raise NoCredentials(f"there is no token for {access.server}", access.remedy)
        try:
            found = self._rest.get(self._at)
        except NotFound as error:
            raise NotFound(f"there is no repository {name}, or not for {access.shown}", error.remedy) from error
        self._at = f"/repos/{found['full_name']}"  # its name of today: it may have been renamed
        if found.get("archived") or found.get("disabled"):
            raise Refused(f"{name} is archived: nothing can be published there", "unarchive it, or name another")
        if issues and not found.get("has_issues", True):
            raise Refused(f"{name} has its issues switched off", "switch them on, or say a PROMPT with -p")
        if not (found.get("permissions") or {}).get("push"):
            raise Refused(f"{access.shown} may not push to {name}", f"claude-workers doctor --repo {name}")

    def issue(self, number: int, *, vouched: bool = False) -> Issue:
        """Return an issue with those words that may become a prompt."""
        return self._issues.read(number, vouched=vouched)

    def waiting(self, label: str) -> list[int]:
        """Return the open issues with a label that no worker is at, oldest first."""
        wanted = {"labels": label, "state": "open", "sort": "created", "direction": "asc"}
        etag, known = self._listed.get(label, ("", []))
        # Whoever asks again and again is told for nothing that nothing has changed.
        etag, first = self._rest.unless(etag, f"{self._at}/issues", per_page=_PAGE, **wanted)
        if first is None:
            return known
        listed = first if len(first) < _PAGE else self._rest.pages(f"{self._at}/issues", **wanted)
        found = [
            int(one["number"]) for one in listed
            if "pull_request" not in one and not any(says_taken(name) for name in label_names(one))
        ]  # fmt: skip
        if len(first) < _PAGE:
            self._listed[label] = (etag, found)
        return found

    def claim(self, task: Task) -> None:
        """Take the issue by creating its claim's ref."""
        if not task.issue:
            return
        self._remember(OWN)  # before the claim: one that is left behind is to be found again
        self._remember(self._claims.take(task))

    def release(self, task: Task, *, proposed: bool, merged: bool = False) -> None:  # noqa: ARG002  a pull request tells
        """Give the task's claim back."""
        if task.issue:
            self._claims.give_back(task)

    def holder(self, number: int) -> Claim | None:
        """Return who has claimed an issue."""
        return self._claims.holder(number)

    def free(self, number: int) -> None:
        """Remove the claim of an issue and the labels of workers, whoever's they are."""
        self._claims.free(number)
        at_work = [name for name in label_names(self._issues.raw(number)) if name.startswith("worker:")]
        self.label(number, remove=tuple(at_work))

    def claims(self) -> list[Claim]:
        """Return the claims that this root made and the server still has: one conditional call."""
        rest, found = Rest(self._origin.access, hurried=True), []
        for space, seen in (self._memory() or {OWN: {}}).items():
            etag, body = rest.unless(
                str(seen.get("etag") or ""), f"{self._at}/git/matching-refs/{space.removeprefix('refs/')}/issue-"
            )
            refs = seen.get("refs", []) if body is None else [[one["ref"], one["object"]["sha"]] for one in body]
            if body is not None:
                self._remember(space, etag=etag, refs=refs)
            found += [self._claims.read(sha, ref) for ref, sha in refs]
        return [one for one in found if one and one.ours]

    @property
    def _memory_file(self) -> Path:
        """Where this root remembers what it last saw of the repository's claims."""
        name = quote(self._origin.repository.url.removeprefix("https://"), safe="")
        return self._layout.claims_memory(name[-200:])

    def _remember(self, space: str, **seen: object) -> None:
        spaces = self._memory()
        if space in spaces and not seen:
            return
        files.make_private(self._layout.repositories)
        known = {**self._origin.repository.to_json(), "spaces": {**spaces, space: seen}}
        files.write_atomic(self._memory_file, json.dumps(known))

    def _memory(self) -> dict[str, dict[str, Any]]:
        """Return what was last seen in each namespace that this root has used here."""
        try:
            spaces = (files.read_json(self._memory_file) or {}).get("spaces")
        except ValueError:
            return {}
        return spaces if isinstance(spaces, dict) and all(isinstance(one, dict) for one in spaces.values()) else {}

    def label(self, number: int, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> None:
        """Put labels on an issue, made with a colour where they are missing, and take others off."""
        at = f"{self._at}/issues/{number}/labels"
        for name in add:
            self._make_label(name)
        if add:
            self._rest.send("POST", at, {"labels": list(add)}, again=True)
        for name in remove:
            try:
                self._rest.send("DELETE", f"{at}/{quote(name, safe='')}")
            except NotFound:
                continue  # it is not on the issue, which is what was asked for

    def _make_label(self, name: str) -> None:
        try:
            self._rest.get(f"{self._at}/labels/{quote(name, safe='')}")
        except NotFound:
            meaning = _MEANING.get(name, "A worker of claude-workers is at it")
            body = {"name": name, "color": _COLOUR, "description": meaning}
            try:
                self._rest.send("POST", f"{self._at}/labels", body, again=True)
            except Invalid as error:
                if "already_exists" not in error.said:
                    raise

    def comment(self, number: int, body: str, key: str) -> None:
        """Comment on an issue unless a comment of that key is there."""
        for left in range(_TRIES - 1, -1, -1):
            mine = (one for one in self._issues.comments(number) if one.get("author_association") in _OWNERS)
            if any(marks.has_key(str(one.get("body") or ""), key) for one in mine):
                return
            try:
                self._rest.send("POST", f"{self._at}/issues/{number}/comments", {"body": marks.comment(body, key)})
            except Limited:
                raise
            except Unreachable:
                if not left:
                    raise  # else the answer may have been lost, not the comment: look again
            else:
                return

    def ask(self, task: Task, question: str, key: str) -> str:
        """Ask under the issue; a task without one asks among this root's own tickets."""
        if task.issue is None:
            from claude_workers.forge.embedded import EmbeddedForge  # noqa: PLC0415  SQLite, for the rarest of paths

            return EmbeddedForge(self._layout, task.repository).ask(task, question, key)
        self.comment(task.issue, f"**A question of worker {task.worker}:** {question}\n\nAnswer by a comment.", key)
        self.label(task.issue, add=(_QUESTION,))
        return f"issue:{task.issue}"

    def answer(self, task: Task, key: str) -> str | None:
        """Return what people who may write said after the question; asked again, a conditional request."""
        number = int(task.issue or 0)
        etag, known = self._heard.get(key, ("", None))
        etag, first = self._rest.unless(etag, f"{self._at}/issues/{number}/comments", per_page=_PAGE)
        if first is None:
            return known
        listed = first if len(first) < _PAGE else list(self._issues.comments(number))
        said = talk.after(listed, key, self._issues.trust.writes)
        if len(first) < _PAGE:
            self._heard[key] = (etag, said)
        if said is not None:
            self.label(number, remove=(_QUESTION,))
        return said

    def open_change(self, branch: str) -> Change | None:
        """Return the open pull request of a branch."""
        found = self._pulls.of(branch)
        return self._pulls.change(found) if found else None

    def propose(self, change: Change) -> str:
        """Find or create the branch's pull request."""
        return self._pulls.propose(change)

    def land(self, branch: str, head: str) -> None:
        """Do nothing: GitHub sees for itself that a pull request's head is in its base."""

    def review(self, number: int, heard: frozenset[str] = frozenset()) -> Review:
        """Return a pull request with what fails on its head and what people who may write said of it."""
        return Reviews(self._rest, self._at, self._issues.trust).read(self._pulls, number, heard)

    def rights(self) -> Rights:
        """Return what the token may do and what the rules forbid."""
        return look(self._rest, self._at)
