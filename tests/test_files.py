"""Files written whole or not at all, and read without following a trap."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_workers import files
from claude_workers.errors import Busy, WorkersError
from claude_workers.lock import locked
from tests.conftest import CHECKOUT
from tests.racing import race, until


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def plain_umask() -> Iterator[None]:
    """The umask that most people have."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_a_file_is_written_for_its_owner_alone(tmp_path: Path, plain_umask: None) -> None:
    files.write_atomic(tmp_path / "x", "text\n")
    assert (tmp_path / "x").read_text(encoding="utf-8") == "text\n"
    assert mode(tmp_path / "x") == 0o600


def test_a_replaced_file_is_private_even_when_the_old_one_was_not(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old", encoding="utf-8")
    (tmp_path / "x").chmod(0o666)
    files.write_atomic(tmp_path / "x", "new")
    assert mode(tmp_path / "x") == 0o600


def test_a_link_is_replaced_and_never_written_through(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("kept", encoding="utf-8")
    (tmp_path / "x").symlink_to(outside)
    files.write_atomic(tmp_path / "x", "new")
    assert outside.read_text(encoding="utf-8") == "kept"
    assert (tmp_path / "x").read_text(encoding="utf-8") == "new"


def test_a_reader_sees_one_writer_s_text_or_another_s_never_a_part(tmp_path: Path) -> None:
    path, size = files.make_private(tmp_path / "here") / "x", 200_000
    files.write_atomic(path, "-" * size)
    seen: set[str] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            text = path.read_text(encoding="utf-8")
            seen.add(text if len(text) != size or len(set(text)) != 1 else text[0])

    reader = threading.Thread(target=read)
    reader.start()
    answers = race(lambda number: files.write_atomic(path, chr(ord("a") + number) * size))
    done.set()
    reader.join()
    assert answers == [None] * 20
    assert seen
    assert all(len(one) == 1 for one in seen)
    assert os.listdir(path.parent) == ["x"]


@pytest.mark.parametrize("verb", [files.write_atomic, files.create_exclusive])
def test_a_file_in_no_folder_is_our_error(verb: object, tmp_path: Path) -> None:
    assert callable(verb)
    with pytest.raises(WorkersError, match="cannot write"):
        verb(tmp_path / "nowhere" / "x", "text")


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "here" / "x"
    target.mkdir(parents=True)
    with pytest.raises(WorkersError, match="cannot write"):
        files.write_atomic(target, "text")
    assert os.listdir(target.parent) == ["x"]


@pytest.mark.parametrize("verb", [files.write_atomic, files.create_exclusive])
def test_letters_that_are_no_text_do_not_stop_the_writing(verb: object, tmp_path: Path) -> None:
    assert callable(verb)
    folder = files.make_private(tmp_path / "here")
    verb(folder / "x", os.fsdecode(b"caf\xe9"))
    assert (folder / "x").read_text(encoding="utf-8") == "caf?"
    assert os.listdir(folder) == ["x"]


def test_the_second_to_create_a_file_changes_nothing(tmp_path: Path) -> None:
    folder = files.make_private(tmp_path / "here")
    assert files.create_exclusive(folder / "x", "first")
    assert not files.create_exclusive(folder / "x", "second")
    assert (folder / "x").read_text(encoding="utf-8") == "first"
    assert os.listdir(folder) == ["x"]


def test_a_created_file_is_its_owner_s_alone(tmp_path: Path, plain_umask: None) -> None:
    files.create_exclusive(tmp_path / "x", "text")
    assert mode(tmp_path / "x") == 0o600


def test_a_dangling_link_counts_as_a_file_that_exists(tmp_path: Path) -> None:
    (tmp_path / "x").symlink_to(tmp_path / "nowhere")
    assert not files.create_exclusive(tmp_path / "x", "text")
    assert not (tmp_path / "nowhere").exists()


def test_of_twenty_threads_one_creates_the_file(tmp_path: Path) -> None:
    folder = files.make_private(tmp_path / "here")
    answers = race(lambda number: files.create_exclusive(folder / "x", f"{number}" * 10_000))
    assert sorted(answers, key=str) == [False] * 19 + [True]
    assert (folder / "x").read_text(encoding="utf-8") == f"{answers.index(True)}" * 10_000
    assert os.listdir(folder) == ["x"]


RACER = """
import sys
from pathlib import Path
from claude_workers import files
print("ready", flush=True)
sys.stdin.read()
print(files.create_exclusive(Path(sys.argv[1]), sys.argv[2]))
"""


def test_of_twelve_processes_one_creates_the_file(tmp_path: Path) -> None:
    folder = files.make_private(tmp_path / "here")
    gate, opener = os.pipe()
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(folder / "x"), str(number)],
            stdin=gate,
            stdout=subprocess.PIPE,
            text=True,
            cwd=CHECKOUT,
        )
        for number in range(12)
    ]
    os.close(gate)
    for racer in racers:
        assert racer.stdout
        assert racer.stdout.readline() == "ready\n"
    os.close(opener)
    answers = [racer.communicate(timeout=20)[0].strip() for racer in racers]
    assert sorted(answers) == ["False"] * 11 + ["True"]
    assert (folder / "x").read_text(encoding="utf-8") == str(answers.index("True"))
    assert os.listdir(folder) == ["x"]


