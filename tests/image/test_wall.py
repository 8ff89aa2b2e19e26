"""The image's firewall and entrypoint, in a network and a mount namespace of their own: they fail closed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT, missing

IMAGE = CHECKOUT / "agent_image"
PUBLIC, OTHER, PRIVATE, METADATA = "93.184.1.2", "93.184.1.3", "10.9.9.9", "169.254.169.254"
SERVE = """
import socket, threading, sys
for address in sys.argv[1:]:
    for port in (25, 443, 53):
        one = socket.create_server((address, port))
        threading.Thread(target=lambda s=one: [s.accept() for _ in iter(int, 1)], daemon=True).start()
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((address, 53))
    def answer(s=udp):
        while True:
            data, peer = s.recvfrom(100)
            s.sendto(data, peer)
    threading.Thread(target=answer, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""
TRY = """
import socket, sys, time
for one in sys.argv[1:]:
    kind, address, port = one.split("/")
    began = time.monotonic()
    try:
        if kind == "tcp":
            socket.create_connection((address, int(port)), 2).close()
        else:
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            made.settimeout(2)
            made.connect((address, int(port)))
            made.send(b"x")
            made.recv(10)
        print(one, "reached")
    except TimeoutError:
        print(one, "silent")
    except OSError:
        print(one, "refused")
"""


# One end of a wire: a tun device in this namespace, its packets handed to and fro over an inherited socket.
WIRE = """
import fcntl, os, select, socket, struct, sys
device = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(device, 0x400454CA, struct.pack("16sH", b"wire", 0x1001))
far = socket.socket(fileno=int(sys.argv[1]))
print("ready", flush=True)
while True:
    for one in select.select([device, far], [], [])[0]:
        if one is device:
            far.send(os.read(device, 2000))
        else:
            packet = far.recv(2000)
            try: os.write(device, packet)
            except OSError: pass  # it is not up yet
"""


class Network:
    """Two network namespaces with a wire between: one is the machine's, the other all the world.

    The wire is of tun devices and a relay: not every kernel has veth.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.machine, self.world = (f"cw-{os.getpid()}-{time.monotonic_ns():x}-{name}" for name in ("m", "w"))
        ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._helpers: list[subprocess.Popen[str]] = []
        for name, end in zip((self.machine, self.world), ends, strict=True):
            _run("ip", "netns", "add", name)
            _run("ip", "-n", name, "link", "set", "lo", "up")
            self._help(name, WIRE, str(end.fileno()), passed=end.fileno())
            end.close()
        own = {self.machine: ["93.184.1.1/24"], self.world: [f"{PUBLIC}/24", f"{OTHER}/24", PRIVATE, METADATA]}
        for name, addresses in own.items():
            for address in addresses:
                _run("ip", "-n", name, "addr", "add", address, "dev", "wire")
            _run("ip", "-n", name, "link", "set", "wire", "up")
        _run("ip", "-n", self.machine, "route", "add", "default", "dev", "wire")
        self._help(self.world, SERVE, PUBLIC, OTHER, PRIVATE, METADATA)
        (folder / "resolv.conf").write_text(f"nameserver {PUBLIC}\n", encoding="utf-8")

    def _help(self, name: str, script: str, *words: str, passed: int | None = None) -> None:
        argv = ["ip", "netns", "exec", name, "python3", "-c", script, *words]
        given = [passed] if passed is not None else []
        popen = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=given)
        assert popen.stdout is not None
        self._helpers.append(popen)
        assert popen.stdout.readline() == "ready\n"

    def inside(self, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command as the machine's image would, with /run and the resolver's file its own."""
        script = f'mount -t tmpfs tmpfs /run && mount --bind {self.folder}/resolv.conf /etc/resolv.conf && exec "$@"'
        whole = ["ip", "netns", "exec", self.machine, "unshare", "--mount", "sh", "-c", script, "sh", *argv]
        given = {"PATH": f"{IMAGE}:{os.environ['PATH']}", **env}
        return subprocess.run(whole, capture_output=True, text=True, env=given, check=False, timeout=60)

    def tried(self, *targets: str) -> dict[str, str]:
        """Try to reach addresses from the machine: reached, refused at once, or silent."""
        said = self.inside("python3", "-c", TRY, *targets).stdout
        return dict(line.split(" ") for line in said.splitlines())

    def close(self) -> None:
        """Take all of it down."""
        for one in self._helpers:
            one.kill()
            one.communicate()
        for name in (self.machine, self.world):
            _run("ip", "netns", "delete", name)


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    """A machine and a world."""
    if os.geteuid() != 0 or not shutil.which("nft") or not shutil.which("ip") or not Path("/dev/net/tun").exists():
        missing("root, nft, ip or /dev/net/tun")
    made = Network(tmp_path)
    yield made
    made.close()


TARGETS = [f"tcp/{PUBLIC}/443", f"tcp/{PUBLIC}/25", f"tcp/{PRIVATE}/443", f"tcp/{METADATA}/443",
           f"udp/{PUBLIC}/53", f"udp/{OTHER}/53", f"tcp/{OTHER}/443"]  # fmt: skip


def test_without_the_wall_all_is_reached(network: Network) -> None:
    assert set(network.tried(*TARGETS).values()) == {"reached"}


def test_with_the_wall_public_addresses_are_reached_by_usual_ports_and_the_resolver_alone_is_asked(
    network: Network,
) -> None:
    done = network.inside("sh", "-c", "firewall && cat /run/claude-workers/firewall")
    assert (done.returncode, done.stdout) == (0, "on\n"), done.stderr
    assert network.tried(*TARGETS) == {
        f"tcp/{PUBLIC}/443": "reached", f"tcp/{PUBLIC}/25": "refused", f"tcp/{PRIVATE}/443": "refused",
        f"tcp/{METADATA}/443": "refused", f"udp/{PUBLIC}/53": "reached", f"udp/{OTHER}/53": "refused",
        f"tcp/{OTHER}/443": "reached",
    }  # fmt: skip
    counted = network.inside("nft", "list", "counter", "inet", "claude_workers", "dropped").stdout
    assert "packets 0 " not in counted
    assert network.inside("firewall").returncode == 0, "a second start is as the first"
    assert network.tried(f"tcp/{PRIVATE}/443") == {f"tcp/{PRIVATE}/443": "refused"}


def test_a_private_address_is_let_through_where_a_person_listed_it(network: Network) -> None:
    network.inside("firewall", ALLOWED_ADDRESSES=f"{PRIVATE} 10.1.0.0/16")
    assert network.tried(f"tcp/{PRIVATE}/443", f"tcp/{METADATA}/443") == {
        f"tcp/{PRIVATE}/443": "reached", f"tcp/{METADATA}/443": "refused",
    }  # fmt: skip


def test_what_cannot_be_set_up_ends_the_machine(network: Network) -> None:
    weak = ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")
    done = network.inside(*weak, "firewall")
    assert done.returncode == 77
    assert "give the container NET_ADMIN" in done.stderr
    done = network.inside(*weak, "entrypoint")
    assert done.returncode == 77
    assert network.inside("firewall", ALLOWED_ADDRESSES="no-address").returncode == 77


def test_it_is_off_by_an_explicit_word_alone(network: Network) -> None:
    told = network.inside("sh", "-c", "firewall && cat /run/claude-workers/firewall", DANGEROUSLY_SKIP_FIREWALL="1")
    assert (told.returncode, told.stdout) == (0, "off\n")
    assert "off, as DANGEROUSLY_SKIP_FIREWALL=1 says" in told.stderr
    said = network.inside("sh", "-c", "firewall && cat /run/claude-workers/firewall", DANGEROUSLY_SKIP_FIREWALL="yes")
    assert said.stdout == "on\n"


def test_without_a_volume_nothing_starts(network: Network) -> None:
    done = network.inside("entrypoint", VOLUME_PATIENCE="2")
    assert done.returncode == 70
    assert "/data is no volume that can be written to" in done.stderr
