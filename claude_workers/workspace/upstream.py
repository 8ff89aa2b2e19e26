"""The upstream: the repository people own, mirrored into a bare one of ours and pushed to.

`<root>/.repos/<key>.git` holds `refs/upstream/*`: its branches and tags, never pruned while a clone
may name their objects. Every worker of the repository may read it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from claude_workers import git
from claude_workers.errors import BadInput, NotFound, Refused
from claude_workers.git import GitFailed
from claude_workers.lock import locked
from claude_workers.model import Repository
from claude_workers.names import branch_name, plain_word

if TYPE_CHECKING:
    from claude_workers.access import Origin
    from claude_workers.paths import Layout

_LOCK_WAIT = 1800.0
LOOK = 60.0
_NAMES, _NAME = 1000, 300
_TEXT = 1 << 20
# What was merged into a branch that somebody has checked out, until `pull` takes it there.
MERGED = "refs/claude-workers/merged"
_LONGEST = 200  # a file's name may have 255 bytes
# A git whose runner was killed holds a lock for moments only: after so many seconds it is nobody's.
ORPHANED = 3.0


@dataclass(frozen=True)
class Remote:
    """What an upstream says of itself: the branch of its HEAD, and its branches' tips."""

    head: str | None
    branches: dict[str, str]


def local(text: str, layout: Layout) -> Repository:
    """Return the repository a REPO path names: its top folder, by real path.

    NotFound when there is none or it is not git; Refused when it lies inside the root of homes.
    """
    path = Path(os.path.realpath(Path(text).expanduser()))
    if not path.is_dir():
        raise NotFound(f"there is no folder {path}", "name a git repository by its path")
    if path.is_relative_to(layout.root):
        raise Refused(f"{path} lies inside the root of homes", "name the repository itself, not a clone")
    try:
        top = git.text("-C", str(path), "rev-parse", "--show-toplevel", timeout=LOOK)
    except GitFailed as error:
        if "work tree" not in error.message:
            raise _not_git(path, error) from error
        top = git.text("-C", str(path), "rev-parse", "--absolute-git-dir", timeout=LOOK)
    real = os.path.realpath(top)
    return Repository(f"local/{plain_word(os.path.basename(real).removesuffix('.git'))}", real, real)


def _not_git(path: Path, error: GitFailed) -> Exception:
    if "dubious ownership" in error.message:
        return Refused(f"{path} belongs to another user", f"git config --global --add safe.directory {path}")
    return NotFound(f"{path} is not a git repository", "run `git init` there, or name another path")


def look(origin: Origin) -> Remote:
    """Ask an upstream for its HEAD and branches; NotFound when it cannot be read."""
    words = ("ls-remote", "--symref", origin.url, "HEAD", "refs/heads/*")
    try:
        listed = git.text(*words, timeout=LOOK, access=origin.access)
    except GitFailed as error:
        raise NotFound(f"{origin.name} cannot be read: {error.message}", "check its path or URL") from error
    head, branches = None, {}
    for line in listed.splitlines():
        value, _, name = line.partition("\t")
        if value.startswith("ref: refs/heads/"):
            head = value.removeprefix("ref: refs/heads/")
        elif name.startswith("refs/heads/"):
            branches[name.removeprefix("refs/heads/")] = value
    return Remote(head, branches)


def base_branch(repository: Repository, remote: Remote, wanted: str | None) -> str:
    """Return the branch to start from: the one wanted, else the one HEAD names; BadInput if neither."""
    if not remote.branches:
        raise BadInput(f"{repository.name} has no commits", "make a first commit there")
    if wanted is None and remote.head is None:
        raise BadInput(f"{repository.name} has a detached HEAD", "say where to start with --base BRANCH")
    chosen = branch_name(wanted) if wanted else str(remote.head)
    if chosen not in remote.branches:
        have = ", ".join(sorted(remote.branches)[:5])
        raise BadInput(f"{repository.name} has no branch {chosen}", f"say --base with one of: {have}")
    return chosen


