"""The verbs of another machine that take more than a question and an answer: rows, watching, logs, dispatch."""

from __future__ import annotations

import dataclasses
import getpass
import json
import socket
import time
import uuid
from typing import TYPE_CHECKING, Any

from claude_workers import config, names
from claude_workers.errors import BadInput, Unreachable
from claude_workers.hosts.line import Dropped
from claude_workers.hosts.wire import AnyRecord, Wire
from claude_workers.model import Assigned, LogEvent, Receipt, Task, WorkerStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from claude_workers.pool.keep import Kept
    from claude_workers.pool.watch import Lost

# For so long (seconds) a line that went dead is tried again, so often.
_GIVEN_UP = 120.0
_AGAIN = 1.0
_EVERY_LINE = "1000000000"
_OPTIONS = {"expect": "--expect", "base": "--base", "model": "--model", "isolation": "--isolation",
            "budget_usd": "--budget", "max_turns": "--max-turns", "prompt_template": "--prompt-template"}  # fmt: skip


def _me() -> str:
    """Return who asks: a user and this machine."""
    return f"{getpass.getuser()}@{config.load().host_name or socket.gethostname()}"


def _spoken(wishes: dict[str, Any]) -> list[str]:
    """Return the options that say wishes."""
    words = [word for name, option in _OPTIONS.items() if wishes.get(name) is not None
             for word in (option, str(wishes[name]))]  # fmt: skip
    return [*words, *(["--time-limit", f"{wishes['time_limit']}s"] if wishes.get("time_limit") is not None else [])]


