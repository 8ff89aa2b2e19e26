"""Finishing: the receipt written, the issue told, the claim given back, the task archived."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_workers import clock, files
from claude_workers.errors import NoCredentials, Unreachable, WorkersError
from claude_workers.home import archive, inbox
from claude_workers.model import Progress, Receipt
from claude_workers.runner import herald
from claude_workers.text import one_line

if TYPE_CHECKING:
    from claude_workers.runner.run import Run

_LISTED = 30


def finish(run: Run) -> Receipt:
    """Bring an ended task to its close; each step may be repeated after a crash."""
    unheard = inbox.close(run.home, run.task.task_id)
    if unheard:
        texts = "; ".join(one_line(one.text, 80) for one in unheard)
        run.note(f"the task ended before its agent was told: {texts}")
    made = archive.receipt(run.home, run.task.task_id) or make_receipt(run)
    files.write_atomic(run.path("receipt.json"), files.to_text(made.to_json()))
    for what, verb in (("told", _tell), ("given back", _give_back)):
        try:
            verb(run, made)
        except (Unreachable, NoCredentials):
            raise  # it will be told when the forge answers again: nothing of this is done twice
        except WorkersError as error:
            run.note(f"the issue could not be {what}: {error.message}")
    files.remove_tree(run.home.forge)
    run.say(f"outcome: {made.outcome}" + (f" ({made.reason})" if made.reason else ""))
    herald.tell(run, "finished" if made.succeeded else "failed", headline(made))
    archive.keep(run.home, run.task, made)
    return made


def _give_back(run: Run, made: Receipt) -> None:
    run.forge.release(run.task, proposed=made.succeeded, merged=bool(made.merged))


def make_receipt(run: Run) -> Receipt:
    """Return the receipt of what was observed."""
    task, seen = run.task, run.progress
    unchecked = list(seen.unchecked)
    if seen.outcome == "pull_request" and seen.verification is None:
        unchecked.append("no gate is configured: nothing was run against the change")
    return Receipt(
        outcome=seen.outcome,
        reason=seen.reason,
        task_id=task.task_id,
        worker=task.worker,
        repo=task.repository.name,
        issue=task.issue,
        branch=task.branch,
        base=seen.base,
        head=seen.head,
        files_changed=seen.files_changed,
        verify=seen.verification,
        pull_request=seen.pull_request,
        answer=seen.answer,
        usage=seen.usage,
        cost_usd=round(seen.cost_usd, 6),
        attempts=task.attempt,
        duration_s=round(clock.seconds_since(task.dispatched_at) or 0.0, 1),
        denials=seen.denials,
        blocked_hosts=seen.blocked_hosts,
        gate_changes=seen.gate_changes,
        untracked=seen.untracked,
        unchecked=unchecked,
        notes=seen.notes,
        isolation=task.isolation,
        finished_at=clock.now(),
        merged=seen.merged,
    )


def _tell(run: Run, made: Receipt) -> None:
    """Comment where people look, under the issue or a change taken up again, and set the issue's labels."""
    number = run.task.issue
    place = run.task.options.get("follows") or number
    if not isinstance(place, int):
        return
    told = made.answer if made.outcome == "answered" else ""
    body = "\n\n".join(part for part in (told.strip(), headline(made), receipt_text(run.progress)) if part)
    run.forge.comment(place, run.publishable(body), key=f"receipt:{made.task_id}")
    if not number:
        return
    worker = str(run.task.options.get("label") or f"worker:{run.task.worker}")
    if made.outcome == "pull_request":
        run.forge.label(number, add=("pull-request",), remove=(worker,))
    elif made.outcome == "answered":
        followed = "follows" in run.task.options  # the label of its change tells more
        run.forge.label(number, add=() if followed else ("answered",), remove=(worker,))


def headline(made: Receipt) -> str:
    """Return an outcome in one line."""
    words = {
        "pull_request": f"Published {made.branch} at {made.head[:12]} as {made.pull_request}",
        "answered": "Answered",
        "no_change": "Nothing was changed",
        "verify_failed": "The change did not pass its check and was not published",
        "deferred": "Deferred",
    }
    line = words.get(made.outcome, made.outcome.capitalize())
    line += f", merged at {made.merged[:12]}" if made.merged else ""
    return f"{line}: {made.reason}." if made.reason else f"{line}."


def receipt_text(seen: Progress) -> str:
    """Return the observed facts as a short list for people."""
    lines = []
    check = seen.verification
    if check:
        lines.append(f"- verify: `{check['command']}` exit {check['exit']} at {str(check['sha'])[:12]}")
    elif seen.head:
        lines.append("- verify: none configured, **unverified**")
    if seen.files_changed:
        lines.append(f"- files changed: {_list(seen.files_changed)}")
    for title, names in (
        ("changed files of the gate itself", seen.gate_changes),
        ("untracked files left out", seen.untracked),
        ("refused tools", seen.denials),
        ("refused hosts (allow with allowed_domains)", seen.blocked_hosts),
        ("notes", seen.notes),
    ):
        if names:
            lines.append(f"- {title}: {_list(names)}")
    lines.append(f"- the agent's word: ${seen.cost_usd:.4f}, {seen.tokens} tokens, {seen.turns} turns")
    return "\n".join(lines)


def _list(names: list[str]) -> str:
    plain = [one_line(name, 200).replace("`", "'") for name in names[:_LISTED]]
    shown = ", ".join(f"`{name}`" for name in plain)
    return shown + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
