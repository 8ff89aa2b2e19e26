"""The shell scripts that run git inside an enclosure: make a clone, check one commit out, carry all of it, commit."""

CLONE = """
set -eu
clone=$1 bare=$2 base=$3 tip=$4 branch=$5 start=$6
mkdir -p "$clone" && cd "$clone"
git init --quiet
printf '%s\\n' "$bare/objects" > .git/objects/info/alternates
git config remote.origin.url "$bare"
git config remote.origin.pushurl the-runner-publishes-your-commits
git config remote.origin.fetch '+refs/upstream/heads/*:refs/remotes/origin/*'
git fetch --quiet origin '+refs/upstream/heads/*:refs/remotes/origin/*' '+refs/upstream/tags/*:refs/tags/*'
git update-ref "refs/remotes/origin/$base" "$tip"
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
# $4 is the largest untracked file that is taken, $5 the most bytes of all of them. What stays behind
# is named in the commit's message.
CARRY = r"""
set -eu
clone=$1 mirror=$2 branch=$3 most=$4 all=$5
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$clone"
their() { git --git-dir="$clone/.git" "$@"; }
each() { # SCRIPT [WORD...]: runs SCRIPT with the words, and then as "$@" names from standard input
    script=$1; shift
    xargs -0 -n 500 sh -c 'a=$1 b=$2 c=$3; shift 3; [ $# -eq 0 ] || { '"$script"'; }' sh "${1-}" "${2-}" "${3-}"
}
head=$(their rev-parse --verify --quiet 'HEAD^{commit}')
their for-each-ref --format='create %(refname) %(objectname)' refs/heads > "$scratch/heads"
if stash=$(their rev-parse --verify --quiet refs/stash); then
    { echo "$stash"; their rev-list --walk-reflogs --skip=1 --max-count=99 refs/stash 2>/dev/null || true; } | {
        number=0
        while read -r sha _; do
            echo "create refs/heads/rescued-stash/$number $sha"
            number=$((number + 1))
        done
    } >> "$scratch/heads"
fi
export GIT_DIR="$scratch/git" GIT_WORK_TREE="$clone" GIT_OPTIONAL_LOCKS=0
git init --quiet
printf '%s\n' "$clone/.git/objects" "$mirror/objects" > "$GIT_DIR/objects/info/alternates"
git update-ref --stdin < "$scratch/heads"
git --git-dir="$mirror" for-each-ref --format='create refs/known/%(refname) %(objectname)' refs/upstream |
    git update-ref --stdin
tip=$(git rev-parse --verify --quiet "refs/heads/$branch" || printf %s "$head")
# With its time: what was changed in the very moment in which the index was written is compared by content.
cp -p "$clone/.git/index" "$GIT_DIR/index" 2>/dev/null && git ls-files >/dev/null 2>&1 ||
    { rm -f "$GIT_DIR/index"; git read-tree "$head"; }

# What is tracked, as the agent's own git would take it, also where the index was told to overlook it.
if git ls-files -v | grep -q '^[a-zS] '; then
    git ls-files -v -z | each 'for one; do name=${one#??}
        case $one in [a-z]\ *) printf "%s\0" "$name" ;;
            S\ *) if [ -e "$name" ] || [ -L "$name" ]; then printf "%s\0" "$name"; fi ;; esac; done' > "$scratch/bits"
    git update-index --no-assume-unchanged -z --stdin < "$scratch/bits"
    git update-index --no-skip-worktree -z --stdin < "$scratch/bits"
fi
git add --update --ignore-errors -- . >&2 || true
touch "$GIT_DIR/index"

# What is not tracked, byte for byte; the largest are left behind, as few as must be.
sizes='find "$@" -maxdepth 0 -type f -readable -printf "%s %p\0"'
find . -maxdepth 0 -printf "" 2> /dev/null || # where it is not GNU's
    sizes='for one; do if [ -f "$one" ] && [ ! -L "$one" ] && [ -r "$one" ]; then
        printf "%d %s\0" "$(wc -c < "$one")" "$one"; fi; done'
mkdir -p "$GIT_DIR/info"
echo '* -text !eol -ident -filter !working-tree-encoding' > "$GIT_DIR/info/attributes"
git ls-files --others --exclude-standard -z 2> "$scratch/warnings" | each 'printf "./%s\0" "$@"' > "$scratch/others"
{
    sed -n "s/^warning: could not open directory '\(.*\)': .*/.\/\1/p" "$scratch/warnings" | tr '\n' '\0'
    # A repository inside the clone would become a link to nothing; of a submodule only its commit is taken.
    each 'for one; do case $one in */) printf "%s\0" "$one" ;; esac; done' < "$scratch/others"
    git ls-files --stage -z | each 'for one; do case $one in 160000\ *) printf "%s\0" "${one#*	}" ;; esac; done' |
        each 'for one; do
            [ -e "$one/.git" ] || continue
            if [ ! -d "$one/.git" ] || [ -n "$(find "$one/.git/objects" -type f ! -path "*/info/*" | head -n 1)" ] ||
                [ -n "$(GIT_DIR=$one/.git GIT_WORK_TREE=$one git ls-files -m -o --exclude-standard 2>&1 | head -n 1)" ]
            then printf "./%s/\0" "$one"; fi
        done'
    each 'for one; do if [ -f "$one" ] && [ ! -L "$one" ] && [ ! -r "$one" ]; then printf "%s\0" "$one"; fi; done' \
        < "$scratch/others"
    echo 0 > "$scratch/sum"
    each "$sizes" < "$scratch/others" | sort -z -n |
        each 'sum=$(cat "$a"); for one; do
            size=${one%% *} sum=$((sum + ${one%% *}))
            [ "$size" -le "$b" ] && [ "$sum" -le "$c" ] || printf "%s\0" "${one#* }"
        done; echo "$sum" > "$a"' "$scratch/sum" "$most" "$all"
} > "$scratch/left"
{ printf '.\0'; each 'printf ":(exclude,literal)%s\0" "$@"' < "$scratch/left"; } > "$scratch/wanted"
git add --all --ignore-errors --pathspec-from-file="$scratch/wanted" --pathspec-file-nul >&2 || true
git diff-files --name-only --ignore-submodules=all -z | each 'printf "./%s\0" "$@"' >> "$scratch/left"

tree=$(git write-tree)
printf 'state of %s\n\n' "$branch" > "$scratch/said"
tr '\0\n' '\n?' < "$scratch/left" | sort -u | sed 's,^,left out: ,' > "$scratch/named"
head -n 200 "$scratch/named" >> "$scratch/said"
more=$(($(wc -l < "$scratch/named") - 200))
[ "$more" -le 0 ] || echo "left out: ./... and $more more" >> "$scratch/said"
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
git diff --cached --quiet || git -c core.hooksPath=/dev/null commit --quiet --no-verify -m "$2"
"""
