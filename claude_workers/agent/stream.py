"""Claude Code's stream of JSON lines: what it says of its work, never taken as proof of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from claude_workers.text import one_line, plain
from claude_workers.transcript import todo_list

if TYPE_CHECKING:
    from claude_workers.model import Todo

OURS = "claude_workers"
_MOST = 10**12  # tokens that no turn has
_ARGUMENTS = ("command", "file_path", "pattern", "url", "query", "subject", "description", "prompt", "skill")


def parse(line: bytes) -> dict[str, Any] | None:
    """Return an event of the agent's; None for a line that is none, or that pretends to be ours."""
    event = _loaded(line)
    return event if event is not None and event["type"] != OURS else None


def _loaded(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("type"), str) else None


def blocks(event: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the content blocks of a message event; one of text when the content is a plain text."""
    message = event.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [one for one in content if isinstance(one, dict)] if isinstance(content, list) else []


def texts(event: dict[str, Any]) -> list[str]:
    """Return what the agent said in an assistant event."""
    if event.get("type") != "assistant":
        return []
    found = [str(one.get("text", "")).strip() for one in blocks(event) if one.get("type") == "text"]
    return [one for one in found if one]


def tools(event: dict[str, Any]) -> list[str]:
    """Return the agent's tool calls in an assistant event, each as `Name argument`."""
    if event.get("type") != "assistant":
        return []
    return [tool(one) for one in blocks(event) if one.get("type") == "tool_use"]


def tool(block: dict[str, Any]) -> str:
    """Return one tool call in a line."""
    given = block.get("input")
    arguments = given if isinstance(given, dict) else {}
    telling = next((str(arguments[name]) for name in _ARGUMENTS if arguments.get(name)), "")
    return one_line(f"{block.get('name', 'tool')} {telling}".strip())


def todos(event: dict[str, Any]) -> list[Todo] | None:
    """Return the task list that an assistant event writes, where Claude Code keeps none on disk (TodoWrite)."""
    if event.get("type") != "assistant":
        return None
    written = [one.get("input") for one in blocks(event) if one.get("name") == "TodoWrite"]
    given = written[-1] if written else None
    return todo_list(given.get("todos"), "content") if isinstance(given, dict) else None


def tokens(usage: object) -> int:
    """Return all tokens of a usage object."""
    if not isinstance(usage, dict):
        return 0
    names = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return sum(value for name in names if isinstance(value := usage.get(name), int) and 0 <= value < _MOST)


def rendered(event: dict[str, Any]) -> list[tuple[str, str]]:
    """Return an event as (kind, text) lines for people; [] when there is nothing to show."""
    return [(kind, plain(text)) for kind, text in _rendered(event)]


def _rendered(event: dict[str, Any]) -> list[tuple[str, str]]:
    kind = event.get("type")
    if kind == OURS:
        return [("runner", str(event.get("text", "")))]
    if kind == "assistant":
        return [("text", text) for text in texts(event)] + [("tool", one) for one in tools(event)]
    if kind == "user":
        return _results(event)
    if kind == "result":
        state = "error" if event.get("is_error") else "result"
        cost = event.get("total_cost_usd")
        paid = f" (${cost:.4f})" if isinstance(cost, int | float) else ""
        return [(state, one_line(str(event.get("result") or event.get("subtype", "")), 400) + paid)]
    if kind == "system" and event.get("subtype") == "init":
        return [("system", f"session {event.get('session_id')}, {event.get('model')}, {event.get('permissionMode')}")]
    if kind == "system" and event.get("subtype") == "api_retry":
        return [("error", f"API error {event.get('error_status')}, retry {event.get('attempt')}")]
    return []


def _results(event: dict[str, Any]) -> list[tuple[str, str]]:
    lines = []
    for block in blocks(event):
        if block.get("type") == "tool_result":
            content = block.get("content")
            if isinstance(content, list):
                content = " ".join(str(one.get("text", "")) for one in content if isinstance(one, dict))
            lines.append(("refused" if block.get("is_error") else "output", one_line(str(content or ""))))
        elif block.get("type") == "text":
            lines.append(("prompt", one_line(str(block.get("text", "")))))
    return lines


def ours(line: bytes) -> dict[str, Any] | None:
    """Return an event of the runner's own; None for any other line."""
    event = _loaded(line)
    return event if event is not None and event["type"] == OURS else None
