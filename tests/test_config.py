"""The settings: every key checked, every value with its origin, a repository's gate kept small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from claude_workers import config, paths
from claude_workers.errors import BadInput


def write(text: str) -> Path:
    """Write the operator's config.toml."""
    path = paths.config_dir() / "config.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the defaults is said."""
    monkeypatch.delenv("CLAUDE_WORKERS_CLAUDE")


def test_without_a_file_every_key_has_its_default() -> None:
    settings = config.load()
    assert settings.origins == {}
    assert (settings.start_limit, settings.silence_limit, settings.verify_retries) == (90, 900, 2)
    assert (settings.isolation, settings.network, settings.permissions) == (None, "allow-list", "dontAsk")


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ('model = "opus"', "model", "opus"),
        ("budget_usd = 2", "budget_usd", 2.0),
        ("budget_usd = 0.5", "budget_usd", 0.5),
        ("max_turns = 5", "max_turns", 5),
        ("verify_retries = 0", "verify_retries", 0),
        ('time_limit = "1h30m"', "time_limit", 5400.0),
        ("time_limit = 90", "time_limit", 90.0),
        ('disk_floor = "2G"', "disk_floor", 2 << 30),
        ('disk_floor = "1.5m"', "disk_floor", 3 << 19),
        ("disk_floor = 1000", "disk_floor", 1000),
        ('allowed_domains = ["a.org", "*.b.org"]', "allowed_domains", ("a.org", "*.b.org")),
        ("allowed_domains = []", "allowed_domains", ()),
        ("setup_required = true", "setup_required", True),
        ("setup_required = false", "setup_required", False),
        ('isolation = "none"', "isolation", "none"),
        ('auth = "token"', "auth", "token"),
    ],
)
def test_a_written_value_counts_and_says_where_it_is_from(line: str, name: str, value: object) -> None:
    path = write(line)
    settings = config.load()
    assert getattr(settings, name) == value
    assert settings.origins == {name: str(path)}


