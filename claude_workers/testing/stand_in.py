#!/usr/bin/env python3
"""A stand-in agent: speaks Claude Code's stream and plays the steps written in its prompt.

It takes Claude Code's options, keeps a transcript and a task list where Claude Code keeps them, and
obeys the same session rules (a known --session-id is refused, an unknown --resume too). Its steps
are a JSON list in the first message, between the lines ```stand-in and ```; each step is an object:

    {"run": "shell command"}      a Bash call; its output goes back as the tool's result
    {"text": "..."}               something said
    {"todo": ["a", "b"]}          a task list; {"done": 1} completes the first so many
    {"sleep": 2.5}                seconds of silence
    {"hang": true}                silence for ever
    {"raw": "..."}                a line written as it stands
    {"result": {...}}             fields that replace those of the result line
    {"exit": 3}                   the end, at once, without a result
    {"turn": true}                the end of a turn: what follows is played at the next message

A message that comes between two steps is replayed there and kept in the transcript; an interrupt ends
the turn between two steps. A session that is resumed goes on behind the last step that was finished, and
a message that it has already is replayed and not answered. Without steps it says so.
"""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import sys
import threading
import time
import uuid

COST = 0.01
USAGE = {"input_tokens": 100, "output_tokens": 20, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}


ABORTED = {"is_error": True, "subtype": "error_during_execution", "terminal_reason": "aborted_tools"}


def emit(event: dict[str, object]) -> None:
    """Write one event of the stream."""
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


class Session:
    """A session on disk: a transcript whose lines tell which steps were finished."""

    def __init__(self, arguments: list[str]) -> None:
        self.resumed = "--resume" in arguments
        name = "--resume" if self.resumed else "--session-id"
        self.id = arguments[arguments.index(name) + 1] if name in arguments else str(uuid.uuid4())
        folder = os.path.join(os.environ["HOME"], ".claude", "projects", re.sub(r"[^A-Za-z0-9]", "-", os.getcwd()))
        self.path = os.path.join(folder, self.id + ".jsonl")
        if self.resumed != os.path.exists(self.path):
            said = "No conversation found with" if self.resumed else "already in use:"
            sys.exit(f"{said} session ID {self.id}")
        os.makedirs(folder, exist_ok=True)
        self.lines = []
        if self.resumed:
            with open(self.path, encoding="utf-8", errors="replace") as stream:
                self.lines = [json.loads(line) for line in stream if line.endswith("}\n")]

    def append(self, **line: object) -> None:
        """Keep one line, at once."""
        self.lines.append(line)
        with open(self.path, "a", encoding="utf-8") as stream:
            stream.write(json.dumps({**line, "sessionId": self.id}) + "\n")

    def finished(self) -> int:
        """Return how many steps are behind us."""
        return sum(1 for line in self.lines if line.get("type") == "step")

    def first_message(self) -> str:
        """Return what was said first: there the steps are."""
        return next(str(line["text"]) for line in self.lines if line.get("type") == "user")


