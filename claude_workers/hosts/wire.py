"""The wire: a verb of the command line asked of another machine, and its JSON read back.

What is said is `claude-workers --json --local --wire N VERB ...`, the very words a person would type
there. Additions to an answer are passed over; a far side that is older or newer says so.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, TypeVar

from claude_workers import errors
from claude_workers.errors import BadInput, NotFound, Refused, Unreachable, WorkersError
from claude_workers.hosts import line as lines
from claude_workers.hosts.line import Dropped
from claude_workers.model import Json, Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_workers.hosts.line import Ended, Line
    from claude_workers.hosts.tables import Host

VERSION = 1
# Whoever answers over the wire says at least this often (seconds) that it lives; four times without is a dead line.
PULSE = 5.0
# What it says then in a text, where an empty line could be one of the text.
SIGN = "\0"
_SILENCE = 4 * PULSE
_PROGRAM = "claude-workers"
# After these it does not matter whether they were done.
_LOOKING = frozenset({"status", "watch", "history", "show", "why", "todos", "budget", "doctor", "logs"})
_NOT_THERE = frozenset({126, 127})

AnyRecord = TypeVar("AnyRecord", bound=Record)


class Relayed:
    """What a call prints that was typed for another machine: its text as it comes, then how it ended."""

    def __init__(self, output: lines.Output) -> None:
        self._output = output

    def __iter__(self) -> Iterator[str]:
        for one in self._output:
            # A sign of life stands by itself, or behind the beginning of a line.
            yield one.removesuffix(SIGN) if one.endswith(SIGN) else f"{one}\n"

    @property
    def ended(self) -> Ended | None:
        """How it ended, once all was read."""
        return self._output.ended


class Wire:
    """One host, asked over its line."""

    def __init__(self, host: Host, line: Line) -> None:
        self.host = host
        self._line = line

    def ask(self, *words: str, stdin: bytes = b"") -> Json:
        """Ask for one answer, however long it takes; raise the error it holds, Unreachable for a dead line."""
        output = lines.run(self._to(words), self._argv(words), self.host.name, stdin=stdin, limit=_SILENCE)
        last = ""
        with self._unsure(words[0]):
            for one in output:
                last = one if one.strip() else last
        assert output.ended is not None
        return self._understood(last, output.ended)

    def stream(self, *words: str) -> Iterator[Json]:
        """Yield the answers of a verb that goes on; a line without anything is only a sign of life."""
        output = lines.run(self._to(words), self._argv(words), self.host.name, limit=_SILENCE)
        failed, silent = "", True
        heard = iter(output)
        while True:
            with self._unsure(words[0]):
                one = next(heard, None)
            if one is None:
                break
            if one.strip():
                found = self._parsed(one)
                if "error" in found:
                    failed = one  # the last that is said
                    continue
                silent = False
                yield found
        ended = output.ended
        assert ended is not None
        if failed or (silent and ended.status != 0):
            self._understood(failed, ended)

    def relay(self, *words: str, stdin: bytes = b"") -> Relayed:
        """Run a call there as it was typed; see `Relayed`."""
        argv = [*self._program(), "--wire", str(VERSION), *words]
        return Relayed(lines.run(self._to(words), argv, self.host.name, stdin=stdin, limit=_SILENCE))

    @contextlib.contextmanager
    def _unsure(self, verb: str) -> Iterator[None]:
        """Have a line that dies under a verb that changes things say that it may be done all the same."""
        try:
            yield
        except Dropped as error:
            if verb in _LOOKING:
                raise
            raise error.unsure(f"{_PROGRAM} --on {self.host.name} status") from error

    def version(self) -> str:
        """Return the version that is installed there; NotFound when none is."""
        output = lines.run(self._to(()), [_PROGRAM, "--version"], self.host.name, limit=_SILENCE)
        said = list(output)
        assert output.ended is not None
        if output.ended.status in _NOT_THERE:
            self._understood("", output.ended)
        return said[-1].rpartition(" ")[2] if said else ""

    def record(self, kind: type[AnyRecord], name: str, *words: str, stdin: bytes = b"") -> AnyRecord:
        """Ask for one record, which the answer holds under a name; "" for an answer that is the record."""
        answer = self.ask(*words, stdin=stdin)
        return kind.from_json(answer[name] if name else answer)

    def records(self, kind: type[AnyRecord], name: str, *words: str) -> list[AnyRecord]:
        """Ask for a list of records."""
        return [kind.from_json(one) for one in self.ask(*words)[name]]

    def interactive(self, *words: str) -> int:
        """Run a verb at this terminal as if it were there; return its exit status. BadInput without a terminal."""
        from claude_workers.process import terminal  # noqa: PLC0415  start-up cost

        terminal.check()
        return self._to(words).interactive(lines.wrapped([*self._program(), *words]))

    def close(self) -> None:
        """Let go of the line."""
        self._line.close()

    def _to(self, words: tuple[str, ...]) -> Line:
        """Return the line to the machine that a verb's words are for."""
        del words
        return self._line

    def _argv(self, words: tuple[str, ...]) -> list[str]:
        return [*self._program(), "--json", "--wire", str(VERSION), *words]

    def _program(self) -> list[str]:
        return [_PROGRAM, "--local", *(["--root", self.host.root] if self.host.root else [])]

    def _parsed(self, text: str) -> Json:
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise WorkersError(f"host {self.host.name} answers {text[:80]!r}", lines.check(self.host.name))
        return found

    def _understood(self, text: str, ended: Ended) -> Json:
        said = ended.stderr.strip().splitlines()
        if ended.status in _NOT_THERE:
            raise NotFound(f"host {self.host.name} has no {_PROGRAM}", f"{_PROGRAM} host setup {self.host.name}")
        if not text and "--wire" in ended.stderr:
            raise Refused(f"host {self.host.name} has an older {_PROGRAM}", f"{_PROGRAM} host setup {self.host.name}")
        if not text:
            last = said[-1] if said else f"exit {ended.status}"
            raise Unreachable(f"host {self.host.name} answers nothing: {last}", lines.check(self.host.name))
        found = self._parsed(text)
        if isinstance(found.get("error"), dict):
            raise self.error(found["error"])
        return found

    def error(self, told: Json) -> WorkersError:
        """Return the far side's error as ours, its remedy such as it is typed here."""
        kind = errors.by_code(str(told.get("code")))
        return kind(f"{self.host.name}: {told.get('message')}", self.told(str(told.get("remedy", ""))))

    def told(self, remedy: str) -> str:
        """Return a remedy of the far side's as it is typed here."""
        return remedy.replace(f"{_PROGRAM} ", f"{_PROGRAM} --on {self.host.name} ")


def open_line(host: Host) -> Line:
    """Return the line to a machine over SSH that a host's table asks for; BadInput for a host of another kind."""
    if host.kind != "ssh":
        raise BadInput(f"host {host.name} has a machine for each worker", f"name one, such as {host.name}/01")
    if host.transport == "openssh":
        from claude_workers.hosts.openssh import OpenSSH  # noqa: PLC0415  one of the two

        return OpenSSH(host)
    from claude_workers.hosts.strict import Fabric  # noqa: PLC0415  its library takes 0.2 s

    return Fabric(host)
