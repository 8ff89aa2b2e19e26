"""What Fly tells of our machines and volumes, read into records; and what we call things there."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from claude_workers import clock
from claude_workers.machines import words
from claude_workers.machines.machine import Machine

if TYPE_CHECKING:
    from claude_workers.model import Json

MACHINE, VOLUME = "cw-", "cw_"
_SECRET = "CW_SET_"


def age(volume: Json) -> float:
    """Return for how long (seconds) a volume has been there."""
    return clock.seconds_since(str(volume.get("created_at"))) or 0.0


def secret_name(credential_set: str) -> str:
    """Return the name of the secret that a set is kept in."""
    plain = re.sub(r"[^A-Z0-9]", "_", credential_set.upper())
    return f"{_SECRET}{plain}_{hashlib.sha256(credential_set.encode()).hexdigest()[:6].upper()}"


def volume_name(worker: str) -> str:
    """Return the name of a worker's volume."""
    # Of Fly's names _ is what - is of ours, and no id has both.
    return VOLUME + worker.replace("-", "_")


def machine(data: Json) -> Machine:
    """Return a machine as Fly's answer tells it."""
    config = data.get("config") or data.get("incomplete_config") or {}
    said = {str(name): str(text) for name, text in (config.get("metadata") or {}).items()}
    mounts = config.get("mounts") or [{}]
    state = "unreachable" if data.get("host_status") == "unreachable" else str(data.get("state"))
    return Machine(
        id=str(data["id"]),
        worker=said.get(words.WORKER, ""),
        state=state,
        region=str(data.get("region", "")),
        volume=str(mounts[0].get("volume", "")),
        version=str(data.get("instance_id", "")),
        image=str(config.get("image", "")),
        digest=str((data.get("image_ref") or {}).get("digest") or ""),
        size=said.get(words.SIZE, ""),
        ended=_ended(data.get("events") or []),
        at=str(data.get("updated_at", "")),
        said=said,
    )


def _ended(events: list[Json]) -> str:
    """Return how a machine ended last, "" while it has not since its last start."""
    for event in sorted(events, key=lambda one: int(one.get("timestamp") or 0), reverse=True):
        if event.get("type") in {"start", "launch", "update"}:
            return ""
        if event.get("type") == "exit":
            told = (event.get("request") or {}).get("exit_event") or {}
            memory = ", out of memory" if told.get("oom_killed") else ""
            return f"exit {told.get('exit_code', '?')}{memory}"
    return ""
