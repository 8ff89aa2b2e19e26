"""Secrets by reference: one kind a reference, its secret whole, and in no message."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from claude_workers import references
from claude_workers.errors import BadInput, NoCredentials

SECRET = "ghp_very_secret_0123456789"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A file that holds the secret as an editor leaves it."""
    path = tmp_path / "token"
    path.write_text(f"{SECRET}\n", encoding="utf-8")
    return path


def test_a_variable_is_read_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", SECRET)
    assert references.resolved({"env": "MY_TOKEN"}, "forge_token") == (SECRET, "forge_token (env)")
    monkeypatch.setenv("MY_TOKEN", "renewed")
    assert references.resolved({"env": "MY_TOKEN"}, "forge_token")[0] == "renewed"


def test_a_file_that_is_just_written_anew_is_read_once_more(kept: Path) -> None:
    kept.write_text("", encoding="utf-8")
    with ThreadPoolExecutor() as pool:
        found = pool.submit(references.resolved, {"file": str(kept)}, "forge_token")
        kept.write_text(SECRET, encoding="utf-8")
        assert found.result()[0] == SECRET


def test_a_file_is_read_without_its_last_line_s_end(kept: Path) -> None:
    assert references.resolved({"file": str(kept)}, "forge_token") == (SECRET, f"forge_token (file {kept})")


def test_a_file_may_be_in_the_operator_s_home(kept: Path) -> None:
    kept.rename(Path.home() / "token")
    assert references.resolved({"file": "~/token"}, "x") == (SECRET, "x (file ~/token)")


def test_a_file_that_is_a_link_of_the_operator_s_is_followed(kept: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(kept)
    assert references.resolved({"file": str(tmp_path / "link")}, "x")[0] == SECRET


@pytest.mark.parametrize(
    ("command", "secret"),
    [
        ("echo abc", "abc"),
        ("printf abc", "abc"),
        ("echo ' abc '", "abc"),
        ("echo noise >&2; echo abc", "abc"),
        ('echo "$MY_TOKEN"', SECRET),
        ("cat; echo abc", "abc"),
        ("echo xabc | tr -d x", "abc"),
    ],
)
def test_a_command_of_the_shell_prints_the_secret(command: str, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", SECRET)
    assert references.resolved({"command": command}, "x") == (secret, f"x (command {command})")


@pytest.mark.parametrize(
    "reference",
    [
        None,
        SECRET,
        5,
        [],
        [SECRET],
        {},
        {"value": SECRET},
        {"ENV": SECRET},
        {"env": "A", "file": SECRET},
        {1: SECRET},
        {"env": 5},
        {"env": ""},
        {"env": None},
        {"env": [SECRET]},
        {"file": True},
        {"file": ""},
        {"command": ""},
        {"command": ["echo", SECRET]},
        {"command": {"env": SECRET}},
    ],
)
def test_what_is_no_reference_is_refused_and_not_shown(reference: object) -> None:
    with pytest.raises(BadInput, match="forge_token") as caught:
        references.resolved(reference, "forge_token")
    assert caught.value.remedy
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ({"env": "UNSET_TOKEN"}, "not set"),
        ({"env": "has space"}, "not set"),
        ({"env": "A=B"}, "not set"),
        ({"file": "/nowhere/token"}, "/nowhere/token"),
        ({"file": "/"}, "/"),
        ({"command": "exit 3"}, "exit 3"),
        ({"command": "no-such-program-of-ours"}, "exit 127"),
        ({"command": "kill -9 $$"}, "exit -9"),
        ({"command": "true"}, "holds no token"),
        ({"command": "echo"}, "holds no token"),
    ],
)
def test_a_reference_that_leads_nowhere_is_no_credential(reference: dict[str, str], told: str) -> None:
    with pytest.raises(NoCredentials, match="forge_token") as caught:
        references.resolved(reference, "forge_token")
    assert told in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("value", ["", " ", "\n", f"{SECRET} more", f"{SECRET}\nmore", f"{SECRET}\x1b", f"a\t{SECRET}"])
def test_what_is_no_single_word_is_no_token_and_not_shown(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "token"
    path.write_text(value, encoding="utf-8")
    monkeypatch.setenv("MY_TOKEN", value)
    for reference in ({"env": "MY_TOKEN"}, {"file": str(path)}, {"command": f"cat {path}"}):
        with pytest.raises(NoCredentials, match="holds no token") as caught:
            references.resolved(reference, "x")
        assert SECRET not in str(caught.value)


def test_a_file_that_is_no_text_is_no_credential(kept: Path) -> None:
    kept.write_bytes(b"\xff\xfe" + SECRET.encode())
    with pytest.raises(NoCredentials, match="cannot be read") as caught:
        references.resolved({"file": str(kept)}, "x")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("command", ["cat $MY_FILE; exit 1", "cat $MY_FILE >&2; exit 2"])
def test_what_a_failed_command_printed_is_not_shown(command: str, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_FILE", str(kept))
    with pytest.raises(NoCredentials, match="exit") as caught:
        references.resolved({"command": command}, "x")
    assert SECRET not in str(caught.value)
