"""What is heard of an agent's turn: its events as observations of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_workers import clock, transcript
from claude_workers.agent import stream
from claude_workers.model import Todos
from claude_workers.text import one_line

if TYPE_CHECKING:
    from claude_workers.model import Json, Todo
    from claude_workers.runner.run import Run

_DENIALS = 200
_MOST_USD = 1e6
_ANSWER = 100_000


class Heard:
    """Takes one turn's events in; costs and tokens are added to those of the turns before."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._earlier = (run.progress.cost_usd, run.progress.tokens)
        self._costed = run.progress.costed_tokens
        self._messages: set[str] = set()
        self._used = 0
        self._todos: list[Todo] = []

    def observe(self, event: Json) -> None:
        """Take one event in."""
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
        self._todos = stream.todos(event) or self._todos
        todos = Todos.of(transcript.todos(run.home.claude, run.task.task_id, run.task.session_id) or self._todos)
        if todos.total:
            changes |= {"todos_done": todos.done, "todos_total": todos.total}
        run.observe(now=event.get("type") == "result", last_activity_at=clock.now(), **changes)

    def _result(self, event: Json) -> Json:
        run = self._run
        denials = event.get("permission_denials")
        names = [_denied(one) for one in denials if isinstance(one, dict)] if isinstance(denials, list) else []
        answer = event.get("result")
        # A process that heard of more than one message gives a result for each: its cost of all, the usage of one.
        self._used += stream.tokens(event.get("usage"))
        return {
            "cost_usd": self._earlier[0] + _money(event.get("total_cost_usd")),
            "tokens": self._earlier[1] + self._used,
            "costed_tokens": self._costed + self._used,
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


def _money(value: object) -> float:
    """Return a price in USD; 0 for what a stream gave as one and is none."""
    return float(value) if isinstance(value, int | float) and 0 <= value < _MOST_USD else 0.0
