"""The kinds of values a setting may have, and how each is written."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_workers import clock

if TYPE_CHECKING:
    from collections.abc import Callable

SPOKEN = {
    "int": "a whole number from 0",
    "count": "a count such as 500k or 2M",
    "float": "a number above 0",
    "bool": "true or false",
    "list": "a list of texts",
    "duration": "a duration such as 15m",
    "size": "a size such as 2G",
}
_COUNTS = {"k": 10**3, "m": 10**6, "g": 10**9}
_SIZES = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def convert(kind: str, value: object) -> Any:  # noqa: ANN401
    """Return a written value as its kind; ValueError, TypeError or BadInput when it is none."""
    if isinstance(value, bool) and kind != "bool":
        raise ValueError
    return _KINDS.get(kind, _text)(value)


def _list(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(one.strip() for one in value.split(",") if one.strip())
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError
    return tuple(value)


def _bool(value: object) -> bool:
    return {"true": True, "1": True, "false": False, "0": False}[str(value).lower()]


def _int(value: object) -> int:
    return int(_matched(r"[0-9]{1,15}", value))


def _float(value: object) -> float:
    number = float(str(value))
    if not 0 < number < float("inf"):
        raise ValueError
    return number


def _count(value: object) -> int:
    return _scaled(_matched(r"[0-9]{1,15}(\.[0-9]+)?[kmgKMG]?", value), _COUNTS)


def _size(value: object) -> int:
    return _scaled(_matched(r"[0-9]{1,15}(\.[0-9]+)?[kmgtKMGT]?", value), _SIZES)


def _scaled(text: str, units: dict[str, int]) -> int:
    unit = units.get(text[-1].lower())
    return int(Decimal(text[:-1]) * unit) if unit else int(Decimal(text))


def _matched(pattern: str, value: object) -> str:
    text = str(value)
    if not re.fullmatch(pattern, text):
        raise ValueError
    return text


def _text(value: object) -> str:
    if not isinstance(value, str) or not value or "\0" in value or "\n" in value:
        raise ValueError
    return value


_KINDS: dict[str, Callable[[object], Any]] = {
    "list": _list,
    "bool": _bool,
    "int": _int,
    "float": _float,
    "count": _count,
    "size": _size,
    "duration": lambda value: clock.duration(str(value)),
}
