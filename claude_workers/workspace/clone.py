"""The agent's clone: made, carried and thrown away by git inside the enclosure.

Outside, git never runs in a home: a hostile clone's configuration, hooks, filters, gitfile or
alternates would lead it. What leaves is one bundle on a pipe.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_workers.errors import WorkersError
from claude_workers.workspace import git
from claude_workers.workspace.upstream import changed_files, resolve

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Protocol

    class Inside(Protocol):
        """Runs a shell script inside a worker's enclosure and returns what it printed."""

        def __call__(self, script: str, *words: str, output: int | None = None) -> bytes:
            """Raise WorkersError when the script fails."""


_CLONE = """
set -eu
clone=$1 bare=$2 base=$3 branch=$4 start=$5
mkdir -p "$clone" && cd "$clone"
git init --quiet
printf '%s\\n' "$bare/objects" > .git/objects/info/alternates
git config remote.origin.url "$bare"
git config remote.origin.pushurl the-runner-publishes-your-commits
git config remote.origin.fetch '+refs/upstream/heads/*:refs/remotes/origin/*'
git fetch --quiet origin '+refs/upstream/heads/*:refs/remotes/origin/*' '+refs/upstream/tags/*:refs/tags/*'
git symbolic-ref refs/remotes/origin/HEAD "refs/remotes/origin/$base"
git checkout --quiet --no-track -b "$branch" "$start"
"""

_CHECKOUT = """
set -eu
folder=$1 bare=$2 sha=$3
cd "$folder"
git init --quiet
printf '%s\\n' "$bare/objects" > .git/objects/info/alternates
git checkout --quiet --detach "$sha"
"""

# One commit says all: its tree is the working tree with untracked files, its parents HEAD and the branch.
_CARRY = """
set -eu
clone=$1 branch=$2 keep=$3
cd "$clone"
export GIT_INDEX_FILE="$keep/carry-index" GIT_OPTIONAL_LOCKS=0
rm -f "$GIT_INDEX_FILE"
head=$(git rev-parse --verify --quiet HEAD)
tip=$(git rev-parse --verify --quiet "refs/heads/$branch" || printf %s "$head")
git read-tree "$head"
git add --all --ignore-errors . >&2 || true
tree=$(git write-tree)
rm -f "$GIT_INDEX_FILE"
parents="-p $head"
[ "$tip" = "$head" ] || parents="$parents -p $tip"
state=$(GIT_AUTHOR_NAME=carry GIT_AUTHOR_EMAIL=carry@localhost GIT_COMMITTER_NAME=carry \\
  GIT_COMMITTER_EMAIL=carry@localhost git commit-tree "$tree" $parents -m "state of $branch")
git update-ref refs/carry/state "$state"
git bundle create --quiet - refs/carry/state --branches --not --remotes=origin
"""

_COMMIT = """
set -eu
cd "$1"
git add --update
git -c core.hooksPath=/dev/null commit --quiet --no-verify -m "$2"
"""


@dataclass(frozen=True)
class Beginning:
    """Where a clone begins: our bare repository, the base it shows, and a new branch at a commit."""

    bare: Path
    base_branch: str
    branch: str
    commit: str


@dataclass(frozen=True)
class Cargo:
    """What is to be carried: a clone with its branch, to `refs/work/<kept>/` of our bare repository."""

    clone: Path
    branch: str
    bare: Path
    kept: str
    temporary: Path


@dataclass(frozen=True)
class Carried:
    """What a clone held: its HEAD, its branch's tip, and what was not committed."""

    head: str
    tip: str
    state: str
    modified: list[str]
    untracked: list[str]


def create(inside: Inside, clone: Path, beginning: Beginning) -> None:
    """Make the clone, sharing objects with our bare repository, on a new branch."""
    words = (beginning.bare, beginning.base_branch, beginning.branch, beginning.commit)
    inside(_CLONE, str(clone), *map(str, words))


def checkout(inside: Inside, folder: Path, bare: Path, sha: str) -> None:
    """Check one commit out into an empty folder."""
    inside(_CHECKOUT, str(folder), str(bare), sha)


def commit_tracked(inside: Inside, clone: Path, message: str) -> None:
    """Commit the changes to tracked files that the agent left behind."""
    inside(_COMMIT, str(clone), message)


def carry(inside: Inside, cargo: Cargo) -> Carried:
    """Bring all a clone holds into our repository, read back.

    Raises WorkersError when it cannot be carried whole: then nothing may be deleted.
    """
    bare, kept = cargo.bare, cargo.kept
    with tempfile.NamedTemporaryFile(prefix=".carry-", dir=bare.parent) as bundle:
        inside(_CARRY, str(cargo.clone), cargo.branch, str(cargo.temporary), output=bundle.fileno())
        specs = (f"+refs/carry/state:refs/work/{kept}/state", f"+refs/heads/*:refs/work/{kept}/heads/*")
        strict = ("-c", "transfer.fsckObjects=true", "-c", "fetch.fsckObjects=true")
        git.run(*strict, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", bundle.name, *specs, at=bare)
    state = resolve(bare, f"refs/work/{kept}/state")
    if state is None:
        raise WorkersError("the work could not be read back after it was carried", "look at the clone by hand")
    parents = git.text("rev-list", "--parents", "-n", "1", state, at=bare).split()[1:]
    head, tip = parents[0], parents[-1]
    added = git.run("diff", "--name-only", "--no-renames", "--diff-filter=A", "-z", head, state, at=bare)
    untracked = [name.decode("utf-8", "replace") for name in added.split(b"\0") if name]
    modified = [name for name in changed_files(bare, head, state) if name not in set(untracked)]
    return Carried(head, tip, state, modified, untracked)