def test_json_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    data = {"text": "é\u2028\n", "number": 1.5, "list": [None, True]}
    files.write_atomic(tmp_path / "x.json", files.to_text(data))
    assert files.read_json(tmp_path / "x.json") == data


def test_there_is_no_json_where_there_is_no_file(tmp_path: Path) -> None:
    assert files.read_json(tmp_path / "x.json") is None
    assert files.read_json(tmp_path / "nowhere" / "x.json") is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "1", '"x"', '{"a": 1', "{} {}", "\0", '{"a":' * 100_000])
def test_what_is_no_json_object_is_a_value_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r".+"):
        files.read_json(tmp_path / "x.json")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with a file three levels down, and a copy of it outside that is a secret."""
    for place, text in (("inside", "public"), ("outside", "secret")):
        (tmp_path / place / "a" / "b").mkdir(parents=True)
        (tmp_path / place / "a" / "b" / "c").write_text(text, encoding="utf-8")
    return tmp_path / "inside"


LEVELS = ["a", "a/b", "a/b/c"]


def lead_out(tree: Path, level: str) -> None:
    """Put a link that leads out of the tree at one level of the file's path."""
    os.rename(tree / level, tree / "aside")
    (tree / level).symlink_to(tree.parent / "outside" / level)
    assert (tree / "a/b/c").read_text(encoding="utf-8") == "secret"


def test_a_file_inside_is_read(tree: Path) -> None:
    assert files.read_inside(tree, "a/b/c") == "public"


@pytest.mark.parametrize("level", LEVELS)
def test_a_link_at_any_level_is_never_followed(level: str, tree: Path) -> None:
    lead_out(tree, level)
    try:
        found = files.read_inside(tree, "a/b/c")
    except ValueError:
        found = None
    assert found is None


@pytest.mark.parametrize("level", LEVELS)
def test_a_link_at_any_level_is_told_from_a_file_that_is_not_there(level: str, tree: Path) -> None:
    lead_out(tree, level)
    with pytest.raises(ValueError, match="link"):
        files.read_inside(tree, "a/b/c")


@pytest.mark.parametrize("relative", ["../outside/a/b/c", "a/../../outside/a/b/c", "{outside}/a/b/c"])
def test_a_path_that_leads_out_by_its_own_words_is_refused(relative: str, tree: Path) -> None:
    with pytest.raises(ValueError, match=r".+"):
        files.read_inside(tree, relative.format(outside=tree.parent / "outside"))


@pytest.mark.parametrize("relative", ["x", "x/y", "a/x", "a/b/c/d"])
def test_there_is_nothing_where_there_is_no_file(relative: str, tree: Path) -> None:
    assert files.read_inside(tree, relative) is None


def test_there_is_nothing_where_there_is_no_folder(tmp_path: Path) -> None:
    assert files.read_inside(tmp_path / "nowhere", "x") is None


@pytest.mark.parametrize("relative", ["a", "a/b", "", "."])
def test_a_folder_is_no_file(relative: str, tree: Path) -> None:
    with pytest.raises(ValueError, match="not a regular file"):
        files.read_inside(tree, relative)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="not a regular file"):
        files.read_inside(tmp_path, "pipe")


def test_a_device_is_no_file() -> None:
    with pytest.raises(ValueError, match="not a regular file"):
        files.read_inside(Path("/dev"), "zero")


def test_a_file_of_just_the_limit_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x" * 1000)
    assert files.read_inside(tmp_path, "x", limit=1000) == "x" * 1000


def test_a_larger_file_is_refused_unread(tmp_path: Path) -> None:
    os.truncate(os.open(tmp_path / "x", os.O_CREAT | os.O_WRONLY), 1 << 40)
    with pytest.raises(ValueError, match="larger than"):
        files.read_inside(tmp_path, "x")


def test_bytes_that_are_no_text_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"a\xffb")
    assert files.read_inside(tmp_path, "x") == "a\ufffdb"


def test_a_folder_that_links_to_itself_is_a_value_error(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ValueError, match=r".+"):
        files.read_inside(tmp_path / "loop", "x")


@pytest.mark.parametrize("relative", ["x" * 300, "a\0b"])
def test_an_impossible_name_is_a_value_error(relative: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r".+"):
        files.read_inside(tmp_path, relative)


