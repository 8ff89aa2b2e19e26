"""A prompt from standard input: read from a pipe that speaks, refused from one that does not."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_workers.cli import stdin
from claude_workers.errors import BadInput

LIMIT = 1 << 20


class Pipe:
    """A pipe that is this process's standard input."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        reader, self.writer = os.pipe()
        self.stream = os.fdopen(reader, encoding="utf-8")
        self._speakers: list[threading.Thread] = []
        monkeypatch.setattr(sys, "stdin", self.stream)

    def say(self, *pieces: bytes, end: bool = True) -> None:
        """Write the pieces from another thread and close, unless it shall not `end`."""

        def write() -> None:
            with contextlib.suppress(BrokenPipeError):
                for piece in pieces:
                    os.write(self.writer, piece)
            if end:
                self._end()

        self._speakers.append(threading.Thread(target=write, daemon=True))
        self._speakers[-1].start()

    def close(self) -> None:
        self.stream.close()
        for one in self._speakers:
            one.join()
        self._end()

    def _end(self) -> None:
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipe]:
    """A pipe as standard input."""
    made = Pipe(monkeypatch)
    yield made
    made.close()


def test_a_pipe_is_told_from_a_file(pipe: Pipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stdin.is_piped()
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", Path("/dev/null")):
        with open(path, encoding="utf-8") as stream:
            monkeypatch.setattr(sys, "stdin", stream)
            assert not stdin.is_piped()


def test_a_terminal_is_not_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    main, terminal = os.openpty()
    with os.fdopen(terminal, encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert not stdin.is_piped()
    os.close(main)


def test_a_socket_is_as_good_as_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    near, far = socket.socketpair()
    with near, far, os.fdopen(os.dup(near.fileno()), encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        far.sendall(b"prompt")
        far.shutdown(socket.SHUT_WR)
        assert stdin.is_piped()
        assert stdin.read_piped() == "prompt"


def test_a_closed_standard_input_is_no_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert not stdin.is_piped()
    with open("/dev/null", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdin", stream)
    assert not stdin.is_piped()


@pytest.mark.parametrize(
    ("pieces", "prompt"),
    [
        ([b"Fix it\n"], "Fix it"),
        ([b"Fix ", b"it"], "Fix it"),
        ([b"\n  two\nlines \n\n"], "two\nlines"),
        ([b"caf\xc3", b"\xa9"], "café"),
        ([b"x" * 100_000, b"y" * 100_000], "x" * 100_000 + "y" * 100_000),
        ([], ""),
        ([b" \n"], ""),
    ],
)
def test_what_a_pipe_says_up_to_its_end_is_the_prompt(pieces: list[bytes], prompt: str, pipe: Pipe) -> None:
    pipe.say(*pieces)
    assert stdin.read_piped() == prompt


def test_a_pipe_that_says_nothing_is_refused_with_what_to_do(pipe: Pipe) -> None:
    with pytest.raises(BadInput, match="says nothing") as caught:
        stdin.read_piped()
    assert "--no-stdin" in caught.value.remedy


def test_a_pipe_that_does_not_end_is_refused(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stdin, "_WHOLE", 0.05)
    os.write(pipe.writer, b"Fix")
    with pytest.raises(BadInput, match="does not end"):
        stdin.read_piped()


def test_bytes_that_are_no_text_are_refused(pipe: Pipe) -> None:
    pipe.say(b"caf\xe9")
    with pytest.raises(BadInput, match="UTF-8"):
        stdin.read_piped()


def test_a_pipe_that_says_far_too_much_is_refused_and_not_waited_for(pipe: Pipe) -> None:
    pipe.say(b"x" * (LIMIT + 1), end=False)
    with pytest.raises(BadInput, match="longer than"):
        stdin.read_piped()


@pytest.mark.parametrize("size", [0, 1, LIMIT])
def test_all_of_standard_input_is_read_when_it_was_asked_for(size: int, pipe: Pipe) -> None:
    pipe.say(b"x" * size)
    assert len(stdin.read_all()) == size


def test_a_prompt_that_is_too_long_is_refused_and_never_cut_off(pipe: Pipe) -> None:
    pipe.say(b"x" * (LIMIT + 1))
    with pytest.raises(BadInput, match="longer than"):
        stdin.read_all()


def test_bytes_that_are_no_text_are_refused_when_asked_for_too(pipe: Pipe) -> None:
    pipe.say(b"caf\xe9")
    with pytest.raises(BadInput, match="UTF-8"):
        stdin.read_all()
