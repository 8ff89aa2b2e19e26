"""Marks: what our comments and pull requests carry, unseen on the page, to be found again by."""

from __future__ import annotations

import json
from typing import Any

from claude_workers.text import visible

# GitHub takes 65,536 characters for a body.
_LONGEST = 60_000
_BEGIN, _END = "<!-- claude-workers", "<!-- /claude-workers -->"
_OPEN, _OPENED = f"{_BEGIN} {{", " -->"


def comment(body: str, key: str) -> str:
    """Return a comment's text with its key."""
    return f"{_short(body)}\n\n<!-- claude-workers:{key} -->"


def has_key(body: str, key: str) -> bool:
    """Tell whether a comment carries a key."""
    return f"<!-- claude-workers:{key} -->" in body


def is_ours(body: str) -> bool:
    """Tell whether a comment carries any key of ours."""
    return f"{_BEGIN}:" in body


def section(body: str, facts: dict[str, Any]) -> str:
    """Return our section of a pull request's text: what people read, between marks that hold facts."""
    held = json.dumps(facts, ensure_ascii=True).replace("-->", "--\\u003e")
    return f"{_BEGIN} {held} -->\n{_short(body)}\n{_END}"


def read(text: str) -> tuple[dict[str, Any], str]:
    """Return the facts and the body of our section; no facts and the whole text where there is none."""
    found = _found(text)
    if found is None:
        return {}, text
    start, opened, close = found
    try:
        facts = json.loads(text[start + len(_BEGIN) : opened])
    except (ValueError, RecursionError):
        facts = {}
    body = text[opened + len(_OPENED) : close].replace("\r\n", "\n").removeprefix("\n").removesuffix("\n")
    return (facts if isinstance(facts, dict) else {}), body


def replaced(text: str, ours: str) -> str:
    """Return a pull request's text with our section in it anew, what people wrote round it kept."""
    found = _found(text)
    if found:
        return text[: found[0]] + ours + text[found[2] + len(_END) :]
    return f"{text.rstrip()}\n\n{ours}" if text.strip() else ours


def _found(text: str) -> tuple[int, int, int] | None:
    """Return where our section begins, where its facts end, and where its end stands; None without one."""
    start = text.find(_OPEN)
    opened = text.find(_OPENED, start) if start >= 0 else -1
    close = text.find(_END, opened) if opened >= 0 else -1
    return (start, opened, close) if close >= 0 else None


def _short(body: str) -> str:
    """Return an agent's words without marks of its own making, and no longer than GitHub takes."""
    plain = visible(body).strip()
    return plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]}\n\n(cut: {len(plain):,} characters)"
