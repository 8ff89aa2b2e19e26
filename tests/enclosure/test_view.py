"""The view of the host's system holds while the system changes under it."""

from __future__ import annotations

import itertools
import os
import threading
from pathlib import Path

import pytest

from claude_workers.enclosure.view import system_view


def test_folders_that_come_and_go_while_it_is_made_do_not_break_it() -> None:
    place = Path("/opt")
    if not os.access(place, os.W_OK):
        pytest.skip("only root can change the system's folders")
    over = threading.Event()

    def come_and_go() -> None:
        for number in itertools.count():
            if over.is_set():
                return
            folder = place / f"claude-workers-view-{os.getpid()}-{number % 5}"
            folder.mkdir()
            folder.rmdir()

    busy = threading.Thread(target=come_and_go)
    busy.start()
    try:
        for _ in range(15):
            view = system_view()
            assert "/etc/passwd" in view.options or "/etc" in view.options
            view.close()
    finally:
        over.set()
        busy.join()
