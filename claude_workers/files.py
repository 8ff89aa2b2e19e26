"""Files that are written whole or not at all, and read without following a trap."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from claude_workers.errors import NoSpace, WorkersError

PRIVATE_FILE = 0o600
PRIVATE_DIR = 0o700


def cannot_write(path: Path, error: OSError) -> WorkersError:
    """Say why a file could not be written, with the step that helps."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return NoSpace(f"no space left to write {path}", "free some disk space and ask again")
    return WorkersError(f"cannot write {path}: {error.strerror or error}", "check who owns it and its permissions")


def _written(path: Path, text: str | bytes, mode: int) -> str:
    """Write `text` to a new temporary file beside `path`, flushed to disk; return its name."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        # An agent's words may hold what is no text (lone surrogates): they must not stop the writing.
        with os.fdopen(handle, "wb") as stream:
            stream.write(text if isinstance(text, bytes) else text.encode("utf-8", "replace"))
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            to_disk(stream.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    return temporary


def write_atomic(path: Path, text: str | bytes, mode: int = PRIVATE_FILE) -> None:
    """Replace `path` by `text`: readers see the old content or the new, never a part."""
    try:
        temporary = _written(path, text, mode)
        try:
            os.replace(temporary, path)
        except BaseException:
            # A signal's exception may come right after the replacing: there is nothing to clear then.
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise cannot_write(path, error) from error


def create_exclusive(path: Path, text: str, mode: int = PRIVATE_FILE) -> bool:
    """Create `path` whole and lasting; return False, changing nothing, when it exists already."""
    try:
        temporary = _written(path, text, mode)
        try:
            # link() is the one call that is atomic, exclusive and publishes complete content.
            os.link(temporary, path)
        except FileExistsError:
            return False
        finally:
            os.unlink(temporary)
        _persist(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    return True


def append_line(path: Path, text: str) -> None:
    """Add one line to a file, lasting; OSError when it cannot be. Lines of several processes do not mix.

    A line that a crash cut is ended first: what follows would be lost with it. Another's line that is
    half written looks the same: it costs an empty line, which readers pass over.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE)
    try:
        size = os.fstat(handle).st_size
        if size > 0 and os.pread(handle, 1, size - 1) != b"\n":
            text = "\n" + text
        line = text.encode("utf-8", "replace") + b"\n"
        # One write of a line: that is what keeps it whole.
        if os.write(handle, line) < len(line):
            raise OSError(errno.ENOSPC, "the line was cut off", str(path))
        to_disk(handle)
    finally:
        os.close(handle)


def to_disk(handle: int) -> None:
    """Bring a file onto the disk: by fsync(2), which on macOS stops at the drive's own memory (its fsync(2))."""
    whole = getattr(fcntl, "F_FULLFSYNC", None)
    try:
        if whole is not None:
            fcntl.fcntl(handle, whole)
            return
    except OSError:
        pass  # a file system that has no such thing
    os.fsync(handle)


def _persist(folder: Path) -> None:
    """Bring a folder's names onto the disk: what somebody was told of must outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        to_disk(handle)
    finally:
        os.close(handle)


def to_text(data: object) -> str:
    """Return the project's one JSON spelling for files: indented, with a final newline."""
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file of ours, None when there is no file.

    Raises ValueError when it is not a regular file or holds anything else.
    """
    text = read_inside(path.parent, path.name)
    if text is None:
        return None
    try:
        data = json.loads(text)
    except RecursionError as error:
        raise ValueError(f"{path.name} is nested too deeply") from error
    if not isinstance(data, dict):
        raise ValueError(f"{path.name} does not hold a JSON object")  # noqa: TRY004  one kind for its reader
    return data


def read_inside(folder: Path, relative: str, limit: int = 64 << 20) -> str | None:
    """Return the text of `folder/relative` without following any link below `folder`.

    None when it does not exist; ValueError when it is no regular file or larger than `limit` bytes.
    A worker's home is written by an agent: a link there may lead anywhere.
    """
    parts = Path(relative).parts
    if os.path.isabs(relative) or ".." in parts:
        raise ValueError(f"{relative[:80]} leads out of its folder")
    try:
        parent = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ValueError(f"{folder} cannot be read: {error.strerror}") from error
    try:
        for index, part in enumerate(parts):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            flags |= os.O_DIRECTORY if index < len(parts) - 1 else 0
            child = os.open(part, flags, dir_fd=parent)
            os.close(parent)
            parent = child
        return _read_regular(parent, relative, limit)
    except FileNotFoundError:
        return None
    except NotADirectoryError as error:
        # Linux says so of a link to a folder, too, when it was told not to follow.
        if _is_link(part, parent):
            raise ValueError(f"{relative} leads through a symbolic link") from error
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ValueError(f"{relative} is a symbolic link") from error
        raise ValueError(f"{relative} cannot be read: {error.strerror}") from error
    finally:
        os.close(parent)


def _is_link(name: str, parent: int) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _read_regular(handle: int, name: str, limit: int) -> str:
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{name} is not a regular file")
    if status.st_size > limit:
        raise ValueError(f"{name} is larger than {limit} bytes")
    with os.fdopen(os.dup(handle), "rb") as stream:
        return stream.read(limit).decode("utf-8", "replace")


def make_private(folder: Path) -> Path:
    """Create a folder that only its owner can enter, parents included; one that is there stays as it is."""
    try:
        for missing in reversed([one for one in (folder, *folder.parents) if not one.is_dir()]):
            missing.mkdir(mode=PRIVATE_DIR, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    return folder


def own_folder(folder: Path) -> Path:
    """Return a folder of a home, private and real: what stands in its place, a link above all, is removed."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISDIR(os.lstat(folder).st_mode):
            folder.unlink()
    make_private(folder).chmod(PRIVATE_DIR)
    return folder


def flush(folder: Path) -> None:
    """Bring all that was written to a folder's file system onto its disk."""
    done = subprocess.run(["sync", "-f", "--", folder], capture_output=True, check=False)
    if done.returncode != 0:
        os.sync()  # a sync(1) that knows no single file system


def remove_tree(folder: Path) -> None:
    """Delete a folder and all below it, following no link; a missing one is fine.

    An agent may leave folders without permissions, or deeper than Python's own deletion can go:
    what that cannot delete, chmod(1) and rm(1) can.
    """
    if folder.is_symlink() or not folder.is_dir():
        folder.unlink(missing_ok=True)
        return
    try:
        shutil.rmtree(folder)
    except (OSError, RecursionError):
        subprocess.run(["chmod", "-R", "u+rwX", "--", folder], capture_output=True, check=False)
        done = subprocess.run(["rm", "-rf", "--", folder], capture_output=True, text=True, check=False)
        if done.returncode != 0 or os.path.lexists(folder):
            said = done.stderr.strip().splitlines()
            raise WorkersError(
                f"{folder} cannot be deleted: {said[-1] if said else 'unknown'}", "delete it by hand"
            ) from None
