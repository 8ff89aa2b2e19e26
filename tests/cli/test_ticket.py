"""The verbs of tickets as people and scripts call them: what they print, and how they end."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Cli


@pytest.fixture
def desk(cli: Cli, calc: Path) -> Cli:
    """The command line beside a repository."""
    cli.ok("ticket", "create", "First", "--repo", "./calc")
    return cli


def ticket(cli: Cli, number: int) -> dict[str, object]:
    found: dict[str, object] = json.loads(cli.ok("ticket", "show", str(number), "--json"))
    return found


def test_a_ticket_from_filing_to_its_end(desk: Cli) -> None:
    assert desk.ok("ticket", "create", "Second", "--repo", "./calc", "--blocked-by", "1", "--priority", "7") == "2\n"
    listed = desk.ok("ticket", "list").splitlines()
    assert listed[0].split() == ["ID", "STATUS", "TYPE", "PRIORITY", "ASSIGNED", "LABELS", "TITLE"]
    assert listed[2].endswith("Second  (blocked by #1)")
    assert "Blocked by: #1" in desk.ok("ticket", "show", "2")
    assert "Blocks: #2" in desk.ok("ticket", "show", "1")
    claimed = json.loads(desk.ok("ticket", "claim-next", "--agent", "a1", "--format", "json"))
    assert (claimed["id"], claimed["status"], claimed["assigned_to"]) == (1, "in_progress", "a1")
    assert desk("ticket", "claim-next", "--agent", "a2").returncode == 1
    assert desk.ok("ticket", "list", "--assigned-to", "a1", "--format", "json") == f"[{json.dumps(claimed)}]\n"
    desk.ok("ticket", "comment", "1", "It grows", "--author", "ben")
    assert "-- ben, " in desk.ok("ticket", "comments", "1")
    desk.ok("ticket", "complete", "1")
    assert desk.ok("ticket", "count", "--status", "ready,done") == "1\n"
    desk.ok("ticket", "close", "1")
    assert desk.ok("ticket", "list", "--status", "in_progress") == "No tickets found\n"
    words = [line.split()[3] for line in desk.ok("ticket", "log", "1").splitlines()]
    assert words == ["done", "completed", "commented", "claimed", "created"]
    assert "#2 Second" in desk.ok("ticket", "claim-next", "--agent", "a2")
    desk.ok("ticket", "unclaim", "2", "--agent", "a2")
    assert ticket(desk, 2)["status"] == "open"


def test_what_a_person_says_is_done(desk: Cli) -> None:
    for kind in ("proposal", "question", "verify"):
        assert desk.ok("ticket", "create", kind, "--type", kind, "--repo", "./calc")
    desk.ok("ticket", "block", "1", "--by", "3")
    assert desk.ok("ticket", "list", "--assigned-to", "human", "--type", "question").splitlines()[1].startswith("3 ")
    assert desk.ok("ticket", "answer", "3", "8080") == "answered 3; told #1\n"
    desk.ok("ticket", "approve", "2", "--title", "Better")
    assert ticket(desk, 2)["title"] == "Better"
    made = json.loads(desk.ok("ticket", "fail", "4", "--reason", "broken", "--format", "json"))
    assert made == {"ok": True, "fix_ticket_id": 5, "verify_ticket_id": 6}
    desk.ok("ticket", "mark-done", "5")
    desk.ok("ticket", "pass", "6")
    assert ticket(desk, 6)["status"] == "done"


def test_a_file_of_tickets_is_filed(desk: Cli) -> None:
    (desk.folder / "plan.yaml").write_text("- {title: A, key: a}\n- {title: B, blocked_by: [a]}\n")
    assert desk.ok("ticket", "import", "plan.yaml", "--repo", "./calc") == "2\n3\n"
    assert ticket(desk, 3)["blocked_by"] == [2]


@pytest.mark.parametrize("place", ["before", "behind", "ours", "theirs"])
def test_the_database_is_named_before_or_behind_the_verb_or_by_a_variable(place: str, desk: Cli) -> None:
    path = str(desk.folder / "other.db")
    words = {"before": ("--db", path, "path"), "behind": ("path", "--db", path)}.get(place, ("path",))
    names = {"ours": {"CLAUDE_WORKERS_DB": path, "TICKET_DB": "/x"}, "theirs": {"TICKET_DB": path}}.get(place, {})
    assert desk.ok("ticket", *words, env={**os.environ, **names}) == f"{path}\n"
    listed = desk.ok("ticket", *words[:-1], "list", env={**os.environ, **names}) if place != "behind" else ""
    assert listed in {"", "No tickets found\n"}
    assert Path(desk.ok("ticket", "path").strip()).name == "tickets.db"


def test_a_database_says_whether_it_was_old(desk: Cli) -> None:
    assert desk.ok("ticket", "migrate").startswith("already at version ")
    (desk.folder / "empty.db").touch()
    assert desk.ok("ticket", "migrate", "--db", "empty.db").startswith("migrated from version 0 to version ")


def test_without_a_verb_the_help_is_shown_and_the_status_is_2(cli: Cli) -> None:
    done = cli("ticket")
    assert done.returncode == 2
    assert "claim-next" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("update", "1"), 2), (("update", "1", "--status", "done"), 2), (("update", "1", "--status", "banana"), 2),
        (("update", "9", "--title", "x"), 1), (("list", "--status", "open,banana"), 2),
        (("list", "--all", "--status", "open"), 2), (("count", "--status", "x"), 2), (("log", "9"), 1),
        (("claim-next",), 2), (("claim-next", "--agent", ""), 2), (("unclaim", "1", "--agent", "a1"), 1),
        (("complete", "1"), 1), (("complete", "9"), 1), (("mark-done", "9"), 1), (("approve", "1"), 1),
        (("reject", "1", "no"), 1), (("answer", "1", "x"), 1), (("answer", "1"), 2), (("pass", "1"), 1),
        (("fail", "1"), 2), (("fail", "1", "--reason", "x"), 1), (("block", "1", "--by", "1"), 2),
        (("block", "1", "--by", "9"), 1), (("unblock", "1", "--by", "2"), 1), (("block", "1"), 2),
        (("import", "absent.yaml"), 1), (("import", "calc"), 2), (("show", "x"), 2), (("comments", "9"), 1),
        (("create", "x", "--repo", "./calc", "--type", "epic"), 2), (("banana",), 2),
        (("create", "x", "--repo", "./calc", "--blocked-by", "9"), 1),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_one_line_and_changes_nothing(words: tuple[str, ...], status: int, desk: Cli) -> None:
    desk.refused(status, "ticket", *words)


def test_a_database_that_is_none_is_one_line(desk: Cli) -> None:
    (desk.folder / "bad.db").write_text("no database" * 500)
    with sqlite3.connect(desk.folder / "foreign.db") as db:
        db.execute("CREATE TABLE x (y)")
    assert "bad.db" in desk.refused(1, "ticket", "--db", "bad.db", "list")
    assert "another program" in desk.refused(2, "ticket", "list", "--db", "foreign.db")
