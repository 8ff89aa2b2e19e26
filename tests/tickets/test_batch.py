"""Tickets from a file: read whole, with their order, or refused with the one that is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from claude_workers.errors import BadInput, NotFound
from claude_workers.tickets import batch
from claude_workers.tickets.queue import Queue

YAML = """
tickets:
  - {key: api, title: API, blocked_by: [db, 7], labels: [ready]}
  - key: db
    title: Database
    description: |
      Two
      lines
    priority: 5
  - {title: "Which port?", assign: human, blocked_by: [api], repo: other}
"""
TOML = """
[[tickets]]
key = "api"
title = "API"
blocked_by = ["db", 7]
labels = ["ready"]
[[tickets]]
key = "db"
title = "Database"
description = "Two\\nlines\\n"
priority = 5
[[tickets]]
title = "Which port?"
assign = "human"
blocked_by = ["api"]
repo = "other"
"""


def read(path: Path) -> object:
    return batch.read(path, lambda named: f"/srv/{named or 'repo'}", "ann")


@pytest.mark.parametrize(("name", "text"), [("a.yaml", YAML), ("a.toml", TOML), ("a.txt", YAML)])
def test_a_file_is_read_with_what_waits_for_what(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    found = batch.read(path, lambda named: f"/srv/{named or 'repo'}", "ann")
    assert [(one.title, one.repo, one.type, one.priority, waits) for one, waits in found] == [
        ("API", "/srv/repo", "task", 0, (1,)),
        ("Database", "/srv/repo", "task", 5, ()),
        ("Which port?", "/srv/other", "question", 0, (0,)),
    ]
    assert (found[0][0].blocked_by, found[0][0].labels, found[1][0].description) == ((7,), ("ready",), "Two\nlines\n")


def test_a_mere_list_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"title": "x"}]))
    queue = Queue(tmp_path / "tickets.db")
    assert queue.create_all(batch.read(path, lambda _: "/srv/repo", "ann")) == [1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no tickets"), ("tickets: []", "no tickets"), ("a: 1", "no tickets"), ("- x", "ticket 1: it is no table"),
        ("- {title: x}\n- {description: y}", "ticket 2: it has no title"), ("- {title: 3}", "its title"),
        ("- {title: x, banana: 1}", "no field 'banana'"), ("- {title: x, priority: high}", "its priority"),
        ("- {title: x, blocked_by: y}", "its blocked_by"), ("- {title: x, blocked_by: [y]}", "waits for 'y'"),
        ("- {title: x, type: epic}", "its type"), ("- {title: x, key: a}\n- {title: y, key: a}", "its key 'a'"),
        ("- {title: x, labels: ['a,b']}", "not a label"), ("- {title: ''}", "ticket 1: a ticket needs a title"),
        ("- {title: 'x", "a.yaml"), ("[" * 5000, "a.yaml"), ("- !!python/object:os.system {}", "a.yaml"),
        ("- {title: !!bool abc}", "a.yaml"), ('- {title: x, priority: !!int ""}', "a.yaml"),
        ("- {title: !!timestamp abc}", "a.yaml"), ("- {title: x, labels: &l [*l]}", "its labels"),
        ("- {title: x, labels: [[1]]}", "its labels"), ('- {title: "a\\e[2Jb"}', "ticket 1: a ticket needs a title"),
        ("- {title: x, blocked_by: [[1]]}", "no key and no id"), ("- {1: x}", "no field '1'"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_says_where(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(BadInput) as caught:
        read(path)
    assert told in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("text", [b"\xff\xfe", b'title = "x'])
def test_a_file_that_is_no_text_or_no_toml_is_refused(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(text)
    with pytest.raises(BadInput, match=r"a\.toml"):
        read(path)
    with pytest.raises(NotFound):
        read(tmp_path / "absent.yaml")
    with pytest.raises(BadInput):
        read(tmp_path)
