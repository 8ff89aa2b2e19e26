"""Working: the agent's turns until there is something to verify, an answer, or an end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_workers import files, transcript
from claude_workers.agent.ending import OUTSIDE, RETRYABLE, WAITING
from claude_workers.home import inbox
from claude_workers.runner import ask, inside, proposals, retry
from claude_workers.runner.execute import Scripts
from claude_workers.runner.rescue import collect
from claude_workers.runner.run import Ended, Parked, Run
from claude_workers.runner.turn import take_turn
from claude_workers.text import one_line
from claude_workers.workspace import clone, upstream

if TYPE_CHECKING:
    from claude_workers.workspace.clone import Carried

_GO_ON = (
    "You were interrupted before you had finished. Look at the state of the branch and of your work, "
    "then go on with the assignment."
)
_COMMIT = (
    "There are changes to tracked files that are not committed:\n{names}\n"
    "Commit what belongs to the assignment and revert the rest. Do nothing else."
)
_NAMED = 20
_QUESTION = 8000


def work(run: Run) -> str:
    """Let the agent work until its branch is ready to be verified; raise Ended or Asked for any other end."""
    ask.check(run)
    _turns(run, _opening(run) if run.message is None else run.message)
    run.message = None
    if inbox.waiting(run.home, run.task.task_id):
        _turns(run, "")  # told in the very moment in which the agent ended
    carried = collect(run)
    _words_of_the_agent(run)
    if run.task.options.get("propose"):
        proposals.take(run)
    if carried.modified and not run.progress.asked_to_commit:
        run.observe(asked_to_commit=True)
        run.say("uncommitted changes: asking the agent to commit them")
        _turns(run, _COMMIT.format(names="\n".join(carried.modified[:_NAMED])))
        carried = collect(run)
    if carried.modified and run.task.expect != "answer":
        clone.commit_tracked(_scripts(run), run.clone, f"Work left uncommitted by worker {run.task.worker}")
        before, carried = carried, collect(run)
        if carried.head != before.head:
            run.note(f"the runner committed {len(before.modified)} files that the agent had left uncommitted")
    head = _head(run, carried)
    if head is None or run.task.expect == "answer":
        _answer(run, carried, changed=head is not None)
    run.observe(head=head, untracked=carried.untracked, told="")
    return "verifying"


def _scripts(run: Run) -> Scripts:
    return Scripts(inside.agent_enclosure(run), run.home.path)


def _opening(run: Run) -> str:
    """Return what the agent hears first: the assignment, or after a crash that it should go on."""
    # A change that is taken up again has its session already, but has not heard this assignment.
    unheard = bool(run.task.options.get("follows")) and not run.progress.last_activity_at
    if unheard or not transcript.exists(run.home.claude, run.clone, run.task.session_id):
        return run.path("prompt.md").read_text(encoding="utf-8")
    if run.task.extra.get("answered") and inbox.waiting(run.home, run.task.task_id):
        return ""  # what it had asked is answered there
    if run.progress.told:
        return f"{_GO_ON}\n\n{run.progress.told}"
    failed = run.progress.verification
    return f"{_GO_ON}\n\n{failed['output']}" if failed and not failed["passed"] else _GO_ON


def _turns(run: Run, message: str) -> None:
    """Take turns until one ends well; raise Ended or Parked for what cannot be mended here."""
    outside = 0
    while True:
        retry.check_limit(run)
        ending = take_turn(run, message)
        if ending.kind == "done":
            return
        run.say(f"the agent's turn ended: {ending.kind}: {ending.reason}")
        if ending.kind == "limit":
            raise retry.limited(run, ending)
        if ending.kind in OUTSIDE and outside < run.settings.max_attempts:
            outside += 1
            retry.wait(run, outside, ending)
        elif ending.kind in WAITING:
            raise Parked(WAITING[ending.kind], ending.reason, ending.until or retry.later(run, ending.kind))
        elif ending.kind in RETRYABLE and run.task.attempt < run.settings.max_attempts:
            retry.again(run, ending)
        else:
            raise Ended("failed", ending.reason)
        message = _opening(run)


def _words_of_the_agent(run: Run) -> None:
    """End as deferred, or ask a person, when the agent said so by `worker-defer` or `worker-ask`."""
    for name in ("defer", "question"):
        try:
            said = files.read_inside(run.home.path, f"tmp/outbox/{name}", 64 << 10)
        except ValueError as error:
            run.note(f"the agent's {name} could not be read: {error}")
            continue
        if said and said.strip():
            text = run.publishable(said).strip()
            raise Ended("deferred", one_line(text, 1000)) if name == "defer" else ask.note(run, text[:_QUESTION])


def _head(run: Run, carried: Carried) -> str | None:
    """Return the commit to publish; None when the agent committed nothing new."""
    start, base = run.progress.start, run.progress.base
    for commit in (carried.tip, carried.head):
        if commit == start or not _something_new(run, start, commit):
            continue
        if not upstream.descends(run.store, base, commit):
            if run.progress.published:
                raise Ended("failed", f"its agent did not put it onto {run.progress.base_branch} at {base[:12]}")
            raise Ended("failed", f"the branch no longer contains {run.progress.base_branch} at {base[:12]}")
        if commit != carried.tip:
            run.note("the agent committed outside its branch; those commits were taken as the branch")
        changed = upstream.changed_files(run.store, base, commit)
        if changed:
            run.observe(files_changed=changed)
            return commit
    return None


def _something_new(run: Run, start: str, commit: str) -> bool:
    """Tell whether a commit adds to where the work began, rather than lying behind it."""
    return not upstream.descends(run.store, commit, start)


def _answer(run: Run, carried: Carried, *, changed: bool) -> None:
    """End without a change: answered where an answer was asked for and given, else no_change."""
    if changed or (run.task.expect == "answer" and carried.modified):
        run.note(f"an answer was asked for: the changes were not published but kept as {run.kept}")
    run.observe(untracked=carried.untracked)
    if run.task.expect != "change" and run.progress.answer.strip():
        raise Ended("answered")
    raise Ended("no_change", "the agent finished without committing anything")
