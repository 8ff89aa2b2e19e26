"""The kinds of values: every good spelling is taken for what it says, every bad one is refused."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from claude_workers import config, kinds
from claude_workers.errors import BadInput

REFUSED = (ValueError, TypeError, KeyError, BadInput)
GOOD: list[tuple[str, object, Any]] = [
    ("int", 0, 0),
    ("int", 7, 7),
    ("int", "7", 7),
    ("int", "999999999999999", 999999999999999),
    ("count", 0, 0),
    ("count", 1_500_000, 1_500_000),
    ("count", "500k", 500_000),
    ("count", "500K", 500_000),
    ("count", "2M", 2_000_000),
    ("count", "1.5m", 1_500_000),
    ("count", "1g", 10**9),
    ("count", 1e6, 1_000_000),
    ("float", 2, 2.0),
    ("float", "2.50", 2.5),
    ("float", 0.01, 0.01),
    ("float", "1e-3", 0.001),
    ("bool", True, True),
    ("bool", False, False),
    ("bool", "true", True),
    ("bool", "0", False),
    ("list", [], ()),
    ("list", ["a b", "c"], ("a b", "c")),
    ("list", " a , ,b ", ("a", "b")),
    ("size", 1024, 1024),
    ("size", "1k", 1 << 10),
    ("size", "1.5G", 3 << 29),
    ("size", "2T", 2 << 40),
    ("duration", 90, 90.0),
    ("duration", 0.05, 0.05),
    ("duration", "0.05s", 0.05),
    ("duration", "1h30m", 5400.0),
    ("duration", "2W", 1209600.0),
    ("", "opus", "opus"),
]
NEVER: list[object] = [None, {}, {"a": 1}, [1], [["a"]], date(2026, 1, 1), "", " ", "-1", -1, "nan", "one"]
BAD: list[tuple[str, object]] = [
    *((kind, value) for kind in ("int", "count", "float", "size", "duration") for value in NEVER),
    *((kind, value) for kind in ("int", "count", "float", "size", "duration") for value in (True, False, "inf", "1,5")),
    *((kind, "1\n") for kind in ("int", "count", "size")),
    ("int", 1.5),
    ("int", "1.0"),
    ("int", "+1"),
    ("int", " 1"),
    ("int", "²"),
    ("int", "٣"),
    ("int", "1000000000000000"),
    ("count", "1T"),
    ("count", "1kb"),
    ("count", "k"),
    ("count", "1 k"),
    ("count", "1e6"),
    ("count", ".5k"),
    ("count", 1e300),
    ("float", 0),
    ("float", "0"),
    ("float", 1e-400),
    ("float", "1e400"),
    ("float", "2$"),
    ("size", "1GB"),
    ("size", "1p"),
    ("duration", "1y"),
    ("duration", "5m3"),
    ("duration", "m"),
    ("duration", "1 m"),
    ("duration", "-5s"),
    ("bool", 2),
    ("bool", "yes"),
    ("bool", None),
    ("bool", []),
    ("list", 1),
    ("list", None),
    ("list", ["a", 1]),
    ("list", {"a": 1}),
    ("list", True),
    ("", 5),
    ("", ""),
    ("", None),
    ("", ["a"]),
    ("", True),
    ("", "a\nb"),
    ("", "a\0b"),
]


@pytest.mark.parametrize(("kind", "value", "meant"), GOOD)
def test_a_good_spelling_is_taken_for_what_it_says(kind: str, value: object, meant: object) -> None:
    found = kinds.convert(kind, value)
    assert found == meant
    assert type(found) is type(meant)


@pytest.mark.parametrize(("kind", "value"), BAD)
def test_a_bad_spelling_is_refused(kind: str, value: object) -> None:
    with pytest.raises(REFUSED):
        kinds.convert(kind, value)


@pytest.mark.parametrize("kind", sorted({key.metadata["kind"] for key in config.KEYS.values()} - {""}))
def test_every_kind_that_a_key_has_is_said_in_words_to_whoever_misspells_it(kind: str) -> None:
    key = next(name for name, one in config.KEYS.items() if one.metadata["kind"] == kind)
    with pytest.raises(BadInput) as caught:
        config.convert(key, {"no": "value"}, f"here: {key}")
    assert caught.value.message.startswith(f"here: {key} = ")
    assert kinds.SPOKEN[kind].split()[0] in caught.value.message


@pytest.mark.parametrize("key", sorted(name for name in config.KEYS if name.startswith("budget_")))
def test_a_budget_is_unset_until_somebody_says_it(key: str) -> None:
    assert getattr(config.Settings(), key) is None


@pytest.mark.parametrize(("text", "meant"), [("1.001k", 1001), ("1.005M", 1_005_000), ("1.009k", 1009)])
def test_a_decimal_count_is_exactly_what_it_says(text: str, meant: int) -> None:
    assert kinds.convert("count", text) == meant


@pytest.mark.parametrize("value", ["9" * 400, f"{'9' * 400}s", "9" * 30 + "d"])
def test_a_duration_that_never_ends_is_refused(value: str) -> None:
    with pytest.raises(REFUSED):
        kinds.convert("duration", value)


@pytest.mark.parametrize("value", ["٣", "٣m", "٣٤m"])
def test_a_duration_is_written_in_plain_digits(value: str) -> None:
    with pytest.raises(REFUSED):
        kinds.convert("duration", value)
