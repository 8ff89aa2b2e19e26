"""The operator's tools: which folders of the host an enclosure shows read-only, found from PATH."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt")
# Version managers: a folder of public software that its tools need as a whole.
_MANAGERS = frozenset({".pyenv", ".nvm", ".rbenv", ".asdf", ".volta", ".bun", ".deno", ".rustup"})
# Never shown, wherever a PATH or a link may lead.
_PRIVATE_NAMES = frozenset(
    {".ssh", ".aws", ".azure", ".gnupg", ".config", ".docker", ".kube", ".claude", ".password-store", ".mozilla"}
)
_BESIDE_BIN = ("bin", "lib", "lib64", "libexec", "include")
_LINKS = 500
_HOPS = 40  # as many as the kernel follows

INSIDE = Path(__file__).resolve().parent / "inside"


def _in_system(path: Path) -> bool:
    return any(path.is_relative_to(one) for one in SYSTEM)


class Toolchain:
    """Collects folders to show: never one that holds the operator's home, or lies in or round a private one."""

    def __init__(self, home: Path, private: Iterable[Path]) -> None:
        self._home = Path(os.path.realpath(home))
        self._private = [Path(os.path.realpath(one)) for one in private]
        self._found: dict[Path, None] = {}

    def folders(self) -> list[Path]:
        """Return the folders, none inside another."""
        found = sorted(self._found)
        return [one for one in found if not any(one != up and one.is_relative_to(up) for up in found)]

    def add(self, path: Path) -> None:
        """Show a file or folder, unless the system shows it already or it holds what is protected."""
        if _in_system(path) or not path.exists():
            return
        if not self._would_show_private(path):
            self._found.setdefault(path)

    def _would_show_private(self, path: Path) -> bool:
        real = Path(os.path.realpath(path))
        inside = any(real.is_relative_to(one) for one in self._private) or self._private_by_name(real)
        return inside or any(one.is_relative_to(real) for one in (self._home, *self._private))

    def _private_by_name(self, real: Path) -> bool:
        """Tell whether a path lies in a folder of the operator's home that is private by its name."""
        public = (self._home / ".claude" / "local", self._home / ".config" / "nvm")  # where installers put programs
        if not real.is_relative_to(self._home) or any(real.is_relative_to(one) for one in public):
            return False
        return bool(_PRIVATE_NAMES & set(real.relative_to(self._home).parts))

    def add_path(self, variable: str) -> None:
        """Show the tools of every folder named in a PATH."""
        for entry in variable.split(os.pathsep):
            if entry.startswith("/") and not _in_system(Path(entry)):
                self._add_bin(Path(entry))

    def add_program(self, program: Path) -> None:
        """Show one program with what it was installed with."""
        real = Path(os.path.realpath(program))
        self._add_links(program)
        scope = [one for one in real.parents if one.name.startswith("@") and one.parent.name == "node_modules"]
        if scope:
            self.add(scope[0])
        else:
            self._add_install(real)

    def add_interpreter(self) -> None:
        """Show the Python this runs on."""
        self._add_prefix(Path(os.path.realpath(sys.base_prefix)) / "bin")
        self.add(INSIDE)

    def _add_bin(self, folder: Path) -> None:
        if not folder.is_dir() or self._would_show_private(folder):
            return
        manager = [one for one in (folder, *folder.parents) if one.name in _MANAGERS]
        if manager:
            self.add(manager[-1])
            return
        self._add_prefix(folder)
        links = [one for one in sorted(folder.iterdir())[:_LINKS] if one.is_symlink()]
        for link in links:
            real = Path(os.path.realpath(link))
            if not real.is_relative_to(folder):
                self._add_links(link)
                self._add_install(real)

    def _add_links(self, program: Path) -> None:
        """Show every link on the way to a program: one that is missing leaves the others dangling."""
        for _ in range(_HOPS):
            self.add(program)
            if not program.is_symlink():
                return
            program = Path(os.path.normpath(program.parent / os.readlink(program)))

    def _add_prefix(self, folder: Path) -> None:
        self.add(folder)
        if folder.name == "bin" and folder.parent.name != ".cargo" and folder.parent != self._home:
            for name in _BESIDE_BIN:
                self.add(folder.parent / name)
            self.add(folder.parent / "pyvenv.cfg")

    def _add_install(self, real: Path) -> None:
        """Show what a linked program was installed with: a prefix, a package, else the one file."""
        if not real.is_file() or _in_system(real):
            return
        package = [one for one in real.parents if one.parent.name == "node_modules"]
        if real.parent.name == "bin":
            self._add_prefix(real.parent)
        else:
            self.add(package[-1] if package else real)


def python_inside() -> str:
    """Return the interpreter that runs `inside/enter.py`: the real one, no virtual environment."""
    return os.path.realpath(sys.executable)


def tool_variables() -> dict[str, str]:
    """Return the variables that tools need to find themselves when $HOME is another."""
    rustup = Path(os.environ.get("RUSTUP_HOME") or Path.home() / ".rustup")
    return {"RUSTUP_HOME": str(rustup)} if rustup.is_dir() else {}
