"""Credential sets sent to another machine: into private files, by nobody's command line, and used there."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest

from claude_workers import BadInput, Fleet, credentials
from claude_workers.hosts import registry
from tests.cli.conftest import Cli
from tests.hosts.conftest import Remote

KEY, TOKEN, FORGE = "sk-ant-team-0123456789", "sk-ant-oat-0123456789", "ghp_0123456789abcdef"
SETS = """
[credentials.team]
api_key = { env = "TEAM_KEY" }
forge_token = { command = "echo ghp_0123456789abcdef" }
base_url = "http://127.0.0.1:9"
budget_usd_day = 5
"""


def configure(folder: Path, text: str) -> Path:
    """Write config.toml of a machine."""
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_text(text, encoding="utf-8")
    return folder / "config.toml"


@pytest.fixture
def there(remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The other machine's configuration, ours having a set for it."""
    configure(tmp_path / "config", SETS)
    monkeypatch.setenv("TEAM_KEY", KEY)
    found = registry.remove("vps")
    registry.add(registry.parsed("vps", found.target, credential_set="team"))
    return configure(tmp_path / "vps/config", "# theirs\n[repos.x]\nbase = 'dev'\n")


def environment(remote: Remote, worker: str) -> dict[str, str]:
    """Return what a home over there has."""
    return credentials.read_env(remote.root / worker / ".env")


def test_a_set_is_sent_kept_privately_and_paid_with(there: Path, remote: Remote, cli: Cli) -> None:
    with pytest.raises(BadInput) as told:
        Fleet().init("vps/01")
    assert told.value.remedy == "claude-workers host push-credentials vps team"
    said = cli.ok("host", "push-credentials", "vps")
    assert "host vps has team" in said
    data = tomllib.loads(there.read_text("utf-8"))
    assert "# theirs" in there.read_text("utf-8")
    assert (data["repos"], data["credential_set"]) == ({"x": {"base": "dev"}}, "team")
    kept = data["credentials"]["team"]
    assert kept.keys() == {"api_key", "forge_token", "base_url"}
    for key, secret in (("api_key", KEY), ("forge_token", FORGE)):
        place = Path(kept[key]["file"])
        assert place.read_text("utf-8") == secret
        assert (place.stat().st_mode & 0o777, place.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        assert secret not in said + there.read_text("utf-8")
    Fleet().init("vps/01")
    assert environment(remote, "01")[credentials.API_KEY] == KEY
    assert environment(remote, "01")[credentials.SET] == "team"


def test_a_new_secret_reaches_the_homes_and_an_old_kind_goes(
    there: Path, remote: Remote, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.ok("host", "push-credentials", "vps")
    Fleet().init("vps/01")
    configure(tmp_path / "config", '[credentials.team]\noauth_token = { env = "TEAM_TOKEN" }\n')
    monkeypatch.setenv("TEAM_TOKEN", TOKEN)
    told = json.loads(cli.ok("host", "push-credentials", "vps", "--json"))
    assert "CLAUDE_CODE_OAUTH_TOKEN" in told["kept"]["refreshed"]["01"] or ".env" in told["kept"]["refreshed"]["01"]
    assert tomllib.loads(there.read_text("utf-8"))["credentials"]["team"].keys() == {"oauth_token"}
    found = environment(remote, "01")
    assert (found.get(credentials.TOKEN), found.get(credentials.API_KEY)) == (TOKEN, None)
    assert json.loads(cli.ok("host", "push-credentials", "vps", "--json"))["kept"]["refreshed"] == {"01": ""}


def test_what_somebody_wrote_there_stays_unless_it_is_forced(there: Path, cli: Cli) -> None:
    own = '[credentials.team]\napi_key = { env = "THEIR_KEY" }\nbudget_usd_day = 7\n'
    there.write_text(own, encoding="utf-8")
    assert "--force" in cli.refused(6, "host", "push-credentials", "vps")
    assert there.read_text("utf-8") == own
    assert not (there.parent / "credentials").exists()
    cli.ok("host", "push-credentials", "vps", "--force")
    found = tomllib.loads(there.read_text("utf-8"))["credentials"]["team"]
    assert ("file" in found["api_key"], found["budget_usd_day"]) == (True, 7)


def test_what_cannot_be_sent_is_said_and_nothing_is(
    there: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = there.read_text("utf-8")
    cli.refused(2, "host", "push-credentials", "vps", "nobody")
    cli.refused(3, "host", "push-credentials", "elsewhere")
    monkeypatch.delenv("TEAM_KEY")
    assert "not set" in cli.refused(6, "host", "push-credentials", "vps")
    configure(tmp_path / "config", "[credentials.team]\nbudget_usd_day = 1\n")
    cli.refused(2, "host", "push-credentials", "vps")
    found = registry.remove("vps")
    registry.add(registry.parsed("vps", found.target))
    assert "hosts.toml" in cli.refused(2, "host", "push-credentials", "vps")
    assert there.read_text("utf-8") == before


@pytest.mark.parametrize(
    "sent",
    ["", "x", "[]", "{}", '{"team": 1}', '{"team": {}}', '{"../x": {"api_key": "k"}}', '{"t": {"modle": "x"}}',
     '{"t": {"api_key": 5}}', '{"t": {"budget_usd_day": 1}}'],
)  # fmt: skip
def test_what_is_no_set_is_not_kept(cli: Cli, sent: str) -> None:
    done = cli("host", "keep-credentials", input=sent)
    assert done.returncode == 2
    assert not os.path.exists(os.environ["CLAUDE_WORKERS_CONFIG_DIR"] + "/credentials")


def test_a_secret_with_blanks_in_it_is_none(cli: Cli) -> None:
    assert cli("host", "keep-credentials", input='{"t": {"api_key": "a b"}}').returncode == 6
