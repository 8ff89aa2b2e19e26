"""What an agent is told: its turn's message, then what people say, from the inbox, marked once it is replayed."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import threading
from typing import IO, TYPE_CHECKING

from claude_workers.errors import Busy
from claude_workers.home import inbox

if TYPE_CHECKING:
    from claude_workers.model import Json, Message
    from claude_workers.runner.run import Run


class Told:
    """Writes to one agent's standard input, in a thread: one that does not read must not escape the watch."""

    def __init__(self, run: Run, pipe: IO[bytes] | None) -> None:
        self._run = run
        self._pipe = pipe
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._quiet = False
        self._hung_up = False
        self._size = -1
        self._waiting: list[Message] = []
        self._sent: set[str] = set()
        self.interrupted = False

    @property
    def waiting(self) -> bool:
        """Whether the agent does not have everything yet."""
        return bool(self._waiting)

    @property
    def only_replayed(self) -> bool:
        """Whether nothing but the inbox was sent, and the agent has all of it."""
        return self._quiet and bool(self._sent) and not self._waiting

    def begin(self, message: str) -> None:
        """Say what the turn begins with, if anything but the inbox."""
        threading.Thread(target=self._writing, daemon=True).start()
        self._quiet = not message
        if message:
            self._write(_line(message))

    def hang_up(self) -> None:
        """Let the agent see the end of its input, so that it ends, too."""
        if not self._hung_up:
            self._hung_up = True
            self._lines.put(None)

    def _write(self, line: Json) -> None:
        self._lines.put(json.dumps(line).encode("utf-8", "replace") + b"\n")

    def _writing(self) -> None:
        # An agent that ended before it listened: its exit says why.
        with contextlib.suppress(OSError, ValueError):
            while self._pipe and (line := self._lines.get()) is not None:
                self._pipe.write(line)
                self._pipe.flush()
        with contextlib.suppress(OSError, ValueError):
            if self._pipe:
                self._pipe.close()

    def forward(self) -> None:
        """Send on what is new."""
        home, task_id = self._run.home, self._run.task.task_id
        with contextlib.suppress(FileNotFoundError):
            size = os.stat(inbox.path(home, task_id)).st_size
            if size != self._size:
                self._waiting = inbox.waiting(home, task_id)
                self._size = size
        for one in self._waiting:
            if one.id not in self._sent:
                self._sent.add(one.id)
                self._send(one)

    def _send(self, message: Message) -> None:
        if message.interrupt:
            # What Claude Code answers with is an error's result: the turn that was stopped (2.1.197).
            self.interrupted = True
            request = {"subtype": "interrupt"}
            self._write({"type": "control_request", "request_id": message.id, "request": request})
        self._write(_line(message.text, message.id))

    def replayed(self, event: Json) -> bool:
        """Mark the message that an event replays; return whether it was one."""
        known = event.get("type") == "user" and event.get("isReplay") and event.get("uuid") in self._sent
        if not known:
            return False
        with contextlib.suppress(Busy):  # then it is sent again, and Claude Code knows it by its id
            inbox.deliver(self._run.home, self._run.task.task_id, str(event["uuid"]))
        self._waiting = [one for one in self._waiting if one.id != event["uuid"]]
        self.interrupted = False
        return True


def _line(text: str, message_id: str | None = None) -> Json:
    """Return a person's message as Claude Code's standard input takes it."""
    line: Json = {"type": "user", "message": {"role": "user", "content": [{"type": "text", "text": text}]}}
    return {**line, "uuid": message_id} if message_id else line
