"""The agent's own forge token: handed over in its home where the operator chose so, renewed while it works."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from claude_workers import access, files
from claude_workers.errors import WorkersError

if TYPE_CHECKING:
    from claude_workers.runner.run import Run

_TOKEN = "token"
_PUSH_URL = "the-runner-publishes-your-commits"
# An installation's token lives for an hour: half of that leaves room for a command that fails once.
_EVERY = 1500.0


def git_lines(run: Run) -> list[str]:
    """Return the lines of the agent's gitconfig that let it push where its clone pretends to."""
    server = access.server_of(run.repository)
    helper = '"!f() { test \\"$1\\" = get && echo username=x-access-token && echo password=$(cat ~/.forge/token); }; f"'
    return [
        f'[credential "{server}"]', f"\thelper = {helper}",
        f'[url "{run.repository.url}"]', f"\tinsteadOf = {_PUSH_URL}",
    ]  # fmt: skip


def variables(run: Run) -> dict[str, str]:
    """Return the variables by which GitHub's own program and scripts find server and token."""
    if not run.holds_token:
        return {}
    at = access.server_of(run.repository)
    token = access.agent_token(run.repository)
    run.blot.add(token)
    named = {access.SERVER_VARIABLE: at, access.API_VARIABLE: access.api(at)}
    if at == access.GITHUB:
        return {**named, "GH_TOKEN": token}
    return {**named, "GH_TOKEN": token, "GH_ENTERPRISE_TOKEN": token, "GH_HOST": urlsplit(at).netloc}


class Handed:
    """Keeps the token in the home fresh for as long as an agent works; nothing at all in the usual case."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._ended = threading.Event()
        self._lock = threading.Lock()
        if not run.holds_token:
            files.remove_tree(run.home.forge)
            return
        self._write()
        threading.Thread(target=self._renew, daemon=True).start()

    def close(self) -> None:
        """Take the token away again."""
        self._ended.set()
        if self._run.holds_token:
            with self._lock:
                files.remove_tree(self._run.home.forge)

    def _write(self) -> None:
        token = access.agent_token(self._run.repository)
        self._run.blot.add(token)
        with self._lock:
            if not self._ended.is_set():
                files.own_folder(self._run.home.forge)
                files.write_atomic(self._run.home.forge / _TOKEN, token)

    def _renew(self) -> None:
        while not self._ended.wait(_EVERY):
            try:
                self._write()
            except WorkersError as error:
                # The old one may still be good; if it is not, the agent will be told so by the forge.
                self._run.say(f"the agent's token could not be renewed: {error.message}")
