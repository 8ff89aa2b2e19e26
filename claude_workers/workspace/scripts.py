"""The shell scripts that run git inside an enclosure: make a clone, check one commit out, carry all of it, commit."""

CLONE = """
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

# What was rescued of an earlier clone, as a clone again: its branch, and the working tree as it was.
RESUME = """
set -eu
clone=$1 bundle=$2 branch=$3 tip=$4 state=$5
cd "$clone"
git bundle unbundle "$bundle" >/dev/null
git checkout --quiet -B "$branch" "$tip"
git restore --quiet --source="$state" --worktree :/
"""

# Git's lock files, which whoever was killed left behind: nobody works in the clone now. An index that was cut
# off is made again.
UNLOCK = """
find "$1/.git" -name '*.lock' -type f -exec rm -f -- {} +
cd "$1"
git ls-files >/dev/null 2>&1 || { rm -f .git/index; git reset --quiet >/dev/null 2>&1 || true; }
"""

# After a power cut a file may be missing, empty, end in zeros, or be as it was before the commit that git itself had
# brought onto the disk: as the agent's own change it would undo that commit. Size and time may be the new
# ones all the same, so the index is not believed. Prints the names it took from HEAD.
SETTLE = r"""
set -eu
start=$2
cd "$1"
zero() { [ "$(tail -c 1 | od -An -tx1 | tr -d ' ')" = 00 ]; }
lost() {
    [ -s "$1" ] || return 0  # one that is missing, too, unless its removal was staged
    if zero < "$1" && ! git cat-file blob "HEAD:./$1" | zero; then return 0; fi
    is=$(git hash-object -- "$1")
    git log --format= --raw --no-abbrev --no-renames -m --first-parent "$start..HEAD" -- "$1" |
        cut -d ' ' -f 3 | grep -q "^$is\$"
}
git ls-files -z | xargs -0 -n 500 touch -c -h --
{ git diff --name-only --diff-filter=M HEAD; git diff --name-only --diff-filter=D; } | while IFS= read -r name; do
    if [ ! -L "$name" ] && [ ! -d "$name" ] && lost "$name"; then
        git checkout --quiet HEAD -- "$name" && printf '%s\n' "$name"
    fi
done
sync -f . 2>/dev/null || sync
"""

# Whether git can still work in a clone: a disk that was cut off may have left half of an object.
CHECK = """
set -eu
git --git-dir="$1/.git" rev-parse --verify --quiet 'HEAD^{commit}' >/dev/null
git --git-dir="$1/.git" --work-tree="$1" -c core.fsmonitor=false status --porcelain >/dev/null
git --git-dir="$1/.git" fsck --connectivity-only --no-dangling >/dev/null
"""

CHECKOUT = """
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
# $4 is the largest untracked file that is taken, $5 the most bytes of all of them.
CARRY = r"""
set -eu
clone=$1 mirror=$2 branch=$3 most=$4 all=$5
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$clone"
head=$(git --git-dir="$clone/.git" rev-parse --verify --quiet 'HEAD^{commit}')
git --git-dir="$clone/.git" for-each-ref --format='create %(refname) %(objectname)' refs/heads > "$scratch/heads"
export GIT_DIR="$scratch/git" GIT_WORK_TREE="$clone" GIT_OPTIONAL_LOCKS=0
git init --quiet
printf '%s\n' "$clone/.git/objects" "$mirror/objects" > "$GIT_DIR/objects/info/alternates"
git update-ref --stdin < "$scratch/heads"
git --git-dir="$mirror" for-each-ref --format='create refs/known/%(refname) %(objectname)' refs/upstream |
    git update-ref --stdin
tip=$(git rev-parse --verify --quiet "refs/heads/$branch" || printf %s "$head")
cp "$clone/.git/index" "$GIT_DIR/index" 2>/dev/null && git ls-files >/dev/null 2>&1 ||
    { rm -f "$GIT_DIR/index"; git read-tree "$head"; }

# What is untracked and too large stays behind, the largest first, and is named in the commit's message.
each() { # SCRIPT [SIZE]: runs SCRIPT with $most and names from standard input as its words
    xargs -0 -n 500 sh -c 'most=$1; shift; [ $# -eq 0 ] || { '"$1"'; }' sh "${2:-0}"
}
git ls-files --others --exclude-standard -z | each 'printf "./%s\0" "$@"' > "$scratch/others"
total() {
    each 'find "$@" -maxdepth 0 -type f ! -size +"$most"c -exec du -k -- {} +' "$most" < "$scratch/others" |
        { sum=0; while read -r size _; do case $size in ''|*[!0-9]*) ;; *) sum=$((sum + size)) ;; esac; done
          echo "$sum"; }
}
while [ "$most" -gt 0 ] && [ "$(total)" -gt $((all / 1024)) ]; do most=$((most / 4)); done
{
    each 'find "$@" -maxdepth 0 -type f -size +"$most"c -print0' "$most" < "$scratch/others"
    # A repository inside the clone would become a link to nothing.
    each 'for one; do case $one in */) printf "%s\0" "$one" ;; esac; done' < "$scratch/others"
} > "$scratch/left"
{ printf '.\0'; each 'printf ":(exclude,literal)%s\0" "$@"' < "$scratch/left"; } > "$scratch/wanted"
git add --all --ignore-errors --pathspec-from-file="$scratch/wanted" --pathspec-file-nul >&2 || true

tree=$(git write-tree)
printf 'state of %s\n\n' "$branch" > "$scratch/said"
tr '\0' '\n' < "$scratch/left" | sed 's,^,left out: ,' | head -n 200 >> "$scratch/said"
parents="-p $head"
[ "$tip" = "$head" ] || parents="$parents -p $tip"
state=$(GIT_AUTHOR_NAME=carry GIT_AUTHOR_EMAIL=carry@localhost GIT_COMMITTER_NAME=carry \
  GIT_COMMITTER_EMAIL=carry@localhost git commit-tree "$tree" $parents -F "$scratch/said")
git update-ref refs/carry/state "$state"
git bundle create --quiet - refs/carry/state --branches --not --glob=refs/known
"""

COMMIT = """
set -eu
cd "$1"
git add --update
git -c core.hooksPath=/dev/null commit --quiet --no-verify -m "$2"
"""