def steps_of(text: str) -> list[dict[str, object]]:
    """Return the steps written in a message."""
    found = re.search(r"^```stand-in\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return json.loads(found[1]) if found else [{"text": "There are no steps in the assignment."}]


def read_lines(heard: queue.SimpleQueue[dict[str, object] | None]) -> None:
    """Put every line of standard input into a queue, and None at its end."""
    for line in sys.stdin:
        heard.put(json.loads(line))
    heard.put(None)


def text_of(line: dict[str, object]) -> str:
    """Return the text of a message."""
    content = line["message"]["content"]  # type: ignore[index]
    return content if isinstance(content, str) else "".join(block["text"] for block in content)


class Agent:
    """Plays steps and tells of them as Claude Code would."""

    def __init__(self, session: Session, model: str) -> None:
        self.session = session
        self.heard: queue.SimpleQueue[dict[str, object] | None] = queue.SimpleQueue()
        self.ended = False
        self.model = model
        self.said = ""
        self.changes: dict[str, object] = {}
        self.calls = 0

    def message(self, *content: dict[str, object]) -> None:
        """Emit an assistant message."""
        message = {"id": f"msg_{uuid.uuid4().hex[:8]}", "type": "message", "role": "assistant", "model": self.model,
                   "content": list(content), "stop_reason": None, "usage": USAGE}  # fmt: skip
        emit({"type": "assistant", "message": message, "session_id": self.session.id})

    def tool(self, output: str, *, failed: bool) -> None:
        """Emit a tool's result."""
        content = {"type": "tool_result", "tool_use_id": f"toolu_{self.calls}", "content": output, "is_error": failed}
        emit({"type": "user", "message": {"role": "user", "content": [content]}, "session_id": self.session.id})

    def call(self, name: str, given: dict[str, object]) -> None:
        """Emit a tool call."""
        self.calls += 1
        self.message({"type": "tool_use", "id": f"toolu_{self.calls}", "name": name, "input": given})

    def play(self, step: dict[str, object]) -> bool:
        """Play one step; return whether the turn goes on."""
        if "text" in step:
            self.said = str(step["text"])
            self.message({"type": "text", "text": self.said})
        if "run" in step:
            self.call("Bash", {"command": step["run"]})
            done = subprocess.run(["bash", "-c", str(step["run"])], capture_output=True, text=True, check=False)
            self.tool(done.stdout + done.stderr, failed=done.returncode != 0)
        if "todo" in step or "done" in step:
            self.todo(step)
        time.sleep(float(str(step.get("sleep", 0))))
        while step.get("hang"):
            time.sleep(1)
        if "raw" in step:
            sys.stdout.write(str(step["raw"]) + "\n")
            sys.stdout.flush()
        self.changes.update(step.get("result") or {})  # type: ignore[call-overload]
        if "exit" in step:
            sys.exit(int(str(step["exit"])))
        return not step.get("turn")

    def todo(self, step: dict[str, object]) -> None:
        """Keep a task list where Claude Code keeps it."""
        name = os.environ.get("CLAUDE_CODE_TASK_LIST_ID", self.session.id)
        folder = os.path.join(os.environ["HOME"], ".claude", "tasks", name)
        os.makedirs(folder, exist_ok=True)
        for number, subject in enumerate(step.get("todo") or [], 1):  # type: ignore[arg-type, var-annotated]
            task = {"id": str(number), "subject": subject, "description": "", "status": "pending"}
            with open(os.path.join(folder, f"{number}.json"), "w", encoding="utf-8") as stream:
                json.dump(task, stream)
        for number in range(1, int(str(step.get("done", 0))) + 1):
            path = os.path.join(folder, f"{number}.json")
            with open(path, encoding="utf-8") as stream:
                task = {**json.load(stream), "status": "completed"}
            with open(path, "w", encoding="utf-8") as stream:
                json.dump(task, stream)

    def knows(self, line: dict[str, object]) -> bool:
        """Tell whether a message is in the session already."""
        return "uuid" in line and any(one.get("uuid") == line["uuid"] for one in self.session.lines)

    def replay(self, line: dict[str, object]) -> None:
        """Say that a message is heard, and keep it."""
        if not self.knows(line):
            self.session.append(type="user", text=text_of(line), uuid=line.get("uuid"))
        emit({"type": "user", "message": line["message"], "uuid": line.get("uuid") or str(uuid.uuid4()),
              "session_id": self.session.id, "isReplay": True})  # fmt: skip

    def listen(self) -> bool:
        """Hear what was said between two steps; return whether the turn is to be interrupted."""
        while not self.heard.empty():
            line = self.heard.get()
            if line is None:
                self.ended = True
            elif line.get("type") == "control_request":
                answer = {"subtype": "success", "request_id": line.get("request_id")}
                emit({"type": "control_response", "response": answer})
                return True
            else:
                self.replay(line)
        return False

    def turn(self, line: dict[str, object]) -> None:
        """Answer one message: play on to the end of the turn and give a result."""
        started = time.monotonic()
        first = not self.session.lines
        text = text_of(line)
        emit({"type": "system", "subtype": "init", "cwd": os.getcwd(), "session_id": self.session.id,
              "model": self.model, "permissionMode": "dontAsk", "tools": ["Bash"]})  # fmt: skip
        self.replay(line)
        steps = steps_of(text if first else self.session.first_message())
        for step in steps[self.session.finished() :]:
            goes_on = self.play(step)
            self.session.append(type="step")
            if not goes_on:
                break
            if self.listen():
                self.changes = dict(ABORTED)
                break
        result = {"type": "result", "subtype": "success", "is_error": False, "api_error_status": None,
                  "num_turns": self.calls + 1, "result": self.said or "Done.", "stop_reason": "end_turn",
                  "session_id": self.session.id, "total_cost_usd": COST, "usage": USAGE, "permission_denials": [],
                  "terminal_reason": "completed", "duration_ms": int((time.monotonic() - started) * 1000)}  # fmt: skip
        emit({**result, **self.changes})
        if self.changes == ABORTED:
            self.changes = {}


def main() -> None:
    """Play the assignment that comes on standard input, one JSON message a line, until its end."""
    arguments = sys.argv[1:]
    if "--version" in arguments:
        print("0.0.0 (stand-in for Claude Code)")
        return
    model = arguments[arguments.index("--model") + 1] if "--model" in arguments else "stand-in"
    agent = Agent(Session(arguments), model)
    threading.Thread(target=read_lines, args=(agent.heard,), daemon=True).start()
    while not agent.ended and (line := agent.heard.get()) is not None:
        if line.get("type") == "user":
            (agent.replay if agent.knows(line) else agent.turn)(line)
    if agent.changes.get("is_error"):
        sys.exit(1)


if __name__ == "__main__":
    main()
