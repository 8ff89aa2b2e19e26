"""Carrying: what of a clone comes into the store, what is too large and named, and what no trick keeps out."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from claude_workers import access
from claude_workers.enclosure.launch import Enclosure
from claude_workers.enclosure.rules import Rules
from claude_workers.errors import WorkersError
from claude_workers.paths import Layout
from claude_workers.runner.execute import Scripts
from claude_workers.workspace import clone, rescues, store, upstream
from claude_workers.workspace.clone import Beginning, Cargo, Carried
from tests.conftest import git

BRANCH = "w01/x"
KEPT = "01/task"
ODD = [
    b"a b", b" lead", b"trail ", b"-dash", b"--", b"--all", b"*", b"?", b"[a]", b"q'uote", b'q"uote', b"back\\slash",
    b"new\nline", b"tab\tx", b"\r", b"\x01", b":(top)x", b":!x", b"$HOME", b"`id`", b"$(id)", b"~", b"#c", b"a;b",
    b"%s", b"\xff\xfe", "über".encode(),
]  # fmt: skip


class Ground:
    """A clone of the toy repository in a home, with our mirror and store, and what carries it."""

    def __init__(self, layout: Layout, calc: Path) -> None:
        repository = upstream.local(str(calc), layout)
        self.mirror = upstream.mirror(layout, access.origin(repository))
        self.store = store.ensure(layout, repository)
        self.home = layout.root / "01"
        self.layout = layout
        self.clone = self.home / "github/local/calc"
        self.clone.mkdir(parents=True)
        tip = upstream.tip(self.mirror, "main")
        assert tip
        self.beginning = Beginning(self.mirror, "main", tip, BRANCH, tip)
        clone.create(self.inside(writable=(self.clone,)), self.clone, self.beginning)

    def inside(self, *, readable: tuple[Path, ...] = (), writable: tuple[Path, ...] = ()) -> Scripts:
        """Return what runs scripts where git alone is."""
        return Scripts(
            Enclosure(
                level="enclosure",
                home=self.home,
                cwd=Path("/"),
                env={"PATH": "/usr/bin:/bin", "HOME": str(self.home), "LC_ALL": "C.UTF-8"},
                writable=writable,
                readable=(self.mirror, *readable),
                rendered={self.home / ".gitconfig": "[safe]\n\tdirectory = *\n"},
                rules=Rules(()),
                hidden=(self.layout.root,),
                sealed=True,
            )
        )

    def carry(self, *, file_limit: int = 100 << 20, limit: int = 1 << 30) -> Carried:
        """Carry the clone."""
        cargo = Cargo(self.clone, BRANCH, self.mirror, self.store, KEPT, file_limit, limit)
        return clone.carry(self.inside(readable=(self.clone,)), cargo)

    def write(self, name: str | bytes, content: bytes = b"x\n") -> Path:
        """Write a file of the clone."""
        path = self.clone / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def git(self, *words: str) -> str:
        """Run git as the agent would."""
        return git(*words, at=self.clone)

    def entries(self, carried: Carried) -> dict[bytes, str]:
        """Return the mode of every file that a state has, by name."""
        words = ["git", "ls-tree", "-r", "-z", carried.state]
        lines = subprocess.run(words, cwd=self.store, capture_output=True, check=True).stdout.split(b"\0")
        return {line.partition(b"\t")[2]: line[:6].decode() for line in lines if line}

    def content(self, carried: Carried, name: str) -> bytes:
        """Return a file's content in a state."""
        words = ["git", "cat-file", "blob", f"{carried.state}:{name}"]
        return subprocess.run(words, cwd=self.store, capture_output=True, check=True).stdout

    def resumed(self, carried: Carried) -> Path:
        """Return a clone made again from what was carried."""
        self.clone.rename(self.clone.with_name("before"))
        self.clone.mkdir()
        inner = self.inside(writable=(self.clone,))
        clone.create(inner, self.clone, self.beginning)
        bundle = self.clone / ".git/rescued.bundle"
        store.give(self.store, self.mirror, carried.state, bundle)
        clone.resume(inner, self.clone, bundle, BRANCH, carried)
        return self.clone


