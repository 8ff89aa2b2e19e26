"""The steps of setting a machine up, from its facts alone: what is there, what is to be done, what a person must do."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_workers.model import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from claude_workers.hosts.facts import Facts

# The newest that the measured facts of this program were taken on.
CLAUDE_CODE = "2.1.197"
OTHER = "other than here"
_NATIVE = "curl -fsSL https://claude.ai/install.sh | bash"
_PROFILE = "/etc/apparmor.d/claude-workers-bwrap"
_APPARMOR = """\
abi <abi/4.0>,
include <tunables/global>
profile claude-workers-bwrap /usr/bin/bwrap flags=(unconfined) {
  userns,
  include if exists <local/claude-workers-bwrap>
}
"""


@dataclass(frozen=True)
class Wish:
    """What is wanted of a machine: the program with this digest, its own name, and services that outlive a login."""

    digest: str
    version: str
    name: str = ""
    linger: bool = False

    @property
    def here(self) -> bool:
        """Whether it is this very machine, whose program is at work."""
        return not self.name


@dataclass(frozen=True)
class Step(Record):
    """One thing to have: how it stands, what was seen, what a person may do.

    `state`: there, wanted, blocked (a person must), advised (workers go without it), doing, done, failed.
    `script` is what sh(1) runs for a wanted one.
    """

    what: str
    state: str
    said: str
    remedy: str = ""
    script: str = ""


def packages(facts: Facts, wish: Wish) -> Step:
    """Have git, bubblewrap, Python with venv, and npm where Claude Code is to be fetched by it."""
    del wish
    wanted = {"git": not facts.git, "bubblewrap": facts.linux and not facts.bwrap, "python": not facts.python,
              "npm": not facts.npm and not facts.claude}  # fmt: skip
    missing = [name for name, lacks in wanted.items() if lacks]
    if not missing:
        having = [facts.git.removeprefix("git version "), facts.bwrap.removeprefix("bubblewrap "), facts.python]
        named = ("git", "bubblewrap", "python")
        return Step(
            "packages", "there", ", ".join(f"{name} {one}" for name, one in zip(named, having, strict=True) if one)
        )
    said = f"{', '.join(missing)} missing"
    if facts.brew:
        names = [{"python": "python@3.12", "npm": "node"}.get(one, one) for one in missing]
        return Step("packages", "wanted", said, script=f"brew install --quiet {shlex.join(names)} >&2")
    if "python" in missing and facts.any_python and _too_old(facts.any_python):
        return Step("packages", "blocked", f"{facts.any_python} is too old: 3.11 is needed",
                    "Debian 12 and Ubuntu 24.04 have it, or install one by hand as python3.11")  # fmt: skip
    names = [word for one in missing for word in (["python3", "python3-venv"] if one == "python" else [one])]
    command = f"apt-get install -y {shlex.join(names)}"
    if not facts.apt:
        return Step("packages", "blocked", f"{said}, and there is neither apt-get nor brew", "install them by hand")
    if not facts.root:
        return Step("packages", "blocked", f"{said}, and {facts.user} may not install packages", f"sudo {command}")
    quiet = "DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ca-certificates"
    return Step("packages", "wanted", said,
                script=_as_root(facts, f"apt-get update -qq >&2 && {quiet} {shlex.join(names)} >&2"))  # fmt: skip


def program(facts: Facts, wish: Wish) -> Step:
    """Have this program, of the very files that run here."""
    if facts.digest == wish.digest:
        return Step("program", "there", f"{wish.version}, as it is here, at {facts.link}")
    if wish.here and facts.bare:
        return Step("program", "there", f"{wish.version}, called as {facts.bare}")
    if facts.leads and not facts.digest:
        found = f"{facts.link} ({facts.version or 'silent'}) was not put there by host setup"
        return Step("program", "blocked", found, "remove it, or keep it the same version yourself")
    said = f"{facts.version.rpartition(' ')[2] or 'another'}, {OTHER}" if facts.digest else "not installed"
    return Step("program", "wanted", said, script="install")


def claude(facts: Facts, wish: Wish) -> Step:
    """Have Claude Code, by npm; whichever is there already is kept."""
    del wish
    if facts.claude:
        return Step("claude", "there", facts.claude)
    if not facts.npm and not (facts.root and (facts.apt or facts.brew)):
        return Step("claude", "blocked", "not installed, and there is no npm", f"run there: {_NATIVE}")
    place = "/usr/local" if facts.uid == "0" else f"{facts.home}/.local"
    wanted = f"@anthropic-ai/claude-code@{CLAUDE_CODE}"
    install = f"npm install --global --silent --no-fund --no-audit --prefix {shlex.quote(place)} {wanted} >&2"
    return Step("claude", "wanted", "not installed", script=install)


def namespaces(facts: Facts, wish: Wish) -> Step:
    """Have user namespaces, of which enclosures are made; where AppArmor forbids them, it lets bwrap have them."""
    del wish
    if not facts.linux:
        return Step("user namespaces", "there", "not needed here")
    if facts.userns == "yes":
        return Step("user namespaces", "there", "bubblewrap may make them")
    if not facts.bwrap:
        return Step("user namespaces", "advised", "seen once bubblewrap is there")
    forbidden = facts.apparmor == "1"
    said = f"AppArmor forbids them: {facts.userns}" if forbidden else facts.userns
    if not forbidden:
        return Step(
            "user namespaces", "blocked", said, "claude-workers doctor, over there, names the setting to change"
        )
    write = f"printf %s {shlex.quote(_APPARMOR)} >{_PROFILE} && apparmor_parser -r {_PROFILE}"
    if not facts.root:
        return Step("user namespaces", "blocked", said, f"sudo sh -c {shlex.quote(write)}")
    return Step("user namespaces", "wanted", said, script=_as_root(facts, write))


def path(facts: Facts, wish: Wish) -> Step:
    """Have the program on the PATH of a shell without a profile, for `ssh HOST claude-workers status`."""
    if facts.bare and (wish.here or facts.bare == facts.link):
        return Step("path", "there", f"ssh finds {facts.bare}")
    if not facts.leads:
        return Step("path", "advised", "seen once the program is there")
    said = f"ssh HOST claude-workers does not find {facts.link}"
    file = {"bash": ".bashrc", "zsh": ".zshenv"}.get(facts.login_shell)
    if file is None or facts.uid == "0":
        return Step("path", "advised", said, f"put {facts.link.rpartition('/')[0]} on the PATH of {facts.login_shell}")
    # At the top: a .bashrc often leaves off where the shell is not interactive.
    script = f"""\
