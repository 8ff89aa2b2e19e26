"""The places that take notices: ntfy, a webhook, Slack's kind of webhook, any command."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from typing import TYPE_CHECKING

from claude_workers import credentials, paths
from claude_workers.errors import BadInput

if TYPE_CHECKING:
    from claude_workers.notices.spool import Notice

_TIMEOUT = 20.0
_TAGS = {
    "question": "question", "proposal": "bulb", "finished": "white_check_mark", "failed": "x", "limit": "hourglass",
}  # fmt: skip


def deliver(place: str, notice: Notice) -> None:
    """Take a notice to one place; OSError or WorkersError when it was not taken."""
    kind, _, target = place.partition(":")
    target = _resolved(target)
    title = f"{notice.subject}: {notice.kind}"
    body = f"{notice.text}\nworker {notice.worker} on {notice.host}" if notice.worker else notice.text
    if kind == "command":
        _run(target, notice)
    elif kind == "ntfy":
        _post(target, body.encode(), {"Title": _ascii(title), "Tags": _TAGS.get(notice.kind, "robot")})
    elif kind == "slack":
        _post(target, json.dumps({"text": f"*{title}*\n{body}"}).encode(), {"Content-Type": "application/json"})
    elif kind == "webhook":
        told = {name: value for name, value in notice.to_json().items() if name not in {"sent", "tries", "due"}}
        _post(target, json.dumps(told).encode(), {"Content-Type": "application/json"})
    else:
        raise BadInput(f"{kind} is no way to notify", "use ntfy, webhook, slack or command")


def _resolved(target: str) -> str:
    """Return an address; `$NAME` names where it is kept: the environment, else credentials.env."""
    if not target.startswith("$"):
        return target
    kept = credentials.read_env(paths.config_dir() / "credentials.env")
    found = os.environ.get(target[1:]) or kept.get(target[1:])
    if not found:
        raise BadInput(f"{target} is set nowhere", "set it in credentials.env")
    return found


def _post(url: str, data: bytes, headers: dict[str, str]) -> None:
    import httpx  # noqa: PLC0415  not for those who only name the kinds

    try:
        httpx.post(url, content=data, headers=headers, timeout=_TIMEOUT).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise OSError(type(error).__name__) from error  # its text would show the address


def _run(command: str, notice: Notice) -> None:
    argv = shlex.split(command)
    try:
        told = json.dumps(notice.to_json()).encode()
        subprocess.run(argv, input=told, check=True, capture_output=True, timeout=_TIMEOUT)
    except subprocess.SubprocessError as error:
        raise OSError(type(error).__name__) from error


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode()
