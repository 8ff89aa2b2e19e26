"""One turn of the agent: a message in, a stream out, and an ending told from what was seen."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import threading
from typing import TYPE_CHECKING

from claude_workers import clock, files, transcript
from claude_workers.agent import command, reach, stream
from claude_workers.agent.ending import Ending, Evidence, classify
from claude_workers.agent.watchdog import Watchdog
from claude_workers.enclosure.launch import Launched, launch
from claude_workers.runner import inside
from claude_workers.runner.handed import Handed
from claude_workers.text import one_line

if TYPE_CHECKING:
    from claude_workers.model import Json
    from claude_workers.runner.run import Run

_TICK = 0.5
_LAST_WORDS = 20.0
_LINE_LIMIT = 64 << 20
_STREAM_LIMIT = 2 << 30
_STDERR_KEPT = 8 << 10
_CHUNK = 256 << 10
_DENIALS = 200
_ANSWER = 100_000
_AUTHENTICATION = frozenset({401, 403})


def take_turn(run: Run, message: str) -> Ending:
    """Give the agent a message, follow it to the end of its turn, and tell how it ended."""
    cwd, session = run.clone, run.task.session_id
    resume = transcript.exists(run.home.claude, cwd, session)
    listed = reach.domains(run.settings, inside.ends(run))
    openings = command.Openings(listed, (*inside.mirrors(run), *inside.tools(run.home)))
    pinned = run.path("pins.json")
    pins = command.pins(run.home, run.task.isolation, run.settings, openings)
    files.write_atomic(pinned, files.to_text(pins))
    program = command.binary(run.settings)
    argv = command.argv(program, run.task, run.settings, pinned=pinned, resume=resume)
    token = Handed(run)
    enclosure = inside.agent_enclosure(run, pays=str(run.task.options.get("pays", "")))
    launched = launch(argv, enclosure, stdin=subprocess.PIPE)
    watchdog = Watchdog(
        run.settings,
        worked=run.progress.worked_s,
        transcript=transcript.path(run.home.claude, cwd, session),
    )
    try:
        return _Turn(run, launched, watchdog).follow(message)
    finally:
        launched.end()
        token.close()
        hosts = sorted({*run.progress.blocked_hosts, *launched.blocked})
        worked = run.progress.worked_s + watchdog.elapsed
        run.observe(blocked_hosts=hosts, worked_s=worked, agent_pid=None, turns=run.progress.turns + 1)


class _Turn:
    """Reads one agent's stream while it works."""

    def __init__(self, run: Run, launched: Launched, watchdog: Watchdog) -> None:
        self._run = run
        self._launched = launched
        self._watchdog = watchdog
        self._evidence = Evidence()
        self._stderr = b""
        self._partial = bytearray()
        self._written = 0
        self._earlier = (run.progress.cost_usd, run.progress.tokens)
        self._messages: set[str] = set()

    def follow(self, message: str) -> Ending:
        """Read until both streams end or the watch says stop."""
        self._send(message)
        popen = self._launched.popen
        with selectors.DefaultSelector() as selector:
            for stream_ in (popen.stdout, popen.stderr):
                selector.register(stream_, selectors.EVENT_READ)  # type: ignore[arg-type]
            while selector.get_map():
                for key, _ in selector.select(_TICK):
                    data = os.read(key.fd, _CHUNK)
                    if not data:
                        selector.unregister(key.fileobj)
                    elif key.fileobj is popen.stdout:
                        self._take(data)
                    else:
                        self._stderr = (self._stderr + data)[-_STDERR_KEPT:]
                self._look()
                if self._evidence.watch:
                    self._launched.end()
                    break
        return self._ending()

    def _hang_up(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._launched.popen.stdin.close()  # type: ignore[union-attr]

    def _send(self, message: str) -> None:
        """Write the message in a thread: an agent that does not read must not escape the watch."""
        content = [{"type": "text", "text": message}]
        line = json.dumps({"type": "user", "message": {"role": "user", "content": content}})
        threading.Thread(target=self._write, args=(line.encode("utf-8", "replace") + b"\n",), daemon=True).start()

    def _write(self, line: bytes) -> None:
        # An agent that ended before it listened: its exit says why.
        with contextlib.suppress(OSError, ValueError):
            self._launched.popen.stdin.write(line)  # type: ignore[union-attr]
            self._launched.popen.stdin.flush()  # type: ignore[union-attr]

    def _ending(self) -> Ending:
        popen = self._launched.popen
        try:
            status = popen.wait(_LAST_WORDS)
        except subprocess.TimeoutExpired:
            self._launched.end()
            status = popen.returncode
        said = self._stderr.decode("utf-8", "replace")
        if said.strip():
            self._run.say(f"agent's stderr: {one_line(said, 2000)}")
        return classify(self._evidence, status, said)

    def _look(self) -> None:
        """Look, once a tick: a result to answer, a limit reached, an agent to name in status."""
        run = self._run
        if self._evidence.result is not None and not self._launched.popen.stdin.closed:  # type: ignore[union-attr]
            self._hang_up()
        self._evidence.watch = self._evidence.watch or self._watchdog.verdict(self._launched.leader)
        if run.progress.agent_pid is None:
            agent = self._launched.agent()
            if agent:
                run.observe(agent_pid=agent.pid, agent_start=agent.start)
        if self._launched.blocked != run.progress.blocked_hosts:
            hosts = sorted({*run.progress.blocked_hosts, *self._launched.blocked})
            run.observe(now=False, blocked_hosts=hosts)
        run.flush()

    def _take(self, data: bytes) -> None:
        self._watchdog.heard()
        first, *others = data.split(b"\n")
        self._partial += first
        lines = []
        if others:
            lines = [bytes(self._partial), *others[:-1]]
            self._partial = bytearray(others[-1])
        self._written += len(data)
        if self._written > _STREAM_LIMIT or len(self._partial) > _LINE_LIMIT:
            self._evidence.watch = Ending("failed", "the agent's stream is larger than any work needs")
            return
        for line in lines:
            if line.strip():
                self._line(line)

    def _line(self, line: bytes) -> None:
        event = stream.parse(line)
        if event is None:
            wrapped = {"type": "unparsed", "text": line[:2000].decode("utf-8", "replace")}
            self._run.write_line(json.dumps(wrapped).encode())
            return
        self._run.write_line(line)
        self._evidence.see(event)
        if self._evidence.retry_status in _AUTHENTICATION and event.get("subtype") == "api_retry":
            # Claude Code would retry a refused credential ten times, for minutes.
            status = self._evidence.retry_status
            self._evidence.watch = classify(Evidence(retry_status=status), 1, "")
        self._observe(event)

    def _observe(self, event: Json) -> None:
        run = self._run
        changes: Json = {}
        for text in stream.texts(event):
            changes["last_text"] = one_line(text)
        for called in stream.tools(event):
            changes["activity"] = called
        if event.get("type") == "assistant":
            message = event["message"] if isinstance(event.get("message"), dict) else {}
            if str(message.get("id")) not in self._messages:
                self._messages.add(str(message.get("id")))
                changes["tokens"] = run.progress.tokens + stream.tokens(message.get("usage"))
        if event.get("type") == "result":
            changes |= self._result(event)
        todos = transcript.todos(run.home.claude, run.task.task_id)
        changes |= {"todos_done": todos.done, "todos_total": todos.total}
        run.observe(now=event.get("type") == "result", last_activity_at=clock.now(), **changes)

    def _result(self, event: Json) -> Json:
        run = self._run
        cost = event.get("total_cost_usd")
        denials = event.get("permission_denials")
        names = [_denied(one) for one in denials if isinstance(one, dict)] if isinstance(denials, list) else []
        answer = event.get("result")
        return {
            "cost_usd": self._earlier[0] + (float(cost) if isinstance(cost, int | float) else 0.0),
            "tokens": self._earlier[1] + stream.tokens(event.get("usage")),
            "usage": _numbers(event.get("usage")),
            "denials": list(dict.fromkeys([*run.progress.denials, *names]))[:_DENIALS],
            "answer": answer[:_ANSWER]
            if isinstance(answer, str) and not event.get("is_error")
            else run.progress.answer,
        }


def _numbers(usage: object) -> Json:
    """Return the counts of a usage object, whatever else an agent put there left out."""
    given = usage if isinstance(usage, dict) else {}
    return {str(name)[:60]: value for name, value in list(given.items())[:30] if isinstance(value, int)}


def _denied(denial: Json) -> str:
    return stream.tool({"name": denial.get("tool_name"), "input": denial.get("tool_input")})
