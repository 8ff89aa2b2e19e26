"""The golden home: a snapshot of a home's settings, instructions, tools and caches, without anything secret.

`<root>/.golden/NAME/` holds the files and a manifest with the hash of each. A home is written by an agent: it is
read without following a link, and a link is kept only where it leads to something of the snapshot's own.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import stat
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from claude_workers import __version__, clock, config, credentials, files
from claude_workers.errors import BadInput, Busy, NotFound, Refused
from claude_workers.home.golden_files import Entry, copy, entry_of, walked
from claude_workers.model import Json, Record
from claude_workers.text import secrets_among

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_workers.home.home import Home
    from claude_workers.paths import Layout

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_FILES = (".claude/CLAUDE.md", ".claude/settings.json")


@dataclass(frozen=True)
class Golden(Record):
    """A snapshot: of which worker, when, by which version; `digest` is the hash of all its entries."""

    name: str
    worker: str
    made_at: str
    version: str
    digest: str
    folders: list[str] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many bytes its files have."""
        return sum(one.size for one in self.entries)


def every(layout: Layout) -> list[Golden]:
    """Return the snapshots of a root, by name."""
    folder = layout.golden
    names = [one.name for one in folder.iterdir() if (one / "manifest.json").is_file()] if folder.is_dir() else []
    return [find(layout, one) for one in sorted(names) if _NAME.fullmatch(one)]


def find(layout: Layout, name: str) -> Golden:
    """Return a snapshot; NotFound when there is none, Refused when its files are not those that were saved."""
    try:
        data = files.read_json(layout.golden / _named(name) / "manifest.json")
    except ValueError as error:
        raise Refused(f"the manifest of golden {name} cannot be read: {error}", f"golden remove {name}") from error
    if data is None:
        raise NotFound(f"there is no golden {name}", f"claude-workers golden save ID {name}")
    return Golden.from_json(data)


def save(home: Home, name: str) -> Golden:
    """Take a snapshot of a home; Busy when there is one of that name, Refused for a file that holds a token."""
    place = home.layout.golden / _named(name)
    if place.exists():
        raise Busy(f"there is a golden {name} already", f"claude-workers golden remove {name}, or choose another name")
    files.make_private(home.layout.golden)
    building = Path(tempfile.mkdtemp(prefix=".making-", dir=home.layout.golden))
    try:
        entries = sorted(_copied(home, building / "files"), key=lambda one: one.path)
        made = Golden(name, home.worker, clock.now(), __version__, digest(entries), _folders(home), entries)
        files.write_atomic(building / "manifest.json", files.to_text(made.to_json()))
        os.rename(building, place)
    except BaseException:
        files.remove_tree(building)
        raise
    return made


def apply(home: Home, golden: Golden) -> None:
    """Put a snapshot into a home, its folders in the place of the home's; when that fails the home's come back."""
    source = home.layout.golden / golden.name / "files"
    _check(source, golden)
    building = Path(tempfile.mkdtemp(prefix=".golden-", dir=home.layout.root))
    swapped: list[str] = []
    try:
        shutil.copytree(source, building / "new", symlinks=True)
        texts = {
            one: (building / "new" / one).read_text("utf-8") for one in _FILES if (building / "new" / one).is_file()
        }
        for folder in golden.folders:
            files.make_private(building / "new" / folder)
            _own_parents(home, folder)
            _swap(home.path / folder, building / "new" / folder, building / "old" / folder)
            swapped.append(folder)
        for name, text in texts.items():
            _own_parents(home, name)
            files.write_atomic(home.path / name, text)
    except BaseException:
        for folder in swapped:
            files.remove_tree(home.path / folder)
            if os.path.lexists(building / "old" / folder):
                os.rename(building / "old" / folder, home.path / folder)
        raise
    finally:
        files.remove_tree(building)


def remove(layout: Layout, name: str) -> None:
    """Delete a snapshot."""
    place = layout.golden / _named(name)
    if not place.is_dir():
        raise NotFound(f"there is no golden {name}", "claude-workers golden list")
    files.remove_tree(place)