@pytest.fixture
def ground(layout: Layout, calc: Path) -> Ground:
    """A clone that nobody has worked in yet."""
    return Ground(layout, calc)


def test_what_gitignore_names_is_not_carried_and_not_called_left_out(ground: Ground) -> None:
    ground.write(".gitignore", b"*.o\nbuild/\n")
    for name in ("a.o", "build/x", "sub/b.o", "sub/kept"):
        ground.write(name)
    ground.write("sub/.gitignore", b"!b.o\n")
    carried = ground.carry()
    assert sorted(carried.untracked) == [".gitignore", "sub/.gitignore", "sub/b.o", "sub/kept"]
    assert carried.left_out == []


def test_an_ignored_file_that_is_tracked_is_carried_as_it_is_now(ground: Ground) -> None:
    ground.write(".gitignore", b"calc.py\n")
    ground.write("calc.py", b"changed\n")
    carried = ground.carry()
    assert carried.modified == ["calc.py"]
    assert ground.content(carried, "calc.py") == b"changed\n"


def test_an_untracked_file_above_the_limit_is_left_out_and_named_and_one_at_the_limit_is_not(ground: Ground) -> None:
    ground.write("sub/over", bytes(2001))
    ground.write("exact", bytes(2000))
    carried = ground.carry(file_limit=2000)
    assert carried.left_out == ["sub/over"]
    assert sorted(carried.untracked) == ["exact", "sub/over"]
    assert set(ground.entries(carried)) == {b"calc.py", b"exact"}
    assert clone.read_back(ground.store, carried.state) == carried, "the state itself says what is missing"


def test_what_is_tracked_or_staged_is_carried_however_large_it_is(ground: Ground) -> None:
    ground.write("calc.py", os.urandom(5000))
    ground.write("staged", os.urandom(5000))
    ground.git("add", "staged")
    carried = ground.carry(file_limit=2000, limit=2000)
    assert (carried.modified, carried.untracked, carried.left_out) == (["calc.py"], ["staged"], [])


def test_where_all_together_are_too_large_the_largest_is_left_out(ground: Ground) -> None:
    for name, size in (("small", 10_000), ("middle", 40_000), ("large", 400_000)):
        ground.write(name, os.urandom(size))
    assert ground.carry(limit=100_000).left_out == ["large"]


@pytest.mark.parametrize(("sizes", "limit", "left"), [((100, 90, 80), 260, 1), ((20,) * 10, 190, 1)])
def test_no_more_is_left_out_than_must_be(ground: Ground, sizes: tuple[int, ...], limit: int, left: int) -> None:
    for number, size in enumerate(sizes):
        ground.write(f"file-{number}", os.urandom(size * 1000))
    assert len(ground.carry(limit=limit * 1024).left_out) == left


def test_many_small_files_are_below_a_limit_that_their_bytes_do_not_reach(ground: Ground) -> None:
    for number in range(300):
        ground.write(f"many/{number}", b"twenty bytes of text")
    assert ground.carry(limit=1 << 20).left_out == []


def test_a_limit_of_nothing_leaves_all_that_is_untracked_out_and_the_rest_is_carried(ground: Ground) -> None:
    ground.write("calc.py", b"changed\n")
    ground.write("one")
    carried = ground.carry(limit=0)
    assert (carried.modified, carried.left_out) == (["calc.py"], ["one"])


def test_a_repository_inside_the_clone_is_named_and_becomes_no_empty_link(ground: Ground) -> None:
    for name in ("nested", "deep/er"):
        ground.write(f"{name}/file")
        git("init", "-q", at=ground.clone / name)
        git("add", ".", at=ground.clone / name)
        git("commit", "-qm", "Inner", at=ground.clone / name)
    ground.write("deep/beside")
    carried = ground.carry()
    assert sorted(carried.left_out) == ["deep/er/", "nested/"]
    assert ground.entries(carried) == {b"calc.py": "100644", b"deep/beside": "100644"}


