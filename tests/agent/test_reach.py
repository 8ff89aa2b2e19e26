"""Where an agent may connect to: the model, this host's registries, and what the operator added."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from claude_workers.agent import reach
from claude_workers.config import Settings
from claude_workers.enclosure.rules import Blocked
from claude_workers.errors import BadInput

SETTINGS = Settings()


@pytest.fixture(autouse=True)
def bare_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host without package managers, whose files are the operator's own; returns its bin folder."""
    monkeypatch.setattr(reach, "_PIP_FILES", ("~/.config/pip/pip.conf", "~/.pip/pip.conf"))
    monkeypatch.setattr(reach, "_NPM_FILES", ("~/.npmrc",))
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    return programs


def install(programs: Path, *names: str) -> None:
    for name in names:
        (programs / name).write_text("#!/bin/sh\n", encoding="utf-8")
        (programs / name).chmod(0o755)


def own(name: str, text: str | bytes) -> None:
    """Write a file of the operator's."""
    path = Path(name).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def test_a_host_without_package_managers_reaches_no_registry() -> None:
    assert reach.registry_hosts() == []
    assert reach.registry_variables() == {}


@pytest.mark.parametrize(
    ("manager", "host"),
    [("pip3", "pypi.org"), ("npm", "registry.npmjs.org"), ("cargo", "static.crates.io"), ("go", "proxy.golang.org")],
)
def test_a_package_manager_that_is_here_reaches_its_registry(manager: str, host: str, bare_host: Path) -> None:
    assert host not in reach.registry_hosts()
    install(bare_host, manager)
    assert host in reach.registry_hosts()


@pytest.mark.parametrize("place", ["variable", "~/.config/pip/pip.conf", "~/.pip/pip.conf", "named file"])
def test_pip_s_index_is_found_where_pip_finds_it(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, text = "https://pip.example.org:8443/simple", "[global]\nindex-url = https://pip.example.org:8443/simple\n"
    if place == "variable":
        monkeypatch.setenv("PIP_INDEX_URL", url)
    elif place == "named file":
        own(str(tmp_path / "pip.conf"), text)
        monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    else:
        own(place, text)
    assert reach.pip_urls() == [url]
    assert reach.registry_hosts() == ["pip.example.org:8443"]
    assert reach.registry_variables() == {"PIP_INDEX_URL": url}


def test_all_of_pip_s_indexes_are_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://a.example.org/x https://b.example.org/y")
    own("~/.config/pip/pip.conf", "[install]\nextra-index-url =\n  https://c.example.org\n  http://d.example.org\n")
    hosts = ["a.example.org:443", "b.example.org:443", "c.example.org:443", "d.example.org:80"]
    assert reach.registry_hosts() == hosts


@pytest.mark.parametrize(
    "content",
    ["", "no section", "[global]\nindex-url\n", "[global]\nindex-url = file:///x\n", b"[global]\n\xff", "[global"],
)
def test_a_pip_file_that_says_nothing_useful_is_passed_over(content: str | bytes) -> None:
    own("~/.config/pip/pip.conf", content)
    assert reach.pip_urls() == []


def test_an_extra_index_of_pip_s_does_not_become_its_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://extra.example.org/simple")
    assert reach.registry_variables() == {"PIP_EXTRA_INDEX_URL": "https://extra.example.org/simple"}


def test_npm_s_registry_is_found_where_npm_finds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    own("~/.npmrc", "# comment\nregistry = https://npm.example.org/x/\nregistryx=https://no.example.org\n")
    assert reach.npm_urls() == ["https://npm.example.org/x/"]
    monkeypatch.setenv("npm_config_registry", "https://first.example.org")
    assert reach.npm_urls() == ["https://first.example.org", "https://npm.example.org/x/"]
    assert reach.registry_variables() == {"npm_config_registry": "https://first.example.org"}


@pytest.mark.parametrize("scope", ["@corp", "@my-corp", "@my.corp", "@my_corp"])
def test_the_registry_of_a_scope_is_reached_and_does_not_become_that_of_all(scope: str) -> None:
    own("~/.npmrc", f"{scope}:registry=https://npm.corp.example/\n//npm.corp.example/:_authToken=s3cret\n")
    assert reach.registry_hosts() == ["npm.corp.example:443"]
    assert "npm_config_registry" not in reach.registry_variables()


def test_a_login_in_a_registry_s_url_is_not_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://ann:s3cret@pip.example.org:8443/simple?x=1")
    monkeypatch.setenv("npm_config_registry", "https://ann:s3cret@npm.example.org/")
    assert reach.registry_variables() == {
        "PIP_INDEX_URL": "https://pip.example.org:8443/simple?x=1",
        "npm_config_registry": "https://npm.example.org/",
    }
    assert reach.registry_hosts() == ["pip.example.org:8443", "npm.example.org:443"]


def test_without_a_base_url_an_agent_reaches_anthropic() -> None:
    assert reach.domains(SETTINGS, reach.Ends()) == reach.ANTHROPIC


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://llm.example.org", "llm.example.org:443"),
        ("http://10.0.0.1:8000/v1", "10.0.0.1:8000"),
        ("http://127.0.0.1:9923", "127.0.0.1:9923"),
        ("http://[::1]:9923", "[::1]:9923"),
    ],
)
def test_with_a_base_url_an_agent_reaches_just_that_host_and_port(url: str, host: str) -> None:
    assert reach.domains(SETTINGS, reach.Ends(url)) == (host,)


