"""The verbs of a host that has a machine for each worker: said inside, or answered by what a stopped one told."""

from __future__ import annotations

import base64
import json
import uuid
from typing import TYPE_CHECKING, Any

from claude_workers import clock, files, names, paths
from claude_workers.errors import BadInput, Busy, IssueTaken, NotFound, Refused, WorkersError
from claude_workers.home import presence
from claude_workers.hosts.inside import Inside
from claude_workers.hosts.line import Ended
from claude_workers.hosts.there import There
from claude_workers.machines import costs, rows, sizes, words
from claude_workers.machines.words import Request
from claude_workers.model import Assigned, Recovered
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

# Seconds that a machine may need beside its task; and the longest that one works, where nothing is said.
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
            raise BadInput(f"a worker of {self.host.name} is given its golden home once it is made",
                           f"claude-workers golden apply {golden} {self.host.name}/{workers[0]}")  # fmt: skip
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
        if said[0] == "restart":
            return self._restart(said)
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
        try:
            answer = super().ask(*said)
        except NotFound:
            answer = {}  # the home went before, and its machine did not
        self.life.engine.destroy(machine)
        return {**answer, "brought": brought}

    def stream(self, *said: str) -> Iterator[Json]:
        """Yield the answers of a verb that goes on; of recover, those of every machine that needs it."""
        if said[0] != "recover":
            yield from super().stream(*said)
            return
        for row in self.status([one for one in said[1:] if not one.startswith("-")]):
            if row.state not in _WAKE:
                continue
            try:
                answer = self._started(self.machine(row.worker), ("recover", row.worker))
                self._heard(answer)
                yield from map(json.loads, answer["out"])
            except WorkersError as error:  # the others are to be recovered all the same
                yield Recovered(row.worker, "failed", error.message, row.task_id or "").to_json()

    def _restart(self, said: tuple[str, ...]) -> Json:
        """Restart a task by starting its machine on that; one that is at work is asked inside."""
        machine = self.life.settled(self._machine_of(said))
        if machine.running and rows.row(machine, self.host.name).state == "busy":
            return super().ask(*said)
        return self._heard(self._started(self.life.stopped(machine), said))

    def _started(self, machine: Machine, said: Sequence[str]) -> Json:
        """Have a stopped machine do a verb that sets its worker to work."""
        limit = _TIME_LIMIT + _BESIDE
        wanted = Request(str(uuid.uuid4()), machine.worker, _task_id(machine), list(said), limit=limit)
        return self.life.give(machine, wanted, self.life.size(machine.size), self._sets)

    def _give(self, worker: str, said: list[str], stdin: bytes, wishes: dict[str, Any]) -> dict[str, Any]:
        """Start a worker's machine on a task, and return its answer; one that is up is asked as it is."""
        told = {"asked": wishes.get("size"), "kind": wishes.get("kind"), "model": wishes.get("model")}
        size = sizes.chosen(self.life.terms.sizes, self.life.terms.usual, **told)
        task = said[said.index("--task-id") + 1]
        machine = self.life.settled(self.machine(worker))
        if machine.running and not self._free(machine):
            return self.ask(*said, stdin=stdin)
        limit = float(wishes.get("time_limit") or _TIME_LIMIT) + _BESIDE
        self._warn()
        wanted = Request(str(uuid.uuid4()), worker, task, said, stdin.decode(), limit=limit)
        return self._heard(self.life.give(self.life.stopped(machine), wanted, size, self._sets))

    def _free(self, machine: Machine) -> bool:
        """Tell whether nobody works in a machine that is up: no agent, and no person."""
        row = rows.row(machine, self.host.name)
        return row.state == "idle" and row.reason != presence.TOLD

    def _warn(self) -> None:
        """Have somebody told, once a day, of a budget for machines that is nearly spent."""
        for span, used, most in costs.uses(self.life.engine.machines(), self.life.terms):
            if most and used >= costs.ALERT * most:
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
            told = Assigned(issue, code="busy", reason="no idle worker is left")
            while idle:
                try:
                    task, _ = self.dispatch(idle[0], repo, issue, "", **wishes)
                except (IssueTaken, BadInput, NotFound, Refused) as error:
                    told = Assigned(issue, code=error.code, reason=error.message)
                    break
                except WorkersError as error:  # that worker's own trouble: the next one may have it
                    told = Assigned(issue, code=error.code, reason=error.message)
                    idle.pop(0)
                else:
                    told = Assigned(issue, task.worker, task.task_id)
                    idle.pop(0)
                    break
            found.append(told)
        return found

    def watch(self, workers: Sequence[str], *, first: bool, timeout: float | None) -> list[Receipt | Lost]:
        """Wait for tasks to end by looking at the list; return the receipts, and why there is none of the others."""
        from claude_workers.hosts.watching import watch  # noqa: PLC0415  start-up cost

        self.status(workers)  # who is not there is told first
        return watch(self.life.engine, self.host.name, workers, first=first, timeout=timeout)

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
    return str(row.get("task_id") or machine.said.get(words.TASK, ""))
