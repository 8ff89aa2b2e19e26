"""Access: which server, whose token, found in a fixed order, and shown to nobody."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from claude_workers import access, paths
from claude_workers.access import Access, Origin
from claude_workers.errors import BadInput, NoCredentials, WorkersError
from claude_workers.model import Repository

SECRET = "ghp_very_secret_0123456789"
REPOSITORY = Repository("o/r", "https://github.com/o/r.git")
OTHER = Repository("o/other", "https://github.com/o/other.git")
LOCAL = Repository("local/r", "/srv/r", "/srv/r")
IN_SET = 'credential_set = "work"\n[credentials.work]\n'


def configure(text: str) -> None:
    """Write the operator's config.toml."""
    folder = paths.config_dir()
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_text(text, encoding="utf-8")


def stored(text: str) -> None:
    """Write the operator's credentials.env."""
    folder = paths.config_dir()
    folder.mkdir(exist_ok=True)
    (folder / "credentials.env").write_text(text, encoding="utf-8")


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of programs: the machine's own gh is not asked."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def gh(programs: Path, *lines: str) -> Path:
    """Write a gh that notes its arguments in the file that is returned."""
    asked = programs / "asked"
    (programs / "gh").write_text("\n".join(("#!/bin/sh", f'echo "$@" >> {asked}', *lines)) + "\n", encoding="utf-8")
    (programs / "gh").chmod(0o755)
    return asked


def found(repository: Repository = REPOSITORY) -> tuple[str, str]:
    """Return the token of a repository and its source."""
    shown = access.origin(repository).access
    return shown.token, shown.source