def bare(layout: Layout, repository: Repository) -> Path:
    """Return where our bare repository of an upstream stands: no two addresses share one."""
    name = quote(repository.url.removeprefix("https://").removesuffix(".git"), safe="")
    if len(name) > _LONGEST:
        import hashlib  # noqa: PLC0415  OpenSSL in every runner's memory, for the rarest of paths

        name = name[-_LONGEST // 2 :] + hashlib.sha256(name.encode()).hexdigest()
    return layout.repositories / f"{name}.git"


def mirror(layout: Layout, origin: Origin) -> Path:
    """Bring our bare repository up to date with its upstream and return it."""
    path = bare(layout, origin.repository)
    lock = layout.repository_lock(path.name)
    with locked(lock, _LOCK_WAIT, f"{origin.name} is being fetched by another task"):
        # The first pack is kept as it came: unpacking few but large objects takes longer than fetching them.
        whole = ("-c", "fetch.unpackLimit=1") if git.make_bare(path) else ()
        git.unlock(path, ORPHANED)
        specs = ["+refs/heads/*:refs/upstream/heads/*", "+refs/tags/*:refs/upstream/tags/*"]
        specs += [f"+{MERGED}/*:refs/upstream/merged/*"] if origin.repository.path else []
        words = (*whole, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", origin.url, *specs)
        git.run(*words, at=path, access=origin.access)
    return path


def tip(path: Path, branch: str) -> str | None:
    """Return the mirrored tip of an upstream branch, with what was merged into it already; None when there is none."""
    own, merged = (resolve(path, f"refs/upstream/{kind}/{branch}") for kind in ("heads", "merged"))
    # Where a person has gone another way since, what was merged and verified is gone on from.
    return merged if own and merged and not descends(path, merged, own) else own


def rewritten(path: Path, branch: str) -> bool:
    """Tell whether a branch has gone another way than what was merged into it, as far as our mirror knows."""
    own, merged = (resolve(path, f"refs/upstream/{kind}/{branch}") for kind in ("heads", "merged"))
    return bool(own and merged and not descends(path, merged, own) and not descends(path, own, merged))


def landing(repository: Repository, branch: str) -> str:
    """Return the ref that a merge into a branch moves: never one that somebody has checked out."""
    if repository.path:
        listed = git.text("-C", repository.path, "worktree", "list", "--porcelain", timeout=LOOK)
        if f"branch refs/heads/{branch}" in listed.splitlines():
            return f"{MERGED}/{branch}"
    return f"refs/heads/{branch}"


def resolve(path: Path, name: str) -> str | None:
    """Return the commit a name stands for in our repository; None when there is none."""
    try:
        return git.text("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", at=path)
    except GitFailed as error:
        if error.status == 1:
            return None
        raise


def show(path: Path, commit: str, name: str) -> str | None:
    """Return a file's text at a commit; None when it is not there, no plain file, or larger than 1 MiB."""
    listed = git.text("ls-tree", "--long", commit, "--", name, at=path)
    if not listed.startswith("100") or int(listed.split()[3]) > _TEXT:
        return None
    return git.run("cat-file", "blob", f"{commit}:{name}", at=path).decode("utf-8", "replace")


def descends(path: Path, base: str, head: str) -> bool:
    """Tell whether `head` contains `base`."""
    return git.succeeds("merge-base", "--is-ancestor", base, head, at=path)


def is_mirrored(path: Path, commit: str) -> bool:
    """Tell whether one of upstream's branches or tags holds a commit."""
    try:
        return bool(git.text("for-each-ref", "--count=1", f"--contains={commit}", "refs/upstream", at=path))
    except GitFailed:
        return False  # the commit is not even here


def fork_point(path: Path, base: str, head: str) -> str:
    """Return the commit at which two histories part; the base itself where they never met."""
    return git.text("merge-base", base, head, at=path, accept=1) or base


def changed_files(path: Path, base: str, head: str, kinds: str = "") -> list[str]:
    """Return the names of files that differ between two commits; 1,000 at most.

    `kinds` are git's: "A" only the added ones, "a" all others.
    """
    only = [f"--diff-filter={kinds}"] if kinds else []
    listed = git.run("diff", "--name-only", "--no-renames", "--no-ext-diff", "-z", *only, base, head, at=path)
    names = [name.decode("utf-8", "replace")[:_NAME] for name in listed.split(b"\0") if name]
    return [*names[:_NAMES], *([f"... and {len(names) - _NAMES} more"] if len(names) > _NAMES else [])]


def conflict_markers(path: Path, base: str, head: str) -> list[str]:
    """Return `file:line` of every conflict marker that the change leaves behind."""
    listed = git.text("diff", "--check", "--no-ext-diff", base, head, at=path, accept=2)
    lines = [line for line in listed.splitlines() if line.endswith("leftover conflict marker")]
    return [line.rpartition(": ")[0] for line in lines]