class There(Wire):
    """One host that keeps workers; every answer names it."""

    def status(self, workers: Sequence[str]) -> list[WorkerStatus]:
        """Return a row for each worker asked for, or for all."""
        rows = self.records(WorkerStatus, "workers", "status", "--no-forge", *workers)
        return [dataclasses.replace(row, host=self.host.name) for row in rows]

    def init(
        self, workers: Sequence[str], credentials: str | None, label: str | None, golden: str | None = None
    ) -> None:
        """Make homes; unless told otherwise they pay with the set that hosts.toml names for the host."""
        chosen = credentials or self.host.credential_set
        given = {"--credentials": chosen, "--worker-label": label, "--golden": golden}
        words = [word for name, value in given.items() if value for word in (name, value)]
        try:
            self.ask("init", *workers, *words)
        except BadInput as error:
            if f"[credentials.{chosen}]" not in error.message:
                raise
            remedy = f"claude-workers host push-credentials {self.host.name} {chosen}"
            raise BadInput(error.message, remedy) from error

    def keep_credentials(self, sent: dict[str, dict[str, str]], *, force: bool) -> Kept:
        """Have credential sets kept there; `sent` holds secrets, by the names of sets and keys."""
        from claude_workers.pool.keep import Kept  # noqa: PLC0415  start-up cost

        words = ["host", "keep-credentials", *(["--force"] if force else [])]
        return self.record(Kept, "kept", *words, stdin=json.dumps(sent).encode())

    def addressed(self, record: AnyRecord) -> AnyRecord:
        """Return a record whose worker is named as it is here."""
        return dataclasses.replace(record, worker=f"{self.host.name}/{record.worker}")  # type: ignore[attr-defined, type-var]

    def dispatch(self, worker: str, repo: str, issue: int | None, prompt: str, **wishes: Any) -> tuple[Task, bool]:  # noqa: ANN401
        """Give a worker a task; return it, and whether it is new.

        The task is named here, so that asking again over a new line, when one died, does nothing twice.
        """
        self._check_path(repo)
        words = ["dispatch", worker, repo, *([str(issue)] if issue is not None else []), *(["-"] if prompt else [])]
        words += ["--no-stdin"] if not prompt else []
        words += [*_spoken(wishes), *(["--trust-author"] if wishes.get("trust_author") else [])]
        words += ["--requested-by", _me(), *self._most()]
        given = wishes.get("task_id")
        words += ["--task-id", str(given or uuid.uuid4()), *([] if given else ["--same"])]
        answer = self._give(worker, words, prompt.encode("utf-8", "replace"), wishes)
        task = Task.from_json(answer["task"])
        return self.addressed(task), bool(answer["new"])

    def _give(self, worker: str, words: list[str], stdin: bytes, wishes: dict[str, Any]) -> dict[str, Any]:
        """Say the words of a dispatch to a worker, and return the answer."""
        del worker
        if wishes.get("size"):
            raise BadInput(f"host {self.host.name} has one size: its own", "leave --size away")
        return self._again(lambda: self.ask(*words, stdin=stdin))

    def assign(self, repo: str, issues: Sequence[int], label: str | None, wishes: dict[str, Any]) -> list[Assigned]:
        """Give issues, or those under a label, to idle workers there; return what became of each."""
        self._check_path(repo)
        words = [*map(str, issues), *(["--label", label] if label else []), *_spoken(wishes), *self._most()]
        answer = self.ask("assign", repo, *words)
        return [self.addressed(one) if one.worker else one for one in map(Assigned.from_json, answer["assigned"])]

    def _most(self) -> list[str]:
        return ["--most", str(self.host.max_workers)] if self.host.max_workers is not None else []

    def _check_path(self, repo: str) -> None:
        if names.is_path(repo) and not repo.startswith(("/", "~")):
            raise BadInput(f"{repo} is a path of this machine", f"name one of {self.host.name}, absolute or below ~")

    def watch(self, workers: Sequence[str], *, first: bool, timeout: float | None) -> list[Receipt | Lost]:
        """Wait for tasks to end; return the receipts, and why there is none of the others."""
        deadline = None if timeout is None else time.monotonic() + timeout

        def ask() -> dict[str, Any]:
            left = [] if deadline is None else ["--timeout", f"{max(deadline - time.monotonic(), 0):.1f}s"]
            return self.ask("watch", *workers, *(["--any"] if first else []), *left)

        answer = self._again(ask)
        from claude_workers.pool.watch import Lost  # noqa: PLC0415  start-up cost

        lost = [Lost(f"{self.host.name}: {one['message']}", self.told(one["remedy"])) for one in answer["errors"]]
        ended = [Receipt.from_json(one) for one in answer["receipts"]]
        return [*map(self.addressed, ended), *lost]

    def events(self, worker: str, *, since: str | None, follow: bool) -> Iterator[LogEvent]:
        """Yield every line of a task's log; over a new line, when one died, from the last cursor on."""
        # A line of the log may be several events: `seen` counts those of the one behind `cursor`.
        cursor, current, seen = since, since, 0
        tried, dropped = 0.0, False
        while True:
            begin = ["--since", cursor] if cursor else ["--lines", _EVERY_LINE]
            again = seen
            try:
                for answer in self.stream("logs", worker, *begin, *(["--follow"] if follow else [])):
                    tried = 0.0
                    if again:
                        again -= 1
                        continue
                    event = LogEvent.from_json(answer)
                    if event.cursor != current:
                        cursor, current, seen = current, event.cursor, 0
                    seen += 1
                    yield event
            except Unreachable as error:
                tried = tried or time.monotonic()
                dropped = dropped or isinstance(error, Dropped)
                if not dropped or time.monotonic() - tried > _GIVEN_UP:
                    raise
                time.sleep(_AGAIN)
            else:
                return

    def _again(self, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Ask; when the line dies over it ask on a new one, what was asked having been made to bear that."""
        began: float | None = None
        while True:
            try:
                return ask()
            except Unreachable as error:
                if began is None and not isinstance(error, Dropped):
                    raise  # nothing was begun
                # Each line that was good for a while is a new beginning.
                good = isinstance(error, Dropped) and error.begun
                began = time.monotonic() if began is None or good else began
                if time.monotonic() - began > _GIVEN_UP:
                    if isinstance(error, Dropped):
                        raise
                    raise Dropped(error.message, error.remedy).unsure() from error
                time.sleep(_AGAIN)