@pytest.mark.parametrize("url", ["http://10.0.0.1:8000", "http://127.0.0.1:9923", "http://[::1]:9923"])
def test_a_private_base_url_is_allowed_on_its_port_alone(url: str) -> None:
    made = reach.rules(SETTINGS, reach.Ends(url))
    assert made
    host, _, port = url.removeprefix("http://").rpartition(":")
    assert made.address(host, int(port)) == (host.strip("[]"), int(port))
    with pytest.raises(Blocked):
        made.address(host, 80)


@pytest.mark.parametrize("url", ["", "llm.example.org", "ftp://x", "http://"])
def test_a_base_url_that_is_none_is_refused(url: str) -> None:
    if url:
        with pytest.raises(BadInput):
            reach.rules(SETTINGS, reach.Ends(url))
    else:
        assert reach.domains(SETTINGS, reach.Ends(url)) == reach.ANTHROPIC


def test_the_gate_s_own_commands_do_not_reach_the_model() -> None:
    settings = dataclasses.replace(SETTINGS, allowed_domains=("more.example.org",))
    assert reach.domains(settings, reach.Ends("https://llm.example.org"), agent=False) == ("more.example.org",)
    made = reach.rules(settings, reach.Ends("http://127.0.0.1:9923"), agent=False)
    assert made
    assert made.forwards == ()


def test_what_the_operator_added_is_reached_once() -> None:
    settings = dataclasses.replace(SETTINGS, allowed_domains=("a.org", "*.b.org", "a.org"))
    assert reach.domains(settings, reach.Ends("https://a.org:443")) == ("a.org:443", "a.org", "*.b.org")


@pytest.mark.parametrize("domain", ["*", "*.com", "https://x", ""])
def test_a_bad_domain_of_the_operator_s_is_refused(domain: str) -> None:
    with pytest.raises(BadInput):
        reach.rules(dataclasses.replace(SETTINGS, allowed_domains=(domain,)), reach.Ends())


@pytest.mark.parametrize(
    ("url", "forwards"),
    [("http://127.0.0.1:9923", (9923,)), ("http://localhost:80", (80,)), ("https://llm.example.org", ()), (None, ())],
)
def test_an_endpoint_on_this_machine_is_forwarded(url: str | None, forwards: tuple[int, ...]) -> None:
    made = reach.rules(SETTINGS, reach.Ends(url))
    assert made
    assert made.forwards == forwards


def test_the_open_network_has_no_rules() -> None:
    assert reach.rules(dataclasses.replace(SETTINGS, network="open"), reach.Ends()) is None


def test_the_forge_s_hosts_are_reached_by_agent_and_gate() -> None:
    ends = reach.Ends("https://llm.example.org", "https://github.com")
    for agent in (True, False):
        listed = reach.domains(SETTINGS, ends, agent=agent)
        assert {"github.com", "api.github.com", "codeload.github.com"} <= set(listed)
    assert "git.example.org:443" in reach.domains(SETTINGS, reach.Ends(None, "https://git.example.org"))


def test_a_forge_on_this_machine_is_forwarded_to_an_agent_with_a_token_alone() -> None:
    for own_forge, forwards in ((False, ()), (True, (8080,))):
        made = reach.rules(SETTINGS, reach.Ends("https://a.org", "http://127.0.0.1:8080", own_forge=own_forge))
        assert made is not None
        assert made.forwards == forwards
        assert not any(rule.host == "127.0.0.1" for rule in made.rules)
