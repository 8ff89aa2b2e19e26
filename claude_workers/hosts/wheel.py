"""The wheel of the very program that runs here, to be installed on another machine: the same files to the byte."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from claude_workers import __version__, paths

_NAME = "claude_workers"
# The format's oldest date: the same files are the same wheel whenever it is made.
_DATE = (1980, 1, 1, 0, 0, 0)
_FORMAT = "Wheel-Version: 1.0\nGenerator: claude-workers\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@dataclass(frozen=True)
class Wheel:
    """A wheel: its file's name, its content, and what tells it from a wheel of other files."""

    name: str
    content: bytes
    digest: str


def build() -> Wheel:
    """Return the wheel (binary distribution format 1.0) of what runs here."""
    package = Path(__file__).resolve().parent.parent
    entries = {**_tree(package, _NAME), **_tree(paths.shipped_templates(), f"{_NAME}/templates"),
               **_tree(paths.shipped_image(), f"{_NAME}/agent_image")}  # fmt: skip
    about, installed = f"{_NAME}-{__version__}.dist-info", metadata.distribution("claude-workers")
    entries[f"{about}/METADATA"] = (installed.read_text("METADATA") or "").encode()
    entries[f"{about}/entry_points.txt"] = (installed.read_text("entry_points.txt") or "").encode()
    entries[f"{about}/WHEEL"] = _FORMAT.encode()
    record = "".join(f"{name},sha256={_sha256(data)},{len(data)}\n" for name, data in sorted(entries.items()))
    entries[f"{about}/RECORD"] = f"{record}{about}/RECORD,,\n".encode()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(entries.items()):
            info = zipfile.ZipInfo(name, _DATE)
            # What the system is to run by itself says so in its first line.
            info.external_attr = (0o100755 if data.startswith(b"#!") else 0o100644) << 16
            archive.writestr(info, data, zipfile.ZIP_DEFLATED)
    digest = hashlib.sha256(record.encode()).hexdigest()[:12]
    return Wheel(f"{_NAME}-{__version__}-py3-none-any.whl", made.getvalue(), digest)


def _tree(folder: Path, prefix: str) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {f"{prefix}/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in found}


def _sha256(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
