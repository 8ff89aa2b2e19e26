"""The words between a machine and who looks after it: the request it is started with, what it carries out.

A machine that is stopped answers nothing, so while it is up it carries out what people ask of it later:
its row, its last receipt, the end of its log, what it did. Each is a short text under a name.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from claude_workers.model import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from claude_workers.model import Json

# Inside of a machine: what it was started with, and where its volume is.
GIVEN = "/claude-workers"
REQUEST = f"{GIVEN}/request.json"
SETS = f"{GIVEN}/credentials"
CONFIG = f"{GIVEN}/config.toml"
VOLUME = "/data"
ROOT = f"{VOLUME}/workers"
# Touched by whoever runs something inside: it is not stopped under their hands.
TOUCHED = "/run/claude-workers.touched"

# What the image's own wall says: "on" or "off", and how many packets it refused.
WALL, REFUSED = "/run/claude-workers/firewall", "/run/claude-workers/dropped"

# What is said of a machine when it is made or started.
# `ASKED` is the request, `TASK` the task it is for ("": none), `MOST_USD` the most that this start may cost.
WORKER, ASKED, TASK, SIZE, MOST_USD = "cw_worker", "cw_asked", "cw_task", "cw_size", "cw_most_usd"
# What it says itself: the answer to its request, its worker's row, and so on.
ANSWER, ROW, RECEIPT, TAIL, PAST, SPENT = "cw_answer", "cw_row", "cw_receipt", "cw_tail", "cw_past", "cw_spent"
CARRIED = (ANSWER, ROW, RECEIPT, TAIL, PAST, SPENT)
# A value is no longer than this (characters): how much Fly takes is written nowhere.
MOST = 4000


@dataclass(frozen=True)
class Request(Record):
    """What a machine is started to do: the words of one verb, and its standard input.

    `task` is the id of the task that it is for, "" for none; `host` is what the machine's host is called.
    `stay` (seconds) is how long it is up without anything to do, `linger` after the last command inside,
    `limit` when it ends, whatever it does. `usd_per_hour` is what it costs meanwhile, and `usd_left` what it
    may still cost, None for no limit.
    """

    id: str
    worker: str
    task: str = ""
    words: list[str] = field(default_factory=list)
    stdin: str = ""
    host: str = ""
    stay: float = 0.0
    linger: float = 20.0
    limit: float = 0.0
    usd_per_hour: float = 0.0
    usd_left: float | None = None


def kept(said: Mapping[str, str], request: Request) -> dict[str, str]:
    """Return what a machine is said to have when it is started on a request.

    What it told stays, but for its last answer; and for its row, where a task begins: it is busy with that.
    """
    gone = {ANSWER, ROW} if request.task else {ANSWER}
    told = {name: said[name] for name in CARRIED if name in said and name not in gone}
    most = request.usd_per_hour * request.limit / 3600
    return {**told, ASKED: request.id, TASK: request.task, MOST_USD: f"{min(most, request.usd_left or most):.4f}"}


def packed(data: object) -> str:
    """Return a JSON value as a short line of ASCII."""
    text = json.dumps(data, separators=(",", ":")).encode()
    return base64.b64encode(zlib.compress(text, 9)).decode()


def unpacked(text: str) -> Json:
    """Return what `packed` made a line of; {} for what is none."""
    try:
        found = json.loads(zlib.decompress(base64.b64decode(text)))
    except (ValueError, zlib.error):
        return {}
    return found if isinstance(found, dict) else {}


def fitting(data: Mapping[str, list[Json]]) -> str:
    """Return one list under its name, packed, the first ones left out until it fits."""
    [(name, found)] = data.items()
    for begin in range(len(found) + 1):
        text = packed({name: found[begin:], "left_out": begin})
        if len(text) <= MOST:
            return text
    return packed({name: [], "left_out": len(found)})
