"""Canaries: no secret that a worker has or its runner holds is anywhere but where it must be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from claude_workers import Fleet, credentials, paths
from claude_workers.tickets.tickets import Tickets
from tests.faults.canaries import Cage, Canary
from tests.faults.canary_ear import SPEAK, Ear, Scene, configure, environment_file, song
from tests.github.fake import GitHub
from tests.github.messages import Message, Reply
from tests.github.stage import REPO, GitHubStage
from tests.stage import ADD, steps

SAY = {"run": SPEAK}
TELL = {"run": f"export RESULT=1; {SPEAK}\nkill -9 $PPID; sleep 9"}
COMMIT = {"run": "env > seen.txt; cat /proc/*/environ >> seen.txt 2>&1; git add seen.txt; git commit -qam Seen"}
WHOLE = {"run": "env; cat /proc/*/environ ~/.forge/token; env >&2; false"}
GATE = "env; cat seen.txt; env >&2"


def hold(name: str) -> dict[str, object]:
    """Return a step that waits until it is killed, the first time it is played."""
    return {"run": f"[ -e ~/.cache/{name} ] || {{ touch ~/.cache/{name}; sleep 300; }}"}


def die(name: str) -> dict[str, object]:
    """Return a step in which the agent dies, the first time it is played."""
    return {"run": f"[ -e ~/.cache/{name} ] || {{ touch ~/.cache/{name}; kill -9 $PPID; sleep 9; }}"}


def leave(name: str) -> dict[str, object]:
    """Return a step that leaves all it knows in the outbox; worker-ask would have it in its own command line."""
    return {"run": f'mkdir -p "$CLAUDE_WORKERS_OUTBOX" && env > "$CLAUDE_WORKERS_OUTBOX/{name}"'}


def test_lives_on_the_embedded_forge_let_no_secret_out(
    calc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {name: song(name) for name in ("sk-ant-", "sk-ant-oat01-", "ghp_", "env-")}
    quoted, letters = f'a "{song("q")}" \\b\\ $c', f"ünïcödé→{song('u')}"
    cage = Cage([
        Canary("API key of 01", values["sk-ant-"], ("01",)),
        Canary("token of 02", values["sk-ant-oat01-"], ("02",)),
        Canary("GH_TOKEN", values["ghp_"], ()),
        *(Canary("env_file", one, ("01", "02")) for one in (values["env-"], quoted, letters)),
    ])  # fmt: skip
    variables = environment_file(tmp_path, PLAIN=values["env-"], QUOTED=quoted, LETTERS=letters)
    configure(
        'backoff = "0.05s"\nmax_attempts = 4\n[repos."local/calc"]\nverify_retries = 1\n'
        f'verify = "{GATE}; false"\nsetup = "env"\npost_checkout = "env; env >&2; false"\nenv_file = "{variables}"\n'
    )
    monkeypatch.setenv("GH_TOKEN", values["ghp_"])
    scene = Scene(Fleet(), cage)
    for worker, name, kind in (("01", credentials.API_KEY, "sk-ant-"), ("02", credentials.TOKEN, "sk-ant-oat01-")):
        monkeypatch.delenv(credentials.API_KEY, raising=False)
        monkeypatch.setenv(name, values[kind])
        scene.say("init", worker)
        monkeypatch.delenv(name)
    with Ear(cage) as ear:
        _embedded(scene, calc)
    cage.search(scene.fleet.layout.root, paths.config_dir())
    print(cage, dict(ear.held))
    assert cage.leaked == set()
    assert cage.found >= {"API key of 01", "token of 02"}
    assert {"API key of 01: worker 01", "token of 02: worker 02", "GH_TOKEN: test"} <= set(ear.held)
    assert min(cage.searched[kind] for kind in ("file of the root", "command line", "printed text")) > 20


def _embedded(scene: Scene, calc: Path) -> None:
    """Play the lives of two workers, with all deaths there are, looking at each turn of fate."""
    tickets = Tickets(scene.fleet.layout.tickets)
    script: list[Mapping[str, object]] = [WHOLE, SAY, die("died"), COMMIT, hold("held"), SAY, hold("again"), TELL]
    number = tickets.create(str(calc), "Add sub", steps(*script), "ann")
    scene.say("dispatch", "01", str(calc), str(number))
    scene.reached("held")
    scene.look("01")
    scene.kill()
    scene.look("01")
    scene.say("recover")
    scene.reached("again")
    scene.say("stop", "01")
    scene.look("01")
    scene.say("restart", "01")
    assert "verify_failed" in scene.say("watch", "01")
    scene.look("01")
    scene.say("ticket", "show", str(number))
    for asked, told in (("defer", "deferred"), ("question", "wait")):  # parked, or just before
        scene.say("dispatch", "01", str(calc), "-p", steps(leave(asked), {"text": "x"}))
        assert told in scene.say("watch", "01")
        scene.look("01")
        scene.say("ticket", "list")
    answer = tickets.create(str(calc), "Ask", steps(WHOLE, SAY, TELL), "ann")
    scene.say("dispatch", "02", str(calc), str(answer), "--expect", "answer")
    assert "answered" in scene.say("watch", "02")
    scene.say("ticket", "show", str(answer))
    scene.say("dispatch", "02", str(calc), "-p", steps(SAY, {"exit": 3}))
    scene.say("watch", "02")
    scene.look("02")


@pytest.fixture
def listened(github: GitHub) -> list[bytes]:
    """Every request to the fake from now on, without what it is there to show: its Authorization."""
    heard: list[bytes] = []
    answer = github._server.reply

    def reply(message: Message, fault: Any) -> Reply:
        shown = {name: value for name, value in message.headers.items() if name != "authorization"}
        heard.append(f"{message.method} {message.path}?{message.query} {shown}\n".encode() + message.body)
        return answer(message, fault)

    github._server.reply = reply  # type: ignore[method-assign]
    return heard


def test_lives_on_github_let_no_secret_out(
    on_github: GitHubStage, token: str, listened: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    github, key, given = on_github.github, song("sk-ant-"), song("env-")
    github.add_user("agent", "Bot")
    github.set_permission(REPO, "agent", "write")
    own = github.token("agent")
    (tmp_path / "operator/agent-token").write_text(f"{own}\n", encoding="utf-8")
    monkeypatch.setenv(credentials.API_KEY, key)
    on_github.fleet.refresh("01")
    monkeypatch.delenv(credentials.API_KEY)
    on_github.configure(
        f'[repos."{REPO}"]\nforge_access = "worker"\ncredential_set = "team"\nverify = "{GATE}"\n'
        f'env_file = "{environment_file(tmp_path, GIVEN=given)}"\n[credentials.team]\n'
        f'forge_token = {{ env = "GH_TOKEN" }}\nagent_token = {{ file = "{tmp_path}/operator/agent-token" }}\n'
    )
    cage = Cage([
        Canary(name, value, ("01",))
        for name, value in {"API key": key, "GH_TOKEN": token, "agent_token": own, "env_file": given}.items()
    ])  # fmt: skip
    scene = Scene(on_github.fleet, cage)
    numbers = [
        on_github.file(WHOLE, SAY, die("died"), ADD, COMMIT, hold("held"), TELL),
        on_github.file(WHOLE, SAY, hold("held2"), leave("defer"), TELL),
        on_github.file(WHOLE, TELL),
    ]
    with Ear(cage) as ear:
        _lived(scene, numbers)
    for request in listened:
        cage.listen(request[:200].decode("utf-8", "replace"), "request", request)
    cage.search(on_github.fleet.layout.root, paths.config_dir())
    print(cage, dict(ear.held))
    assert cage.leaked == set()
    assert {"API key: worker 01", "agent_token: worker 01"} <= set(ear.held)
    for said in (f"POST /repos/{REPO}/pulls?", f"POST /repos/{REPO}/issues/{numbers[2]}/comments?"):
        assert any(one.startswith(said.encode()) and b"[redacted]" in one for one in listened)


def _lived(scene: Scene, numbers: list[int]) -> None:
    """Play a life to its pull request through three deaths, one that defers, and one that answers."""
    change, defer, answer = map(str, numbers)
    scene.say("dispatch", "01", REPO, change)
    scene.reached("held")
    scene.kill()
    scene.look("01")
    scene.say("recover")
    assert "pull_request" in scene.say("watch", "01")
    scene.look("01")
    scene.say("dispatch", "01", REPO, defer)
    scene.reached("held2")
    scene.say("stop", "01")
    scene.look("01")
    scene.say("restart", "01")
    assert "deferred" in scene.say("watch", "01")
    scene.say("dispatch", "01", REPO, answer, "--expect", "answer")
    assert "answered" in scene.say("watch", "01")
    scene.look("01")
