"""Where an agent may connect to by default: the model's endpoint and this host's package registries."""

from __future__ import annotations

import configparser
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from claude_workers.access import GITHUB
from claude_workers.enclosure.rules import Rule, Rules, endpoint, is_loopback, place

if TYPE_CHECKING:
    from claude_workers.config import Settings

# code.claude.com/docs network configuration: the API, and where a login is renewed.
ANTHROPIC = ("api.anthropic.com", "platform.claude.com", "claude.ai")
# docs.github.com, "About GitHub's domains": pages and git, API, archives, raw files, released files.
_GITHUB_HOSTS = ("github.com", "api.github.com", "codeload.github.com", "raw.githubusercontent.com",
                 "objects.githubusercontent.com", "release-assets.githubusercontent.com")  # fmt: skip
_DEFAULTS = {
    "pip3": ("pypi.org", "files.pythonhosted.org"),
    "npm": ("registry.npmjs.org",),
    "cargo": ("index.crates.io", "static.crates.io", "crates.io"),
    "go": ("proxy.golang.org", "sum.golang.org"),
}
_PIP_FILES = ("~/.config/pip/pip.conf", "~/.pip/pip.conf", "/etc/pip.conf")
_NPM_FILES = ("~/.npmrc", "/etc/npmrc", "/usr/etc/npmrc")
_NPM_REGISTRY = re.compile(r"^\s*(?:(@[\w.-]+):)?registry\s*=\s*(\S+)", re.MULTILINE)


def _pip(key: str) -> list[str]:
    """Return the URLs that pip is configured for under a key: index-url or extra-index-url."""
    found = os.environ.get(f"PIP_{key.upper().replace('-', '_')}", "").split()
    for name in (os.environ.get("PIP_CONFIG_FILE", ""), *_PIP_FILES):
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read(os.path.expanduser(name))
        except (configparser.Error, UnicodeDecodeError):
            continue
        for section in parser.sections():
            found += parser.get(section, key, fallback="").split()
    return [one for one in found if one.startswith("http")]


def pip_urls() -> list[str]:
    """Return the index URLs that pip is configured for on this host, the chief one first."""
    return [*_pip("index-url"), *_pip("extra-index-url")]


def _npm() -> list[tuple[str, str]]:
    """Return the registries that npm is configured for on this host, each with its scope or ""."""
    found = [("", os.environ.get("npm_config_registry", ""))]  # noqa: SIM112  npm's own spelling
    for name in _NPM_FILES:
        try:
            text = Path(os.path.expanduser(name)).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        found += _NPM_REGISTRY.findall(text)
    return [(scope, url) for scope, url in found if url.startswith("http")]


def npm_urls() -> list[str]:
    """Return the registry URLs that npm is configured for on this host."""
    return [url for _, url in _npm()]


def registry_hosts() -> list[str]:
    """Return the registries of the package managers this host has, its own configuration first."""
    hosts: list[str] = []
    for manager, defaults in _DEFAULTS.items():
        configured = {"pip3": pip_urls, "npm": npm_urls}.get(manager, list)()
        if configured:
            hosts += [place(one) for one in configured]
        if shutil.which(manager):
            hosts += defaults
    return list(dict.fromkeys(hosts))


def registry_variables() -> dict[str, str]:
    """Return the variables that tell package managers inside of this host's registries, secrets left out."""
    variables = {}
    chief, extra = _pip("index-url"), _pip("extra-index-url")
    if chief:
        variables["PIP_INDEX_URL"] = _without_login(chief[0])
    if extra:
        variables["PIP_EXTRA_INDEX_URL"] = " ".join(_without_login(one) for one in extra)
    for scope, url in _npm():
        if not scope:
            variables.setdefault("npm_config_registry", _without_login(url))
    return variables


def _without_login(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def forge_hosts(server: str) -> list[str]:
    """Return the hosts of a forge's pages, API and archives; a forge on this machine's loopback is none."""
    if server == GITHUB:
        return list(_GITHUB_HOSTS)
    return [place(server)] if server and not is_loopback(endpoint(server)[0]) else []


@dataclass(frozen=True)
class Ends:
    """The addresses that a task itself brings: the model's endpoint, and the forge's server.

    `own_forge` tells that the agent holds a token of its own for the forge.
    """

    base_url: str | None = None
    server: str = ""
    own_forge: bool = False


def domains(settings: Settings, ends: Ends, *, agent: bool = True) -> tuple[str, ...]:
    """Return the allow-list as text; `agent` adds the model's endpoint, which the gate never needs."""
    model = [place(ends.base_url)] if ends.base_url else list(ANTHROPIC)
    listed = [*(model if agent else []), *forge_hosts(ends.server), *registry_hosts(), *settings.allowed_domains]
    return tuple(dict.fromkeys(listed))


def rules(settings: Settings, ends: Ends, *, agent: bool = True) -> Rules | None:
    """Return the rules of the gate; None for the open network that the operator chose."""
    if settings.network == "open":
        return None
    own = [ends.base_url, ends.server if ends.own_forge else ""] if agent else []
    loopback = [endpoint(one) for one in own if one and is_loopback(endpoint(one)[0])]
    listed = tuple(Rule.parse(one) for one in domains(settings, ends, agent=agent))
    return Rules(listed, tuple(port for _, port in loopback))
