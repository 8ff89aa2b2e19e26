"""Limits: kept by credential and not by worker, until they are lifted, and telling nothing of the secret."""

from __future__ import annotations

import json

import pytest

from claude_workers import clock, credentials, limits, paths
from claude_workers.limits import Limit
from tests.racing import race

LAYOUT = paths.Layout
KEY = "sk-ant-api03-the-key-that-nobody-may-see-0123456789"
TOKEN = "sk-ant-oat01-the-token-that-nobody-may-see-9876543210"
BOTH = {credentials.API_KEY: KEY, credentials.TOKEN: TOKEN}


def limit(worker: str = "01", seconds: float = 60.0, reason: str = "usage limit: come back later") -> Limit:
    """Return a limit that is lifted in so many seconds."""
    return Limit(clock.in_seconds(seconds), reason, worker)


def test_without_a_file_nothing_stands_and_none_is_made(layout: LAYOUT) -> None:
    assert limits.standing(layout, "01", BOTH, "key") is None
    assert not layout.limits.exists()


def test_a_limit_stands_for_whoever_pays_with_the_same_key(layout: LAYOUT) -> None:
    met = limit("01")
    limits.note(layout, {credentials.API_KEY: KEY}, "key", met)
    assert limits.standing(layout, "01", {credentials.API_KEY: KEY}, "key") == met
    assert limits.standing(layout, "02", {**BOTH, "OTHER": "x"}, "key") == met


def test_a_limit_stands_for_whoever_pays_with_the_same_token(layout: LAYOUT) -> None:
    limits.note(layout, BOTH, "token", limit("01"))
    assert limits.standing(layout, "02", {credentials.TOKEN: TOKEN}, "token")
    assert limits.standing(layout, "02", {credentials.TOKEN: TOKEN + "x"}, "token") is None


def test_another_key_or_another_way_to_pay_is_not_limited(layout: LAYOUT) -> None:
    limits.note(layout, BOTH, "key", limit("01"))
    assert limits.standing(layout, "01", {**BOTH, credentials.API_KEY: KEY + "x"}, "key") is None
    assert limits.standing(layout, "01", BOTH, "token") is None
    assert limits.standing(layout, "01", {}, "login") is None


def test_a_login_belongs_to_one_home(layout: LAYOUT) -> None:
    limits.note(layout, {}, "login", limit("01"))
    assert limits.standing(layout, "01", {}, "login")
    assert limits.standing(layout, "02", {}, "login") is None


@pytest.mark.parametrize("seconds", [-3600.0, -0.001, 0.0])
def test_a_limit_that_is_lifted_stands_no_longer(layout: LAYOUT, seconds: float) -> None:
    limits.note(layout, BOTH, "key", limit(seconds=seconds))
    assert limits.standing(layout, "01", BOTH, "key") is None


def test_the_last_word_on_a_credential_counts(layout: LAYOUT) -> None:
    limits.note(layout, BOTH, "key", limit("01", 3600))
    last = limit("02", 60)
    limits.note(layout, BOTH, "key", last)
    assert limits.standing(layout, "03", BOTH, "key") == last


def test_what_is_lifted_is_forgotten_when_another_is_noted(layout: LAYOUT) -> None:
    limits.note(layout, {credentials.API_KEY: "old-key"}, "key", limit(seconds=-1))
    limits.note(layout, BOTH, "key", limit())
    limits.note(layout, BOTH, "token", limit())
    assert len(json.loads(layout.limits.read_text(encoding="utf-8"))) == 2


def test_limits_noted_at_one_moment_are_all_kept(layout: LAYOUT) -> None:
    def note(number: int) -> None:
        limits.note(layout, {credentials.API_KEY: f"key-{number}"}, "key", limit(f"{number:02}"))

    assert race(note) == [None] * 20
    for number in range(20):
        found = limits.standing(layout, "99", {credentials.API_KEY: f"key-{number}"}, "key")
        assert found
        assert found.worker == f"{number:02}"


def test_the_file_is_private_and_holds_no_secret(layout: LAYOUT) -> None:
    limits.note(layout, BOTH, "key", limit())
    limits.note(layout, BOTH, "token", limit())
    text = layout.limits.read_text(encoding="utf-8")
    for secret in (KEY, TOKEN):
        pieces = [secret[at : at + 8] for at in range(len("sk-ant-api03"), len(secret) - 8)]
        assert not [piece for piece in pieces if piece in text]
    assert layout.limits.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "5", "null", '{"x": 5}', '{"x": []}', '{"x": {}}', '{"x": {"until": "2999"}}', "\x00" * 50]
)
def test_a_file_that_cannot_be_understood_limits_nobody_and_is_written_anew(layout: LAYOUT, text: str) -> None:
    layout.root.mkdir()
    layout.limits.write_text(text, encoding="utf-8")
    assert limits.standing(layout, "01", BOTH, "key") is None
    limits.note(layout, BOTH, "key", limit())
    assert limits.standing(layout, "01", BOTH, "key")


@pytest.mark.parametrize("until", [5, None, [], {}, True])
def test_a_limit_without_a_moment_limits_nobody(layout: LAYOUT, until: object) -> None:
    limits.note(layout, BOTH, "key", limit())
    data = json.loads(layout.limits.read_text(encoding="utf-8"))
    changed = {name: {**one, "until": until} for name, one in data.items()}
    layout.limits.write_text(json.dumps(changed), encoding="utf-8")
    assert limits.standing(layout, "01", BOTH, "key") is None
    limits.note(layout, BOTH, "token", limit())
    assert limits.standing(layout, "01", BOTH, "token")


def test_keys_of_a_newer_version_are_no_fault(layout: LAYOUT) -> None:
    limits.note(layout, BOTH, "key", limit())
    data = json.loads(layout.limits.read_text(encoding="utf-8"))
    newer = {name: {**one, "kind": "weekly"} for name, one in data.items()}
    layout.limits.write_text(json.dumps(newer), encoding="utf-8")
    assert limits.standing(layout, "01", BOTH, "key")


def test_a_link_in_place_of_the_file_is_not_followed(layout: LAYOUT) -> None:
    layout.root.mkdir()
    elsewhere = layout.root.parent / "elsewhere.json"
    elsewhere.write_text("{}", encoding="utf-8")
    layout.limits.symlink_to(elsewhere)
    limits.note(layout, BOTH, "key", limit())
    assert elsewhere.read_text(encoding="utf-8") == "{}"
    assert limits.standing(layout, "01", BOTH, "key")
