"""Times as the project writes them: ISO 8601 in UTC, and durations as people say them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from claude_workers.errors import BadInput

_LONGEST = 100 * 366 * 86400.0  # no moment so far away is beyond what a calendar can hold
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def now() -> str:
    """Return this moment, to the millisecond."""
    return to_iso(datetime.now(UTC))


def to_iso(moment: datetime) -> str:
    """Return a moment as text that sorts by time."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_epoch(seconds: float) -> str:
    """Return the moment that many seconds after 1970."""
    return to_iso(datetime.fromtimestamp(seconds, UTC))


def in_seconds(seconds: float) -> str:
    """Return the moment so many seconds from now."""
    return to_iso(datetime.now(UTC) + timedelta(seconds=seconds))


def seconds_since(text: str | None) -> float | None:
    """Return how long ago a written moment was; None when there is none or it does not parse."""
    try:
        return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(text or "")).total_seconds())
    except (TypeError, ValueError):
        return None


def duration(text: str) -> float:
    """Return seconds from `90`, `90s`, `15m`, `2h`, `1h30m` or `1d`."""
    cleaned = text.strip().lower()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", cleaned):
        cleaned += "s"
    pieces = re.findall(r"([0-9]+(?:\.[0-9]+)?)([smhdw])", cleaned)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in pieces)
    if not pieces or "".join(number + unit for number, unit in pieces) != cleaned or seconds > _LONGEST:
        raise BadInput(f"{text!r} is not a duration", "write it as 90s, 15m, 2h or 1d")
    return seconds


def spoken(seconds: float | None) -> str:
    """Return a duration in at most two units: `42s`, `3m 5s`, `2h 10m`, `4d 3h`."""
    if seconds is None:
        return ""
    left = int(seconds)
    words: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if left >= size or (unit == "s" and not words):
            words.append(f"{left // size}{unit}")
            left %= size
    return " ".join(words[:2])


def ago(at: str | None) -> str:
    """Return a moment as people say it: `3m 5s ago`; "" for none."""
    past = seconds_since(at)
    return "" if past is None else f"{spoken(past)} ago"
