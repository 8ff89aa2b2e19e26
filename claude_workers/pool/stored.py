"""What ended tasks leave in our own repositories: merged work in the stores, and repositories nobody needs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote

from claude_workers import config
from claude_workers.home import tasks
from claude_workers.home.home import every
from claude_workers.pool.garbage import Thing, Verdict, clones, extent, is_over, remove
from claude_workers.workspace import merged, rescues, upstream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from claude_workers.model import Rescue, Task
    from claude_workers.paths import Layout
    from claude_workers.pool.garbage import Ground

# How a rescue is named that a task made of what stood where its own clone was to be.
# The claims on GitHub's issues stand beside the mirrors, and are no mirror.
_CLAIMS = "claims.git"
_STORE = ".made.git"


def lock(layout: Layout, place: Path) -> Path:
    """Return the lock under which a mirror or store is made and fetched."""
    return layout.locks / f"repo-{place.name}"


def works(ground: Ground, store: Path) -> Iterator[Thing]:
    """Yield what a store keeps of each task."""
    for one in rescues.every(store):
        path = _path(store, f"work/{one.worker}/{one.task_id}")
        locks = (ground.layout.worker_lock(one.worker), lock(ground.layout, store))
        name = f"{one.worker} {one.task_id}"
        yield Thing("rescue", name, path, locks, partial(_work, ground, store, one), partial(_drop, ground, store, one))


def _path(store: Path, ref: str) -> Path:
    """Return what stands for all that is kept of one task, given one of its refs below `refs/`."""
    return store.joinpath("refs", *ref.split("/")[:3])


def _work(ground: Ground, store: Path, rescue: Rescue) -> Verdict | None:
    ago = _over_since(ground, rescue)
    if not ago:
        return None
    mirror = store.with_name(f"{store.name.removesuffix(_STORE)}.git")
    why = merged.needed(store, mirror, rescue)
    if why:
        return Verdict(f"left alone: {why}", kept=True)
    return Verdict(f"its task ended {ago} ago, and all of it is merged upstream", merged.size(store, mirror, rescue))


def _drop(ground: Ground, store: Path, rescue: Rescue) -> None:
    merged.drop(store, rescue)
    ground.lighter.add(store)


def _over_since(ground: Ground, rescue: Rescue) -> str:
    """Return how long ago a rescue's task ended; "" when not longer than `keep`, or its clone rests on it yet."""
    home, task_id = ground.homes.get(rescue.worker), rescue.task_id.removeprefix(rescues.BEFORE)
    if home is None:
        return ground.long_ago(rescue.at)  # its archive went with its home, and so it cannot go on
    known = ground.ended[home.worker].get(task_id)
    if known is None or not is_over(home, task_id) or ground.clone_stays(home, task_id):
        return ""
    return ground.long_ago(known[1].finished_at)


def repositories(ground: Ground) -> Iterator[Thing]:
    """Yield the mirrors, each with its store."""
    for mirror in sorted(ground.layout.repositories.glob("*.git")):
        if mirror.name == _CLAIMS or mirror.name.endswith(_STORE):
            continue
        store = mirror.with_suffix(_STORE)
        # The store goes first: a mirror alone harms nobody, and a store without its mirror is broken.
        places = (store, mirror) if store.is_dir() else (mirror,)
        locks = (lock(ground.layout, mirror), lock(ground.layout, store))
        name = unquote(mirror.name.removesuffix(".git"))
        yield Thing("repository", name, mirror, locks, partial(_repository, ground, *places), partial(remove, *places))


def _repository(ground: Ground, *places: Path) -> Verdict | None:
    """Judge a mirror with its store; one without is a submodule's, which clones of any repository may borrow."""
    mirror, stores = places[-1], places[:-1]
    states = [tasks.state(home) for home in every(ground.layout)]
    current = [one.task for one in states if one.task]
    standing = [one for home in every(ground.layout) for one in clones(home) if one not in ground.gone]
    if any(one.name == "unknown" for one in states) or (not stores and (current or standing)):
        return None
    if any(_may_need(ground, one, mirror) for one in current) or any(_refs_left(ground, one) for one in stores):
        return None
    if any(_borrows(ground, one, mirror) for one in standing):
        return None
    return Verdict("no task, clone or kept work needs it", sum(extent(one).bytes for one in places))


def _may_need(ground: Ground, task: Task, mirror: Path) -> bool:
    """Tell whether a current task may need a mirror: it may have fetched its submodules, and not yet borrow them."""
    own = upstream.bare(ground.layout, task.repository) == mirror
    return own or bool(config.load(task.repository.name).submodules)


def _refs_left(ground: Ground, store: Path) -> bool:
    """Tell whether a store holds any ref but those that go, and the one by which bundles are made."""
    left = [name for name in merged.refs(store, "refs") if _path(store, name) not in ground.gone]
    return any(not name.startswith("carry/") for name in left)


def _borrows(ground: Ground, clone: Path, mirror: Path) -> bool:
    """Tell whether a clone is of a mirror's repository, or it, or one in it, borrows objects there or may do so."""
    known = [repository for ended in ground.ended.values() for repository, _ in ended.values()]
    names = {one.name for one in known if upstream.bare(ground.layout, one) == mirror}
    if f"{clone.parent.name}/{clone.name.partition('.kept-')[0]}" in names:
        return True
    seen = extent(clone)
    return not seen.whole or f"{mirror}/objects" in seen.borrows
