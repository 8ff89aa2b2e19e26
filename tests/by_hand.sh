#!/bin/sh
# What a person types, in this order; `tests/real/test_by_hand.py` runs it with the real Claude Code.
# Every line is one command and, where it is not 0, the exit status it must have.
set -u
step() {
    expected=$1
    shift
    echo "\$ $*"
    "$@"
    status=$?
    [ "$status" = "$expected" ] || { echo "exit $status, not $expected: $*" >&2; exit 99; }
}

step 0 claude-workers init 01 02
step 0 claude-workers ticket create "Add a subtract function" --repo ./calc
step 0 claude-workers ticket create "Look at the division" --repo ./calc
step 0 claude-workers ticket create "Tidy the layout" --repo ./calc
step 0 claude-workers dispatch 01 ./calc 1
step 0 claude-workers dispatch 01 ./calc 1
step 4 claude-workers dispatch 02 ./calc 1
step 0 claude-workers dispatch 02 ./calc 2 "Investigate and comment, don't fix"
step 0 claude-workers status
step 0 claude-workers status 01 --json
claude-workers watch 01 &
watching=$!
step 0 claude-workers logs 01 -f
wait "$watching" || exit 98
step 0 claude-workers watch 02
echo '$ echo "Review for security issues" | claude-workers dispatch 02 ./calc 2'
echo "Review for security issues" | claude-workers dispatch 02 ./calc 2 || exit 97
step 0 claude-workers stop 02
step 0 claude-workers restart 02
step 0 claude-workers dispatch 01 ./calc -p "Explain the module layout" --expect answer
step 0 claude-workers watch 01
step 0 claude-workers refresh 01
step 0 claude-workers doctor --prove
step 0 claude-workers remove 01
step 0 claude-workers path