def submodule(ground: Ground, folder: str) -> Path:
    """Commit a submodule that borrows all its objects, as the runner checks them out."""
    other = ground.home / "other"
    git("init", "-q", str(other), at=ground.home)
    (other / "inner").write_text("x", encoding="utf-8")
    git("add", ".", at=other)
    git("commit", "-qm", "Inner", at=other)
    place = ground.clone / folder
    git("clone", "-q", "--shared", str(other), str(place), at=ground.home)
    ground.git("add", folder)
    ground.git("commit", "-qm", "Submodule")
    return place


def test_a_submodule_is_named_once_it_holds_what_its_mirror_has_not(ground: Ground) -> None:
    place = submodule(ground, "sub module")
    assert ground.carry().left_out == []
    (place / "inner").write_text("changed", encoding="utf-8")
    assert ground.carry().left_out == ["sub module/"]
    git("checkout", "-q", "inner", at=place)
    assert ground.carry().left_out == []
    (place / "new").touch()
    assert ground.carry().left_out == ["sub module/"]
    git("add", "new", at=place)
    git("commit", "-qm", "New", at=place)
    assert ground.carry().left_out == ["sub module/"]


def test_every_stash_is_carried(ground: Ground) -> None:
    for number in range(3):
        ground.write("calc.py", b"%d\n" % number)
        ground.git("stash", "-q")
    ground.carry()
    kept = git("for-each-ref", "--format=%(objectname)", f"refs/work/{KEPT}/heads/rescued-stash", at=ground.store)
    assert kept.split() == [ground.git("rev-parse", f"stash@{{{number}}}") for number in range(3)]


def test_a_folder_whose_git_file_leads_nowhere_is_carried_as_what_it_holds(ground: Ground) -> None:
    ground.write("broken/.git", b"gitdir: /nowhere\n")
    ground.write("broken/file")
    carried = ground.carry()
    assert (carried.untracked, carried.left_out) == (["broken/file"], [])


def test_odd_names_are_carried_byte_for_byte(ground: Ground) -> None:
    for name in ODD:
        ground.write(b"odd/" + name, name)
        ground.write(name, name)
    entries = ground.entries(ground.carry())
    assert set(entries) == {b"calc.py", *ODD, *(b"odd/" + name for name in ODD)}


def test_the_largest_with_odd_names_are_left_out_and_those_beside_them_are_not(ground: Ground) -> None:
    for name in ODD:
        ground.write(b"odd/" + name, bytes(3000))
        ground.write(b"plain/" + name)
    carried = ground.carry(file_limit=2000)
    assert set(ground.entries(carried)) == {b"calc.py", *(b"plain/" + name for name in ODD)}
    plain = [os.fsdecode(name) for name in ODD if name.isascii() and not set(name) & set(b"\n\r\x01")]
    assert {f"odd/{name}" for name in plain} <= set(carried.left_out)


@pytest.mark.parametrize("name", ["new\nline", "a\n./calc.py"])
def test_a_name_with_a_newline_is_named_as_one_file(ground: Ground, name: str) -> None:
    ground.write(name, bytes(3000))
    [named] = ground.carry(file_limit=2000).left_out
    assert named.startswith(name[:1])
    assert named.endswith(name[-2:])


def test_of_more_left_out_than_can_be_named_it_is_said_how_many_there_are(ground: Ground) -> None:
    for number in range(230):
        ground.write(f"large-{number}", bytes(300))
    left = ground.carry(file_limit=200).left_out
    assert len(left) == 230 or "more" in left[-1]


def test_thousands_of_untracked_files_are_carried(ground: Ground) -> None:
    for number in range(3000):
        ground.write(f"many/{number % 20}/file number {number}", b"%d" % number)
    carried = ground.carry()
    assert len(ground.entries(carried)) == 3001
    assert carried.left_out == []


