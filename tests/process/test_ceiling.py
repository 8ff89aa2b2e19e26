"""A memory ceiling: whoever goes over it is stopped or seen, and nobody else is.

Where a cgroup can be had the kernel itself is tried, whichever version it offers. Elsewhere what is left
is the looking, and a folder of files that imitates a kernel with version 2.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from claude_workers.process import ceiling, cgroup
from claude_workers.process.ceiling import Ceiling
from claude_workers.process.identity import Identity, identify
from tests.process.conftest import Start
from tests.racing import until

LIMIT = 64 << 20
KILLED = "over memory_limit of 64 MiB (killed by the kernel)"
Make = Callable[..., Ceiling]

HOLD = """
import sys
held = b"x" * (int(sys.argv[1]) << 20)
if sys.argv[2:]:
    open("/proc/self/comm", "w").write(sys.argv[2])
print("holding", flush=True)
sys.stdin.read()
"""
# So many children that hold so much, each its own or all the same.
FAMILY = """
import mmap, os, sys
count, size, kind = int(sys.argv[1]), int(sys.argv[2]) << 20, sys.argv[3]
same = mmap.mmap(-1, size)
ready, said = os.pipe()
for _ in range(count):
    if not os.fork():
        held = same if kind == "shared" else bytearray(size)
        for page in range(0, size, 4096):
            held[page] = 1
        os.write(said, b"x")
        sys.stdin.read()
        os._exit(0)
for _ in range(count):
    os.read(ready, 1)
print("holding", flush=True)
sys.stdin.read()
"""


def folder(kept: Ceiling) -> Path:
    """Return the cgroup that has the limit."""
    return Path(kept.prefix[-1]).parent


def is_gone(kept: Ceiling) -> bool:
    """Close a ceiling; tell whether nothing is left of it."""
    kept.close()
    return kept.kind != "cgroup" or not folder(kept).exists()


@pytest.fixture
def make() -> Iterator[Make]:
    """Make ceilings of one name, nobody else's; they are gone at the end. To be asked for before `start`."""
    made: list[Ceiling] = []
    name = f"test-{uuid.uuid4().hex[:12]}"

    def one(limit: int | None = LIMIT, suffix: str = "") -> Ceiling:
        made.append(Ceiling(name + suffix, limit))
        return made[-1]

    yield one
    for each in made:
        until(lambda each=each: is_gone(each), "the cgroup is removed")  # type: ignore[misc]


@pytest.fixture
def kernel(make: Make) -> Make:
    """Make ceilings that the kernel keeps."""
    if make(suffix="-probe").kind != "cgroup":
        pytest.skip("no cgroup is to be had here: no memory controller, not ours to write in, or others live in it")
    return make


@pytest.fixture
def watched(make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Make:
    """Make ceilings where there is no cgroup."""
    monkeypatch.setattr(cgroup, "_OWN", tmp_path / "nowhere")
    return make


def hold(start: Start, megabytes: int, prefix: list[str] | None = None, *name: str) -> subprocess.Popen[str]:
    """Start a program that is to hold so much memory and, if wanted, to bear another name."""
    return start(*(prefix or []), sys.executable, "-c", HOLD, str(megabytes), *name)


def family(start: Start, *arguments: str, prefix: list[str] | None = None) -> subprocess.Popen[str]:
    """Start a program whose children are to hold so much each."""
    return start(*(prefix or []), sys.executable, "-c", FAMILY, *arguments)


def holding(child: subprocess.Popen[str]) -> Identity:
    """Wait until a program holds what it is to hold; return who it is."""
    assert child.stdout
    assert child.stdout.readline() == "holding\n"
    found = identify(child.pid)
    assert found
    return found


def test_the_kernel_kills_who_goes_over_and_nobody_else(kernel: Make, start: Start) -> None:
    kept, other = kernel(), kernel(suffix="-other")
    bystanders = [hold(start, 150), hold(start, 10, other.prefix)]
    for one in bystanders:
        holding(one)
    assert kept.breached(None) == ""
    assert hold(start, 150, kept.prefix).wait(20) == -signal.SIGKILL
    assert kept.breached(None) == KILLED
    assert other.breached(None) == ""
    for one in bystanders:
        one.communicate("", timeout=10)
        assert one.returncode == 0


def test_the_kernel_counts_all_that_a_program_starts(kernel: Make, start: Start) -> None:
    kept = kernel()
    family(start, "4", "30", "own", prefix=kept.prefix)
    until(lambda: kept.breached(None) == KILLED, "children are over the limit together")


def test_who_stays_below_ends_as_it_likes(kernel: Make, start: Start) -> None:
    kept = kernel()
    child = hold(start, 10, kept.prefix)
    holding(child)
    child.communicate("", timeout=10)
    assert (child.returncode, kept.breached(None)) == (0, "")


def test_a_kill_by_somebody_else_is_no_breach(kernel: Make, start: Start) -> None:
    kept = kernel()
    child = hold(start, 10, kept.prefix)
    holding(child)
    child.kill()
    child.wait()
    assert kept.breached(None) == ""


def test_a_program_behind_the_prefix_is_started_as_it_would_be_without(kernel: Make) -> None:
    odd = ["two words", "$0", "", "'\"", "*", "-c"]
    script = (
        "import json, os, sys; print(json.dumps([os.getpid(), sys.argv[1:], os.read(int(sys.argv[1]), 9).decode()]))"
    )
    reader, writer = os.pipe()
    os.write(writer, b"handed on")
    argv = [*kernel().prefix, sys.executable, "-c", script, str(reader), *odd]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, pass_fds=[reader]) as child:
        said, _ = child.communicate(timeout=20)
    os.close(reader)
    os.close(writer)
    assert json.loads(said) == [child.pid, [str(reader), *odd], "handed on"]


