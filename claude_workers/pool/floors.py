"""Floors: what a machine must have left before a task starts on it; below one the task waits."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from claude_workers import credentials, limits, spending
from claude_workers.errors import NotFound

if TYPE_CHECKING:
    from claude_workers.config import Settings
    from claude_workers.home.home import Home
    from claude_workers.model import Repository
    from claude_workers.paths import Layout


@dataclass(frozen=True)
class Wait:
    """What a task waits for, why, and until when (ISO 8601 UTC) where that is known."""

    wait_for: str
    reason: str
    until: str | None = None


def wait(home: Home, settings: Settings, repository: Repository, pays: str) -> Wait | None:
    """Return what a task must wait for before it starts; None when nothing stands in its way."""
    short = disk_short(home.layout, settings)
    if short:
        return Wait("disk", short)
    short = memory_short(settings)
    if short:
        return Wait("memory", short)
    values = credentials.read_env(home.env_file)
    limit = limits.standing(home.layout, home.worker, values, pays)
    if limit:
        return Wait("limit", f"{limit.reason} (met by worker {limit.worker})", limit.until)
    for use in spending.uses(
        home.layout, spending.budgets(repository.name, values.get(credentials.SET) or settings.credential_set)
    ):
        if use.share >= 1:
            return Wait("limit", f"{use.budget.shown} is used up", use.until)
    return None


def disk_short(layout: Layout, settings: Settings) -> str:
    """Return why there is too little disk for a task; "" when there is enough."""
    try:
        free = shutil.disk_usage(layout.root).free
    except OSError as error:
        raise NotFound(f"{layout.root} cannot be read: {error.strerror}", "check the root") from error
    if free >= settings.disk_floor:
        return ""
    return f"{free >> 20} MiB free, below disk_floor of {settings.disk_floor >> 20} MiB"


def memory_short(settings: Settings) -> str:
    """Return why there is too little memory for a task; "" when there is enough, or nobody can tell."""
    free = memory_free()
    if free is None or free >= settings.memory_floor:
        return ""
    return f"{free >> 20} MiB of memory free, below memory_floor of {settings.memory_floor >> 20} MiB"


def memory_free() -> int | None:
    """Return the bytes of memory that programs can still have, None where the kernel does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) << 10 if found else None
