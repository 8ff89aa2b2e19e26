"""Talk under an issue: what people said after a comment of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from claude_workers.forge.github import marks
from claude_workers.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def after(comments: Sequence[dict[str, Any]], key: str, writes: Callable[[Any], bool]) -> str | None:
    """Return what people who may write said after our comment of that key; None when that is nothing."""
    bodies = [str(one.get("body") or "") for one in comments]
    place = next((place for place, body in enumerate(bodies) if marks.has_key(body, key)), None)
    if place is None:
        return None
    said = [
        visible(body).strip()
        for body, one in zip(bodies[place + 1 :], comments[place + 1 :], strict=True)
        if not marks.is_ours(body) and writes(one.get("user"))
    ]
    return "\n\n".join(one for one in said if one) or None
