"""Placing: which worker gets a task that names none: on the machine that had it before, else on the emptiest."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from claude_workers import names
from claude_workers.errors import Busy, IssueTaken, NoCredentials, Unreachable, WorkersError
from claude_workers.hosts.line import Unreached
from claude_workers.hosts.reach import GRACE, LOCAL, gather
from claude_workers.model import Assigned
from claude_workers.pool.history import Chapter, history
from claude_workers.pool.status import status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from claude_workers.hosts.there import There
    from claude_workers.model import WorkerStatus
    from claude_workers.paths import Layout
    from claude_workers.pool.dispatch import Dispatched

# How far back (seconds) it is looked who had an issue before.
_SINCE = 30 * 86400.0
Given = TypeVar("Given")


class Machine:
    """One machine as it was seen: its workers, what they did, and how many more may work."""

    def __init__(self, there: There | None, rows: list[WorkerStatus], past: list[Chapter]) -> None:
        self.name = there.host.name if there else LOCAL
        self.rows = rows
        self.past = past
        self.idle = [row.worker for row in rows if row.state == "idle"]
        most = there.host.max_workers if there else None
        busy = sum(row.state == "busy" for row in rows)
        self.room = len(self.idle) if most is None else min(len(self.idle), most - busy)

    def had(self, repo: str, issue: int | None) -> list[str]:
        """Return the workers here that had an issue, the last first."""
        if issue is None:
            return []
        found = [one.worker.rpartition("/")[2] for one in self.past if (one.repo, one.issue) == (repo, issue)]
        return list(dict.fromkeys(reversed(found)))

    def offered(self, repo: str, issue: int | None) -> Iterator[str]:
        """Yield the idle workers, those that had the issue first."""
        before = [one for one in self.had(repo, issue) if one in self.idle]
        yield from (f"{self.name}/{one}" for one in dict.fromkeys([*before, *self.idle]))

    def at(self, repo: str, issue: int | None, task_id: str | None) -> str | None:
        """Return the worker that is at an issue, or has or had that very task."""
        for row in self.rows:
            # Repositories that are paths may share their last part, which is all that a row tells of one.
            same = issue is not None and (row.repo, row.issue) == (repo, issue) and not repo.startswith("local/")
            if row.task_id and (row.task_id == task_id or (same and task_id is None)):
                return f"{self.name}/{row.worker}"
        ended = [one.worker.rpartition("/")[2] for one in self.past if one.task_id == task_id]
        return f"{self.name}/{ended[-1]}" if ended else None


class Places:
    """The workers of some machines, seen at once, from whom one is chosen for each task.

    `past`: what they did before, too, for a task that one of them may have had.
    """

    def __init__(self, layout: Layout, machines: Sequence[There | None], *, past: bool) -> None:
        jobs = {one.host.name if one else LOCAL: partial(_seen, layout, one, past=past) for one in machines}
        self._machines: list[Machine] = []
        self._why: dict[str, WorkersError] = {}
        answers = dict(gather(jobs, grace=GRACE))
        for name in jobs:
            answer = answers[name]
            if isinstance(answer, WorkersError):
                self._why[name] = answer
            else:
                self._machines.append(answer)

    def give(self, repo: str, issue: int | None, task_id: str | None, order: Callable[[str], Given]) -> Given:
        """Have `order` dispatch to one address after the other until one takes the task, and return what it says.

        Another is tried only where nothing was begun. Busy when nobody is free; Unreachable when a
        machine that may have the task `task_id` cannot be asked.
        """
        repo = _name(repo)
        for machine in self._machines:
            at = machine.at(repo, issue, task_id)
            if at:
                return order(at)
        if task_id and self._why:
            raise Unreachable(f"whether task {task_id} is there cannot be seen: {self._told()}", "ask again")
        for machine in self._by_room(repo, issue):
            for address in machine.offered(repo, issue):
                if machine.room < 1:
                    break
                try:
                    given = order(address)
                except (Busy, NoCredentials, Unreached) as error:
                    if isinstance(error, IssueTaken):
                        raise
                    self._why[machine.name] = error
                    machine.idle.remove(address.rpartition("/")[2])
                    continue
                machine.idle.remove(address.rpartition("/")[2])
                machine.room -= 1
                return given
        raise self._nobody()

    def _by_room(self, repo: str, issue: int | None) -> list[Machine]:
        return sorted(self._machines, key=lambda one: (not one.had(repo, issue), -one.room))

    def _nobody(self) -> WorkersError:
        for machine in self._machines:
            self._why.setdefault(machine.name, Busy(_state(machine)))
        kind = Unreachable if not self._machines and self._why else Busy
        return kind(f"no worker is free: {self._told()}", "claude-workers init another, or watch")

    def _told(self) -> str:
        said = {name: error.message.removeprefix(f"host {name}: ") for name, error in self._why.items()}
        return "; ".join(f"{name}: {why.removeprefix(f'{name}: ')}" for name, why in said.items())


def assign(
    places: Places, repo: str, issues: Sequence[int], order: Callable[[str, int], Dispatched]
) -> Iterator[Assigned]:
    """Have issues given out; yield what became of each, until nobody is free. Busy when nobody was to begin with."""
    for count, number in enumerate(issues):
        try:
            made = places.give(repo, number, None, lambda address, number=number: order(address, number))  # type: ignore[misc]
        except (NoCredentials, Unreachable):
            raise  # the next issue would meet the same
        except WorkersError as error:
            if type(error) is not Busy:
                yield Assigned(number, code=error.code, reason=error.message)
                continue
            if count == 0:
                raise
            return
        if made.new:
            yield Assigned(number, made.task.worker, made.task.task_id)
        else:
            yield Assigned(number, code=IssueTaken.code, reason=f"worker {made.task.worker} is at it already")


def _seen(layout: Layout, there: There | None, *, past: bool) -> Machine:
    did: list[Chapter] = []
    if there is None:
        did = history(layout, (), _SINCE) if past else did
        return Machine(None, status(layout, []), did)
    if past:
        did = there.records(Chapter, "history", "history", "--since", f"{_SINCE:.0f}s")
    return Machine(there, there.status([]), did)


def _state(machine: Machine) -> str:
    if not machine.rows:
        return "it has no workers"
    counts: dict[str, int] = {}
    for row in machine.rows:
        counts[row.state] = counts.get(row.state, 0) + 1
    full = ", and may have no more at work" if machine.idle else ""
    return ", ".join(f"{count} {state}" for state, count in counts.items()) + full


def _name(repo: str) -> str:
    """Return a REPO as rows name it; a path by its last part alone, the machine being another."""
    if names.is_path(repo):
        return f"local/{names.plain_word(repo.rstrip('/').rpartition('/')[2])}"
    return names.owner_repo(repo)