@pytest.mark.parametrize("damage", ["locked", "garbage", "cut", "empty", "gone"])
def test_whatever_became_of_the_index_the_working_tree_is_carried(ground: Ground, damage: str) -> None:
    ground.write("calc.py", b"changed\n")
    ground.write("new")
    index = ground.clone / ".git/index"
    if damage == "locked":
        index.with_name("index.lock").touch()
    elif damage == "gone":
        index.unlink()
    else:
        index.write_bytes({"garbage": b"garbage" * 20, "cut": index.read_bytes()[:60], "empty": b""}[damage])
    carried = ground.carry()
    assert (carried.modified, carried.untracked) == (["calc.py"], ["new"])


def test_carrying_changes_nothing_in_the_clone(ground: Ground) -> None:
    ground.write("calc.py", b"changed\n")
    ground.write("new")
    before = listing(ground.clone)
    ground.carry()
    assert listing(ground.clone) == before


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of everything below a folder."""
    return {str(one): (one.lstat().st_size, one.lstat().st_mtime_ns) for one in folder.rglob("*")}


def test_executable_bits_links_and_deletions_are_kept_and_come_back(ground: Ground) -> None:
    for name in ("gone.py", "tool"):
        ground.write(name)
    ground.git("add", ".")
    ground.git("commit", "-qm", "Two more")
    (ground.clone / "gone.py").unlink()
    (ground.clone / "tool").chmod(0o755)
    ground.write("new tool").chmod(0o755)
    for name, target in (("link", "calc.py"), ("dangling", "nowhere"), ("out", "/etc")):
        (ground.clone / name).symlink_to(target)
    carried = ground.carry()
    assert ground.entries(carried) == {
        b"calc.py": "100644", b"tool": "100755", b"new tool": "100755",
        b"link": "120000", b"dangling": "120000", b"out": "120000",
    }  # fmt: skip
    status = ground.git("status", "--porcelain")
    again = ground.resumed(carried)
    assert git("status", "--porcelain", at=again) == status
    assert os.access(again / "new tool", os.X_OK)
    assert os.readlink(again / "out") == "/etc"
    assert git("log", "-1", "--format=%s", BRANCH, at=again) == "Two more"


def test_a_clone_whose_every_file_was_deleted_comes_back_as_empty_as_it_was(ground: Ground) -> None:
    (ground.clone / "calc.py").unlink()
    again = ground.resumed(ground.carry())
    assert [one.name for one in again.iterdir()] == [".git"]


def test_a_file_that_became_a_folder_and_a_folder_that_became_a_file_come_back(ground: Ground) -> None:
    ground.write("folder/one")
    ground.git("add", ".")
    ground.git("commit", "-qm", "A folder")
    (ground.clone / "calc.py").unlink()
    ground.write("calc.py/inside")
    shutil.rmtree(ground.clone / "folder")
    ground.write("folder", b"a file now\n")
    again = ground.resumed(ground.carry())
    assert (again / "calc.py/inside").is_file()
    assert (again / "folder").read_bytes() == b"a file now\n"


def test_commits_of_a_detached_head_are_carried_beside_the_branch(ground: Ground) -> None:
    ground.git("checkout", "-q", "--detach")
    ground.write("aside")
    ground.git("add", ".")
    ground.git("commit", "-qm", "Aside")
    carried = ground.carry()
    assert carried.head == ground.git("rev-parse", "HEAD")
    assert carried.tip == ground.git("rev-parse", BRANCH)
    assert b"aside" in ground.entries(carried)
    assert (ground.resumed(carried) / "aside").is_file()


def test_a_merge_that_stopped_in_conflict_is_carried_as_it_looks(ground: Ground) -> None:
    ground.git("checkout", "-qb", "other")
    ground.write("calc.py", b"theirs\n")
    ground.git("commit", "-qam", "Theirs")
    ground.git("checkout", "-q", BRANCH)
    ground.write("calc.py", b"ours\n")
    ground.git("commit", "-qam", "Ours")
    with pytest.raises(subprocess.CalledProcessError):
        ground.git("merge", "-q", "other")
    carried = ground.carry()
    assert b"<<<<<<<" in ground.content(carried, "calc.py")
    assert git("rev-parse", f"refs/work/{KEPT}/heads/other", at=ground.store) == ground.git("rev-parse", "other")


def test_filters_and_hooks_of_the_clone_are_not_run(ground: Ground, tmp_path: Path) -> None:
    ground.write(".gitattributes", b"*.p filter=trap\n")
    ground.write("a.p")
    for name in ("clean", "process"):
        ground.git("config", f"filter.trap.{name}", f"touch {ground.clone}/sprung; cat")
    ground.git("config", "filter.trap.required", "true")
    ground.git("config", "core.fsmonitor", f"touch {ground.clone}/sprung")
    carried = ground.carry()
    assert ground.content(carried, "a.p") == b"x\n"
    assert not (ground.clone / "sprung").exists()


def covered(ground: Ground, carried: Carried, name: str, content: bytes) -> bool:
    """Tell whether a file of the working tree was carried as it is, or at least named as left out."""
    return name in carried.left_out or (
        name.encode() in ground.entries(carried) and ground.content(carried, name) == content
    )


def test_a_file_that_its_encoding_cannot_express_keeps_no_other_out(ground: Ground) -> None:
    ground.write(".gitattributes", b"*.ps1 working-tree-encoding=UTF-16\n")
    ground.write("script.ps1", b"odd")
    ground.write("calc.py", b"changed\n")
    ground.write("new.py")
    carried = kept_or_refused(ground)
    assert carried is None or all(
        covered(ground, carried, name, content) for name, content in (("calc.py", b"changed\n"), ("new.py", b"x\n"))
    )


def kept_or_refused(ground: Ground) -> Carried | None:
    """Carry; None where it was refused: then nothing will be deleted."""
    try:
        return ground.carry()
    except WorkersError:
        return None


@pytest.mark.parametrize("bit", ["--assume-unchanged", "--skip-worktree"])
def test_a_change_that_the_index_was_told_to_overlook_is_carried(ground: Ground, bit: str) -> None:
    ground.git("update-index", bit, "calc.py")
    ground.write("calc.py", b"changed\n")
    carried = kept_or_refused(ground)
    assert carried is None or covered(ground, carried, "calc.py", b"changed\n")


@pytest.mark.parametrize("name", ["new", "calc.py", "folder/new"])
def test_what_cannot_be_read_is_named_or_refused_and_never_passed_over(ground: Ground, name: str) -> None:
    path = ground.write(name, b"changed\n")
    closed = path.parent if "/" in name else path
    closed.chmod(0)
    try:
        carried = kept_or_refused(ground)
    finally:
        closed.chmod(0o700)
    assert carried is None or covered(ground, carried, name, b"changed\n") or "folder/" in carried.left_out


def test_the_ends_of_lines_come_back_as_they_were(ground: Ground) -> None:
    ground.write(".gitattributes", b"*.txt text\n")
    ground.write("dos.txt", b"one\r\ntwo\r\n")
    assert (ground.resumed(ground.carry()) / "dos.txt").read_bytes() == b"one\r\ntwo\r\n"


@pytest.mark.parametrize("damage", ["head", "branch", "object"])
def test_a_clone_that_git_cannot_read_is_refused_and_what_was_kept_before_stays(ground: Ground, damage: str) -> None:
    ground.write("calc.py", b"first\n")
    ground.git("commit", "-qam", "First")
    before = ground.carry()
    ground.write("calc.py", b"second\n")
    ground.git("commit", "-qam", "Second")
    tip = ground.git("rev-parse", "HEAD")
    place = {
        "head": ground.clone / ".git/HEAD",
        "branch": ground.clone / f".git/refs/heads/{BRANCH}",
        "object": ground.clone / f".git/objects/{tip[:2]}/{tip[2:]}",
    }[damage]
    place.chmod(0o600)
    place.write_bytes(b"")
    with pytest.raises(WorkersError):
        ground.carry()
    assert rescues.last(ground.store, KEPT) == before
