"""The verbs on rescued work: list it, show one, put it into a folder."""

from __future__ import annotations

import base64
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from claude_workers import files
from claude_workers.errors import BadInput, NotFound
from claude_workers.home import archive, tasks
from claude_workers.home.home import every, find
from claude_workers.model import Record, Rescue
from claude_workers.workspace import merged, rescues
from claude_workers.workspace.clone import read_back

if TYPE_CHECKING:
    from claude_workers.paths import Layout


@dataclasses.dataclass(frozen=True)
class Shown(Record):
    """A rescue looked at closely: commits beyond upstream, newest first, uncommitted changes, further branches."""

    rescue: Rescue
    commits: list[str]
    changes: list[str]
    branches: list[str]


@dataclasses.dataclass(frozen=True)
class Bundled(Record):
    """A rescue as a git bundle, in base64, to be kept on another machine."""

    task_id: str
    repo: str
    content: str


def bundles(layout: Layout, worker: str) -> list[Bundled]:
    """Return what is kept of a worker's tasks and lies nowhere else: for whoever throws this disk away."""
    found = []
    for store in rescues.stores(layout):
        mirror = rescues.mirror_of(store)
        for one in (one for one in rescues.every(store) if one.worker == worker and merged.needed(store, mirror, one)):
            content = base64.b64encode(merged.bundle(store, mirror, one)).decode()
            found.append(Bundled(one.task_id, _names(layout).get(store.name, one.repo), content))
    return found


def every_rescue(layout: Layout, worker: str | None = None) -> list[Rescue]:
    """Return what is kept of every task, or of one worker's, the latest last."""
    if worker is not None:
        find(layout, worker)
    names = _names(layout)
    found = [
        _closer(store, dataclasses.replace(one, repo=names.get(store.name, one.repo)))
        for store in rescues.stores(layout)
        for one in rescues.every(store)
        if worker in {None, one.worker}
    ]
    return sorted(found, key=lambda one: one.at)


def show(layout: Layout, wanted: str) -> Shown:
    """Return one rescue closely: of a task's id or its beginning, or the latest of a worker."""
    rescue, store = _find(layout, wanted)
    carried = read_back(store, rescue.state)
    commits = rescues.commits(store, rescues.mirror_of(store), carried.tip)
    return Shown(rescue, commits, rescues.changes(store, carried), rescues.branches(store, rescue))


def restore(layout: Layout, wanted: str, target: str | None = None) -> Path:
    """Put a rescue into a folder that does not exist yet, as a git repository; return the folder."""
    rescue, store = _find(layout, wanted)
    place = _place(target or f"{rescue.repo.rpartition('/')[2]}-{rescue.task_id[:8]}")
    if place.exists() or place.is_symlink():
        raise BadInput(f"{place} exists already", "name another folder with --to")
    if place.resolve().is_relative_to(layout.root.resolve()):
        raise BadInput(f"{place} lies inside the root of homes", "name another folder with --to")
    making = files.make_private(place.parent) / f".{place.name}.{rescue.task_id[:8]}"
    try:
        rescues.restore(store, rescues.mirror_of(store), rescue, making)
        making.rename(place)
    finally:
        files.remove_tree(making)
    return place


def _place(written: str) -> Path:
    try:
        return Path(written).expanduser().absolute()
    except RuntimeError as error:  # the home of nobody
        raise BadInput(f"{written[:60]} is in the home of a user who does not exist", "name another folder") from error


def _find(layout: Layout, wanted: str) -> tuple[Rescue, Path]:
    if not wanted:
        raise BadInput("say which task", "name a worker, or the beginning of a task's id")
    kept = [(one, store) for store in rescues.stores(layout) for one in rescues.every(store)]
    of_worker = [found for found in kept if found[0].worker == wanted]
    known = of_worker or [found for found in kept if found[0].task_id.startswith(wanted)]
    if not known:
        raise NotFound(f"nothing is kept of {wanted[:60]}", "claude-workers rescue list")
    if not of_worker and len({one.task_id for one, _ in known}) > 1:
        raise BadInput(f"several tasks begin with {wanted[:60]}", "write more of the id")
    rescue, store = max(known, key=lambda one: one[0].at)
    named = dataclasses.replace(rescue, repo=_names(layout).get(store.name, rescue.repo))
    return _closer(store, named), store


def _closer(store: Path, rescue: Rescue) -> Rescue:
    carried = read_back(store, rescue.state)
    return dataclasses.replace(
        rescue,
        tip=carried.tip,
        commits=len(rescues.commits(store, rescues.mirror_of(store), carried.tip)),
        changed=len(rescues.changes(store, carried)),
        left_out=carried.left_out,
    )


def _names(layout: Layout) -> dict[str, str]:
    """Return the repositories' names by their store's, as the tasks of this root know them."""
    from claude_workers.model import Repository  # noqa: PLC0415
    from claude_workers.workspace import store  # noqa: PLC0415

    known: dict[str, str] = {}
    for home in every(layout):
        current = tasks.state(home).task
        records = [one.get("repo") for one in archive.every(home)] + ([current.repo] if current else [])
        for record in records:
            if isinstance(record, dict) and isinstance(record.get("url"), str):
                repository = Repository.from_json(record)
                known[store.path(layout, repository).name] = repository.name
    return known
