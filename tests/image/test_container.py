"""The image built and run by podman: whole tasks with the real Claude Code, the firewall on, on a host of containers.

Not in the everyday run: `pytest -m image tests/image/test_container.py` needs root, podman, runc and debootstrap.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_workers import Fleet, paths
from claude_workers.home.sets import whole
from claude_workers.hosts import opened, registry
from tests.cli.conftest import Cli
from tests.conftest import git, make_repository, missing
from tests.racing import until

pytestmark = [pytest.mark.image, pytest.mark.timeout(1500)]
BASE, IMAGE, NETWORK = "localhost/claude-workers-base:bookworm", "localhost/claude-workers-test:agent", "cw-image"
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
ENDPOINT = """
import sys
from claude_workers.testing.endpoint import Endpoint, text, tool
add = "printf 'def sub(a, b):\\\\n    return a - b\\\\n' >> calc.py && git commit -qam 'Add sub'"
reach = "; curl -sS -m 5 http://198.51.100.77/; curl -sS -m 5 --noproxy '*' http://10.1.2.3/"
look = "; ls / /claude-workers /.fly /data/workers; cat /proc/1/environ; true"
with Endpoint() as made:
    made.script("adds", [tool("Bash", command=add + reach + look), text("Done.")])
    stay = "[ -e ~/.cache/been ] || { touch ~/.cache/been; sleep 300; }"
    made.script("stays", [tool("Bash", command=stay), tool("Bash", command=add), text("Done.")])
    print(made.url("adds").rpartition("/")[0], flush=True)
    sys.stdin.read()
    print(len(made.requests), flush=True)
"""
OPTIONS = ["--runtime", "runc", "--ulimit", "nofile=1024:4096", "--ulimit", "nproc=1024:4096",
           "--network", f"ns:/run/netns/{NETWORK}"]  # fmt: skip


def _run(*argv: str, check: bool = True) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, f"{argv}: {done.stderr[-500:]}"
    return done.stdout


@pytest.fixture(scope="module")
def base() -> str:
    """A bare Debian as an image, by debootstrap: it stands in for the public one where no registry is reached."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("podman", "runc", "debootstrap"))):
        missing("root, podman, runc or debootstrap")
    if subprocess.run(["podman", "image", "exists", BASE], check=False).returncode != 0:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder, "root")
            _run("debootstrap", "--variant=minbase", "bookworm", str(root))
            sources = Path("/etc/apt/sources.list.d/debian.sources")
            if sources.exists():
                shutil.copy(sources, root / "etc/apt/sources.list.d")
                (root / "etc/apt/sources.list").unlink(missing_ok=True)
            for one in Path("/etc/apt/apt.conf.d").iterdir():
                shutil.copy(one, root / "etc/apt/apt.conf.d")
            (root / "usr/local/share/ca-certificates").mkdir(parents=True, exist_ok=True)
            shutil.copy(BUNDLE, root / "usr/local/share/ca-certificates/host.crt")
            tar = subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE)
            subprocess.run(["podman", "import", "-", BASE], stdin=tar.stdout, check=True, capture_output=True)
            assert tar.wait() == 0
    return BASE


@pytest.fixture
def url() -> Iterator[str]:
    """The model's side, in the network namespace that the containers have."""
    _run("ip", "netns", "delete", NETWORK, check=False)
    _run("ip", "netns", "add", NETWORK)
    _run("ip", "-n", NETWORK, "link", "set", "lo", "up")
    # A way out, so that what is refused is refused by the wall and not for want of a route.
    _run("ip", "-n", NETWORK, "tuntap", "add", "dev", "out", "mode", "tun")
    _run("ip", "-n", NETWORK, "addr", "add", "198.51.100.2/24", "dev", "out")
    _run("ip", "-n", NETWORK, "link", "set", "out", "up")
    _run("ip", "-n", NETWORK, "route", "add", "default", "dev", "out")
    argv = ["ip", "netns", "exec", NETWORK, sys.executable, "-c", ENDPOINT]
    popen = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert popen.stdout is not None
    yield popen.stdout.readline().strip()
    popen.kill()
    popen.communicate()
    _run("ip", "netns", "delete", NETWORK)


@pytest.fixture
def box(base: str, url: str, cli: Cli) -> Iterator[Fleet]:
    """A host of containers, its image built from this checkout."""
    configure(url, "adds")
    words = ["--network", "host", "--isolation", "chroot"]
    words += ["--env", f"NODE_EXTRA_CA_CERTS={BUNDLE}", "--env", f"PIP_CERT={BUNDLE}"]
    options = [f"--build-option={one}" for one in words]
    cli.ok("host", "setup", "box", "--build", "--base", base, *options, timeout=1400)
    yield Fleet()
    for name in ("container", "volume"):
        filters = ["--filter", "label=cw_host=box", "--quiet"]
        for one in _run("podman", *(["ps", "--all"] if name == "container" else ["volume", "ls"]), *filters).split():
            _run("podman", *(["rm", "--force"] if name == "container" else ["volume", "rm"]), one)


