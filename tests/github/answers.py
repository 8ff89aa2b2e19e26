"""The answers: what an operation gives back, and the refusals that GitHub words in its own way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

DOCUMENTATION = "https://docs.github.com/rest"


@dataclass
class Answer:
    """A status with a JSON body, None for an empty one."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Refused(Exception):
    """GitHub's no."""

    def __init__(self, status: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.headers: dict[str, str] = more.pop("headers", {})
        body = {"message": message, "documentation_url": DOCUMENTATION, "status": str(status), **more}
        self.answer = Answer(status, body, self.headers)


def not_found(message: str = "Not Found") -> Refused:
    """Refuse what is not there, or is hidden from the asker."""
    return Refused(404, message)


def invalid(resource: str, field: str, code: str = "invalid", **more: object) -> Refused:
    """Refuse one field."""
    return Refused(422, "Validation Failed", errors=[{"resource": resource, "field": field, "code": code, **more}])


def custom(resource: str, message: str, field: str | None = None) -> Refused:
    """Refuse for a reason in words."""
    named = {"field": field} if field else {}
    return Refused(422, "Validation Failed", errors=[{"resource": resource, "code": "custom", **named,
                                                     "message": message}])  # fmt: skip


def too_long(resource: str, field: str, text: str | None, most: int) -> None:
    """Refuse a text beyond GitHub's bounds."""
    if text is not None and len(text) > most:
        raise custom(resource, f"{field} is too long (maximum is {most} characters)", field)


def secondary_limit(status: int, seconds: int) -> Answer:
    """Return what GitHub says to those who ask too quickly."""
    message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
    return Refused(status, message, headers={"Retry-After": str(seconds)}).answer
