"""TOML files of the operator's: read with a clear word for what is wrong, and edited with all else untouched."""

from __future__ import annotations

import contextlib
import os
import tomllib
from typing import TYPE_CHECKING, Any

from claude_workers import files
from claude_workers.errors import BadInput
from claude_workers.lock import locked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_EDIT_WAIT = 10.0


def read(path: os.PathLike[str]) -> dict[str, Any]:
    """Return a TOML file's content, {} when there is none; BadInput when it does not parse."""
    try:
        with open(path, "rb") as stream:
            return tomllib.load(stream)
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"{os.fspath(path)} does not parse: {error}", "mend or remove it") from error
    except OSError as error:
        raise BadInput(f"{os.fspath(path)} cannot be read: {error.strerror}", "check it") from error


@contextlib.contextmanager
def edited(path: Path) -> Iterator[Any]:
    """Give a TOML file of ours as a document to change, one caller at a time, and write it; comments stay."""
    import tomlkit  # noqa: PLC0415  start-up cost

    path = path.resolve()  # a link of a person's stays one
    files.make_private(path.parent)
    with locked(path.with_name(f".{path.name}.lock"), _EDIT_WAIT, f"another command writes {path}"):
        read(path)  # in whose words faults are told
        document = tomlkit.parse(path.read_text(encoding="utf-8")) if path.exists() else tomlkit.document()
        yield document
        files.write_atomic(path, tomlkit.dumps(document))