def packed(layout: Layout, name: str) -> bytes:
    """Return a snapshot as one archive, to be sent to another machine."""
    golden, made = find(layout, name), io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        archive.add(layout.golden / golden.name, arcname=".")
    return made.getvalue()


def unpack(layout: Layout, content: bytes) -> Golden:
    """Keep a snapshot that another machine sent, in the place of one of its name; Refused for what is none."""
    files.make_private(layout.golden)
    building = Path(tempfile.mkdtemp(prefix=".making-", dir=layout.golden))
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            archive.extractall(building, filter="data")
        made = Golden.from_json(files.read_json(building / "manifest.json") or {})
        place = layout.golden / _named(made.name)
        _check(building / "files", made)
        files.remove_tree(place)
        os.rename(building, place)
    except (tarfile.TarError, ValueError, TypeError) as error:
        raise Refused(f"what was sent is no golden home: {error}", "golden save makes one") from error
    finally:
        files.remove_tree(building)
    return made


def _check(source: Path, golden: Golden) -> None:
    stored = sorted(walked(source, ""), key=lambda one: one.path)
    if digest(stored) != golden.digest:
        raise Refused(f"the files of golden {golden.name} are not those that were saved", "save it again")


def differences(home: Home, golden: Golden) -> list[Json]:
    """Return the paths in which a home is not as a snapshot: {path, what}, what being added, changed or missing."""
    then = {one.path: one for one in golden.entries}
    now = {one.path: one for one in _entries(home)}
    told = [{"path": path, "what": "added"} for path in now if path not in then]
    told += [{"path": path, "what": "missing"} for path in then if path not in now]
    told += [{"path": path, "what": "changed"} for path in then if path in now and then[path] != now[path]]
    return sorted(told, key=lambda one: one["path"])


def digest(entries: list[Entry]) -> str:
    """Return the hash of a list of entries, in order."""
    return hashlib.sha256(files.to_text([one.to_json() for one in entries]).encode()).hexdigest()


def _named(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise BadInput(f"{name[:40]!r} is no name of a golden home", "use 1 to 32 of a-z, 0-9 and -")
    return name


def _folders(home: Home) -> list[str]:
    """Return the folders of a home that outlive a task and are in a snapshot: as configured, and really there."""
    wanted = [one for one in config.load().persist if not os.path.isabs(one) and ".." not in Path(one).parts]
    return [one for one in wanted if _is_real(home, one)]


def _is_real(home: Home, path: str) -> bool:
    """Tell whether a path of a home is a folder, and so are all above it in the home: none of them a link."""
    folders = [home.path / one for one in (Path(path), *Path(path).parents)]
    return all(os.path.lexists(one) and stat.S_ISDIR(os.lstat(one).st_mode) for one in folders)


def _own_parents(home: Home, path: str) -> None:
    """Have the folders above a path of a home, each real: a link of an agent's leads nobody out of it."""
    for parent in reversed(Path(path).parents[:-1]):
        files.own_folder(home.path / parent)


def _entries(home: Home) -> Iterator[Entry]:
    for name in _FILES if _is_real(home, ".claude") else ():
        if (entry := entry_of(home.path, name)) is not None:
            yield entry
    for folder in _folders(home):
        yield from walked(home.path, folder)


def _copied(home: Home, place: Path) -> Iterator[Entry]:
    """Copy what a snapshot has, looking at each file for tokens; yield what was copied."""
    values = credentials.read_env(home.env_file)
    secrets = [one.encode() for one in secrets_among(values[name] for name in values if "URL" not in name)]
    for entry in _entries(home):
        to = place / entry.path
        files.make_private(to.parent)
        if entry.target:
            to.symlink_to(entry.target)
        else:
            copy(home.path / entry.path, to, entry, secrets)
        copied = entry_of(place, entry.path)
        assert copied is not None
        yield copied


def _swap(old: Path, new: Path, aside: Path) -> None:
    """Put a folder in the place of another, which goes aside; back again when that fails."""
    files.make_private(aside.parent)
    files.make_private(old.parent)
    if os.path.lexists(old):
        os.rename(old, aside)
    try:
        os.rename(new, old)
    except OSError:
        if os.path.lexists(aside):
            os.rename(aside, old)
        raise
