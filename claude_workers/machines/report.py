"""The report: what a machine carries out of its worker's row, receipt, log and history, when it has changed."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import sys
import time
from typing import TYPE_CHECKING

from claude_workers.errors import WorkersError
from claude_workers.home import archive
from claude_workers.home.home import find
from claude_workers.machines import words
from claude_workers.model.record import cut
from claude_workers.pool import history, logs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from claude_workers.machines.outbox import Outbox
    from claude_workers.model import Json, WorkerStatus
    from claude_workers.paths import Layout

# Seconds between two reports of mere progress; a new state or phase is told at once.
_PROGRESS, _TAIL = 10.0, 30.0
_TEXT, _EVENTS, _CHAPTERS = 300, 40, 20


class Report:
    """What is known outside of one worker. `over` is why its machine had to end, "" when it had not."""

    def __init__(self, layout: Layout, worker: str, outbox: Outbox) -> None:
        self._layout, self._worker, self._outbox = layout, worker, outbox
        self._told: dict[str, str] = {}
        self._at: dict[str, float] = {}
        self._standing = ""
        self.over = ""

    def answer(self, told: Json) -> None:
        """Leave the answer to the request, tried until it is left."""
        text = _short_answer(told)
        while not self._put(words.ANSWER, text):
            time.sleep(1.0)

    def carry(self, row: WorkerStatus | None, spent: Mapping[str, float]) -> None:
        """Tell what has changed, when it is time to."""
        if row is None:
            return
        standing = f"{row.state} {row.phase} {row.task_id} {row.attempt}"
        if standing != self._standing and row.state != "busy":
            # Whoever sees that it is over finds how it ended.
            self._standing = standing if self.last(row, spent) else ""
            return
        due = standing != self._standing or self._due(words.ROW, _PROGRESS)
        if due and self._put(words.ROW, words.packed(_small(row))):
            self._standing = standing
        if self._due(words.TAIL, _TAIL):
            self._put(words.TAIL, self._tail())
            self._put(words.SPENT, words.packed(dict(spent)))

    def last(self, row: WorkerStatus | None, spent: Mapping[str, float]) -> bool:
        """Tell all there is; return whether all of it was told."""
        told = {words.SPENT: words.packed(dict(spent))}
        if row is not None:
            told |= {words.RECEIPT: self._receipt(), words.PAST: self._past(), words.TAIL: self._tail()}
            # What says that it is over comes last.
            told |= {words.ROW: words.packed(_small(row))}
        return {self._put(name, text) for name, text in told.items()} == {True}

    def _due(self, name: str, seconds: float) -> bool:
        return time.monotonic() - self._at.get(name, -seconds) >= seconds

    def _put(self, name: str, text: str) -> bool:
        """Leave a text where it is another than before; tell whether it is left."""
        self._at[name] = time.monotonic()
        if self._told.get(name) == text:
            return True
        try:
            self._outbox.put(name, text)
        except (WorkersError, OSError) as error:
            print(f"{name} is not carried out: {error}", file=sys.stderr)
            return False
        self._told[name] = text
        return True

    def _tail(self) -> str:
        last: collections.deque[Json] = collections.deque(maxlen=_EVENTS)
        with contextlib.suppress(WorkersError):
            for event in logs.events(find(self._layout, self._worker)):
                if event.kind:
                    last.append({**event.to_json(), "text": cut(event.text, _TEXT), "raw": ""})
        return words.fitting({"events": list(last)})

    def _receipt(self) -> str:
        data = archive.latest(find(self._layout, self._worker)) or {}
        task = {**data, "prompt": cut(str(data.get("prompt") or ""), _TEXT)}
        receipt = task.get("receipt")
        if isinstance(receipt, dict):
            task["receipt"] = {**receipt, "answer": cut(str(receipt.get("answer") or ""), 4 * _TEXT)}
        text = words.packed({"task": task})
        if len(text) <= words.MOST:
            return text
        lists = ("files_changed", "denials", "untracked", "unchecked", "notes", "blocked_hosts")
        kept = receipt if isinstance(receipt, dict) else {}
        short: Json = {**kept, **{one: [] for one in lists}, "answer": "", "verify": None}
        return words.packed({"task": {**task, "prompt": "", "options": {}, "receipt": short}})[: 2 * words.MOST]

    def _past(self) -> str:
        with contextlib.suppress(WorkersError):
            chapters = history.history(self._layout, [self._worker], None)[-_CHAPTERS:]
            return words.fitting({"chapters": [{**one.to_json(), "reason": cut(one.reason, 120)} for one in chapters]})
        return words.packed({"chapters": []})


def _small(row: WorkerStatus) -> Json:
    """Return a row without what is empty, or changes by itself."""
    short = dataclasses.replace(row, elapsed_s=None, last_text=cut(row.last_text or "", _TEXT) or None)
    return {name: value for name, value in short.to_json().items() if value not in (None, "", [], {})}


def _short_answer(told: Json) -> str:
    text = words.packed(told)
    if len(text) <= words.MOST:
        return text
    # The prompt of a task comes back with it, and whoever asks has it.
    out = []
    for one in told["out"]:
        with contextlib.suppress(ValueError):
            data = json.loads(one)
            if isinstance(data, dict) and isinstance(data.get("task"), dict):
                data["task"]["prompt"] = cut(str(data["task"].get("prompt") or ""), _TEXT)
            out.append(json.dumps(data))
    return words.packed({**told, "out": out})
