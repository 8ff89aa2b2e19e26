"""Budgets of spans of time: each in its own table, for its own scope, misspelt nowhere without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from claude_workers import access, config, paths, spending
from claude_workers.errors import BadInput
from claude_workers.model import Repository
from tests.stage import ADD, Stage

CALC = Repository("ann/calc", "https://github.com/ann/calc.git")
TEAM = '[repos."ann/calc"]\ncredential_set = "team"\n[credentials.team]\nforge_token = { env = "TEAM_TOKEN" }\n'


def write(text: str) -> Path:
    """Write the operator's config.toml."""
    path = paths.config_dir() / "config.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def shown(repository: str, credential_set: str | None = None) -> dict[str, float]:
    """Return the budgets that a task counts against, in words."""
    return {one.shown: one.limit for one in spending.budgets(repository, credential_set)}


@pytest.mark.parametrize("key", sorted(config.SPAN_KEYS))
def test_every_span_may_be_limited_for_the_machine_a_repository_and_a_credential_set(key: str) -> None:
    write(f'{key} = 3\n[repos."ann/calc"]\n{key} = 1\n[credentials.team]\n{key} = 2\n')
    assert shown("ann/calc", "team") == {
        key: 3.0,
        f"{key} of repository ann/calc": 1.0,
        f"{key} of credentials team": 2.0,
    }


def test_a_repositorys_budget_neither_raises_nor_replaces_the_machines() -> None:
    write('budget_usd_day = 1\n[repos."ann/calc"]\nbudget_usd_day = 100\n[repos."ann/other"]\nbudget_usd_day = 50\n')
    settings = config.load("ann/calc")
    assert settings.budget_usd_day == 1.0
    assert "[repos" not in settings.origins["budget_usd_day"]
    assert shown("ann/calc") == {"budget_usd_day": 1.0, "budget_usd_day of repository ann/calc": 100.0}
    assert shown("ann/third") == {"budget_usd_day": 1.0}


def test_a_repositorys_budget_alone_is_nobody_elses() -> None:
    write('[repos."ann/calc"]\nbudget_tokens_week = "500k"\n')
    assert config.load("ann/calc").budget_tokens_week is None
    assert "budget_tokens_week" not in config.load("ann/calc").origins
    assert shown("ann/calc") == {"budget_tokens_week of repository ann/calc": 500_000.0}
    assert shown("ann/other") == {}


def test_a_task_budget_of_a_repository_replaces_the_machines() -> None:
    write('budget_usd = 5\nbudget_tokens = "1M"\n[repos."ann/calc"]\nbudget_usd = 1\n')
    settings = config.load("ann/calc")
    assert (settings.budget_usd, settings.budget_tokens) == (1.0, 1_000_000)
    assert config.load("ann/other").budget_usd == 5.0


def test_who_names_no_credential_set_counts_as_the_default_one() -> None:
    write("[credentials.default]\nbudget_usd_month = 7\n[credentials.team]\nbudget_usd_month = 8\n")
    assert shown("ann/calc") == {"budget_usd_month of credentials default": 7.0}
    assert shown("ann/calc", "team") == {"budget_usd_month of credentials team": 8.0}
    assert spending.set_name(None) == "default"


def test_every_budget_of_the_file_is_listed_with_its_scope() -> None:
    write(
        'budget_time_day = "2h"\n[repos."a/b"]\nbudget_usd_day = 1\nverify = "true"\n'
        '[repos."c/d"]\nbudget_usd_week = 2\n[credentials.team]\nforge_token = { env = "T" }\nbudget_tokens_day = 9\n'
    )
    assert [(one.scope, one.name, one.key, one.limit) for one in spending.every_budget()] == [
        ("all", "", "budget_time_day", 7200.0),
        ("repository", "a/b", "budget_usd_day", 1.0),
        ("repository", "c/d", "budget_usd_week", 2.0),
        ("credentials", "team", "budget_tokens_day", 9.0),
    ]


def test_without_a_file_there_are_no_budgets() -> None:
    assert spending.every_budget() == []
    assert shown("ann/calc", "team") == {}


@pytest.mark.parametrize("key", ["budget_usd_year", "budget_usd_dya", "budget_day", "budget_time", "Budget_usd_day"])
def test_a_misspelt_budget_of_a_repository_is_refused_by_its_name(key: str) -> None:
    path = write(f'[repos."ann/calc"]\n{key} = 1\n')
    with pytest.raises(BadInput) as caught:
        config.load("ann/calc")
    assert f"{path} [repos.\"ann/calc\"]: unknown key '{key}'" in caught.value.message
    assert "budget_usd_day" in caught.value.remedy


@pytest.mark.parametrize("value", ["0", "-1", "true", '"much"', "nan", "[]", "{}", "2026-01-01"])
@pytest.mark.parametrize("table", ['repos."ann/calc"', 'credentials."team"'])
def test_a_budget_of_the_wrong_kind_is_refused_by_table_and_key(table: str, value: str) -> None:
    write(f"[{table}]\nbudget_usd_day = {value}\n")
    with pytest.raises(BadInput) as caught:
        spending.budgets("ann/calc", "team")
    assert f"[{table}]: budget_usd_day" in caught.value.message
    assert "a number above 0" in caught.value.message


@pytest.mark.parametrize("text", ["credentials = 5", "credentials = []", "[credentials]\nteam = 5", 'repos = "x"'])
def test_tables_that_are_none_hold_no_budget(text: str) -> None:
    write(text)
    assert config.spans("credentials", "team") == {}
    assert config.spans("repos", "ann/calc") == {}


def test_a_credential_set_with_a_budget_still_gives_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_TOKEN", "ghp-of-the-team")
    write(f"{TEAM}budget_usd_day = 5\n")
    assert access.origin(CALC).access.token == "ghp-of-the-team"
    assert "TEAM_TOKEN" in access.variables(CALC)


def test_a_misspelt_budget_of_a_credential_set_is_refused_where_its_token_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TEAM_TOKEN", "ghp-of-the-team")
    write(f"{TEAM}budget_usd_dya = 5\n")
    with pytest.raises(BadInput, match=r"\[credentials\.team\]: unknown key 'budget_usd_dya'"):
        access.origin(CALC)


def test_a_misspelt_budget_of_a_credential_set_is_refused_for_a_local_repository_too(stage: Stage) -> None:
    stage.configure('[repos."local/calc"]\ncredential_set = "team"\n[credentials.team]\nbudget_usd_dya = 0.001\n')
    with pytest.raises(BadInput, match="budget_usd_dya"):
        stage.play(ADD, {"text": "x"})


@pytest.mark.parametrize("table", ['repos."ann/calc"', "credentials.team"])
def test_the_list_of_budgets_refuses_a_misspelt_one(table: str) -> None:
    write(f"[{table}]\nbudget_usd_dya = 1\n")
    with pytest.raises(BadInput, match="budget_usd_dya"):
        spending.every_budget()
