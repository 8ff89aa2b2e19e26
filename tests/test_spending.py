"""Spending: booked by many at once, counted by scope, in days, weeks and months as this machine's clock has them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Self

import pytest

from claude_workers import Fleet, clock, paths, spending
from claude_workers.errors import WorkersError
from claude_workers.spending import Budget, Spent, Use
from tests.cli.conftest import Cli

LAYOUT = paths.Layout
AGES = {"day": "2026-11-18T12:00:00", "week": "2026-11-20T12:00:00", "month": "2026-11-30T12:00:00"}
BOOKER = """
import sys
from claude_workers import paths, spending
worker, count = sys.argv[1], int(sys.argv[2])
sys.stdin.read(1)
for number in range(count):
    one = spending.Spent("2026-11-18T12:00:00.000Z", worker, f"{number}", worker * 300, "default", 0.25, 3, 1.0)
    spending.book(paths.layout(), one)
"""


def spent(at: str | None = None, repo: str = "ann/calc", credentials: str = "default", **amounts: float) -> Spent:
    """Return a line of the books."""
    data = {"worker": "01", "task_id": "t", "repo": repo, "credentials": credentials, **amounts}
    return Spent.from_json({"at": at or clock.now(), **data})


@pytest.fixture(autouse=True)
def own_clock() -> Iterator[None]:
    """Give this process its time zone back."""
    yield
    os.environ.pop("TZ", None)
    time.tzset()


def freeze(monkeypatch: pytest.MonkeyPatch, moment: str, zone: str = "UTC") -> None:
    """Let spending believe that it is this local time in a zone."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()

    class Frozen(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:  # noqa: ARG003  datetime names it
            return cls.fromisoformat(moment)

    monkeypatch.setattr(spending, "datetime", Frozen)


def bounds(span: str) -> tuple[str, str]:
    """Return begin and end of a span, without the milliseconds that are always 0."""
    begin, end = spending._bounds(span)
    return begin.removesuffix(":00.000Z"), end.removesuffix(":00.000Z")


@pytest.mark.parametrize(
    ("moment", "span", "begin", "end"),
    [
        ("2026-11-18T00:00:00", "day", "2026-11-18T00:00", "2026-11-19T00:00"),
        ("2026-11-18T23:59:59.999999", "day", "2026-11-18T00:00", "2026-11-19T00:00"),
        ("2026-12-31T23:59:59", "day", "2026-12-31T00:00", "2027-01-01T00:00"),
        ("2028-02-28T12:00:00", "day", "2028-02-28T00:00", "2028-02-29T00:00"),
        ("2026-11-16T00:00:00", "week", "2026-11-16T00:00", "2026-11-23T00:00"),
        ("2026-11-22T23:59:59", "week", "2026-11-16T00:00", "2026-11-23T00:00"),
        ("2027-01-01T12:00:00", "week", "2026-12-28T00:00", "2027-01-04T00:00"),
        ("2026-12-31T12:00:00", "month", "2026-12-01T00:00", "2027-01-01T00:00"),
        ("2027-01-31T12:00:00", "month", "2027-01-01T00:00", "2027-02-01T00:00"),
        ("2027-02-28T12:00:00", "month", "2027-02-01T00:00", "2027-03-01T00:00"),
        ("2028-02-29T12:00:00", "month", "2028-02-01T00:00", "2028-03-01T00:00"),
    ],
)
def test_a_span_goes_from_midnight_to_midnight(
    monkeypatch: pytest.MonkeyPatch, moment: str, span: str, begin: str, end: str
) -> None:
    freeze(monkeypatch, moment)
    assert bounds(span) == (begin, end)


@pytest.mark.parametrize(
    ("zone", "begin"), [("Europe/Berlin", "17T23:00"), ("Asia/Kathmandu", "17T18:15"), ("America/New_York", "18T05:00")]
)
def test_midnight_is_that_of_this_machines_own_clock(monkeypatch: pytest.MonkeyPatch, zone: str, begin: str) -> None:
    freeze(monkeypatch, "2026-11-18T01:30:00", zone)
    assert bounds("day")[0] == f"2026-11-{begin}"


def test_a_moment_is_counted_in_the_local_day_whatever_day_it_is_in_utc(
    monkeypatch: pytest.MonkeyPatch, layout: LAYOUT
) -> None:
    freeze(monkeypatch, "2026-12-01T08:00:00", "Asia/Tokyo")
    spending.book(layout, spent("2026-11-30T14:59:59.999Z", usd=1))
    spending.book(layout, spent("2026-11-30T15:00:00.000Z", usd=2))
    assert [one.usd for one in spending.totals(layout)] == [2.0, 3.0, 2.0]


FOLD = [
    ("2026-03-29T12:00:00", "day", "2026-03-28T23:00", "2026-03-29T22:00"),
    ("2026-10-25T12:00:00", "day", "2026-10-24T22:00", "2026-10-25T23:00"),
    ("2026-03-28T12:00:00", "week", "2026-03-22T23:00", "2026-03-29T22:00"),
    ("2026-10-29T12:00:00", "month", "2026-09-30T22:00", "2026-10-31T23:00"),
    ("2026-03-10T12:00:00", "month", "2026-02-28T23:00", "2026-03-31T22:00"),
]


@pytest.mark.parametrize(("moment", "span", "begin", "end"), FOLD)
def test_a_change_of_the_clock_moves_no_midnight(
    monkeypatch: pytest.MonkeyPatch, moment: str, span: str, begin: str, end: str
) -> None:
    freeze(monkeypatch, moment, "Europe/Berlin")
    assert bounds(span) == (begin, end)


def test_many_processes_booking_at_once_lose_and_mix_no_line(layout: LAYOUT) -> None:
    workers = [str(number) for number in range(6)]
    runs = [
        subprocess.Popen([sys.executable, "-c", BOOKER, one, "150"], stdin=subprocess.PIPE, env=os.environ)
        for one in workers
    ]
    for run in runs:
        assert run.stdin
        run.stdin.write(b"!")
        run.stdin.close()
    assert [run.wait(60) for run in runs] == [0] * 6
    found = spending.booked(layout, "2026-11-18T12:00:00.000Z")
    assert sorted((one.worker, int(one.task_id)) for one in found) == [(w, n) for w in workers for n in range(150)]
    assert {one.repo for one in found} == {one * 300 for one in workers}
    [path] = layout.spending.iterdir()
    assert all(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line)


def test_what_is_booked_is_for_its_owner_alone(layout: LAYOUT) -> None:
    spending.book(layout, spent(usd=1))
    [path] = layout.spending.iterdir()
    assert path.stat().st_mode & 0o077 == 0
    assert layout.spending.stat().st_mode & 0o077 == 0


def test_each_month_has_its_file_and_older_ones_are_not_read(layout: LAYOUT) -> None:
    for month in ("09", "10", "11"):
        spending.book(layout, spent(f"2026-{month}-15T00:00:00.000Z", usd=1))
    assert sorted(one.name for one in layout.spending.iterdir()) == [f"2026-{n}.jsonl" for n in ("09", "10", "11")]
    (layout.spending / "2026-09.jsonl").write_bytes(b"\xff\xfe")
    assert len(spending.booked(layout, "2026-10-01T00:00:00.000Z")) == 2
    assert len(spending.booked(layout, "2026-10-15T00:00:00.001Z")) == 1


@pytest.mark.parametrize("junk", ["", "{", '{"at": "2026-11', "[]", "5", "null", '"x"', "{}", "\x00" * 99])
def test_a_line_that_was_cut_is_passed_over(layout: LAYOUT, junk: str) -> None:
    spending.book(layout, spent("2026-11-18T12:00:00.000Z", usd=1))
    path = layout.spending / "2026-11.jsonl"
    path.write_text(path.read_text(encoding="utf-8") + junk + "\n", encoding="utf-8")
    spending.book(layout, spent("2026-11-18T12:00:00.001Z", usd=2))
    assert [one.usd for one in spending.booked(layout, "2026-11-01")] == [1, 2]


def test_a_cut_line_takes_the_next_one_not_along(layout: LAYOUT) -> None:
    spending.book(layout, spent("2026-11-18T12:00:00.000Z", usd=1))
    path = layout.spending / "2026-11.jsonl"
    path.write_text(path.read_text(encoding="utf-8") + '{"at": "2026-11-18T12', encoding="utf-8")
    for usd in (2, 4):
        spending.book(layout, spent("2026-11-18T12:00:00.001Z", usd=usd))
    assert [one.usd for one in spending.booked(layout, "2026-11-01")] == [1, 2, 4]


@pytest.mark.parametrize("change", [{"usd": "x"}, {"usd": None}, {"tokens": []}, {"at": 5}, {"usd": float("nan")}])
def test_a_line_with_a_wrong_value_is_passed_over(layout: LAYOUT, change: dict[str, object]) -> None:
    spending.book(layout, spent(usd=1, tokens=1))
    [path] = layout.spending.iterdir()
    line = json.dumps({**spent(usd=2).to_json(), **change})
    path.write_text(f"{path.read_text(encoding='utf-8')}{line}\n", encoding="utf-8")
    day = [Budget("all", "", unit, "day", 100.0) for unit in ("usd", "tokens")]
    assert [one.used for one in spending.uses(layout, day)] == [1.0, 1.0]


def test_books_that_cannot_be_kept_are_told_in_words(layout: LAYOUT) -> None:
    (layout.spending / f"{clock.now()[:7]}.jsonl").mkdir(parents=True)
    with pytest.raises(WorkersError):
        spending.book(layout, spent(usd=1))
    with pytest.raises(WorkersError):
        spending.booked(layout, "2026-01-01")


def used(layout: LAYOUT, *budgets: Budget, more: Spent | None = None) -> list[float]:
    """Return how much of each budget is used."""
    return [one.used for one in spending.uses(layout, budgets, more)]


def test_each_scope_counts_what_is_its_own(layout: LAYOUT) -> None:
    spending.book(layout, spent(repo="ann/calc", credentials="team", usd=1, tokens=10, seconds=100))
    spending.book(layout, spent(repo="ann/calc", credentials="default", usd=2, tokens=20, seconds=200))
    spending.book(layout, spent(repo="ann/other", credentials="team", usd=4, tokens=40, seconds=400))
    scopes = [("all", ""), ("repository", "ann/calc"), ("credentials", "team"), ("repository", "ann/none")]
    units = {"usd": [7, 3, 5, 0], "tokens": [70, 30, 50, 0], "time": [700, 300, 500, 0]}
    for unit, expected in units.items():
        assert used(layout, *(Budget(scope, name, unit, "day", 1.0) for scope, name in scopes)) == expected


@pytest.mark.parametrize(("span", "sees"), [("day", 1.0), ("week", 3.0), ("month", 7.0)])
def test_each_span_counts_from_its_own_begin(
    layout: LAYOUT, monkeypatch: pytest.MonkeyPatch, span: str, sees: float
) -> None:
    freeze(monkeypatch, "2026-11-18T12:00:00")
    for at, usd in (("18T00:00", 1), ("16T00:00", 2), ("01T00:00", 4)):
        spending.book(layout, spent(f"2026-11-{at}:00.000Z", usd=usd))
    spending.book(layout, spent("2026-10-31T23:59:59.999Z", usd=8))
    assert used(layout, Budget("all", "", "usd", span, 1.0)) == [sees]
    assert {one.span: one.usd for one in spending.totals(layout)}[span] == sees


def test_what_is_not_yet_booked_counts_where_it_belongs(layout: LAYOUT) -> None:
    spending.book(layout, spent(usd=1))
    both = Budget("all", "", "usd", "day", 1.0), Budget("repository", "ann/other", "usd", "week", 1.0)
    assert used(layout, *both, more=spent(repo="ann/other", usd=0.5)) == [1.5, 0.5]
    assert used(layout, *both) == [1.0, 0.0]
    assert spending.uses(layout, [], spent(usd=1)) == []


def test_a_use_ends_with_its_span_and_says_its_share(layout: LAYOUT, monkeypatch: pytest.MonkeyPatch) -> None:
    freeze(monkeypatch, "2026-11-18T12:00:00")
    spending.book(layout, spent("2026-11-18T01:00:00.000Z", usd=1.5, tokens=900, seconds=5400))
    units = {"usd": (2.0, "1.50 of 2.00"), "tokens": (1000.0, "900 of 1000"), "time": (7200.0, "1h 30m of 2h")}
    for unit, (limit, amount) in units.items():
        [one] = spending.uses(layout, [Budget("all", "", unit, "week", limit)])
        assert (one.until, one.amount) == ("2026-11-23T00:00:00.000Z", amount)
        assert 0.7 < one.share < 1


def test_a_budget_of_nothing_is_used_up() -> None:
    assert Use(Budget("all", "", "tokens", "day", 0.0), 0.0, "").share == 1.0


def test_the_verb_shows_what_was_spent_and_how_much_of_each_budget(tmp_path: Path, layout: LAYOUT) -> None:
    cli = Cli(tmp_path)
    folder = paths.config_dir()
    folder.mkdir()
    spending.book(layout, spent(usd=0.9, tokens=50, seconds=61))
    assert "no budgets are set" in cli.ok("budget")
    (folder / "config.toml").write_text('budget_usd_day = 1\n[repos."ann/calc"]\nbudget_tokens_month = 50\n')
    said = cli.ok("budget")
    assert "budget_usd_day: 0.90 of 1.00, 90%, until " in said
    assert "budget_tokens_month of repository ann/calc: 50 of 50, 100%" in said
    shown = json.loads(cli.ok("budget", "--json"))
    assert [one["span"] for one in shown["spent"]] == ["day", "week", "month"]
    assert shown["spent"][2]["usd"] == 0.9
    assert [one["used"] for one in shown["budgets"]] == [0.9, 50.0]
    totals, uses = Fleet().budget()
    assert (totals[2].tokens, [one.budget.name for one in uses]) == (50, ["", "ann/calc"])
