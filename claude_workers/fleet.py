"""The fleet: every worker a caller can reach, asked by address `[HOST/]ID`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from claude_workers.errors import NoCredentials
from claude_workers.giving import Giving
from claude_workers.model import Message, Receipt, Recovered, Task, Worked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from claude_workers.errors import WorkersError
    from claude_workers.goldens import Goldens
    from claude_workers.home.home import Home
    from claude_workers.pool.gc import Garbage
    from claude_workers.pool.pause import Pause
    from claude_workers.pool.update import Updated, Way
    from claude_workers.tickets.queue import Queue

# Verbs are imported by the methods that call them: `status` is asked all day and needs few of them.
# ruff: noqa: PLC0415


class Fleet(Giving):
    """The workers of this machine. Cheap to make, safe in threads, no I/O until a verb is called.

    `root` is the folder that holds the homes; unset: CLAUDE_WORKERS_ROOT, else ~/workers.
    """

    def init(
        self, *workers: str, credentials: str | None = None, label: str | None = None, golden: str | None = None
    ) -> list[Home]:
        """Make homes for workers, of one machine all or none; `credentials` names the set that they pay with.

        With `golden` they are given that snapshot. The homes of this machine are returned. `label`, behind
        `worker:`, is put on the issues of the one worker that is made; unset: its id, after the machine's
        `host_name` if that is set.
        """
        from claude_workers.pool import homes

        made: list[Home] = []
        for there, ids in self._reach.by_host(workers):
            if there:
                later = golden if there.host.kind != "ssh" else None
                there.init(ids, credentials, label, None if later else golden)
                for worker in ids if later else ():
                    self.golden.apply(str(later), f"{there.host.name}/{worker}")
            else:
                made = homes.init(self.layout, ids, credentials, label, golden)
        return made

    def tell(self, worker: str, text: str, *, interrupt: bool = False) -> Message:
        """Tell the agent of a worker's task something; `interrupt` stops what it is doing first."""
        return self.telling(worker, text, interrupt=interrupt)[0]

    def telling(self, worker: str, text: str, *, interrupt: bool = False) -> tuple[Message, str]:
        """Tell as `tell` does, saying also when the agent will have it."""
        from claude_workers.pool.tell import tell

        there, worker = self._reach.at(worker)
        if there:
            said = text.encode("utf-8", "replace")
            answer = there.ask("tell", worker, "-", *(["--interrupt"] if interrupt else []), stdin=said)
            return Message.from_json(answer["message"]), str(answer["when"])
        return tell(self.layout, worker, text, interrupt=interrupt)

    def enter(self, worker: str, program: Sequence[str] = ()) -> int:
        """Open a shell, or a program, in a home that nobody works in; return its exit status. Needs a terminal."""
        from claude_workers.pool import console

        there, worker = self._reach.at(worker)
        if there:
            return there.interactive("enter", worker, "--", *program)
        return console.enter(self.layout, worker, program)

    def attach(self, worker: str, *, take_over: bool = False) -> int:
        """Open the session of a worker's task at this terminal; return the exit status."""
        from claude_workers.pool import console

        there, worker = self._reach.at(worker)
        if there:
            return there.interactive("attach", worker, *(["--take-over"] if take_over else []))
        return console.attach(self.layout, worker, take_over=take_over)

    def keep_login(self, worker: str, kind: str, value: str) -> None:
        """Keep a "key" or "token" as a home's own, once the API has taken it."""
        from claude_workers.pool import console

        there, worker = self._reach.at(worker)
        if there:
            there.ask("login", worker, "--api-key" if kind == "key" else "--token", stdin=value.encode())
        else:
            console.keep_login(self.layout, worker, kind, value)

    def log_in(self, worker: str) -> str:
        """Let a person log a home in with Claude's own dialogue; return what pays then. Needs a terminal."""
        from claude_workers.pool import console

        there, worker = self._reach.at(worker)
        if there is None:
            return console.log_in(self.layout, worker)
        if there.interactive("login", worker) != 0:
            raise NoCredentials(
                f"worker {worker} of {there.host.name} was not logged in", "try again, or login --token"
            )
        return "login"

    def stop(self, worker: str) -> Task:
        """Stop a worker's task; its whole tree has ended when this returns."""
        from claude_workers.pool import control

        there, worker = self._reach.at(worker)
        return there.record(Task, "task", "stop", worker) if there else control.stop(self.layout, worker)

    def stop_all(self) -> list[Task | WorkersError]:
        """Stop every task that runs, waits or has crashed; return each, or why it could not be."""
        from claude_workers.pool import control

        there = self._reach.default
        if there is None:
            return control.stop_all(self.layout)
        answer = there.ask("stop", "--all")
        errors = [there.error(one) for one in answer["errors"]]
        return [*(there.addressed(Task.from_json(one)) for one in answer["tasks"]), *errors]

    def pause(self, reason: str = "") -> Pause:
        """Let nothing new be dispatched; what runs goes on."""
        from claude_workers.pool import pause

        there = self._reach.default
        if there:
            return there.record(pause.Pause, "paused", "pause", *([reason] if reason else []))
        return pause.pause(self.layout, reason)

    def resume(self) -> Pause:
        """End the pause and return it."""
        from claude_workers.pool import pause

        there = self._reach.default
        return there.record(pause.Pause, "ended", "resume") if there else pause.resume(self.layout)

    def restart(self, worker: str) -> Task:
        """Continue a stopped, crashed or waiting task in the same session and branch."""
        from claude_workers.pool import control

        there, worker = self._reach.at(worker)
        return there.record(Task, "task", "restart", worker) if there else control.restart(self.layout, worker)

    def recover(self, workers: Sequence[str] = ()) -> Iterator[Recovered]:
        """Resume what crashed, wake what need not wait, release stale claims; yield what was done."""
        from claude_workers.pool import recover

        for there, ids in self._reach.by_host(workers):
            if there:
                yield from (there.addressed(Recovered.from_json(one)) for one in there.stream("recover", *ids))
            else:
                yield from recover.recover(self.layout, ids)

    @property
    def golden(self) -> Goldens:
        """Snapshots of homes: save, apply, diff."""
        from claude_workers.goldens import Goldens

        return Goldens(self.layout, self._reach)

    @property
    def tickets(self) -> Queue:
        """The tickets of this machine as a queue: file, claim, answer."""
        from claude_workers.tickets.queue import Queue

        return Queue(self._here.tickets)

    def work(
        self, *workers: str, repos: Sequence[str] = (), label: str | None = None, interval: float = 2.0,
        ready: Callable[[], None] | None = None, **wishes: bool | int | None,
    ) -> Iterator[Worked]:  # fmt: skip
        """Let idle workers of this machine take one issue after another; yield what happens.

        Tickets of all repositories are taken, or of those named; of a repository on GitHub, its issues with
        `label`. `ready` is called once the loop has this root. `wishes` are fields of `pool.work.Wishes`: once,
        until_empty, most.
        """
        from claude_workers.pool.sources import sources
        from claude_workers.pool.work import Loop, Wishes

        wished = Wishes(workers, **wishes)  # type: ignore[arg-type]
        return Loop(self._here, sources(self._here, repos, label), wished).run(interval, ready)

    def recovering(self, interval: float = 15.0) -> Iterator[Recovered]:
        """Recover again and again, `interval` seconds apart, for as long as the caller listens."""
        from claude_workers.pool import recover

        return recover.watch(self._here, interval)

    def restore(self, task: str, target: str | None = None) -> Path:
        """Put a task's kept work into a new folder of its machine and return it."""
        from claude_workers.pool import rescues

        there, task = self._named(task)
        if there:
            return Path(there.ask("rescue", "restore", task, *(["--to", target] if target else []))["folder"])
        return rescues.restore(self.layout, task, target)

    def gc(self, keep: float | None = None, *, delete: bool = False) -> list[Garbage]:
        """Return what tasks left that ended over `keep` seconds ago (unset: as configured); `delete` deletes it."""
        from claude_workers import config
        from claude_workers.pool import gc

        there = self._reach.default
        if there:
            words = [*(["--keep", f"{keep}s"] if keep is not None else []), *(["--yes"] if delete else [])]
            return there.records(gc.Garbage, "garbage", "gc", *words)
        age = config.load().keep if keep is None else keep
        return gc.collect(self.layout, age) if delete else gc.plan(self.layout, age)

    def reset(self, worker: str, *, discard: bool = False) -> Receipt | None:
        """Free a worker whose task will not go on; its work is kept first."""
        from claude_workers.pool import homes

        there, worker = self._reach.at(worker)
        if there:
            answer = there.ask("reset", worker, *(["--discard"] if discard else []))
            return Receipt.from_json(answer["receipt"]) if answer["receipt"] else None
        return homes.reset(self.layout, worker, discard=discard)

    def refresh(self, worker: str) -> list[str]:
        """Render a home's templates and credentials again; return what changed."""
        from claude_workers.pool import homes

        there, worker = self._reach.at(worker)
        if there:
            return list(there.ask("refresh", worker)["changed"])
        return homes.refresh(self.layout, worker)

    def remove(self, worker: str, *, discard: bool = False) -> list[Path]:
        """Delete a home; refused while it holds work that is kept nowhere else.

        Of a worker whose disk goes with it, what is kept there of its work is brought here first: the
        git bundles are returned.
        """
        from claude_workers.pool import homes

        there, worker = self._reach.at(worker)
        if there:
            answer = there.ask("remove", worker, *(["--discard"] if discard else []))
            return [Path(one) for one in answer.get("brought", [])]
        homes.remove(self.layout, worker, discard=discard)
        return []

    def update(self) -> Updated:
        """Upgrade the tool the way it was installed, then refresh every home; Busy while a runner lives."""
        from claude_workers.pool.update import update

        return update(self._here)

    def update_way(self) -> Way:
        """Return how the tool was installed, and what would bring it up to date."""
        from claude_workers.pool.update import way

        _ = self._here  # how another machine has it, that one tells
        return way()
