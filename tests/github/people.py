"""People: what they do in issues and pull requests by hand, without a request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tests.github import bare, comments, issues, labels, pulls, reviews
from tests.github.issue_shapes import touch
from tests.github.pull_records import Annotation, CheckRun, Review, ReviewComment, Status
from tests.github.records import Comment, Issue
from tests.github.state import State

_PAST = {"approve": "APPROVED", "request_changes": "CHANGES_REQUESTED", "comment": "COMMENTED"}


class People:
    """The web pages; every method takes effect at once, whoever is named."""

    def __init__(self, state: State) -> None:
        self.state = state

    def issue(self, full_name: str, number: int) -> Issue:
        """Return the record of an issue or pull request."""
        one = self.state.repository(full_name)
        pulls.refresh(self.state, one)
        return self.state.issue(one, number)

    def file_issue(
        self, full_name: str, author: str, title: str, body: str | None = "", labels: Iterable[str] = ()
    ) -> int:
        """File an issue and return its number."""
        with self.state.lock:
            one = self.state.repository(full_name)
            made = issues.file(self.state, one, author, title, body)
            for name in labels:
                self.add_label(full_name, made.number, name, author)
            return made.number

    def comment(self, full_name: str, number: int, author: str, body: str) -> int:
        """Write a comment and return its number."""
        with self.state.lock:
            return comments.add(self.state, self.issue(full_name, number), author, body).id

    def edit_comment(self, full_name: str, comment: int, body: str) -> None:
        """Change a comment."""
        with self.state.lock:
            found = comments.find(self.state.repository(full_name), comment)
            assert found
            comments.edit(self.state, found, body)

    def comments(self, full_name: str, number: int) -> list[Comment]:
        """Return an issue's comments."""
        return list(self.issue(full_name, number).comments)

    def close(self, full_name: str, number: int, actor: str | None = None, reason: str = "completed") -> None:
        """Close an issue or a pull request."""
        with self.state.lock:
            issues.close(self.state, self.issue(full_name, number), self._actor(full_name, actor), reason=reason)

    def reopen(self, full_name: str, number: int, actor: str | None = None) -> None:
        """Open an issue again."""
        with self.state.lock:
            issues.reopen(self.state, self.issue(full_name, number), self._actor(full_name, actor))

    def delete_issue(self, full_name: str, number: int) -> None:
        """Delete an issue: its number is gone for good."""
        with self.state.lock:
            self.state.repository(full_name).issues[number] = None

    def lock(self, full_name: str, number: int, actor: str | None = None) -> None:
        """Lock a conversation."""
        with self.state.lock:
            found = self.issue(full_name, number)
            found.locked = True
            touch(self.state, found, "locked", self._actor(full_name, actor), lock_reason=None)

    def edit_issue(
        self, full_name: str, number: int, body: str | None = None, title: str | None = None, actor: str | None = None
    ) -> None:
        """Change an issue's text, which is remembered as an edit, or its title."""
        with self.state.lock:
            issues.edit(
                self.state, self.issue(full_name, number), self._actor(full_name, actor), title=title, body=body
            )

    def add_label(self, full_name: str, number: int, name: str, actor: str | None = None) -> None:
        """Put a label on an issue, made where it is new."""
        with self.state.lock:
            one = self.state.repository(full_name)
            labels.put_on(self.state, one, self.issue(full_name, number), [name], self._actor(full_name, actor))

    def remove_label(self, full_name: str, number: int, name: str, actor: str | None = None) -> None:
        """Take a label off an issue."""
        with self.state.lock:
            found, label = self.issue(full_name, number), labels.find(self.state.repository(full_name), name)
            assert label
            labels.take_off(self.state, found, [label], self._actor(full_name, actor))

    def react(self, full_name: str, number: int, login: str, content: str) -> None:
        """React to an issue."""
        with self.state.lock:
            comments.react(self.state, self.issue(full_name, number).reactions, login, content)

    def open_pull(self, full_name: str, author: str, head: str, title: str, **more: Any) -> int:
        """Open a pull request and return its number; `base`, `body` and `draft` may be given."""
        with self.state.lock:
            one = self.state.repository(full_name)
            base = more.get("base", one.default_branch)
            made, pull = pulls.open_pull(self.state, one, author, head, base)
            made.title, made.body, pull.draft = title, more.get("body", ""), more.get("draft", False)
            return made.number

    def ready(self, full_name: str, number: int) -> None:
        """Turn a draft into a pull request that is ready for review."""
        with self.state.lock:
            found = self.issue(full_name, number)
            assert found.pull
            found.pull.draft = False
            touch(self.state, found, "ready_for_review", found.author)

    def review(  # noqa: PLR0913  a review has this many parts
        self,
        full_name: str,
        number: int,
        author: str,
        state: str,
        body: str = "",
        inline: Sequence[reviews.Inline] = (),
    ) -> int:
        """Write a review and return its number.

        The state is APPROVED, CHANGES_REQUESTED, COMMENTED, DISMISSED or PENDING, or one of the words
        approve, request_changes and comment. Each inline comment is a path, a line and a text.
        """
        with self.state.lock:
            found = self.issue(full_name, number)
            assert found.pull
            known, now = _PAST.get(state.lower(), state), self.state.now()
            made = Review(self.state.id(), author, known, body, found.pull.sha, now)
            return reviews.write(self.state, found, made, inline).id

    def reviews(self, full_name: str, number: int) -> tuple[list[Review], list[ReviewComment]]:
        """Return a pull request's reviews and the comments on its lines."""
        pull = self.issue(full_name, number).pull
        assert pull
        return list(pull.reviews), list(pull.comments)

    def merge(self, full_name: str, number: int, actor: str | None = None, method: str = "merge") -> str:
        """Merge a pull request and return the commit."""
        with self.state.lock:
            one = self.state.repository(full_name)
            return pulls.merge(self.state, one, self.issue(full_name, number), self._actor(full_name, actor), method)

    def check_run(
        self, full_name: str, sha: str, name: str, conclusion: str | None = "success", summary: str | None = None,
        **more: Any,
    ) -> int:  # fmt: skip
        """Put a check run on a commit and return its number, which is its job's too.

        Without a conclusion it is in progress. `title`, `text`, `log`, `app`, `status` and
        `annotations`, each a path, a line and a message, may be given.
        """
        with self.state.lock:
            one, now = self.state.repository(full_name), self.state.now()
            remarks = [Annotation(*remark) for remark in more.pop("annotations", ())]
            status = more.pop("status", "completed" if conclusion else "in_progress")
            made = CheckRun(
                self.state.id(), self._sha(full_name, sha), name, status, conclusion, more.pop("title", name), summary,
                now, now if conclusion else None, annotations=remarks, **more,
            )  # fmt: skip
            one.runs.append(made)
            return made.id

    def status(self, full_name: str, sha: str, context: str, state: str, description: str | None = None) -> None:
        """Set a commit's status: error, failure, pending or success."""
        with self.state.lock:
            one, now = self.state.repository(full_name), self.state.now()
            found = self._sha(full_name, sha)
            made = Status(self.state.id(), found, state, context, description, None, one.owner, now)
            one.statuses.append(made)

    def _actor(self, full_name: str, actor: str | None) -> str:
        """Return who acts: the owner where nobody is named."""
        return actor or self.state.repository(full_name).owner

    def _sha(self, full_name: str, name: str) -> str:
        found = bare.resolve(self.state.repository(full_name).bare, name)
        assert found, f"{full_name} has no commit {name}"
        return found
