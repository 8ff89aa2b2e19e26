"""The steps of a set-up, decided from a machine's facts: what is kept, installed, and left to a person."""

from __future__ import annotations

import dataclasses
import shlex
import subprocess

import pytest

from claude_workers.hosts.facts import Facts
from claude_workers.hosts.steps import STEPS, Step, Wish

WISH = Wish("abc", "0.1.0", "vps")
FIT = Facts(
    uid="0", user="root", home="/root", kernel="Linux", login_shell="bash", apt="/usr/bin/apt-get",
    python="/usr/bin/python3.11", any_python="Python 3.11.2", git="git version 2.39.5", npm="/usr/bin/npm",
    claude="2.1.197 (Claude Code)", bwrap="bubblewrap 0.8.0", userns="yes", link="/usr/local/bin/claude-workers",
    leads="/opt/claude-workers/abc.1/bin/claude-workers", digest="abc", version="claude-workers, version 0.1.0",
    host_name="vps", bare="/usr/local/bin/claude-workers", linger="no",
)  # fmt: skip
_LINK = "/home/ann/.local/bin/claude-workers"
USER = dataclasses.replace(FIT, uid="1000", user="ann", home="/home/ann", link=_LINK, bare=_LINK)


def steps(facts: Facts, wish: Wish = WISH, **other: str) -> dict[str, Step]:
    """Return the steps of a machine that differs so."""
    changed = dataclasses.replace(facts, **other)
    return {made.what: made for made in (step(changed, wish) for step in STEPS)}


def test_a_fit_machine_has_nothing_to_be_done() -> None:
    assert {one.state for one in steps(FIT).values()} == {"there"}
    assert not any(one.script for one in steps(FIT).values())


def test_root_installs_what_is_missing_at_one_go() -> None:
    made = steps(FIT, git="", bwrap="", claude="", npm="", python="", any_python="")["packages"]
    assert (made.state, made.said) == ("wanted", "git, bubblewrap, python, npm missing")
    assert made.script.endswith("git bubblewrap python3 python3-venv npm >&2")
    assert "sudo" not in made.script


def test_sudo_is_used_where_it_asks_nothing_and_else_left_to_a_person() -> None:
    assert steps(USER, git="", sudo="yes")["packages"].script.startswith("sudo -n sh -c ")
    made = steps(USER, git="")["packages"]
    assert (made.state, made.remedy) == ("blocked", "sudo apt-get install -y git")


def test_npm_is_wanted_for_claude_code_alone() -> None:
    assert steps(FIT, npm="")["packages"].state == "there"
    assert steps(FIT, npm="", claude="")["packages"].said == "npm missing"
    assert "claude.ai/install.sh" in steps(USER, npm="", claude="")["claude"].remedy


@pytest.mark.parametrize(("facts", "place"), [(FIT, "/usr/local"), (USER, "/home/ann/.local")])
def test_claude_code_goes_where_its_user_finds_it(facts: Facts, place: str) -> None:
    made = steps(facts, claude="")["claude"]
    assert made.state == "wanted"
    assert f"--prefix {place} @anthropic-ai/claude-code@" in made.script


def test_a_python_that_is_too_old_is_named_and_nothing_is_installed_over_it() -> None:
    made = steps(FIT, python="", any_python="Python 3.9.2")["packages"]
    assert (made.state, made.said) == ("blocked", "Python 3.9.2 is too old: 3.11 is needed")
    assert steps(FIT, python="", any_python="Python 3.13.1")["packages"].state == "wanted"  # it lacks venv alone


def test_without_a_known_package_manager_a_person_installs() -> None:
    assert steps(FIT, apt="", git="")["packages"].state == "blocked"


def test_on_macos_brew_installs_and_bubblewrap_is_not_missed() -> None:
    mac = {"uid": "501", "kernel": "Darwin", "apt": "", "brew": "/opt/homebrew/bin/brew", "bwrap": "", "userns": "",
           "linger": "", "login_shell": "zsh"}  # fmt: skip
    made = steps(USER, WISH, **mac)
    assert {one.state for one in made.values()} == {"there"}
    made = steps(USER, WISH, **mac | {"git": "", "python": "", "claude": "", "npm": "", "bare": ""})
    assert made["packages"].script == "brew install --quiet git python@3.12 node >&2"
    assert ".zshenv" in made["path"].script


