"""The agent's clone: made, carried and thrown away by git inside the enclosure.

Outside, git never runs in a home: a hostile clone's configuration, hooks, filters, gitfile or
alternates would lead it. What leaves is one bundle on a pipe.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from claude_workers import git
from claude_workers.errors import WorkersError
from claude_workers.workspace.store import take
from claude_workers.workspace.upstream import changed_files

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Protocol

    class Inside(Protocol):
        """Runs a shell script inside a worker's enclosure and returns what it printed."""

        def __call__(self, script: str, *words: str, output: IO[bytes] | None = None) -> bytes:
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
folder=$1 mirror=$2 bundle=$3 sha=$4
cd "$folder"
git init --quiet
printf '%s\\n' "$mirror/objects" > .git/objects/info/alternates
git bundle unbundle "$bundle" >/dev/null
git checkout --quiet --detach "$sha"
"""

# One commit says all: its tree is the working tree with untracked files, its parents HEAD and the
# branch. A git folder of our own is used, so that no configuration, hook or filter of the clone acts.
_CARRY = """
set -eu
clone=$1 mirror=$2 branch=$3
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$clone"
head=$(git --git-dir="$clone/.git" rev-parse --verify --quiet 'HEAD^{commit}')
git --git-dir="$clone/.git" for-each-ref --format='create %(refname) %(objectname)' refs/heads > "$scratch/heads"
export GIT_DIR="$scratch/git" GIT_WORK_TREE="$clone" GIT_OPTIONAL_LOCKS=0
git init --quiet
printf '%s\\n' "$clone/.git/objects" "$mirror/objects" > "$GIT_DIR/objects/info/alternates"
git update-ref --stdin < "$scratch/heads"
git --git-dir="$mirror" for-each-ref --format='create refs/known/%(refname) %(objectname)' refs/upstream |
    git update-ref --stdin
tip=$(git rev-parse --verify --quiet "refs/heads/$branch" || printf %s "$head")
cp "$clone/.git/index" "$GIT_DIR/index" 2>/dev/null && git ls-files >/dev/null 2>&1 ||
    { rm -f "$GIT_DIR/index"; git read-tree "$head"; }
git add --all --ignore-errors . >&2 || true
tree=$(git write-tree)
parents="-p $head"
[ "$tip" = "$head" ] || parents="$parents -p $tip"
state=$(GIT_AUTHOR_NAME=carry GIT_AUTHOR_EMAIL=carry@localhost GIT_COMMITTER_NAME=carry \\
  GIT_COMMITTER_EMAIL=carry@localhost git commit-tree "$tree" $parents -m "state of $branch")
git update-ref refs/carry/state "$state"
git bundle create --quiet - refs/carry/state --branches --not --glob=refs/known
"""

_COMMIT = """
set -eu
cd "$1"
git add --update
git -c core.hooksPath=/dev/null commit --quiet --no-verify -m "$2"
"""


@dataclass(frozen=True)
class Beginning:
    """Where a clone begins: our mirror, the base it shows, and a new branch at a commit."""

    mirror: Path
    base_branch: str
    branch: str
    commit: str


@dataclass(frozen=True)
class Cargo:
    """What is to be carried: a clone with its branch, to `refs/work/<kept>/` of the store."""

    clone: Path
    branch: str
    mirror: Path
    store: Path
    kept: str


@dataclass(frozen=True)
class Carried:
    """What a clone held: its HEAD, its branch's tip, and what was not committed."""

    head: str
    tip: str
    state: str
    modified: list[str]
    untracked: list[str]


def create(inside: Inside, clone: Path, beginning: Beginning) -> None:
    """Make the clone, sharing objects with our mirror, on a new branch."""
    words = (beginning.mirror, beginning.base_branch, beginning.branch, beginning.commit)
    inside(_CLONE, str(clone), *map(str, words))


def checkout(inside: Inside, folder: Path, mirror: Path, bundle: Path, sha: str) -> None:
    """Check one commit, brought by a bundle, out into an empty folder."""
    inside(_CHECKOUT, str(folder), str(mirror), str(bundle), sha)


def commit_tracked(inside: Inside, clone: Path, message: str) -> None:
    """Commit the changes to tracked files that the agent left behind."""
    inside(_COMMIT, str(clone), message)


def carry(inside: Inside, cargo: Cargo) -> Carried:
    """Bring all a clone holds into the store, read back.

    What comes out is bytes on a pipe, copied by us into a file of ours: a file that the inside could
    reach could be made to lead our git elsewhere. Raises WorkersError when it cannot be carried
    whole: then nothing may be deleted.
    """
    with tempfile.TemporaryFile(dir=cargo.store) as bundle:
        inside(_CARRY, str(cargo.clone), str(cargo.mirror), cargo.branch, output=bundle)
        bundle.seek(0)
        state = take(cargo.store, bundle, cargo.kept)
    parents = git.text("rev-list", "--parents", "-n", "1", state, at=cargo.store).split()[1:]
    if not parents:
        raise WorkersError("the clone's state has no history", "look at the clone by hand")
    head, tip = parents[0], parents[-1]
    modified = changed_files(cargo.store, head, state, "a")
    return Carried(head, tip, state, modified, untracked=changed_files(cargo.store, head, state, "A"))