@pytest.mark.parametrize(
    "line",
    [
        "model = 5",
        'model = ""',
        "model = true",
        'model = "a\\nb"',
        "budget_usd = 0",
        "budget_usd = -1",
        "budget_usd = nan",
        "budget_usd = inf",
        "budget_usd = true",
        'budget_usd = "much"',
        "budget_usd = []",
        "max_turns = -1",
        "max_turns = 1.5",
        "max_turns = true",
        'max_turns = "²"',
        'time_limit = "soon"',
        "time_limit = -5",
        "time_limit = true",
        "time_limit = inf",
        'setup_required = "maybe"',
        "setup_required = 2",
        "allowed_domains = 5",
        "allowed_domains = [1]",
        "allowed_domains = {a = 1}",
        'disk_floor = "lots"',
        'disk_floor = "2X"',
        "disk_floor = true",
        "disk_floor = -1",
        'disk_floor = "-1G"',
        'disk_floor = "nanG"',
        'disk_floor = "infG"',
        'verify = "a\\u0000b"',
        "verify = []",
        'isolation = "wall"',
        'network = "closed"',
        'permissions = "yolo"',
        'expect = "much"',
        'auth = "coin"',
        'host_name = "My VPS"',
        'host_name = "any"',
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_naming_file_and_key(line: str) -> None:
    path = write(line)
    with pytest.raises(BadInput) as caught:
        config.load()
    assert str(path) in caught.value.message
    assert line.partition(" ")[0] in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize("line", ["modle = 1", "origins = {}", "[host]\na = 1", '"" = 1'])
def test_an_unknown_key_is_refused(line: str) -> None:
    write(line)
    with pytest.raises(BadInput, match="unknown key"):
        config.load()


@pytest.mark.parametrize("content", [b"= 1", b"a = ", b"a = 1\na = 2", b'model = "\xff"', b"\0"])
def test_a_file_that_does_not_parse_is_refused(content: bytes) -> None:
    write("").write_bytes(content)
    with pytest.raises(BadInput, match="does not parse"):
        config.load()


def test_a_folder_in_place_of_the_file_is_refused() -> None:
    (paths.config_dir() / "config.toml").mkdir(parents=True)
    with pytest.raises(BadInput, match="cannot be read"):
        config.load()


def test_a_table_of_a_repository_wins_over_the_rest_of_the_file() -> None:
    write('verify = "make"\nbase = "main"\n[repos."o/r"]\nverify = "tox"\n[repos."o/other"]\nverify = "nox"\n')
    settings = config.load("o/r")
    assert (settings.verify, settings.base) == ("tox", "main")
    assert 'repos."o/r"' in settings.origins["verify"]
    assert config.load("o/third").verify == "make"
    assert config.load().verify == "make"


@pytest.mark.parametrize("key", sorted(set(config.KEYS) - config.REPOSITORY_KEYS))
def test_a_table_of_a_repository_holds_no_key_of_the_whole_machine(key: str) -> None:
    write(f'[repos."o/r"]\n{key} = "x"\n')
    with pytest.raises(BadInput, match="unknown key"):
        config.load("o/r")


@pytest.mark.parametrize("line", ["repos = 5", 'repos = "o/r"', "repos = []", "[[repos]]\nx = 1", '[repos]\n"o/r" = 5'])
def test_repositories_that_are_no_tables_are_refused(line: str) -> None:
    write(line)
    with pytest.raises(BadInput):
        config.load("o/r")


@pytest.mark.parametrize(
    ("variable", "name", "value"),
    [
        ("CLAUDE_WORKERS_MODEL", "model", "haiku"),
        ("CLAUDE_WORKERS_CLAUDE", "claude", "/opt/claude"),
        ("CLAUDE_WORKERS_ISOLATION", "isolation", "double"),
    ],
)
def test_the_environment_wins_over_the_file(
    variable: str, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(f'{name} = "none"')
    monkeypatch.setenv(variable, value)
    settings = config.load()
    assert getattr(settings, name) == value
    assert settings.origins[name] == f"${variable}"


def test_an_empty_variable_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDE_WORKERS_MODEL", "")
    assert config.load().model is None


def test_a_bad_variable_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDE_WORKERS_ISOLATION", "wall")
    with pytest.raises(BadInput, match="CLAUDE_WORKERS_ISOLATION"):
        config.load()


@pytest.mark.parametrize(
    ("text", "kept"), [("a,b", ("a", "b")), ("a, b", ("a", "b")), ("a", ("a",)), ("", ()), ("a,", ("a",))]
)
def test_a_list_written_as_one_text_is_taken_apart_at_its_commas(text: str, kept: tuple[str, ...]) -> None:
    assert config.convert("persist", text, "here") == kept


GATE = 'base = "main"\nsetup = "make deps"\nverify = "make test"\nverify_retries = 5\npost_checkout = "true"\n'


def test_a_repository_may_say_how_it_is_checked() -> None:
    settings = config.with_gate(config.load(), GATE)
    assert (settings.base, settings.setup, settings.verify) == ("main", "make deps", "make test")
    assert (settings.verify_retries, settings.post_checkout) == (5, "true")
    assert set(settings.origins.values()) == {config.GATE_FILE}


def test_the_operator_s_word_wins_over_the_repository_s() -> None:
    path = write('verify = "tox"')
    settings = config.with_gate(config.load(), GATE)
    assert (settings.verify, settings.setup) == ("tox", "make deps")
    assert settings.origins["verify"] == str(path)


def test_the_operator_s_default_written_down_is_a_word_too() -> None:
    write("verify_retries = 2")
    assert config.with_gate(config.load(), GATE).verify_retries == 2


@pytest.mark.parametrize("key", sorted(set(config.KEYS) - config.GATE_KEYS))
def test_a_repository_says_nothing_but_its_gate(key: str) -> None:
    with pytest.raises(BadInput, match="unknown key"):
        config.with_gate(config.load(), f'{key} = "x"')


def test_the_gate_s_keys_are_those_that_cannot_loosen_anything() -> None:
    assert {"base", "setup", "verify", "verify_retries", "post_checkout"} == config.GATE_KEYS


@pytest.mark.parametrize(
    "text",
    ["verify = ", "verify = 5", "verify_retries = -1", "[verify]\nx = 1", "repos = {}", "base = " + "[" * 50_000],
)
def test_a_gate_file_that_cannot_be_understood_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(BadInput, match=r"\.claude-workers\.toml"):
        config.with_gate(config.load(), text)


def test_an_empty_gate_file_changes_nothing() -> None:
    assert config.with_gate(config.load(), "# nothing\n") == config.load()


def described() -> dict[str, dict[str, Any]]:
    return {row["key"]: row for row in config.described()}


def test_every_key_is_described_with_value_and_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    path = write('verify = "tox"')
    monkeypatch.setenv("CLAUDE_WORKERS_MODEL", "haiku")
    rows = described()
    assert list(rows) == list(config.KEYS)
    assert all(row["meaning"] for row in rows.values())
    assert (rows["verify"]["value"], rows["verify"]["origin"]) == ("tox", str(path))
    assert (rows["model"]["value"], rows["model"]["origin"]) == ("haiku", "$CLAUDE_WORKERS_MODEL")
    assert rows["base"]["origin"] == "default"


def test_one_setting_is_written_and_all_else_stays() -> None:
    path = write('# mine\nmodel = "opus"  # the big one\n\n[repos."o/r"]\nbase = "dev"\n')
    for name, text in (("time_limit", "2h"), ("max_attempts", "5"), ("setup_required", "true"), ("persist", "a, b")):
        config.put(name, text)
    config.put("model", "haiku")
    found = config.load("o/r")
    assert (found.time_limit, found.max_attempts, found.setup_required) == (7200, 5, True)
    assert (found.persist, found.model, found.base) == (("a", "b"), "haiku", "dev")
    assert "# mine" in path.read_text("utf-8")
    assert "# the big one" in path.read_text("utf-8")
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("name", "text"), [("modle", "x"), ("time_limit", "soon"), ("isolation", "wall"), ("model", "")]
)
def test_a_setting_that_cannot_be_is_not_written(name: str, text: str) -> None:
    path = write('model = "opus"\n')
    with pytest.raises(BadInput):
        config.put(name, text)
    assert path.read_text("utf-8") == 'model = "opus"\n'


def test_the_first_setting_makes_the_file() -> None:
    config.put("host_name", "vps")
    assert config.load().host_name == "vps"
