"""Notices: told once at every place that wants them, however often that has to be tried, and never in anybody's way."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_workers import config, paths
from claude_workers.errors import BadInput
from claude_workers.notices import sender, spool
from claude_workers.notices.spool import Notice
from tests.racing import until
from tests.stage import ADD, DONE, Stage

SECRET = "https://127.0.0.1/secret-path"


class Ear:
    """A server that hears notices, and refuses the first few."""

    def __init__(self, refusals: int = 0) -> None:
        self.heard: list[tuple[str, dict[str, str], str]] = []
        self.refusals = refusals
        ear = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                ear.refusals -= 1
                self.send_response(503 if ear.refusals >= 0 else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()
                if ear.refusals < 0:
                    ear.heard.append((self.path, dict(self.headers), body))

            def log_message(self, *_given: object) -> None:
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def ear() -> Iterator[Ear]:
    """A server that hears."""
    made = Ear()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_an_end_is_told_at_every_place_once(stage: Stage, ear: Ear, tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    places = [f"ntfy:{ear.url}/topic", f"webhook:{ear.url}/hook", "slack:$HOOK", f"command:tee -a {heard}"]
    stage.configure(f"notify = {json.dumps(places)}\n")
    (paths.config_dir() / "credentials.env").write_text(f"HOOK={ear.url}/slack\n", encoding="utf-8")
    receipt = stage.play(ADD, DONE)
    until(lambda: len(ear.heard) == 3 and heard.exists() and not spool.waiting(stage.fleet.layout), "all have it")
    by_path = {path: (headers, body) for path, headers, body in ear.heard}
    headers, body = by_path["/topic"]
    assert headers["Title"] == "local/calc: finished"
    assert body.startswith(f"Published {receipt.branch} at ")
    told = json.loads(by_path["/hook"][1])
    assert (told["kind"], told["worker"], told["task_id"]) == ("finished", "01", receipt.task_id)
    assert json.loads(by_path["/slack"][1])["text"].startswith("*local/calc: finished*\n")
    assert json.loads(heard.read_text(encoding="utf-8"))["kind"] == "finished"


def test_what_nobody_wants_to_hear_is_not_written_down(stage: Stage, ear: Ear) -> None:
    stage.play(ADD, DONE)
    assert not stage.fleet.layout.notices.exists()
    stage.configure(f'notify = ["ntfy:{ear.url}/t"]\nnotify_on = ["failed"]\n')
    stage.play(ADD, DONE)
    assert not stage.fleet.layout.notices.exists()
    assert stage.play({"text": "No."}, expect="change").outcome == "no_change"
    until(lambda: ear.heard, "a failure is told")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that waits for moments only, and is started by hand."""
    monkeypatch.setattr(sender, "WAITS", (0.01, 0.01, 0.01))
    monkeypatch.setattr(spool, "start", lambda _layout: None)


@pytest.mark.usefixtures("quick")
def test_a_refused_notice_is_sent_again_and_places_that_have_it_are_left_alone(stage: Stage, ear: Ear) -> None:
    other = Ear(refusals=2)
    stage.configure(f'notify = ["webhook:{ear.url}/a", "webhook:{other.url}/b"]\n')
    layout = stage.fleet.layout
    for _ in range(2):
        spool.put(layout, Notice("failed", "local/calc", "it failed", "01", "t1"))
    sender.main(str(layout.root))
    assert (len(ear.heard), len(other.heard)) == (1, 1)
    spool.put(layout, Notice("failed", "local/calc", "it failed", "01", "t1"))
    assert spool.waiting(layout) == []
    other.server.shutdown()
    other.server.server_close()


@pytest.mark.usefixtures("quick")
def test_what_can_never_be_sent_is_given_up_and_noted_without_its_address(stage: Stage, ear: Ear) -> None:
    places = [f"webhook:{SECRET}", "webhook:http://127.0.0.1:80a/x", "slack:$NOWHERE", "command:false"]
    stage.configure(f"notify = {json.dumps([*places, f'ntfy:{ear.url}/t'])}\n")
    layout = stage.fleet.layout
    spool.put(layout, Notice("question", "local/calc#1", "Which?", "01", "t1"))
    sender.main(str(layout.root))
    assert len(ear.heard) == 1
    said = (layout.notices / "failed.log").read_text(encoding="utf-8")
    assert "webhook: OSError; webhook: OSError; slack: BadInput; command: OSError" in said
    assert "secret-path" not in said
    assert spool.waiting(layout) == []


@pytest.mark.parametrize("wrong", ["ntfy:topic", "mail:me", "webhook:", "command: ", "slack:$lower"])
def test_a_place_that_is_none_is_refused(wrong: str, stage: Stage) -> None:
    stage.configure(f"notify = [{json.dumps(wrong)}]\n")
    with pytest.raises(BadInput, match="no place to notify"):
        config.load()


def test_an_address_is_not_shown(stage: Stage) -> None:
    stage.configure(f'notify = ["webhook:{SECRET}"]\n')
    assert config.describe("notify")["value"] == ("webhook:https://127.0.0.1/...",)


def test_a_place_that_is_gone_holds_no_later_notice_up(stage: Stage, ear: Ear) -> None:
    stage.configure(f'notify = ["webhook:{ear.url}/a", "webhook:http://127.0.0.1:9/x"]\n')
    for number in (1, 2, 3):
        spool.put(stage.fleet.layout, Notice("failed", f"local/calc#{number}", "it failed", "01", f"t{number}"))
        until(lambda count=number: len(ear.heard) == count, f"notice {number} is there")  # type: ignore[misc]
    assert len(ear.heard) == 3
    stage.configure("")  # so that its sender need not wait any longer
