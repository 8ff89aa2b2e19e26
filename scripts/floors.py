"""The import guard: imports point down the floors, there is no circle, and rooms keep their size."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "claude_workers"
# From the ground up; a room may import from its own floor's own room and from any floor below.
FLOORS: list[set[str]] = [
    {"errors", "model"},
    {"names", "clock", "files", "text"},
    {"paths", "lock", "kinds"},
    {"identity", "toml"},
    {"config", "credentials", "references"},
    {"process", "access", "limits", "spending", "notices"},
    {"enclosure", "transcript", "tickets", "git"},
    {"home"},
    {"agent", "workspace", "forge", "fly"},
    {"runner"},
    {"pool"},
    {"prove", "machines"},
    {"hosts"},
    {"looking", "placing"},
    {"giving", "goldens"},
    {"fleet"},
    {"testing"},
    {"cli"},
    {"__init__", "__main__"},
]
LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
LINES, LINES_USUAL, FUNCTION = 300, 200, 40


def modules() -> dict[str, Path]:
    """Return every module of the package by dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)] = path
    return found


def imports(path: Path, known: dict[str, Path]) -> set[str]:
    """Return the modules of ours that a module imports, type-only and lazy ones included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{one.name}" for one in node.names}
            found |= {name if name.removeprefix("claude_workers.") in known else node.module for name in names}
    ours = {name.removeprefix("claude_workers.") for name in found if name.startswith("claude_workers.")}
    return ours & set(known)


def upward(graph: dict[str, set[str]]) -> list[str]:
    """Return the imports that point up or sideways into another room."""
    faults = []
    for name, targets in graph.items():
        room = name.partition(".")[0]
        for target in sorted(targets):
            other = target.partition(".")[0]
            if other != room and LEVEL[other] >= LEVEL[room]:
                faults.append(f"{name} imports {target}: not on a lower floor")
    return faults


def circles(graph: dict[str, set[str]]) -> list[str]:
    """Return one line for each module that imports itself in the end."""
    faults = []
    for start, targets in graph.items():
        seen: set[str] = set()
        ahead = set(targets)
        while ahead:
            name = ahead.pop()
            if name not in seen:
                seen.add(name)
                ahead |= graph.get(name, set())
        if start in seen:
            faults.append(f"{start} is part of a circle of imports")
    return faults


def sizes(known: dict[str, Path]) -> list[str]:
    """Return the modules and functions that outgrew the house."""
    faults, long = [], 0
    for name, path in known.items():
        text = path.read_text(encoding="utf-8")
        lines = text.count("\n")
        long += lines > LINES_USUAL
        if lines > LINES:
            faults.append(f"{name} has {lines} lines, {LINES} at most")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and node.end_lineno:
                size = node.end_lineno - node.lineno + 1
                if size > FUNCTION:
                    faults.append(f"{name}.{node.name} has {size} lines, {FUNCTION} at most")
    if long * 10 > len(known):
        faults.append(f"{long} of {len(known)} modules are over {LINES_USUAL} lines, one in ten at most")
    return faults


def main() -> int:
    """Print every fault; return the exit status."""
    known = modules()
    graph = {name: imports(path, known) for name, path in known.items()}
    unknown = [f"{name} is on no floor" for name in known if name.partition(".")[0] not in LEVEL]
    faults = unknown or [*upward(graph), *circles(graph), *sizes(known)]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