def test_a_program_of_other_files_is_replaced_and_one_of_other_hands_is_not() -> None:
    assert steps(FIT, digest="old")["program"].state == "wanted"
    assert steps(FIT, leads="", digest="", version="")["program"].said == "not installed"
    made = steps(FIT, leads="/root/.local/pipx/venvs/claude-workers/bin/claude-workers", digest="")["program"]
    assert (made.state, "not put there" in made.said) == ("blocked", True)


def test_on_this_machine_the_program_that_runs_is_the_one() -> None:
    assert steps(FIT, Wish("other", "0.1.0"), digest="")["program"].state == "there"
    assert steps(FIT, Wish("other", "0.1.0"), digest="", leads="", bare="")["program"].state == "wanted"


def test_where_apparmor_forbids_namespaces_a_profile_lets_bwrap_have_them() -> None:
    made = steps(FIT, userns="bwrap: setting up uid map: Permission denied", apparmor="1")["user namespaces"]
    assert made.state == "wanted"
    assert "userns," in made.script
    assert "apparmor_parser -r /etc/apparmor.d/claude-workers-bwrap" in made.script
    made = steps(USER, userns="bwrap: setting up uid map: Permission denied", apparmor="1")["user namespaces"]
    assert (made.state, made.remedy.startswith("sudo sh -c ")) == ("blocked", True)
    assert steps(USER, userns="no", apparmor="1", sudo="yes")["user namespaces"].script.startswith("sudo -n sh -c ")
    # What another thing forbids, no profile mends.
    assert steps(FIT, userns="bwrap: No permissions to create new namespace")["user namespaces"].state == "blocked"
    assert steps(FIT, bwrap="", userns="")["user namespaces"].state == "advised"


def test_a_user_s_shell_is_told_where_the_program_is_before_its_profile_leaves_off() -> None:
    made = steps(USER, bare="")["path"]
    assert (made.state, ".bashrc" in made.script) == ("wanted", True)
    # What a shell finds may be another's installation.
    assert steps(USER, bare="/usr/local/bin/claude-workers")["path"].state == "wanted"
    assert steps(USER, bare="", login_shell="fish")["path"].state == "advised"
    assert steps(USER, bare="", leads="", digest="")["path"].state == "advised"


def test_lingering_is_offered_and_done_when_it_is_wanted() -> None:
    assert steps(USER)["lingering"].remedy == "claude-workers host setup vps --linger"
    assert steps(USER, Wish("abc", "0.1.0", "vps", linger=True))["lingering"].script.startswith(
        "loginctl enable-linger"
    )
    assert steps(USER, linger="yes")["lingering"].state == "there"
    assert steps(USER, linger="")["lingering"].state == "there"


def test_a_machine_keeps_the_name_that_it_was_given_first() -> None:
    assert steps(FIT, host_name="")["name"].script.endswith("config host_name vps >&2")
    made = steps(FIT, host_name="prod")["name"]
    assert (made.state, made.said) == ("there", "prod, which stays")


def test_every_script_is_one_that_a_shell_can_read() -> None:
    odd = {"home": "/home/o'brien $(id)", "link": "/home/o'brien $(id)/.local/bin/claude-workers"}
    bad = {"git": "", "claude": "", "bare": "", "host_name": "", "userns": "no", "apparmor": "1", "sudo": "yes", **odd}
    made = [one for one in steps(USER, Wish("abc", "0.1.0", "vps", linger=True), **bad).values() if one.script]
    assert len(made) == 6
    for one in made:
        assert subprocess.run(["sh", "-n", "-c", one.script], check=False).returncode == 0
    words = next(one for one in made if one.what == "claude").script
    assert "/home/o'brien $(id)/.local" in shlex.split(words)
