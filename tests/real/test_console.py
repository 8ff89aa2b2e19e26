"""The real Claude Code at a terminal: no dialogue of a first start, a session taken over, a credential tried."""

from __future__ import annotations

from pathlib import Path

from claude_workers import credentials
from claude_workers.testing.endpoint import error, text, tool
from claude_workers.tickets.queue import Queue
from tests.cli.conftest import Cli
from tests.conftest import git
from tests.real.conftest import Desk
from tests.real.test_life import ADD, pytestmark, until
from tests.terminal import Person

__all__ = ["pytestmark"]


def test_claude_in_an_idle_home_asks_nothing_and_answers(desk: Desk, tmp_path: Path) -> None:
    desk.endpoint.script("model", [text("I am in the home.")])
    with Person(["enter", "01", "--", "claude"], tmp_path) as person:
        person.until("? for shortcuts")
        person.type("Where are you?")
        person.until("Where are you?")
        person.type("\r")
        person.until("I am in the home.")
        person.type("/exit")
        person.until("/exit")
        person.type("\r")
        assert person.end() == 0


def test_an_interview_leaves_what_a_person_says_yes_to(desk: Desk, tmp_path: Path) -> None:
    commands = (
        "cd $CLAUDE_WORKERS_OUTBOX", "echo 'Calc adds. Never divide.' > PROJECT.md", "touch $OLDPWD/mine",
        "echo 'python3 -c \"import calc\"' > verify",
        "printf -- '- {title: Add subtract, key: a}\\n- {title: Document it, blocked_by: [a]}\\n' > tickets.yaml",
    )  # fmt: skip
    desk.endpoint.script("model", [tool("Bash", command="; ".join(commands)), text("You can leave with /exit.")])
    with Person(["project", "init", str(desk.calc), "--interview"], tmp_path) as person:
        asked, told = ("".join(one.split()) for one in ("Do you want to proceed?", "You can leave with /exit."))
        person.wait(lambda: any(one in "".join(person.seen.split()) for one in (asked, told)), "an answer")
        if told not in "".join(person.seen.split()):
            person.type("\r")
        person.until("You can leave with /exit.")
        person.type("/exit")
        person.until("/exit")
        person.type("\r")
        for asked, answer in (("for every prompt?", "y"), (".claude-workers.toml?", "y"), ("File them?", "y")):
            person.until(asked)
            person.type(f"{answer}\r")
        person.until("filed 1, 2")
        assert person.end() == 0
    assert (desk.calc / ".claude-workers.toml").read_text("utf-8").endswith('verify = "python3 -c \\"import calc\\""\n')
    assert sorted(one.name for one in desk.calc.iterdir()) == [".claude-workers.toml", ".git", "calc.py"]
    assert [one.title for one in Queue(desk.fleet.layout.tickets).list()] == ["Add subtract", "Document it"]
    receipt = desk.play([ADD, text("Added.")])
    assert receipt.outcome == "pull_request"
    assert "Calc adds. Never divide." in str(desk.endpoint.requests[-1]["body"])


def test_a_task_is_taken_over_in_its_session_and_given_back(desk: Desk, tmp_path: Path) -> None:
    wait = tool("Bash", command="touch $TMPDIR/ready; sleep 60")
    task = desk.start([wait, text("I was asked by a person."), ADD, text("Added.")])
    until(desk, lambda _: (desk.fleet.layout.root / "01/tmp/ready").exists())
    with Person(["attach", "01", "--take-over"], tmp_path) as person:
        person.until("? for shortcuts")
        person.type("What are you at?")
        person.until("What are you at?")
        person.type("\r")
        person.until("I was asked by a person.")
        person.type("/exit")
        person.until("/exit")
        person.type("\r")
        person.until("restart 01 gives the task back")
        assert person.end() == 0
    assert desk.fleet.status(["01"])[0].state == "stopped"
    desk.fleet.restart("01")
    [receipt] = desk.fleet.watch(["01"], timeout=60)
    assert receipt.outcome == "pull_request"
    assert {one["session"] for one in desk.endpoint.requests if one["body"].get("tools")} == {task.session_id}
    assert git("branch", "--list", "w01/*", at=desk.calc)


def test_a_key_is_tried_before_it_is_kept_and_is_the_homes_own_then(desk: Desk, tmp_path: Path) -> None:
    cli, place = Cli(tmp_path), desk.fleet.layout.root / "01/.env"
    before = place.read_text("utf-8")
    desk.endpoint.script("model", [error(401)])
    done = cli("login", "01", "--api-key", input="sk-ant-api03-refused-0123456789")
    assert done.returncode == 6
    assert "refused" in done.stderr
    assert "sk-ant-api03-refused" not in done.stdout + done.stderr
    assert place.read_text("utf-8") == before
    desk.endpoint.script("model", [text("ok")])
    cli.ok("login", "01", "--token", input="sk-ant-oat01-good-0123456789\n")
    assert desk.fleet.status(["01"])[0].credentials == "token"
    desk.fleet.refresh("01")
    values = credentials.read_env(place)
    assert values[credentials.TOKEN] == "sk-ant-oat01-good-0123456789"
    assert credentials.API_KEY not in values
    receipt = desk.play([text("It is calc.")], expect="answer")
    assert receipt.outcome == "answered"
