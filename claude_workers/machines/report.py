"""The report: what a machine carries out of its worker's row, receipt, log and history, when it has changed."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import sys
import time
from typing import TYPE_CHECKING

from claude_workers.errors import BadInput, WorkersError
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
# What of a receipt that is too long is left out, first this, then that.
_SHORTENED = (
    ("denials", "untracked", "unchecked", "gate_changes", "blocked_hosts", "notes"),
    ("files_changed", "answer"),
    ("reason", "usage"),
)


class Report:
    """What is known outside of one worker. `over` is why its machine had to end, "" when it had not."""

    def __init__(self, layout: Layout, worker: str, outbox: Outbox) -> None:
        self._layout, self._worker, self._outbox = layout, worker, outbox
        self._told: dict[str, str] = {}
        self._at: dict[str, float] = {}
        self._standing = ""
        self.over = ""

    def answer(self, told: Json) -> bool:
        """Leave the answer to the request; tell whether it is left. One that is refused is made shorter."""
        last = {**told, "out": told["out"][-1:], "stderr": ""}
        none = {**told, "out": [], "stderr": "the answer was too long to be carried out"}
        for short in (_short_answer(told), words.packed(last), words.packed(none)):
            try:
                self._outbox.put({words.ANSWER: short})
            except BadInput as error:
                print(f"the answer is not carried out: {error}", file=sys.stderr)
            except (WorkersError, OSError) as error:
                print(f"the answer is not carried out: {error}", file=sys.stderr)
                return False
            else:
                return True
        return False

    def carry(self, row: WorkerStatus | None, spent: Mapping[str, float]) -> None:
        """Tell what has changed, when it is time to."""
        if row is None:
            if self._due(words.ROW, _PROGRESS):
                self._put({words.ROW: ""})  # there is no home, or not any more
            return
        standing = f"{row.state} {row.phase} {row.task_id} {row.attempt} {row.reason}"
        if standing != self._standing and row.state != "busy":
            # Whoever sees that it is over finds how it ended.
            self._standing = standing if self.last(row, spent) else ""
            return
        told: dict[str, str] = {}
        if standing != self._standing or self._due(words.ROW, _PROGRESS):
            told |= {words.ROW: _packed_row(row)}
        if self._due(words.TAIL, _TAIL):
            told |= {words.TAIL: self._tail(), words.SPENT: words.packed(dict(spent))}
        if self._put(told) and words.ROW in told:
            self._standing = standing

    def last(self, row: WorkerStatus | None, spent: Mapping[str, float]) -> bool:
        """Tell all there is; return whether all of it was told."""
        told = {words.SPENT: words.packed(dict(spent)), words.ROW: ""}
        if row is not None:
            told |= {words.RECEIPT: self._receipt(), words.PAST: self._past(), words.TAIL: self._tail()}
            # Of texts that are left one by one, what says that it is over comes last.
            del told[words.ROW]
            told |= {words.ROW: _packed_row(row)}
        return self._put(told)

    def _due(self, name: str, seconds: float) -> bool:
        return time.monotonic() - self._at.get(name, -seconds) >= seconds

    def _put(self, told: Mapping[str, str]) -> bool:
        """Leave texts where they are others than before; tell whether all are left, or refused for good."""
        self._at |= dict.fromkeys(told, time.monotonic())
        fresh = {name: text for name, text in told.items() if self._told.get(name) != text}
        if not fresh:
            return True
        try:
            self._outbox.put(fresh)
        except BadInput as error:
            if len(fresh) > 1:
                return min([self._put({name: text}) for name, text in fresh.items()])
            print(f"{', '.join(fresh)} is refused: {error}", file=sys.stderr)
        except (WorkersError, OSError) as error:
            print(f"{', '.join(fresh)} not carried out: {error}", file=sys.stderr)
            return False
        self._told |= fresh
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
        for names in _SHORTENED:
            if len(text) <= words.MOST:
                break
            kept: Json = receipt if isinstance(receipt, dict) else {}
            receipt = {name: type(value)() if name in names else value for name, value in kept.items()}
            task = {**task, "prompt": "", "options": {}, "receipt": receipt}
            text = words.packed({"task": task})
        return text

    def _past(self) -> str:
        with contextlib.suppress(WorkersError):
            chapters = history.history(self._layout, [self._worker], None)[-_CHAPTERS:]
            return words.fitting({"chapters": [{**one.to_json(), "reason": cut(one.reason, 120)} for one in chapters]})
        return words.packed({"chapters": []})


def _packed_row(row: WorkerStatus) -> str:
    """Return a row without what is empty or changes by itself; of a long one, the beginning of its texts and lists."""
    for width, count in ((_TEXT, 50), (80, 5), (40, 0)):
        lists = {
            "blocked_hosts": row.blocked_hosts[:count],
            "questions": [cut(one, width) for one in row.questions[:count]],
        }
        texts = {name: cut(getattr(row, name) or "", width) or None for name in ("last_text", "activity", "reason")}
        short = dataclasses.replace(row, elapsed_s=None, **lists, **texts)  # type: ignore[arg-type]
        text = words.packed({name: value for name, value in short.to_json().items() if value not in (None, "", [], {})})
        if len(text) <= words.MOST:
            break
    return text


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
