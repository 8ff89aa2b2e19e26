"""A command run piecewise: begun by one short probe, its output fetched by others, however long it takes.

A probe of Fly's ends after some ten seconds or is cut, and what it may print is limited, too; so the command runs
by itself inside, its output in files, and each probe brings what came since the last one.
"""

from __future__ import annotations

import base64
import contextlib
import time
import uuid
from typing import TYPE_CHECKING

from claude_workers.errors import Unreachable, WorkersError
from claude_workers.machines import words

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from claude_workers.model import Json

    Probe = Callable[[Sequence[str], str], Json]

# Seconds: a probe's limit; and how long it waits inside for something to tell.
PROBE = 20
_WITHIN = 8
# Bytes of output a probe brings, and of input it takes (characters of base64).
_PIECE, _INPUT = 48 << 10, 48 << 10
_PUT = f'mkdir -p "$1" && touch {words.TOUCHED} && base64 -d >>"$1/in"'
# $1 the folder, then the command: it has a session of its own, by which it can be ended.
_BEGIN = f"""\
mkdir -p "$1" {words.TOUCHED.rpartition("/")[0]}; touch "$1/in" "$1/out"; folder=$1; shift
setsid sh -c 'folder=$1; shift; echo $$ >"$folder/pid"; "$@" <"$folder/in" >"$folder/out" 2>"$folder/err"
echo $? >"$folder/end.new"; mv "$folder/end.new" "$folder/end"' sh "$folder" "$@" </dev/null >/dev/null 2>&1 &
set -- "$folder" 0
"""
# $1 the folder, $2 how many bytes were brought already. Prints how it ended ("-": not yet), then the bytes.
_BRING = f"""\
[ -d "$1" ] || {{ echo "the command is gone" >&2; exit 44; }}
touch {words.TOUCHED}
for _ in $(seq {_WITHIN * 10}); do
  [ -e "$1/end" ] || [ "$(stat -c %s "$1/out")" -gt "$2" ] && break; sleep 0.1
done
end=-; [ -e "$1/end" ] && end=$(cat "$1/end")
size=$(stat -c %s "$1/out")
[ "$end" != - ] && [ "$size" -le $(($2 + {_PIECE})) ] || [ "$end" = - ] || end=-
echo "$end"; tail -c +$(($2 + 1)) "$1/out" | head -c {_PIECE} | base64 -w0; echo
if [ "$end" != - ]; then tail -c 8192 "$1/err" | base64 -w0; echo; fi
"""
# What was brought is taken away by a probe of its own: the one that brought the end may not have been heard.
_END = '[ -e "$1/end" ] || kill -9 "-$(cat "$1/pid")" 2>/dev/null; rm -rf "$1"'
# So often (times) a probe that was not answered is sent again.
_AGAIN = 5


def run(probe: Probe, argv: Sequence[str], stdin: bytes, limit: float | None) -> Generator[bytes, None, Json]:
    """Run a command; yield its lines and return {status, stderr}. `limit`: seconds without an answered probe."""
    folder = f"/tmp/claude-workers-{uuid.uuid4().hex}"  # noqa: S108  inside of a machine of ours
    text = base64.b64encode(stdin).decode()
    for begin in range(0, len(text), _INPUT):
        _checked(probe(["sh", "-c", _PUT, "sh", folder], text[begin : begin + _INPUT]))
    try:
        partial, brought = b"", 0
        answer = _checked(probe(["sh", "-c", _BEGIN + _BRING, "sh", folder, *argv], ""))
        while True:
            how, data, *said = [*answer.split("\n"), ""]
            piece = base64.b64decode(data)
            brought += len(piece)
            *lines, partial = (partial + piece).split(b"\n")
            yield from lines
            if how != "-":
                if partial:
                    yield partial
                return {"status": int(how), "stderr": base64.b64decode(said[0]).decode("utf-8", "replace")}
            answer = _brought(probe, folder, brought, limit)
    finally:
        with contextlib.suppress(WorkersError):
            probe(["sh", "-c", _END, "sh", folder], "")


def _brought(probe: Probe, folder: str, brought: int, limit: float | None) -> str:
    """Bring what came since; again when a probe was not answered, for asking twice brings the same."""
    began = time.monotonic()
    for again in range(_AGAIN + 1):
        try:
            return _checked(probe(["sh", "-c", _BRING, "sh", folder, str(brought)], ""))
        except Unreachable:
            if again == _AGAIN or (limit is not None and time.monotonic() - began > limit):
                raise
            time.sleep(1.0)
    raise AssertionError


def _checked(answer: Json) -> str:
    """Return what a probe printed; Unreachable when it did not do what it was for."""
    if answer.get("exit_code"):
        said = " ".join(str(answer.get("stderr") or "").split())[-200:]
        raise Unreachable(f"the machine answers: {said or answer['exit_code']}", "look at its log: fly logs")
    return str(answer.get("stdout") or "")