@pytest.mark.parametrize(
    ("told", "server", "api"),
    [
        (None, "https://github.com", "https://api.github.com"),
        ("", "https://github.com", "https://api.github.com"),
        ("https://github.com", "https://github.com", "https://api.github.com"),
        ("https://github.com/", "https://github.com", "https://api.github.com"),
        ("https://ghe.example.org", "https://ghe.example.org", "https://ghe.example.org/api/v3"),
        ("https://ghe.example.org//", "https://ghe.example.org", "https://ghe.example.org/api/v3"),
        ("https://ghe.example.org:8443", "https://ghe.example.org:8443", "https://ghe.example.org:8443/api/v3"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "http://127.0.0.1:8080/api/v3"),
        ("http://localhost:8080/", "http://localhost:8080", "http://localhost:8080/api/v3"),
        ("http://[::1]:8080", "http://[::1]:8080", "http://[::1]:8080/api/v3"),
    ],
)
def test_the_server_is_told_by_the_environment_and_has_its_api_where_its_kind_has_it(
    told: str | None, server: str, api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if told is not None:
        monkeypatch.setenv(access.SERVER_VARIABLE, told)
    assert (access.server(), access.api(access.server())) == (server, api)


def test_the_api_may_be_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(access.SERVER_VARIABLE, "https://ghe.example.org")
    monkeypatch.setenv(access.API_VARIABLE, "https://api.example.org/v3/")
    assert access.api("https://ghe.example.org") == "https://api.example.org/v3"


@pytest.mark.parametrize("at", ["https://github.com", "https://other.example.org"])
def test_an_api_that_is_told_is_that_of_the_server_that_is_told(at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(access.SERVER_VARIABLE, "https://ghe.example.org")
    monkeypatch.setenv(access.API_VARIABLE, "https://api.example.org")
    assert "api.example.org" not in access.api(at)


@pytest.mark.parametrize(
    "text",
    [
        " ",
        "github.com",
        "/srv/git",
        "//github.com",
        "https://",
        "https:///o",
        "https:github.com",
        "http://github.com",
        "http://ghe.example.org:8080",
        "http://127.0.0.1.example.org",
        "http://localhost.example.org",
        "http://10.0.0.1",
        "ftp://github.com",
        "file:///etc/passwd",
        "ssh://git@github.com",
        "javascript://github.com",
        "https://ann@github.com",
        "https://ann:pass@github.com",
        "https://github.com@evil.example",
        "https://github.com?x=1",
        "http://127.0.0.1@evil.example",
    ],
)
@pytest.mark.parametrize("variable", [access.SERVER_VARIABLE, access.API_VARIABLE])
def test_an_address_that_would_show_a_token_to_others_is_refused(
    variable: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(BadInput, match=variable) as caught:
        access.api(access.server())
    assert caught.value.remedy
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    ("repository", "server"),
    [
        (REPOSITORY, "https://github.com"),
        (Repository("o/r", "https://ghe.example.org:8443/o/r.git"), "https://ghe.example.org:8443"),
        (Repository("o/r", "http://127.0.0.1:80/o/r.git"), "http://127.0.0.1:80"),
        (LOCAL, ""),
    ],
)
def test_a_repository_s_server_is_its_address_without_a_path(repository: Repository, server: str) -> None:
    assert access.server_of(repository) == server


def test_the_token_is_looked_for_in_a_fixed_order(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(f'{IN_SET}forge_token = {{ env = "WORK_TOKEN" }}')
    monkeypatch.setenv("WORK_TOKEN", "of-set")
    monkeypatch.setenv("GH_TOKEN", "of-gh-token")
    monkeypatch.setenv("GITHUB_TOKEN", "of-github-token")
    stored("GITHUB_TOKEN=stored-second\nGH_TOKEN=stored-first\n")
    asked = gh(programs, "echo of-gh")
    assert found() == ("of-set", "credential set work (env)")
    configure("")
    assert found() == ("of-gh-token", "$GH_TOKEN")
    monkeypatch.setenv("GH_TOKEN", "")
    assert found() == ("of-github-token", "$GITHUB_TOKEN")
    monkeypatch.delenv("GITHUB_TOKEN")
    assert found() == ("stored-first", "credentials.env (GH_TOKEN)")
    stored("GH_TOKEN=\nGITHUB_TOKEN=stored-second\n")
    assert found() == ("stored-second", "credentials.env (GITHUB_TOKEN)")
    stored("")
    assert not asked.exists()
    assert found() == ("of-gh", "gh auth token")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://github.com/o/r.git", "github.com"),
        ("https://ghe.example.org/o/r.git", "ghe.example.org"),
        ("https://ghe.example.org:8443/o/r.git", "ghe.example.org:8443"),
    ],
)
def test_gh_is_asked_for_the_token_of_the_repository_s_host(url: str, host: str, programs: Path) -> None:
    asked = gh(programs, f"echo ' {SECRET} '")
    assert found(Repository("o/r", url)) == (SECRET, "gh auth token")
    assert asked.read_text(encoding="utf-8") == f"auth token --hostname {host}\n"


@pytest.mark.parametrize(
    "line", ["exit 1", f"echo {SECRET}; exit 1", f"echo {SECRET} >&2", "true", "echo", "echo '  '", "kill -9 $$"]
)
def test_a_gh_that_holds_no_token_means_none(line: str, programs: Path) -> None:
    gh(programs, line)
    assert found() == ("", "")


def test_without_any_source_there_is_no_token() -> None:
    shown = access.origin(REPOSITORY).access
    assert shown == Access("https://github.com")
    assert shown.shown == "nobody"
    assert "GH_TOKEN" in shown.remedy


def test_a_gh_that_cannot_be_run_means_no_token(programs: Path) -> None:
    (programs / "gh").write_bytes(b"\x7fELF nonsense")
    (programs / "gh").chmod(0o755)
    assert found() == ("", "")


def test_a_token_that_was_renewed_is_the_new_one(tmp_path: Path) -> None:
    kept = tmp_path / "token"
    configure(f'{IN_SET}forge_token = {{ file = "{kept}" }}')
    for token in ("first", "second"):
        kept.write_text(f"{token}\n", encoding="utf-8")
        assert found() == (token, f"credential set work (file {kept})")


def test_a_repository_may_have_a_credential_set_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GH_TOKEN", "of-all")
    monkeypatch.setenv("WORK_TOKEN", "of-work")
    configure(
        '[repos."o/r"]\ncredential_set = "work"\n[repos."o/third"]\ncredential_set = "none"\n'
        '[credentials.work]\nforge_token = { env = "WORK_TOKEN" }\n'
    )
    assert found()[0] == "of-work"
    assert found(OTHER)[0] == "of-all"
    with pytest.raises(BadInput, match=r"no table \[credentials.none\]"):
        found(Repository("o/third", "https://github.com/o/third.git"))


def test_a_set_without_a_forge_token_leaves_the_other_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GH_TOKEN", "of-all")
    configure(f'{IN_SET}agent_token = {{ env = "WORK_TOKEN" }}')
    assert found() == ("of-all", "$GH_TOKEN")


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        (f'{IN_SET}token = "{SECRET}"', BadInput, "unknown key 'token'"),
        (f'{IN_SET}forge_token = "{SECRET}"', BadInput, "not a reference"),
        (f'{IN_SET}forge_token = {{ value = "{SECRET}" }}', BadInput, "not a reference"),
        (f"{IN_SET}forge_token = {{ env = 5 }}", BadInput, "not a text"),
        (f'{IN_SET}forge_token = {{ env = "UNSET" }}', NoCredentials, "it names is not set"),
        (f'{IN_SET}forge_token = {{ file = "/nowhere" }}', NoCredentials, "cannot be read"),
        (f'{IN_SET}forge_token = {{ env = "TWO_WORDS" }}', NoCredentials, "holds no token"),
        ('credential_set = "work"', BadInput, "no table"),
        ('credential_set = "work"\n[credentials.other]\n', BadInput, "no table"),
        (f'credential_set = "work"\ncredentials = "{SECRET}"', BadInput, "no table"),
        (f'credential_set = "work"\n[credentials]\nwork = "{SECRET}"', BadInput, "no table"),
    ],
)
def test_a_set_that_leads_to_no_token_is_an_error_and_no_other_source_is_used(
    text: str, kind: type[WorkersError], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GH_TOKEN", SECRET)
    monkeypatch.setenv("TWO_WORDS", f"{SECRET} {SECRET}")
    configure(text)
    with pytest.raises(kind) as caught:
        access.origin(REPOSITORY)
    assert told in caught.value.message
    assert caught.value.remedy
    assert SECRET not in str(caught.value)


def test_a_credentials_file_that_cannot_be_read_is_refused_and_not_shown() -> None:
    stored(f"MY TOKEN={SECRET}\n")
    with pytest.raises(BadInput, match="not NAME=value") as caught:
        access.origin(REPOSITORY)
    assert SECRET not in str(caught.value)


def test_a_local_repository_is_shown_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GH_TOKEN", SECRET)
    configure('credential_set = "nowhere"\nssh_key = "/nowhere"')
    assert access.origin(LOCAL) == Origin(LOCAL)
    assert Origin(LOCAL).url == "/srv/r"
    assert access.variables(LOCAL) == frozenset()


def test_the_agent_s_token_is_the_set_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTS", "of-agent")
    monkeypatch.setenv("RUNNERS", "of-runner")
    configure(f'{IN_SET}agent_token = {{ env = "AGENTS" }}\nforge_token = {{ env = "RUNNERS" }}')
    assert access.agent_token(REPOSITORY) == "of-agent"
    assert found()[0] == "of-runner"


@pytest.mark.parametrize("text", ["", IN_SET, f'{IN_SET}forge_token = {{ env = "GH_TOKEN" }}'])
def test_the_runner_s_token_is_never_the_agent_s(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GH_TOKEN", SECRET)
    configure(text)
    with pytest.raises(NoCredentials, match="no agent_token") as caught:
        access.agent_token(REPOSITORY)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", set()),
        (f'{IN_SET}forge_token = {{ env = "A" }}\nagent_token = {{ env = "B" }}', {"A", "B"}),
        (f'{IN_SET}forge_token = {{ file = "A" }}\nagent_token = {{ command = "B" }}', set()),
        ('[repos."o/other"]\ncredential_set = "work"\n[credentials.work]\nforge_token = { env = "A" }', set()),
    ],
)
def test_a_runner_is_passed_the_variables_of_its_repository(text: str, named: set[str]) -> None:
    configure(text)
    always = {"GH_TOKEN", "GITHUB_TOKEN", "GITHUB_API_URL", "GITHUB_SERVER_URL", "GH_CONFIG_DIR"}
    assert access.variables(REPOSITORY) == always | named


