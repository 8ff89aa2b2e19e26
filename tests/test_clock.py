"""Times and durations as the project writes and reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from claude_workers import clock
from claude_workers.errors import BadInput


def test_a_moment_is_written_in_utc_to_the_millisecond() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 6789, tzinfo=timezone(timedelta(hours=2)))
    assert clock.to_iso(moment) == "2026-01-02T01:04:05.006Z"


def test_written_moments_sort_by_time() -> None:
    moments = [
        datetime(2026, 1, 1, tzinfo=UTC) + timedelta(milliseconds=number) for number in (0, 1, 999, 1000, 60_000)
    ]
    written = [clock.to_iso(one) for one in moments]
    assert written == sorted(written)


def test_an_epoch_is_written_like_any_moment() -> None:
    assert clock.from_epoch(0.5) == "1970-01-01T00:00:00.500Z"


def test_what_was_just_written_is_no_time_ago() -> None:
    since = clock.seconds_since(clock.now())
    assert since is not None
    assert 0 <= since < 60


def test_a_moment_in_the_future_is_no_negative_age() -> None:
    assert clock.seconds_since(clock.to_iso(datetime.now(UTC) + timedelta(days=1))) == 0


@pytest.mark.parametrize("text", [None, "", "yesterday", "2026-01-02T03:04:05", "2026-13-01T00:00:00Z"])
def test_a_moment_that_cannot_be_read_has_no_age(text: str | None) -> None:
    assert clock.seconds_since(text) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("15m", 900),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1d", 86400),
        ("1w", 604800),
        ("1.5h", 5400),
        ("0.25", 0.25),
        (" 2H ", 7200),
        ("0", 0),
    ],
)
def test_a_duration_is_read_as_people_say_it(text: str, seconds: float) -> None:
    assert clock.duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", " ", "soon", "-5", "-5m", "5x", "m", "1h-5m", "1e3", "inf", "nan", "1,5h", "5 m", "h1"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="is not a duration"):
        clock.duration(text)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, ""),
        (0, "0s"),
        (0.9, "0s"),
        (42, "42s"),
        (60, "1m"),
        (185, "3m 5s"),
        (3600, "1h"),
        (7800, "2h 10m"),
        (356_400, "4d 3h"),
        (86_399, "23h 59m"),
    ],
)
def test_a_duration_is_said_in_at_most_two_units(seconds: float | None, said: str) -> None:
    assert clock.spoken(seconds) == said
