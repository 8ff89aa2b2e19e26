"""hosts.toml: what is written there, what cannot be, and how `host add` and `host remove` change it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from claude_workers.errors import BadInput, Busy, NotFound
from claude_workers.hosts import registry
from claude_workers.hosts.tables import Host

METACHARACTERS = [
    "a b",
    "a;b",
    "a$b",
    "a`b`",
    "a'b",
    'a"b',
    "a\nb",
    "a|b",
    "a&b",
    "a>b",
    "-oProxyCommand=x",
    "",
    "a\x00b",
]


def write(text: str) -> Path:
    """Write hosts.toml."""
    folder = Path(os.environ["CLAUDE_WORKERS_CONFIG_DIR"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hosts.toml").write_text(text, encoding="utf-8")
    return folder / "hosts.toml"


def test_without_the_file_there_are_none() -> None:
    assert registry.every() == []
    with pytest.raises(NotFound, match="no host vps") as told:
        registry.find("vps")
    assert "host add vps" in told.value.remedy


def test_a_host_is_read_as_it_is_written() -> None:
    write('[hosts.vps]\naddress = "1.2.3.4"\nuser = "root"\nport = 2222\nmax_workers = 4\n[hosts.b]\naddress = "b"\n')
    assert registry.find("vps") == Host("vps", address="1.2.3.4", user="root", port=2222, max_workers=4)
    assert [one.name for one in registry.every()] == ["vps", "b"]


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        ("1.2.3.4", Host("vps", address="1.2.3.4")),
        ("root@1.2.3.4", Host("vps", address="1.2.3.4", user="root")),
        ("ann@example.org:2222", Host("vps", address="example.org", user="ann", port=2222)),
        ("root@[2001:db8::1]:22", Host("vps", address="2001:db8::1", user="root", port=22)),
        ("my-alias", Host("vps", address="my-alias")),
    ],
)
def test_a_host_is_added_as_people_write_it(target: str, wanted: Host) -> None:
    registry.add(registry.parsed("vps", target))
    assert registry.find("vps") == wanted
    assert registry.parsed("vps", wanted.target) == wanted


def test_adding_and_removing_leave_all_else_as_it_is() -> None:
    before = '# my machines\n[hosts.a]  # the first\naddress = "a"\nmax_workers = 2\n'
    path = write(before)
    registry.add(registry.parsed("vps", "root@b", key="~/.ssh/id_vps"))
    assert path.read_text("utf-8").startswith(before)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Busy, match="already"):
        registry.add(registry.parsed("vps", "root@c"))
    assert registry.remove("vps").address == "b"
    assert path.read_text("utf-8").strip() == before.strip()
    with pytest.raises(NotFound):
        registry.remove("vps")


FLY = '[hosts.fly]\nkind = "fly"\napp = "a"\norg = "b"\nregion = "ord"\nimage = "i"\n'
BOX = '[hosts.box]\nkind = "container"\nimage = "i"\n'


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("x = 1\n", "unknown key 'x'"),
        ("hosts = 5\n", "no table of tables"),
        ("[hosts]\nvps = 5\n", "no table of tables"),
        ('[hosts.vps]\naddress = "a"\nadress = "b"\n', r"\[hosts.vps\]: unknown key 'adress'"),
        ('[hosts.vps]\nuser = "root"\n', r"\[hosts.vps\]: address is missing"),
        ('[hosts.vps]\naddress = "a"\nkind = "vm"\n', r"\[hosts.vps\]: kind"),
        ('[hosts.fly]\nkind = "fly"\naddress = "a"\n', r"\[hosts.fly\]: unknown key 'address'"),
        ('[hosts.fly]\nkind = "fly"\napp = "a"\norg = "b"\nregion = "ord"\n', r"\[hosts.fly\]: image is missing"),
        (FLY + 'fallback_regions = "iad"\n', r"\[hosts.fly\]: fallback_regions"),
        (FLY + "volume_gb = 0\n", r"\[hosts.fly\]: volume_gb"),
        (FLY + "daily_budget_usd = -1\n", r"\[hosts.fly\]: daily_budget_usd"),
        (FLY + 'cpu_kind = "fast"\n', r"\[hosts.fly\]: cpu_kind"),
        (FLY + "[hosts.fly.sizes.big]\ncpus = 8\n", r"\[hosts.fly\]: sizes"),
        (FLY + "[hosts.fly.sizes.big]\ncpus = 8\nmemory_mb = 1000\n", r"\[hosts.fly\]: sizes"),
        ('[hosts.box]\nkind = "container"\n', r"\[hosts.box\]: image is missing"),
        (BOX + 'engine = "lxc"\n', r"\[hosts.box\]: engine"),
        (BOX + 'options = ["--network=host"]\n', r"\[hosts.box\]: options"),
        (BOX + 'region = "ord"\n', r"\[hosts.box\]: unknown key 'region'"),
        ('[hosts.vps]\naddress = "a"\ntransport = "telnet"\n', r"\[hosts.vps\]: transport"),
        ('[hosts.vps]\naddress = "a"\nport = "22"\n', r"\[hosts.vps\]: port"),
        ('[hosts.vps]\naddress = "a"\nport = true\n', r"\[hosts.vps\]: port"),
        ('[hosts.vps]\naddress = "a"\nport = 70000\n', r"\[hosts.vps\]: port"),
        ('[hosts.vps]\naddress = "a"\nmax_workers = -1\n', r"\[hosts.vps\]: max_workers"),
        ('[hosts.vps]\naddress = "a"\nroot = "workers"\n', r"\[hosts.vps\]: root"),
        ('[hosts.vps]\naddress = "a"\nroot = "//"\n', r"\[hosts.vps\]: root"),
        ('[hosts.local]\naddress = "a"\n', "'local' is no host's name"),
        ('[hosts.any]\naddress = "a"\n', "'any' is no host's name"),
        ('[hosts."a b"]\naddress = "a"\n', "'a b' is no host's name"),
        ("[hosts.vps\n", "does not parse"),
    ],
)
def test_what_is_wrong_is_named_with_file_table_and_key(text: str, named: str) -> None:
    path = write(text)
    with pytest.raises(BadInput, match=named) as told:
        registry.every()
    assert str(path) in told.value.message
    assert told.value.remedy


@pytest.mark.parametrize("key", ["address", "user"])
@pytest.mark.parametrize("value", METACHARACTERS)
def test_no_shell_and_no_option_is_reached_by_a_field(key: str, value: str) -> None:
    with pytest.raises(BadInput):
        registry.parsed("vps", "root@1.2.3.4", **{key: value})


@pytest.mark.parametrize("target", ["", "@", "root@", "@host", "a b", "root@a:b", "root@a:0", "root@a:70000", "-oX=y"])
def test_what_is_no_address_is_refused(target: str) -> None:
    with pytest.raises(BadInput):
        registry.add(registry.parsed("vps", target))
    assert registry.every() == []