def test_an_ssh_key_changes_git_s_address_and_keeps_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GH_TOKEN", SECRET)
    key = Path.home() / "key"
    key.touch()
    configure('[repos."o/r"]\nssh_key = "~/key"')
    origin = access.origin(REPOSITORY)
    assert (origin.name, origin.url) == ("o/r", "ssh://git@github.com/o/r.git")
    assert (origin.access.ssh_key, origin.access.token) == (str(key), SECRET)
    assert origin.access.shown == f"the key {key}"
    assert origin.access.remedy == f"try ssh -i {key} git@github.com"
    assert access.origin(OTHER).url == OTHER.url


def test_an_ssh_address_may_be_told_and_means_nothing_without_a_key() -> None:
    configure('[repos."o/r"]\nssh_url = "ssh://git@ssh.example.org:2222/o/r.git"')
    assert access.origin(REPOSITORY).url == REPOSITORY.url
    (Path.home() / "key").touch()
    configure('[repos."o/r"]\nssh_key = "~/key"\nssh_url = "ssh://git@ssh.example.org:2222/o/r.git"')
    assert access.origin(REPOSITORY).url == "ssh://git@ssh.example.org:2222/o/r.git"


@pytest.mark.parametrize("key", ["/nowhere/key", "~/nowhere", "/"])
def test_an_ssh_key_that_is_no_file_is_refused(key: str) -> None:
    configure(f'ssh_key = "{key}"')
    with pytest.raises(BadInput, match=r"ssh_key .* does not exist"):
        access.origin(REPOSITORY)


@pytest.mark.parametrize("ssh_key", ["", "/home/ann/key"])
def test_a_token_is_not_in_what_is_printed_of_an_access(ssh_key: str) -> None:
    shown = Access("https://github.com", SECRET, "$GH_TOKEN", ssh_key)
    origin = Origin(REPOSITORY, shown)
    for text in (repr(shown), str(shown), f"{shown}", repr(origin), str(origin), shown.shown, shown.remedy, origin.url):
        assert SECRET not in text


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (Access(), "nobody"),
        (Access("https://github.com", SECRET, "$GH_TOKEN"), "the token of $GH_TOKEN"),
        (Access("https://github.com", SECRET, "$GH_TOKEN", "/key"), "the key /key"),
    ],
)
def test_an_access_is_told_in_words_with_a_remedy(shown: Access, words: str) -> None:
    assert shown.shown == words
    assert shown.remedy


def test_an_access_is_not_changed_once_it_is_made() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(Access(), "token", SECRET)  # noqa: B010  what mypy forbids is what is tried