def configure(url: str, script: str) -> None:
    """Write hosts.toml and the set of the model that follows a script, and give the host that set."""
    folder = paths.config_dir()
    folder.mkdir(parents=True, exist_ok=True)
    host = {"kind": "container", "image": IMAGE, "options": OPTIONS, "credential_set": "team"}
    text = "".join(f"{name} = {json.dumps(value)}\n" for name, value in host.items())
    (folder / "hosts.toml").write_text(f"[hosts.box]\n{text}", encoding="utf-8")
    (folder / "config.toml").write_text(
        f'[credentials.team]\napi_key = {{ env = "ANTHROPIC_API_KEY" }}\nbase_url = "{url}/{script}"\n',
        encoding="utf-8",
    )
    opened.housed(registry.find("box")).keep_credentials({"team": whole("team")}, force=False)


def repository(tmp_path: Path, worker: str) -> Path:
    """Put a toy repository onto a worker's volume; return where it is there."""
    made = make_repository(tmp_path / f"calc-{worker}")
    git("config", "user.name", "Ann", at=made)
    place = Path(_run("podman", "volume", "inspect", "--format", "{{.Mountpoint}}", f"cw-box-{worker}").strip())
    shutil.copytree(made, place / "calc")
    _run("chown", "-R", "1000:1000", str(place / "calc"))
    return Path("/data/calc")


def test_whole_tasks_with_the_real_claude_code(box: Fleet, url: str, tmp_path: Path, cli: Cli) -> None:
    box.init("box/01")
    assert [(row.address, row.state) for row in box.status()] == [("box/01", "idle")]
    calc = repository(tmp_path, "01")
    task = box.dispatch("box/01", str(calc), prompt="Add sub.")
    [receipt] = box.watch(["box/01"], timeout=300)
    assert (receipt.outcome, receipt.files_changed, receipt.isolation) == ("pull_request", ["calc.py"], "enclosure")
    assert "198.51.100.77:80" in receipt.blocked_hosts
    said = "".join(event.raw for event in box.events("box/01")) + "".join(one.text for one in box.logs("box/01"))
    assert "Couldn't connect" in said or "Failed to connect to 10.1.2.3" in said
    assert "sk-ant-test-key" not in said
    [row] = box.status()
    assert (row.state, row.outcome) == ("idle", "pull_request")
    assert _run("podman", "inspect", "--format", "{{.State.Status}}", "cw-box-01").strip() == "exited"
    assert box.show("box/01").receipt is not None
    assert [one.task_id for one in Fleet(on="box").history()] == [task.task_id]
    assert "sk-ant-test-key" not in _run("podman", "inspect", "cw-box-01") + _run("podman", "logs", "cw-box-01")

    # The wall itself, by who runs in the machine without an enclosure.
    wire = opened.housed(registry.find("box"))
    machine = wire.life.woken(wire.machine("01"), ["team"])
    probe = "import socket; socket.create_connection(('10.1.2.3', 443), 3)"
    told = "".join(
        one.decode() for one in wire.life.engine.run(machine, ["sh", "-c", f'python3 -c "{probe}" 2>&1'], b"", 60)
    )
    assert "No route to host" in told or "Permission denied" in told
    until(lambda: "claude-workers" in _run("podman", "exec", "cw-box-01", "nft", "list", "ruleset"), "the wall", 5)

    # Killed while the agent works: a crash, and the same session goes on.
    configure(url, "stays")
    assert box.refresh("box/01") is not None
    _run("podman", "wait", "cw-box-01")
    box.dispatch("box/01", str(calc), prompt="Add it again.")
    until(lambda: box.status(["box/01"])[0].activity, "the agent works", 60)
    _run("podman", "kill", "cw-box-01")
    assert box.status(["box/01"])[0].state == "crashed"
    assert "resumed" in [one.did for one in Fleet(on="box").recover()]
    [receipt] = box.watch(["box/01"], timeout=300)
    assert (receipt.outcome, receipt.attempts) == ("pull_request", 2)
    box.remove("box/01", discard=True)
    assert _run("podman", "volume", "ls", "--quiet", "--filter", "label=cw_host=box") == ""
    assert "nothing is left over" in cli.ok("host", "sweep", "box")
