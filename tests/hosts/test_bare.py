"""A bare Debian, made here by debootstrap and set up as root over SSH: what a new server goes through.

It fetches some hundred MB: `pytest -m soak tests/hosts/test_bare.py`, with root and debootstrap.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_workers import Fleet
from claude_workers.hosts import registry
from claude_workers.testing.endpoint import Endpoint, text, tool
from tests.cli.conftest import Cli
from tests.conftest import missing
from tests.hosts.conftest import Client

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]
_LINES = "printf 'def sub(a, b):\\n    return a - b\\n' >> calc.py && git add -A && git commit -qm 'Add sub'"
# In a mount namespace with a root of its own: in a mere chroot the kernel gives no user namespaces.
_CONTAIN = """
mount --make-rprivate / && mount --bind {root} {root} && cd {root} && mkdir -p old && mount --rbind /dev dev
pivot_root . old && mount -t proc proc /proc && umount -l /old && mkdir -p /run/sshd
exec /usr/sbin/sshd -D -e -p {port} -o UsePAM=no -o PidFile=none -o ListenAddress=127.0.0.1
"""
_CERTIFICATES = ("etc/ssl/certs", "usr/local/share/ca-certificates")
_COPIED = ("etc/apt", *_CERTIFICATES, "etc/pip.conf", "etc/resolv.conf", "etc/hosts")


@pytest.fixture
def debian(tmp_path: Path, client: Client) -> Iterator[str]:
    """A server with nothing but sshd, known here as bare."""
    program = shutil.which("debootstrap")
    if program is None or os.geteuid() != 0:
        missing("debootstrap, as root")
    root = tmp_path / "debian"
    words = ["--variant=minbase", "--include=openssh-server,ca-certificates", "bookworm", str(root), *_mirror()]
    subprocess.run([str(program), *words], check=True, capture_output=True)
    for name in _COPIED:
        if Path("/", name).exists():
            subprocess.run(["cp", "-aT", f"/{name}", root / name], check=True)
    if (home := Path("/root/.npmrc")).exists():
        shutil.copy(home, root / "root/.npmrc")
    (root / "root/.ssh").mkdir(mode=0o700)
    shutil.copy(client.key.with_suffix(".pub"), root / "root/.ssh/authorized_keys")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    contained = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec"]
    running = subprocess.Popen([*contained, _CONTAIN.format(root=root, port=port)], stderr=subprocess.DEVNULL)
    try:
        _listening(port)
        key = (root / "etc/ssh/ssh_host_ed25519_key.pub").read_text("utf-8").split()
        client.knows(f"[127.0.0.1]:{port} {key[0]} {key[1]}\n")
        registry.add(registry.parsed("bare", f"root@127.0.0.1:{port}", credential_set="team"))
        yield str(root)
    finally:
        running.kill()
        running.wait()


def _mirror() -> list[str]:
    """Return the archive that this machine's own apt uses."""
    for path in Path("/etc/apt/sources.list.d").glob("*.sources"):
        for line in path.read_text("utf-8").splitlines():
            if line.startswith("URIs:"):
                return line.split()[1:2]
    return []


def _listening(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as knock:
            if knock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("sshd does not listen")


def test_a_bare_server_is_set_up_once_and_works_with_the_real_agent(
    debian: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def setup(*words: str) -> dict[str, str]:
        done = cli("host", "setup", "bare", "--json", *words, timeout=1200)
        return {one["what"]: one["state"] for one in json.loads(done.stdout)["steps"]}

    assert setup("--dry-run")["packages"] == "wanted"
    assert not os.path.exists(f"{debian}/usr/bin/git")
    first = setup()
    assert {first[name] for name in ("packages", "program", "claude", "name")} == {"done"}
    assert set(setup().values()) == {"there"}
    with Endpoint() as endpoint:
        endpoint.script("add", [tool("Bash", command=_LINES), text("Added.")])
        folder = Path(os.environ["CLAUDE_WORKERS_CONFIG_DIR"])
        table = f'[credentials.team]\napi_key = {{ env = "TEAM_KEY" }}\nbase_url = "{endpoint.url("add")}"\n'
        (folder / "config.toml").write_text(table, encoding="utf-8")
        monkeypatch.setenv("TEAM_KEY", "sk-ant-api03-team-0123456789abcdef")
        cli.ok("host", "push-credentials", "bare")
        findings = json.loads(cli("host", "check", "bare", "--json").stdout)["findings"]
        assert {one["what"] for one in findings if one["state"] == "failed"} <= {"login"}
        at = f"{debian}/root/calc"
        subprocess.run(["git", "init", "-q", "-b", "main", at], check=True)
        Path(at, "calc.py").write_text("def add(a, b):\n    return a + b\n", encoding="utf-8")
        identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
        subprocess.run(["git", "-C", at, "add", "."], check=True)
        subprocess.run(["git", "-C", at, *identity, "commit", "-qm", "Begin"], check=True)
        fleet = Fleet()
        fleet.init("bare/01")
        fleet.dispatch("bare/01", "~/calc", prompt="Add sub")
        [receipt] = fleet.watch(["bare/01"], timeout=120)
    assert (receipt.outcome, receipt.files_changed) == ("pull_request", ["calc.py"])
