"""Credentials: env files read strictly, one payer, and no secret in an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from claude_workers import credentials, paths
from claude_workers.credentials import API_KEY, BASE_URL, TOKEN
from claude_workers.errors import BadInput, Refused, WorkersError

SECRET = "sk-ant-very-secret-0123456789"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("\n  \n# a comment\n  # another\n", {}),
        ("A=b", {"A": "b"}),
        ("A=b\nC=d\n", {"A": "b", "C": "d"}),
        ("A=b\r\nC=d\r\n", {"A": "b", "C": "d"}),
        ("export A=b", {"A": "b"}),
        ("A=", {"A": ""}),
        ("A=b=c==", {"A": "b=c=="}),
        ("A=b # c", {"A": "b # c"}),
        ("A=$HOME `id` $(id)", {"A": "$HOME `id` $(id)"}),
        ("A='b c'", {"A": "b c"}),
        ('A="b c"', {"A": "b c"}),
        ("A='b", {"A": "'b"}),
        ("A='", {"A": "'"}),
        ("_a1=x", {"_a1": "x"}),
        ("A=b\nA=c", {"A": "c"}),
        ("A=é", {"A": "é"}),
    ],
)
def test_lines_of_name_and_value_are_read_and_never_run(text: str, values: dict[str, str]) -> None:
    assert credentials.parse_env(text, "here") == values


@pytest.mark.parametrize(
    "line", ["A", "=b", "1A=b", "A B=c", "A-B=c", "A =b", "source x", "é=b", "export", "A=\0", "; id"]
)
def test_any_other_line_is_refused_by_its_number(line: str) -> None:
    with pytest.raises(BadInput, match="here, line 3: not NAME=value"):
        credentials.parse_env(f"# first\nA=b\n{line}\n", "here")


def test_a_refused_line_is_not_shown() -> None:
    with pytest.raises(BadInput) as caught:
        credentials.parse_env(f"MY KEY={SECRET}", "here")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        "x",
        "",
        "a b",
        "a=b",
        "#x",
        "'",
        '"',
        "'a",
        "$x",
        "é",
        "'quoted'",
        '"quoted"',
        " x",
        "x ",
        "\tx",
        "a\u2028b",
        "a\x0cb",
    ],
)
def test_what_is_rendered_is_read_back(value: str) -> None:
    values = {"FIRST": value, "SECOND": "kept"}
    assert credentials.parse_env(credentials.render_env(values), "here") == values


@pytest.mark.parametrize("value", ["x\nEVIL=1", "x\n", "x\rEVIL=1", "x\0"])
def test_a_value_of_two_lines_is_refused_or_kept_and_never_becomes_two_variables(value: str) -> None:
    try:
        rendered = credentials.render_env({"A": value})
    except WorkersError:
        return
    assert credentials.parse_env(rendered, "here") == {"A": value}


def test_there_are_no_values_where_there_is_no_file(tmp_path: Path) -> None:
    assert credentials.read_env(tmp_path / "nowhere" / ".env") == {}


def test_a_link_is_not_read_for_values(tmp_path: Path) -> None:
    (tmp_path / "real").write_text(f"{API_KEY}={SECRET}\n", encoding="utf-8")
    (tmp_path / ".env").symlink_to("real")
    with pytest.raises(BadInput, match="link"):
        credentials.read_env(tmp_path / ".env")


@pytest.mark.parametrize("name", [None, ""])
def test_no_env_file_configured_means_no_values(name: str | None) -> None:
    assert credentials.env_file(name) == {}


def test_a_configured_env_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "operator" / "project.env").write_text("A=b\n", encoding="utf-8")
    assert credentials.env_file("~/project.env") == {"A": "b"}


def test_a_configured_env_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not exist"):
        credentials.env_file(str(tmp_path / "nowhere"))


def stored(text: str) -> None:
    """Write the operator's credentials.env."""
    path = paths.config_dir() / "credentials.env"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_the_operator_s_environment_comes_before_the_stored_file(monkeypatch: pytest.MonkeyPatch) -> None:
    stored(f"{API_KEY}=stored\n{TOKEN}=token\nOTHER=x\n{BASE_URL}=\n")
    monkeypatch.setenv(API_KEY, "environment")
    assert credentials.from_operator() == {API_KEY: "environment", TOKEN: "token"}


def test_an_empty_variable_does_not_hide_the_stored_value(monkeypatch: pytest.MonkeyPatch) -> None:
    stored(f"{API_KEY}=stored\n")
    monkeypatch.setenv(API_KEY, "")
    assert credentials.from_operator() == {API_KEY: "stored"}


def test_nothing_but_what_an_agent_needs_is_taken_from_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GH_TOKEN", SECRET)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert SECRET not in credentials.from_operator().values()


@pytest.mark.parametrize(
    ("values", "login", "auth", "pays"),
    [
        ({}, False, None, ""),
        ({}, True, None, "login"),
        ({API_KEY: ""}, False, None, ""),
        ({API_KEY: "k"}, False, None, "key"),
        ({API_KEY: "k"}, True, None, "key"),
        ({TOKEN: "t"}, False, None, "token"),
        ({TOKEN: "t", API_KEY: ""}, False, None, "token"),
        ({API_KEY: "k", TOKEN: "t"}, False, "key", "key"),
        ({API_KEY: "k", TOKEN: "t"}, False, "token", "token"),
        ({API_KEY: "k"}, False, "token", "key"),
        ({BASE_URL: "http://x"}, False, "key", ""),
    ],
)
def test_one_credential_pays(values: dict[str, str], *, login: bool, auth: str | None, pays: str) -> None:
    assert credentials.payer(values, login=login, auth=auth) == pays


@pytest.mark.parametrize("login", [True, False])
def test_a_key_and_a_token_together_are_refused_until_somebody_decides(*, login: bool) -> None:
    with pytest.raises(Refused) as caught:
        credentials.payer({API_KEY: SECRET, TOKEN: SECRET}, login=login, auth=None)
    assert "auth" in caught.value.remedy
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(("pays", "left_out"), [("key", TOKEN), ("token", API_KEY)])
def test_an_agent_gets_the_paying_credential_alone(pays: str, left_out: str) -> None:
    values = {API_KEY: "k", TOKEN: "t", BASE_URL: "http://x", "MORE": "m"}
    assert credentials.for_agent(values, pays) == {name: value for name, value in values.items() if name != left_out}
