"""The bare repository: what the REST side knows of git, read from and written to the disk."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

_SETTINGS = {
    "core.repositoryformatversion": "0",
    "core.bare": "true",
    "http.receivepack": "true",
    "receive.hideRefs": "refs/pull",
    "receive.autogc": "false",
    "uploadpack.allowFilter": "true",
    "uploadpack.allowAnySHA1InWant": "true",
    "core.fsync": "none",
    "gc.auto": "0",
}
# What GitHub itself declines: a namespace it was told to keep free, and pushes to protected branches.
_UPDATE = """#!/bin/sh
case $1 in refs/claude-workers/*)
    [ -e refuse-namespace ] && echo "GH013: Repository rule violations found for $1." >&2 && exit 1 ;;
esac
if [ -e protected ] && grep -qxF "$1" protected; then
    echo "GH006: Protected branch update failed for $1." >&2
    exit 1
fi
exit 0
"""


def environment() -> dict[str, str]:
    """Return an environment in which git reads no one's settings."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "LANG": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }


def run(bare: Path, *arguments: str, author: str = "ann", put: bytes | None = None) -> subprocess.CompletedProcess[str]:
    """Run git in a repository and return how it went."""
    who = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER")
           for key, value in (("NAME", author), ("EMAIL", f"{author}@users.noreply.github.com"))}  # fmt: skip
    done = subprocess.run(
        ["git", *arguments], cwd=bare, env={**environment(), **who}, input=put, capture_output=True, check=False
    )
    return subprocess.CompletedProcess(done.args, done.returncode, *(one.decode(errors="replace") for one in
                                                                    (done.stdout, done.stderr)))  # fmt: skip


def git(bare: Path, *arguments: str, author: str = "ann", put: bytes | None = None) -> str:
    """Run git in a repository and return what it printed."""
    done = run(bare, *arguments, author=author, put=put)
    if done.returncode:
        raise AssertionError(f"git {' '.join(arguments)}: {done.stderr}")
    return done.stdout.strip()


def create(bare: Path, branch: str, author: str, files: Mapping[str, str]) -> None:
    """Make a bare repository, with one commit where there are files."""
    for folder in ("objects", "refs/heads", "hooks"):
        (bare / folder).mkdir(parents=True)
    (bare / "HEAD").write_text(f"ref: refs/heads/{branch}\n", encoding="utf-8")
    lines = [f"[{key.partition('.')[0]}]\n\t{key.partition('.')[2]} = {value}\n" for key, value in _SETTINGS.items()]
    (bare / "config").write_text("".join(lines), encoding="utf-8")
    hook = bare / "hooks" / "update"
    hook.write_text(_UPDATE, encoding="utf-8")
    hook.chmod(0o755)
    if files:
        _import(bare, branch, (None, "Begin", author), files)


def commit(bare: Path, branch: str, files: Mapping[str, str | None], message: str, author: str) -> str:
    """Put a commit with these files onto a branch, made where it is new, and return it; None removes a file."""
    parent = resolve(bare, f"refs/heads/{branch}") or resolve(bare, "HEAD")
    return _import(bare, branch, (parent, message, author), files)


def _import(bare: Path, branch: str, how: tuple[str | None, str, str], files: Mapping[str, str | None]) -> str:
    # One process, where blobs, tree, commit and ref by hand would be five.
    parent, message, author = how
    stream = [
        f"commit refs/heads/{branch}\nmark :1\n".encode(),
        f"committer {author} <{author}@users.noreply.github.com> {int(time.time())} +0000\n".encode(),
        _data(message),
        f"from {parent}\n".encode() if parent else b"",
    ]
    for path, text in files.items():
        stream.append(f"D {path}\n".encode() if text is None else f"M 100644 inline {path}\n".encode() + _data(text))
    return git(bare, "fast-import", "--quiet", put=b"".join([*stream, b"\nget-mark :1\n"]))


def _data(text: str) -> bytes:
    data = text.encode()
    return b"data %d\n%s\n" % (len(data), data)


def resolve(bare: Path, name: str) -> str | None:
    """Return the commit of a name, or None."""
    done = run(bare, "rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}")
    return done.stdout.strip() if done.returncode == 0 else None


def refs(bare: Path, prefix: str = "refs/") -> dict[str, tuple[str, str]]:
    """Return the refs whose whole name begins so, with the type and the name of what they point at."""
    listed = git(bare, "for-each-ref", "--format=%(refname) %(objecttype) %(objectname)")
    found = (line.split(" ") for line in listed.splitlines())
    return {name: (kind, sha) for name, kind, sha in found if name.startswith(prefix)}


def ahead(bare: Path, base: str, head: str) -> int:
    """Return how many commits the head has that the base has not."""
    return int(git(bare, "rev-list", "--count", f"{base}..{head}"))


def contains(bare: Path, whole: str, part: str) -> bool:
    """Tell whether a commit is part of another's history."""
    return run(bare, "merge-base", "--is-ancestor", part, whole).returncode == 0


def changes(bare: Path, base: str, head: str) -> dict[str, tuple[int, int]]:
    """Return the files that the head changed since it left the base, with lines added and removed."""
    listed = git(bare, "diff", "--numstat", "--no-renames", f"{base}...{head}")
    rows = (line.split("\t") for line in listed.splitlines())
    return {path: (int(added) if added != "-" else 0, int(gone) if gone != "-" else 0) for added, gone, path in rows}


def merged_tree(bare: Path, base: str, head: str) -> str | None:
    """Return the tree of a merge, or None where it conflicts."""
    done = run(bare, "merge-tree", "--write-tree", base, head)
    return done.stdout.split()[0] if done.returncode == 0 else None
