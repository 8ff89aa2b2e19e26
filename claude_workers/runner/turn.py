"""One turn of the agent: a message in, a stream out, and an ending told from what was seen."""

from __future__ import annotations

import dataclasses
import json
import os
import selectors
import subprocess
from typing import TYPE_CHECKING

from claude_workers import files, transcript
from claude_workers.agent import command, reach, stream
from claude_workers.agent.ending import Ending, Evidence, classify
from claude_workers.enclosure.launch import Launched, launch
from claude_workers.process.ceiling import Ceiling
from claude_workers.runner import inside
from claude_workers.runner.handed import Handed
from claude_workers.runner.heard import Heard
from claude_workers.runner.purse import Purse
from claude_workers.runner.told import Told
from claude_workers.runner.watch import Watch
from claude_workers.text import one_line

if TYPE_CHECKING:
    from claude_workers.runner.run import Run

_TICK = 0.5
_LAST_WORDS = 20.0
_LINE_LIMIT = 64 << 20
_STREAM_LIMIT = 2 << 30
_STDERR_KEPT = 8 << 10
_CHUNK = 256 << 10
_AUTHENTICATION = frozenset({401, 403})


def take_turn(run: Run, message: str) -> Ending:
    """Give the agent a message, follow it to the end of its turn, and tell how it ended."""
    purse = Purse(run)
    spent = purse.verdict()
    if spent:
        return spent
    # An earlier runner that died has left its agent's.
    run.observe(agent_pid=None, agent_start=None, activity="")
    resume = transcript.exists(run.home.claude, run.clone, run.task.session_id)
    listed = reach.domains(run.settings, inside.ends(run))
    openings = command.Openings(listed, (*inside.mirrors(run), *inside.tools(run.home)))
    pinned = run.path("pins.json")
    pins = command.pins(run.home, run.task.isolation, run.settings, openings)
    files.write_atomic(pinned, files.to_text(pins))
    program = command.binary(run.settings)
    settings = dataclasses.replace(run.settings, budget_usd=purse.allowance())
    argv = command.argv(program, run.task, settings, pinned=pinned, resume=resume)
    token = Handed(run)
    ceiling = Ceiling(f"{run.task.worker}-{run.task.task_id[:8]}", run.settings.memory_limit)
    enclosure = dataclasses.replace(inside.agent_enclosure(run, pays=run.pays), prefix=tuple(ceiling.prefix))
    launched = launch(argv, enclosure, stdin=subprocess.PIPE)
    watch = Watch(run, purse, ceiling)
    try:
        ending = _Turn(run, launched, watch).follow(message)
    finally:
        launched.end()
        token.close()
        watch.close()
        ceiling.close()
        hosts = sorted({*run.progress.blocked_hosts, *launched.blocked})
        run.observe(blocked_hosts=hosts, agent_pid=None, turns=run.progress.turns + 1)
        purse.settle()
    # What the turn has cost may have used up more than the task's own budget, or be worth an alert.
    spent = purse.verdict()
    if spent and ending.kind == "done":
        purse.alert(f"{spent.reason}, which was known only when the turn had ended")
    return spent if spent and ending.kind == "budget" else ending


class _Turn:
    """Reads one agent's stream while it works."""

    def __init__(self, run: Run, launched: Launched, watch: Watch) -> None:
        self._run = run
        self._launched = launched
        self._watch = watch
        self._heard = Heard(run)
        self._evidence = Evidence()
        self._stderr = b""
        self._partial = bytearray()
        self._written = 0
        self._told = Told(run, launched.popen.stdin)

    def follow(self, message: str) -> Ending:
        """Read until both streams end or the watch says stop."""
        self._told.begin(message)
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

    def _ending(self) -> Ending:
        popen = self._launched.popen
        try:
            status = popen.wait(_LAST_WORDS)
        except subprocess.TimeoutExpired:
            self._launched.end()
            status = popen.returncode
        # Blotted first and cut then: half a secret is none to the blot.
        said = self._run.publishable(self._stderr.decode("utf-8", "replace"))[-_STDERR_KEPT // 2 :]
        if said.strip():
            self._run.say(f"agent's stderr: {one_line(said, 2000)}")
        over = self._watch.over() if self._evidence.result is None else None
        return over or classify(self._evidence, status, said)

    def _look(self) -> None:
        """Look, once a tick: a result to answer, a limit reached, an agent to name in status."""
        run = self._run
        self._told.forward()
        if self._is_over():
            self._told.hang_up()
        self._evidence.watch = self._evidence.watch or self._watch.verdict(self._launched.leader)
        if run.progress.agent_pid is None:
            agent = self._launched.agent()
            if agent:
                run.observe(agent_pid=agent.pid, agent_start=agent.start)
        if self._launched.blocked != run.progress.blocked_hosts:
            hosts = sorted({*run.progress.blocked_hosts, *self._launched.blocked})
            run.observe(now=False, blocked_hosts=hosts)
        run.flush()

    def _is_over(self) -> bool:
        """Tell whether the agent has given its result, and has nothing more to hear that it could work on.

        What it had heard before it died it replays and does not answer: after that alone no result comes.
        """
        result = self._evidence.result
        if result is None and self._told.only_replayed and not self._evidence.began:
            self._evidence.watch = Ending("done", "")
            return True
        if result is None or not self._told.waiting:
            return result is not None
        return bool(result.get("is_error")) and not self._told.interrupted

    def _take(self, data: bytes) -> None:
        self._watch.heard()
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
        line = self._run.blot.line(line)
        event = stream.parse(line)
        if event is None:
            wrapped = {"type": "unparsed", "text": line[:2000].decode("utf-8", "replace")}
            self._run.write_line(json.dumps(wrapped).encode())
            return
        self._run.write_line(line)
        if self._told.replayed(event) and self._evidence.result is not None:
            self._evidence = Evidence(events=self._evidence.events)  # the result was not the last
        self._evidence.see(event)
        if self._evidence.retry_status in _AUTHENTICATION and event.get("subtype") == "api_retry":
            # Claude Code would retry a refused credential ten times, for minutes.
            status = self._evidence.retry_status
            self._evidence.watch = classify(Evidence(retry_status=status), 1, "")
        self._heard.observe(event)
