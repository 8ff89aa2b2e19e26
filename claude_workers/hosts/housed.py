"""The verbs of a host that has a machine for each worker: said inside, or answered by what a stopped one told."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any

from claude_workers import clock, files, names, paths
from claude_workers.errors import BadInput, Busy, NotFinished, NotFound, WorkersError
from claude_workers.hosts.inside import Inside
from claude_workers.hosts.line import Ended
from claude_workers.hosts.there import There
from claude_workers.machines import rows, sizes, words
from claude_workers.machines.life import ALERT
from claude_workers.machines.words import Request
from claude_workers.model import Assigned
from claude_workers.notices import spool
from claude_workers.notices.spool import Notice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from claude_workers.hosts.line import Line
    from claude_workers.hosts.tables import Host
    from claude_workers.machines.life import Life
    from claude_workers.machines.machine import Machine
    from claude_workers.model import Json, LogEvent, Receipt, WorkerStatus
    from claude_workers.pool.keep import Kept
    from claude_workers.pool.watch import Lost

# Seconds between two looks at all machines while one waits for tasks; what a machine may need beside its task.
_LOOK = 3.0
_BESIDE = 3600.0
_TIME_LIMIT = 4 * 3600.0
_WAKE = ("crashed", "waiting")


class Housed(There):
    """One host whose workers each have a machine."""

    def __init__(self, host: Host, life: Life) -> None:
        super().__init__(host, Inside(life, lambda: self._machine_of(()), []))
        self.life = life
        self._sets = [host.credential_set] if host.credential_set else []

    def machine(self, worker: str) -> Machine:
        """Return a worker's machine; NotFound when there is none."""
        return self.life.find(worker)

    def _to(self, words: tuple[str, ...]) -> Line:
        return Inside(self.life, lambda: self._machine_of(words), self._sets)

    def _machine_of(self, said: tuple[str, ...]) -> Machine:
        """Return the machine that a verb's words are for: of the worker they name, or of the task."""
        found = self.life.engine.machines()
        for word in said[1:]:
            for one in found:
                if word in {one.worker, f"{self.host.name}/{one.worker}"} or _has(one, word):
                    return one
        named = [one for one in said[1:] if not one.startswith("-")]
        if not named:
            raise BadInput(
                f"each worker of {self.host.name} has a machine of its own", f"name one, such as {self.host.name}/01"
            )
        raise NotFound(
            f"there is no worker or task {named[0]} on {self.host.name}", f"claude-workers init {self.host.name}/01"
        )

    def status(self, workers: Sequence[str]) -> list[WorkerStatus]:
        """Return a row for each worker; one list of the engine's, whatever their number."""
        found = {one.worker: one for one in self.life.engine.machines()}
        for missing in (one for one in workers if one not in found):
            raise NotFound(
                f"there is no worker {missing} on {self.host.name}", f"claude-workers init {self.host.name}/{missing}"
            )
        chosen = [found[one] for one in workers] if workers else list(found.values())
        return [rows.row(one, self.host.name, self.host.digest or "") for one in chosen]

    def init(
        self, workers: Sequence[str], credentials: str | None, label: str | None, golden: str | None = None
    ) -> None:
        """Make a machine, a volume and on it a home for each worker; what could not be made leaves nothing."""
        if golden:
            raise BadInput(f"a worker of {self.host.name} has a volume of its own", "save and apply on that worker")
        chosen = credentials or self.host.credential_set
        said = [*(["--credentials", chosen] if chosen else []), *(["--worker-label", label] if label else [])]
        there = {one.worker for one in self.life.engine.machines()}
        for worker in workers:
            if worker in there and self.status([worker])[0].state != "unknown":
                raise Busy(f"worker {self.host.name}/{worker} exists", "choose another id")
        for worker in workers:
            self._heard(self.life.make(worker, ["init", worker, *said], [chosen] if chosen else []))

    def keep_credentials(self, sent: dict[str, dict[str, str]], *, force: bool) -> Kept:
        """Keep credential sets as secrets; machines have them from their next start on."""
        from claude_workers.pool.keep import Kept  # noqa: PLC0415  start-up cost

        del force
        self.life.engine.keep_secrets({name: json.dumps({name: values}) for name, values in sent.items()})
        return Kept(sorted(sent), self.host.credential_set or "", {})

    def ask(self, *said: str, stdin: bytes = b"") -> Json:
        """Ask for one answer; what all machines together are to answer is put together here."""
        if said[0] == "status":
            return {"orphans": [], "errors": [], "paused": None, "overlaps": []}
        if said[:2] == ("stop", "--all"):
            return self._stop_all()
        if said[0] == "restart" and (machine := self._machine_of(said)).down:
            return self._heard(self._started(machine, said, stdin.decode()))
        if said[0] == "show":
            return self._show(*said)
        if said[0] == "history":
            return self._history(said[1:])
        if said[0] == "remove":
            return self._remove(said)
        return super().ask(*said, stdin=stdin)

    def _remove(self, said: tuple[str, ...]) -> Json:
        """Remove a home, its machine and its disk; what is kept there of its work, and nowhere else, comes here."""
        machine = self._machine_of(said)
        brought = []
        if "--discard" not in said:
            folder = files.make_private(paths.layout().root / ".rescued")
            for one in super().ask("rescue", "bundles", machine.worker)["bundles"]:
                path = folder / f"{self.host.name}-{machine.worker}-{names.plain_word(str(one['task_id']))[:20]}.bundle"
                files.write_atomic(path, base64.b64decode(one["content"]))
                brought.append(str(path))
        answer = super().ask(*said)
        self.life.engine.destroy(machine)
        return {**answer, "brought": brought}

    def stream(self, *said: str) -> Iterator[Json]:
        """Yield the answers of a verb that goes on; of recover, those of every machine that needs it."""
        if said[0] != "recover":
            yield from super().stream(*said)
            return
        for row in self.status([one for one in said[1:] if not one.startswith("-")]):
            if row.state in _WAKE:
                answer = self._started(self.machine(row.worker), ("recover", row.worker), "")
                yield from map(json.loads, answer["out"])

    def _started(self, machine: Machine, said: Sequence[str], stdin: str) -> Json:
        """Have a stopped machine do a verb that sets its worker to work."""
        wanted = Request(_task_id(machine), machine.worker, list(said), stdin, limit=_TIME_LIMIT + _BESIDE)
        return self.life.give(machine, wanted, self.life.size(machine.size), self._sets)

    def _give(self, worker: str, said: list[str], stdin: bytes, wishes: dict[str, Any]) -> dict[str, Any]:
        """Start a worker's machine on a task, and return its answer; one that is up is asked as it is."""
        told = {"asked": wishes.get("size"), "kind": wishes.get("kind"), "model": wishes.get("model")}
        size = sizes.chosen(self.life.terms.sizes, self.life.terms.usual, **told)
        task = said[said.index("--task-id") + 1]
        machine = self.life.settled(self.machine(worker))
        if machine.running and machine.said.get(words.ASKED) == task:
            return {**self._heard(self.life.answer(machine, task)), "new": False}
        if machine.running and rows.row(machine, self.host.name).state != "idle":
            return self.ask(*said, stdin=stdin)
        limit = float(wishes.get("time_limit") or _TIME_LIMIT) + _BESIDE
        self._warn()
        wanted = Request(task, worker, said, stdin.decode(), limit=limit)
        return self._heard(self.life.give(self.life.stopped(machine), wanted, size, self._sets))

    def _warn(self) -> None:
        """Have somebody told, once a day, of a budget for machines that is nearly spent."""
        for span, used, most in self.life.uses(self.life.engine.machines()):
            if most and used >= ALERT * most:
                text = f"{used / most:.0%} of this {span}'s budget for machines is spent: ${used:.2f} of ${most:.2f}"
                about = f"{self.host.name}-{span}-{clock.now()[:10]}"
                spool.put(paths.layout(), Notice("limit", f"host {self.host.name}", text, task_id=about))

    def _heard(self, answer: Json) -> Json:
        """Return what a machine answered to its request, raised where it is an error."""
        out = answer.get("out") or []
        return self._understood(out[-1] if out else "", Ended(int(answer["status"]), str(answer.get("stderr", ""))))

    def assign(self, repo: str, issues: Sequence[int], label: str | None, wishes: dict[str, Any]) -> list[Assigned]:
        """Give issues to idle workers, each by starting its machine; return what became of each."""
        if label or not issues:
            raise BadInput(f"{self.host.name} has no workers that look for issues", "name the issues")
        idle = [row.worker for row in self.status([]) if row.state == "idle"]
        found = []
        for issue in issues:
            if not idle:
                found.append(Assigned(issue, code="busy", reason="no idle worker is left"))
                continue
            try:
                task, _ = self.dispatch(idle[0], repo, issue, "", **wishes)
                found.append(Assigned(issue, task.worker, task.task_id))
                idle.pop(0)
            except WorkersError as error:
                found.append(Assigned(issue, code=error.code, reason=error.message))
        return found

    def watch(self, workers: Sequence[str], *, first: bool, timeout: float | None) -> list[Receipt | Lost]:
        """Wait for tasks to end by looking at the list; return the receipts, and why there is none of the others."""
        deadline = None if timeout is None else time.monotonic() + timeout
        found: dict[str, Receipt | Lost] = {}
        left = [row.worker for row in self.status(workers) if workers or row.state not in {"idle", "unknown"}]
        if not left:
            raise NotFound(f"nobody on {self.host.name} has a task", "claude-workers dispatch gives one")
        while True:
            for machine in self.life.engine.machines():
                if machine.worker in left and (ended := self._ended(machine)):
                    found[machine.worker] = ended
                    left.remove(machine.worker)
            if not left or (first and found):
                return list(found.values())
            if deadline is not None and time.monotonic() > deadline:
                raise NotFinished(f"{self.host.name}/{left[0]} is still at work", "watch again")
            time.sleep(_LOOK)

    def _ended(self, machine: Machine) -> Receipt | Lost | None:
        """Return how a worker's task ended; None while somebody works, or its machine has not told yet."""
        from claude_workers.pool.watch import Lost  # noqa: PLC0415  start-up cost

        row = rows.row(machine, self.host.name)
        if row.state == "idle":
            task, receipt = rows.last_task(machine)
            asked = machine.said.get(words.ASKED, "")
            if receipt is None or (task.task_id != asked and rows.pending(machine)):
                return None
            return self.addressed(receipt)
        if row.state == "busy":
            return None
        remedy = "claude-workers recover" if row.state in _WAKE else "claude-workers why"
        return Lost(f"worker {row.address} is {row.state}: {row.reason}", f"{remedy} {row.address}")

    def events(self, worker: str, *, since: str | None, follow: bool) -> Iterator[LogEvent]:
        """Yield a task's log: all of it from a machine that is up, the end that it told from one that is not."""
        machine = self.life.settled(self.machine(worker))
        seen = since
        if machine.running:
            for event in super().events(worker, since=since, follow=follow):
                seen = event.cursor
                yield event
            if not follow:
                return
            machine = self.machine(worker)
        yield from rows.tail(machine, seen)

    def _show(self, *said: str) -> Json:
        machine = self._machine_of(said)
        if machine.running:
            return super().ask(*said)
        return rows.shown(machine, int(said[said.index("--lines") + 1])).to_json()

    def _history(self, said: tuple[str, ...]) -> Json:
        since = float(said[said.index("--since") + 1].removesuffix("s")) if "--since" in said else None
        ids = said[: said.index("--since")] if "--since" in said else said
        found = self.life.engine.machines()
        chosen = [one for one in found if not ids or one.worker in ids]
        chapters = [one.to_json() for machine in chosen for one in rows.chapters(machine, since)]
        return {"history": chapters}

    def _stop_all(self) -> Json:
        """Stop every task that is under way, one machine after the other."""
        told: Json = {"tasks": [], "errors": []}
        for row in self.status([]):
            if row.state not in {"busy", *_WAKE}:
                continue
            try:
                told["tasks"].append(super().ask("stop", row.worker)["task"])
            except WorkersError as error:
                told["errors"].append({"code": error.code, "message": error.message, "remedy": error.remedy})
        return told


def _has(machine: Machine, word: str) -> bool:
    """Tell whether a task of a machine's, its current or its last one, begins with a word."""
    if len(word) < 4:  # noqa: PLR2004  as `show` wants it
        return False
    row = words.unpacked(machine.said.get(words.ROW, ""))
    last = words.unpacked(machine.said.get(words.RECEIPT, "")).get("task") or {}
    return any(str(one.get("task_id") or "").startswith(word) for one in (row, last))


def _task_id(machine: Machine) -> str:
    """Return the id of the task that a machine is started on again."""
    row = words.unpacked(machine.said.get(words.ROW, ""))
    return str(row.get("task_id") or machine.said.get(words.ASKED, ""))