def test_reading_leaves_no_file_open(tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    (tree / "link").symlink_to("a")
    before = len(os.listdir("/proc/self/fd"))
    for relative in ("a/b/c", "nowhere", "pipe", "link", "link/b/c", "a/b/c/d", "a"):
        try:
            files.read_inside(tree, relative)
        except ValueError:
            continue
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_private_folder_can_be_entered_by_its_owner_alone_parents_included(tmp_path: Path, plain_umask: None) -> None:
    files.make_private(tmp_path / "a" / "b" / "c")
    assert [mode(tmp_path / one) for one in LEVELS] == [0o700] * 3


def test_a_private_folder_may_exist_already(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "kept").touch()
    assert files.make_private(tmp_path / "a") == tmp_path / "a"
    assert (tmp_path / "a" / "kept").exists()
    assert mode(tmp_path / "a") == 0o755


def test_a_link_in_place_of_a_private_folder_opens_and_closes_nothing(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(0o755)
    (tmp_path / "a").symlink_to(outside)
    with contextlib.suppress(WorkersError):
        files.make_private(tmp_path / "a")
    assert mode(outside) == 0o755


def test_a_file_in_the_way_of_a_folder_is_our_error(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    for path in (tmp_path / "a", tmp_path / "a" / "b"):
        with pytest.raises(WorkersError, match="cannot write"):
            files.make_private(path)


def test_a_tree_is_removed_and_what_its_links_lead_to_stays(tree: Path) -> None:
    outside = tree.parent / "outside"
    (tree / "a" / "link").symlink_to(outside)
    (tree / "a" / "dangling").symlink_to("nowhere")
    os.mkfifo(tree / "a" / "pipe")
    files.remove_tree(tree)
    assert not tree.exists()
    assert (outside / "a" / "b" / "c").exists()


@pytest.mark.parametrize("target", ["outside", "nowhere"])
def test_of_a_link_the_link_alone_is_removed(target: str, tree: Path) -> None:
    link = tree / "link"
    link.symlink_to(tree.parent / target)
    files.remove_tree(link)
    assert not link.is_symlink()
    assert (tree.parent / "outside" / "a" / "b" / "c").exists()


def test_a_single_file_is_removed(tree: Path) -> None:
    files.remove_tree(tree / "a" / "b" / "c")
    assert os.listdir(tree / "a" / "b") == []


def test_nothing_is_removed_where_nothing_is(tmp_path: Path) -> None:
    files.remove_tree(tmp_path / "nowhere")


def test_read_only_folders_are_removed_too(tree: Path) -> None:
    (tree / "a" / "b").chmod(0o500)
    (tree / "a").chmod(0o500)
    files.remove_tree(tree)
    assert not tree.exists()


REMOVER = """
import sys
from pathlib import Path
from claude_workers import files
files.remove_tree(Path(sys.argv[1]))
"""


def test_a_pipe_is_removed_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    subprocess.run([sys.executable, "-c", REMOVER, tmp_path / "pipe"], cwd=CHECKOUT, timeout=3, check=True)
    assert not os.path.lexists(tmp_path / "pipe")


def test_a_tree_deeper_than_python_recurses_is_removed(tmp_path: Path) -> None:
    top = files.make_private(tmp_path / "deep")
    handle = os.open(top, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=handle)
        deeper = os.open("d", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = deeper
    os.close(handle)
    try:
        files.remove_tree(top)
        assert not top.exists()
    finally:
        subprocess.run(["rm", "-rf", top], check=True)


def test_a_lock_keeps_twenty_threads_apart(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def enter(number: int) -> None:
        with locked(tmp_path / "locks" / "x", 20, "busy"):
            inside.append(number)
            most.append(len(inside))
            inside.remove(number)

    assert race(enter) == [None] * 20
    assert most == [1] * 20


def test_a_held_lock_is_busy_in_the_caller_s_words(tmp_path: Path) -> None:
    def second(_: int) -> None:
        with locked(tmp_path / "x", 0.01, "worker 01 is held"):
            pytest.fail("two held the lock")

    with locked(tmp_path / "x", 0, "first"):
        [answer] = race(second, 1)
    assert isinstance(answer, Busy)
    assert answer.message == "worker 01 is held"


def test_a_lock_is_free_again_after_its_block_failed(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="of the block"), locked(tmp_path / "x", 0, "busy"):
        raise OSError("of the block")
    with locked(tmp_path / "x", 0, "busy"):
        pass


HOLDER = """
import sys, time
from pathlib import Path
from claude_workers.lock import locked
with locked(Path(sys.argv[1]), 0, "busy"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_dies_with_the_process_that_held_it(tmp_path: Path) -> None:
    path = tmp_path / "x"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
    )
    with holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Busy), locked(path, 0, "busy"):
            pytest.fail("two processes held the lock")
        holder.kill()
        holder.wait()
        with locked(path, 5, "busy"):
            until(path.exists, "the lock file stays")


def test_a_link_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "x").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(WorkersError, match="cannot write"), locked(tmp_path / "x", 0, "busy"):
        pytest.fail("a link was followed")
    assert not (tmp_path / "elsewhere").exists()