def test_nothing_runs_without_the_limit(kernel: Make) -> None:
    kept = kernel()
    prefix = kept.prefix
    kept.close()
    done = subprocess.run([*prefix, "echo", "unlimited"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (125, "")
    assert "memory_limit:" in done.stderr


def test_what_a_dead_run_counted_is_not_held_against_the_next(kernel: Make, start: Start) -> None:
    dead = kernel()
    assert hold(start, 150, dead.prefix).wait(20) == -signal.SIGKILL
    left = hold(start, 1, dead.prefix)  # it keeps the cgroup busy
    holding(left)
    following = kernel(2 * LIMIT)
    assert (following.kind, folder(following)) == ("cgroup", folder(dead))
    assert following.breached(None) == ""
    holding(hold(start, 90, following.prefix))
    assert hold(start, 250, following.prefix).wait(20) == -signal.SIGKILL
    assert following.breached(None) == KILLED.replace("64", "128")


def test_what_a_dead_run_left_is_used_again(kernel: Make) -> None:
    dead, following = kernel(), kernel()
    assert folder(following) == folder(dead)
    assert following.kind == "cgroup"


def test_a_busy_cgroup_is_left_and_can_be_removed_later(
    kernel: Make, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = kernel()
    child = hold(start, 1, kept.prefix)
    holding(child)
    monkeypatch.setattr(ceiling, "_TRIES_TO_REMOVE", 2)
    kept.close()
    assert folder(kept).exists()
    child.communicate("", timeout=10)
    until(lambda: is_gone(kept), "the cgroup is removed")


def test_cgroups_that_were_made_inside_are_removed_too(kernel: Make) -> None:
    kept = kernel()
    (Path(kept.prefix[-1]) / "own" / "deeper").mkdir(parents=True)
    kept.close()
    assert not folder(kept).exists()


def test_the_reason_outlives_the_cgroup(kernel: Make, start: Start) -> None:
    kept = kernel()
    hold(start, 150, kept.prefix).wait(20)
    kept.close()
    assert not folder(kept).exists()
    assert kept.breached(None) == KILLED
    assert kept.kind == "cgroup"


def test_a_tree_whose_cgroup_was_taken_away_is_watched(kernel: Make, start: Start) -> None:
    kept = kernel()
    Path(kept.prefix[-1]).rmdir()
    folder(kept).rmdir()
    assert kept.breached(holding(hold(start, 150))).endswith("MiB in use")
    assert (kept.kind, kept.prefix) == ("watched", [])


def test_without_a_cgroup_who_goes_over_is_seen(watched: Make, start: Start) -> None:
    kept = watched()
    assert (kept.kind, kept.prefix) == ("watched", [])
    why = kept.breached(holding(hold(start, 150)))
    found = re.fullmatch(r"over memory_limit of 64 MiB: (\d+) MiB in use", why)
    assert found
    assert 150 <= int(found[1]) < 180
    assert kept.breached(None) == why
    kept.close()
    assert kept.breached(None) == why


def test_a_whole_tree_is_watched(watched: Make, start: Start) -> None:
    child = family(start, "4", "30", "own")
    assert watched().breached(holding(child)).endswith("MiB in use")


def test_memory_that_a_tree_shares_counts_once(watched: Make, start: Start) -> None:
    leader = holding(family(start, "4", "30", "shared"))
    assert watched().breached(leader) == ""
    assert watched(16 << 20).breached(leader) != ""


def test_where_sharing_is_not_told_all_of_it_counts(
    watched: Make, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader = holding(family(start, "4", "30", "shared"))
    held = ceiling._held
    monkeypatch.setattr(ceiling, "_held", lambda pid, file, *names: file == "status" and held(pid, file, *names))
    assert watched().breached(leader).endswith("MiB in use")


def test_who_stays_below_or_is_gone_is_not_over(watched: Make, start: Start) -> None:
    kept = watched()
    child = hold(start, 10)
    leader = holding(child)
    assert kept.breached(leader) == ""
    assert kept.breached(None) == ""
    child.kill()
    assert kept.breached(leader) == ""
    child.wait()
    assert kept.breached(leader) == ""


@pytest.mark.parametrize("name", ["\x1cVmRSS: x kB", "\x85VmRSS: 9 kB", "VmRSS: 99999 kB"])
def test_a_process_s_name_cannot_lie_about_its_memory(name: str, watched: Make, start: Start) -> None:
    leader = holding(hold(start, 10, None, name))
    assert watched().breached(leader) == ""
    assert watched(8 << 20).breached(leader) != ""


def test_without_a_limit_nothing_is_done(make: Make, start: Start) -> None:
    kept = make(None)
    assert (kept.kind, kept.prefix) == ("", [])
    assert kept.breached(holding(hold(start, 150))) == ""
    kept.close()


@pytest.mark.parametrize("name", ["", "..", "a/b", "A", "a.b", "a\n", "a" * 101])
def test_a_name_that_could_lead_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a cgroup"):
        Ceiling(name, LIMIT)


class Imitation:
    """A folder with the few files of version 2 that are used: no kernel acts on what is written there."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.own = root / "mount" / "us"
        self.group = self.own / "claude-workers-test"
        self.aside = self.own / "claude-workers.runner"
        self.lay(self.own, "cgroup.procs", controllers="cpu memory", subtree_control="cpu")
        self.lay(self.aside, "cgroup.procs")
        self.lay(self.group / "agent", "cgroup.procs")
        self.lay(self.group, "memory.max", "memory.swap.max", "memory.oom.group", "memory.events")
        self.happen(oom=0, oom_kill=0)
        self.proc = root / "proc"
        self.proc.mkdir()
        self.mounted("/us", "/")
        monkeypatch.setattr(cgroup, "_OWN", self.proc / "cgroup")
        monkeypatch.setattr(cgroup, "_MOUNTS", self.proc / "mountinfo")

    def lay(self, place: Path, *empty: str, **cgroup: str) -> None:
        place.mkdir(parents=True, exist_ok=True)
        for name in empty:
            (place / name).touch()
        for name, text in cgroup.items():
            (place / f"cgroup.{name}").write_text(text, encoding="ascii")

    def happen(self, **events: int) -> None:
        text = "".join(f"{name} {count}\n" for name, count in events.items())
        (self.group / "memory.events").write_text(text, encoding="ascii")

    def mounted(self, path: str, root: str) -> None:
        """Say that we are in the cgroup `path`, and that what is mounted begins at `root`."""
        mount = self.own.parent
        (self.proc / "cgroup").write_text(f"4:pids:/elsewhere\n0::{path}\n", encoding="ascii")
        (self.proc / "mountinfo").write_text(
            f"22 1 0:20 / /proc rw - proc proc rw\n41 31 0:38 {root} {mount} rw shared:4 - cgroup2 cgroup2 rw\n",
            encoding="ascii",
        )


@pytest.fixture
def imitation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Imitation:
    """A kernel that offers version 2, imitated."""
    return Imitation(tmp_path, monkeypatch)


def refuse(monkeypatch: pytest.MonkeyPatch, file: str, while_: Callable[[], bool]) -> None:
    """Have writes to a file be refused as busy while something holds."""
    write = cgroup._write

    def written(path: Path, value: object) -> None:
        if path.name == file and while_():
            raise OSError(errno.EBUSY, "Device or resource busy")
        write(path, value)

    monkeypatch.setattr(cgroup, "_write", written)
    monkeypatch.setattr(cgroup, "_TRIES_TO_LEAVE", 2)


def test_version_2_is_given_the_limit_and_no_swap(imitation: Imitation) -> None:
    kept = Ceiling("test", LIMIT)
    assert kept.kind == "cgroup"
    assert kept.prefix[-1] == str(imitation.group / "agent")
    set_to = {one.name: one.read_text("ascii") for one in imitation.group.glob("memory.*[!s]")}
    assert set_to == {"memory.max": str(LIMIT), "memory.swap.max": "0", "memory.oom.group": "1"}
    assert (imitation.own / "cgroup.subtree_control").read_text("ascii") == "+memory"
    assert (imitation.aside / "cgroup.procs").read_text("ascii") == ""


def test_in_version_2_a_kill_counts_when_the_limit_was_hit(imitation: Imitation) -> None:
    imitation.happen(oom=3, oom_kill=2)
    kept = Ceiling("test", LIMIT)
    for events in ({"oom": 3, "oom_kill": 2}, {"oom": 3, "oom_kill": 4}, {"oom": 4, "oom_kill": 2}):
        imitation.happen(**events)
        assert kept.breached(None) == ""
    imitation.happen(oom=4, oom_kill=3, oom_group_kill=1)
    assert kept.breached(None) == KILLED


def test_where_we_live_in_the_cgroup_ourselves_we_step_aside(
    imitation: Imitation, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside = imitation.aside / "cgroup.procs"
    refuse(monkeypatch, "cgroup.subtree_control", lambda: aside.read_text("ascii") == "")
    assert Ceiling("test", LIMIT).kind == "cgroup"
    assert aside.read_text("ascii") == str(os.getpid())
    assert (imitation.own / "cgroup.subtree_control").read_text("ascii") == "+memory"
    imitation.mounted("/us/claude-workers.runner", "/")
    assert Ceiling("test", LIMIT).prefix[-1] == str(imitation.group / "agent")


def test_where_others_live_too_we_go_back_and_watch(imitation: Imitation, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, "cgroup.subtree_control", lambda: True)
    assert Ceiling("test", LIMIT).kind == "watched"
    assert (imitation.own / "cgroup.procs").read_text("ascii") == str(os.getpid())
    assert (imitation.own / "cgroup.subtree_control").read_text("ascii") == "cpu"


def test_a_limit_that_cannot_be_set_leaves_nothing_enabled(imitation: Imitation) -> None:
    (imitation.group / "memory.max").unlink()
    assert Ceiling("test", LIMIT).kind == "watched"
    assert (imitation.own / "cgroup.subtree_control").read_text("ascii") == "-memory"


def test_without_the_memory_controller_nothing_is_touched(imitation: Imitation) -> None:
    imitation.lay(imitation.own, controllers="cpu memory_pressure")
    assert Ceiling("test", LIMIT).kind == "watched"
    assert (imitation.own / "cgroup.subtree_control").read_text("ascii") == "cpu"


@pytest.mark.parametrize(
    ("path", "root", "kind"),
    [
        ("/us", "/", "cgroup"),
        ("/docker/f00/us", "/docker/f00", "cgroup"),
        ("/docker/f00/us", "/docker/f0", "watched"),
        ("/elsewhere", "/docker/f00", "watched"),
        ("/../mount/us", "/", "watched"),
        ("/gone (deleted)", "/", "watched"),
    ],
)
def test_our_own_cgroup_is_found_where_it_is_mounted(path: str, root: str, kind: str, imitation: Imitation) -> None:
    imitation.mounted(path, root)
    assert Ceiling("test", LIMIT).kind == kind


def test_a_cgroup_that_is_gone_starts_nothing(imitation: Imitation) -> None:
    prefix = Ceiling("test", LIMIT).prefix
    shutil.rmtree(imitation.group)
    done = subprocess.run([*prefix, "echo", "unlimited"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (125, "")
    assert "nothing is started without it" in done.stderr
