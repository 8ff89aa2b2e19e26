"""The named steps of a life, each a function of the package: where traps are set."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.faults.trap import Trap

BEFORE, AFTER, BOTH = ("before",), ("after",), ("before", "after")
OBSERVE, SAVE = "claude_workers.runner.run:Run.observe", "claude_workers.runner.run:Run.save"
EMBEDDED, GIT = "claude_workers.forge.embedded:EmbeddedForge", "claude_workers.git:run"
SEND, STARTED = "claude_workers.forge.github.rest:Rest.send", "subprocess:Popen"


@dataclass(frozen=True)
class Step:
    """One step: its name for people, its function, a word in the arguments, and when a program dies there.

    What is true right after one step mostly is so right before the next: that one is then left to the soak.
    """

    name: str
    target: str
    word: str = ""
    when: tuple[str, ...] = AFTER


RUNNER = [
    Step("taking-over", "claude_workers.process.spawn:report"),
    Step("clean-claude", "claude_workers.home.provision:clean_claude", when=BOTH),
    Step("look", "claude_workers.workspace.upstream:look"),
    Step("repository-made", GIT, "'init'"),
    Step("fetch-started", STARTED, "'fetch'"),
    Step("mirror", "claude_workers.workspace.upstream:mirror"),
    Step("store", "claude_workers.workspace.store:ensure", when=BOTH),
    Step("start-observed", OBSERVE, "'base'"),
    Step("assignment", "claude_workers.runner.assignment:write"),
    Step("clone", "claude_workers.workspace.clone:create"),
    Step("rename", "os:rename", "calc.making", BOTH),
    Step("mark-clone", "claude_workers.runner.run:Run.mark_clone"),
    Step("phase-working", SAVE, "'working'"),
    Step("agent-launched", "claude_workers.runner.turn:launch"),
    Step("turn", "claude_workers.runner.work:take_turn", when=BOTH),
    Step("index-pack-started", STARTED, "'index-pack'"),
    Step("index-pack", GIT, "'index-pack'"),
    Step("update-ref", GIT, "'update-ref', 'refs/work"),
    Step("collect", "claude_workers.runner.work:collect"),
    Step("asked-to-commit", OBSERVE, "'asked_to_commit'"),
    Step("commit-tracked", "claude_workers.workspace.clone:commit_tracked", when=BOTH),
    Step("head-observed", OBSERVE, "'head'"),
    Step("phase-verifying", SAVE, "'verifying'"),
    Step("checkout", "claude_workers.workspace.clone:checkout"),
    Step("gate", "claude_workers.runner.verify:_commands"),
    Step("verification-observed", OBSERVE, "'verification'"),
    Step("phase-publishing", SAVE, "'publishing'"),
    Step("push-started", STARTED, "'push'"),
    Step("push", GIT, "'push'", BOTH),
    Step("propose", f"{EMBEDDED}.propose", when=BOTH),
    Step("proposal-observed", OBSERVE, "'pull_request'"),
    Step("outcome-observed", OBSERVE, "'outcome'"),
    Step("receipt", "claude_workers.files:write_atomic", "receipt.json"),
    Step("comment", f"{EMBEDDED}.comment", when=BOTH),
    Step("label", f"{EMBEDDED}.label"),
    Step("claim-given-back", f"{EMBEDDED}.release", when=BOTH),
    Step("archive", "claude_workers.files:create_exclusive", "completed", BOTH),
    Step("archive-linked", "os:link", "completed"),
    Step("task-file-gone", "pathlib:Path.unlink", "task.json", BOTH),
]
GITHUB = [
    Step("fetch", GIT, "'fetch'"),
    Step("push-started", STARTED, "refs/heads/w01"),
    Step("push", GIT, "--force-with-lease=refs/heads/w01", BOTH),
    Step("propose", SEND, "/pulls", BOTH),
    Step("comment", SEND, "/comments", BOTH),
    Step("label-made", SEND, "'name': 'pull-request'"),
    Step("label-put", SEND, "'labels': ['pull-request']"),
    Step("label-taken", SEND, "'DELETE'"),
    Step("claim-removal-started", STARTED, "':refs/claude-workers"),
    Step("claim-given-back", "claude_workers.forge.github.claims:Claims._push"),
]
MERGING = [
    Step("phase-merging", SAVE, "'merging'"),
    Step("rebased", "claude_workers.workspace.rebase:rebase"),
    Step("rebase-observed", OBSERVE, "], 'base'"),
    Step("verified-again", "claude_workers.runner.merge:verify"),
    Step("pushed-again", "claude_workers.runner.merge:push_branch", when=BOTH),
    Step("base-pushed", GIT, "--force-with-lease=refs/claude-workers/merged", BOTH),
    Step("landed-observed", OBSERVE, "'merged'"),
    Step("landed", f"{EMBEDDED}.land", when=BOTH),
    Step("ticket-done", f"{EMBEDDED}.release", when=BOTH),
]
DISPATCH = [
    Step("worker-claimed", "claude_workers.files:create_exclusive", "task.json", BOTH),
    Step("issue-written", "claude_workers.files:write_atomic", "issue.json", BOTH),
    Step("issue-claimed", "claude_workers.forge.{forge}.claim", when=BOTH),
    Step("labelled", "claude_workers.forge.{forge}.label", when=BOTH),
    Step("spawned", "claude_workers.pool.dispatch:spawn_detached", when=BOTH),
]
FORGES = {"ticket": "embedded:EmbeddedForge", "github": "github.forge:GitHubForge"}
# Where the stand-in must have left something uncommitted, and where a gate must be configured.
OPEN_END = {"asked-to-commit", "commit-tracked"}
GATED = {"checkout", "gate", "verification-observed"}


def everyday(listed: list[Step]) -> list[object]:
    """Return every step with its moments, named."""
    return [_param(one, when) for one in listed for when in one.when]


def soak(listed: list[Step]) -> list[object]:
    """Return the moments that every day leaves out."""
    # A runner that dies before it has taken over is a dispatch that failed: test_left_behind has it.
    known = [one for one in listed if one.target != STARTED and one.name != "taking-over"]
    return [_param(one, when) for one in known for when in BOTH if when not in one.when]


def _param(one: Step, when: str) -> object:
    return pytest.param(one, Trap(one.target, when, one.word), id=f"{when}-{one.name}")
