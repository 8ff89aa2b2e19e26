"""Credential sets: a home that is bound to one pays with it, is refreshed from it, and no accident decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from claude_workers import credentials, paths, spending
from claude_workers.errors import BadInput, NoCredentials
from claude_workers.home import provision, sets
from claude_workers.home.home import find
from tests.cli.conftest import Cli
from tests.stage import DONE, Stage


def configure(text: str) -> None:
    """Write config.toml."""
    paths.config_dir().mkdir(parents=True, exist_ok=True)
    (paths.config_dir() / "config.toml").write_text(text, encoding="utf-8")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A set whose key is in a file."""
    path = tmp_path / "key"
    path.write_text("sk-ant-team-0123456789\n", encoding="utf-8")
    configure(f'[credentials.team]\napi_key = {{ file = "{path}" }}\nbase_url = "https://api.example.org"\n'
              'budget_usd_day = 0.005\n')  # fmt: skip
    return path


def test_a_home_is_bound_to_a_set_and_refreshed_from_it(stage: Stage, key: Path) -> None:
    [home] = stage.fleet.init("02", credentials="team")
    assert credentials.read_env(home.env_file) == {
        credentials.API_KEY: "sk-ant-team-0123456789",
        credentials.BASE_URL: "https://api.example.org",
        credentials.SET: "team",
    }
    key.write_text("sk-ant-team-renewed-789", encoding="utf-8")
    stage.fleet.refresh("02")
    assert credentials.read_env(home.env_file)[credentials.API_KEY] == "sk-ant-team-renewed-789"
    key.unlink()
    before = home.env_file.read_bytes()
    with pytest.raises(NoCredentials):
        stage.fleet.refresh("02")
    assert home.env_file.read_bytes() == before


def test_what_a_bound_home_costs_counts_against_its_set(stage: Stage, key: Path) -> None:
    stage.fleet.init("02", credentials="team")
    stage.fleet.dispatch("02", str(stage.calc), prompt="x", expect="answer")
    stage.fleet.watch(["02"], timeout=60)
    assert {one.of for one in spending.totals(stage.fleet.layout, "credentials")} == {"team"}
    task = stage.fleet.dispatch("02", str(stage.calc), prompt="y", expect="answer")
    assert (task.state, "credentials team" in task.reason) == ("waiting", True)
    assert stage.play(DONE, expect="answer").outcome == "answered"


def test_its_agent_sees_neither_the_sets_name_nor_whose_it_is(stage: Stage, key: Path) -> None:
    values = {**sets.values("team"), credentials.OWN: "key"}
    assert set(credentials.for_agent(values, "key")) == {credentials.API_KEY, credentials.BASE_URL}


def test_where_a_credential_comes_from_is_told(stage: Stage, key: Path, cli: Cli) -> None:
    stage.fleet.init("02", credentials="team")
    home = find(stage.fleet.layout, "01")
    provision.own_credentials(home, {credentials.API_KEY: "sk-ant-own", credentials.OWN: "key"})
    told = cli("doctor").stdout
    assert "pays by key: credential set team" in told
    assert "pays by key: its own, of login" in told


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("", "holds no Claude credential"),
        ('forge_token = { env = "X" }', "holds no Claude credential"),
        ('api_key = { env = "A" }\noauth_token = { env = "B" }', "both"),
        ('api_key = { env = "A" }\noauth_token = { env = "B" }\nauth = "me"', "both"),
        ('api_key = "sk-ant-written-here"', "not a reference"),
        ('api_key = { env = "A" }\nbase_url = 5', "base_url"),
        ("nonsense = 1", "nonsense"),
    ],
)
def test_a_set_that_decides_nothing_is_refused_and_makes_no_home(
    stage: Stage, cli: Cli, monkeypatch: pytest.MonkeyPatch, table: str, said: str
) -> None:
    monkeypatch.setenv("A", "sk-ant-a-0123456789")
    monkeypatch.setenv("B", "sk-ant-b-0123456789")
    configure(f"[credentials.team]\n{table}\n")
    told = cli.refused(2, "init", "02", "--credentials", "team")
    assert said in told
    assert "sk-ant" not in told
    cli.refused(2, "init", "02", "--credentials", "nobodys")
    with pytest.raises(BadInput):
        sets.values("team")


def test_of_a_key_and_a_token_the_set_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "sk-ant-a-0123456789")
    monkeypatch.setenv("B", "sk-ant-b-0123456789")
    both = 'api_key = { env = "A" }\noauth_token = { env = "B" }'
    configure(f'[credentials.team]\n{both}\nauth = "token"\n')
    assert sets.values("team") == {credentials.TOKEN: "sk-ant-b-0123456789", credentials.SET: "team"}