file="$HOME/{file}"; touch "$file"; grep -q '# claude-workers$' "$file" && exit; fresh=$(mktemp "$file.XXXXXX")
{{ echo 'export PATH="$HOME/.local/bin:$PATH"  # claude-workers'; cat "$file"; }} >"$fresh"
chmod --reference="$file" "$fresh" 2>/dev/null || chmod 644 "$fresh"; mv "$fresh" "$(readlink -f "$file")"
"""
    return Step("path", "wanted", said, script=f"set -e\n{script}")


def lingering(facts: Facts, wish: Wish) -> Step:
    """Have services, and workers in scopes of theirs, that outlive the last login."""
    if not facts.linger:
        return Step("lingering", "there", "not needed: no systemd there")
    if facts.linger == "yes" or facts.uid == "0":
        return Step("lingering", "there", "workers outlive your login" if facts.uid != "0" else "not needed by root")
    said = "workers may end with your last login there"
    if not wish.linger:
        again = f"claude-workers host setup{f' {wish.name}' if wish.name else ''} --linger"
        return Step("lingering", "advised", said, again)
    enable = 'loginctl enable-linger "$(id -un)" >&2'
    return Step("lingering", "wanted", said, script=f"{enable} || sudo -n {enable}")


def naming(facts: Facts, wish: Wish) -> Step:
    """Have the machine know its own name, which its claims and labels carry."""
    if not wish.name or facts.host_name == wish.name:
        return Step("name", "there", facts.host_name or "its hostname")
    if facts.host_name:
        return Step("name", "there", f"{facts.host_name}, which stays")
    return Step("name", "wanted", "its claims and labels do not say whose they are",
                script=f"{shlex.quote(facts.link)} --local config host_name {shlex.quote(wish.name)} >&2")  # fmt: skip


STEPS: tuple[Callable[[Facts, Wish], Step], ...] = (packages, program, claude, namespaces, path, lingering, naming)


def _too_old(python: str) -> bool:
    """Tell whether `Python 3.9.2` is one without what we need, rather than one that lacks venv."""
    numbers = python.removeprefix("Python ").split(".")[:2]
    return all(one.isdigit() for one in numbers) and tuple(map(int, numbers)) < (3, 11)


def _as_root(facts: Facts, command: str) -> str:
    return command if facts.uid == "0" else f"sudo -n sh -c {shlex.quote(command)}"
