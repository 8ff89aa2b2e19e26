"""The library's page: docs/library.md, written from what the code says of itself."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
from types import ModuleType

from claude_workers import errors, fleet, giving, looking
from claude_workers.fleet import Fleet
from claude_workers.giving import Giving
from claude_workers.looking import Looking

_HEAD = """# The library

What the command line does, `Fleet` does: its verbs return records, frozen dataclasses whose `to_json()`
is what `--json` prints, and raise a `WorkersError`. Nothing is read before a verb is called, and one
`Fleet` may be used in several threads. This page is written by `scripts/pages.py`.

```python
from claude_workers import Fleet, WorkerBusy

fleet = Fleet()
try:
    task = fleet.dispatch("01", "./calc", prompt="Add a subtract function")
except WorkerBusy as error:
    print(error.message, error.remedy)
[receipt] = fleet.watch(["01"], timeout=3600)
print(receipt.outcome, receipt.branch, receipt.cost_usd)
```
"""


def page() -> str:
    """Return the page's text."""
    records = _records()
    parts = [_HEAD, "## Verbs that look\n", *_verbs(Looking), "## Verbs that give work\n", *_verbs(Giving),
             "## Verbs that act\n", *_verbs(Fleet)]  # fmt: skip
    parts += ["## Wishes\n", "What `dispatch` and `order` take beside worker, repository, issue and prompt:\n"]
    parts += [_fields(importlib.import_module("claude_workers.pool.preflight").Order)]
    parts += ["## Records\n"]
    for name in sorted(records):
        parts += [f"### {name}\n", f"{_said(records[name])}\n", _fields(records[name])]
    tree = (errors.__doc__ or "").partition("\n\n")[2].strip()
    parts += ["## Errors\n", f"```\n{tree}\n```\n"]
    parts += [f"- `{name}`: {_said(found)}" for name, found in vars(errors).items() if inspect.isclass(found)]
    return "\n".join(parts) + "\n"


def _verbs(cls: type) -> list[str]:
    """Return the part of each public verb that a class itself has, in the order of its source."""
    parts = []
    for name, found in vars(cls).items():
        if name.startswith("_"):
            continue
        if isinstance(found, property):
            parts.append(f"### {name}\n\n{_said(found)}\n")
        elif inspect.isfunction(found):
            signature = re.sub(r"\bself(, )?", "", str(inspect.signature(found))).replace("'", "")
            parts.append(f"### {name}\n\n```python\n{name}{signature}\n```\n\n{_said(found)}\n")
    return parts


def _said(thing: object) -> str:
    return inspect.getdoc(thing) or ""


def _fields(record: type) -> str:
    """Return a record's fields, as its source declares them."""
    lines = []
    for one in dataclasses.fields(record):
        default = "" if one.default is dataclasses.MISSING else f" = {one.default!r}"
        made = one.default_factory
        default = default if made is dataclasses.MISSING else f" = {made.__name__}()"
        lines.append(f"{one.name}: {one.type}{default}")
    return "```python\n" + "\n".join(lines) + "\n```\n"


def _records() -> dict[str, type]:
    """Return the records that verbs return, and those that stand in their fields, by name."""
    found: dict[str, type] = {}
    for module, cls in ((looking, Looking), (giving, Giving), (fleet, Fleet)):
        imported = _imported(module)
        for verb in vars(cls).values():
            told = inspect.signature(verb).return_annotation if inspect.isfunction(verb) else ""
            for name in re.findall(r"\w+", str(told)):
                if name in imported:
                    _add(found, imported[name])
    return found


def _add(found: dict[str, type], record: object) -> None:
    if not inspect.isclass(record) or not dataclasses.is_dataclass(record) or record.__name__ in found:
        return
    found[record.__name__] = record
    around = vars(importlib.import_module(record.__module__))
    for one in dataclasses.fields(record):
        for name in re.findall(r"\w+", str(one.type)):
            _add(found, around.get(name))


def _imported(module: ModuleType) -> dict[str, object]:
    """Return what a module names for its types, imported or not while it runs."""
    names: dict[str, object] = {}
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("claude_workers"):
            home = importlib.import_module(node.module)
            names |= {one.asname or one.name: getattr(home, one.name, None) for one in node.names}
    return names
