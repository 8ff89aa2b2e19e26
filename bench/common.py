"""What every benchmark shares: a desk in a temporary folder, interleaved samples, and rows of ratios."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from claude_workers import Fleet, WorkersError, WorkerStatus
from claude_workers.files import remove_tree
from claude_workers.testing import stand_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

CHECKOUT = Path(__file__).resolve().parent.parent
PROGRAM = str(Path(sys.executable).parent / "claude-workers")
HELP = (PROGRAM, "--help")
_KEPT = ("PATH", "LANG", "TMPDIR", "XDG_RUNTIME_DIR")
_PATIENCE = 180.0

T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    """One comparison: samples of a thing and of its baseline, taken in turns; none: not measured."""

    what: str
    measured: Sequence[float]
    against: str
    baseline: Sequence[float]
    unit: str = "s"
    note: str = ""

    @property
    def ratio(self) -> float:
        """How many times the baseline's median the thing's median is."""
        below = statistics.median(self.baseline)
        return statistics.median(self.measured) / below if below else float("nan")

    @property
    def spread(self) -> tuple[float, float]:
        """The least and the largest ratio of samples that were taken in one turn."""
        pairs = [one / other for one, other in zip(self.measured, self.baseline, strict=False) if other]
        return (min(pairs), max(pairs)) if pairs else (float("nan"), float("nan"))


def not_measured(what: str, why: str) -> Row:
    """Return a row that says why there is nothing in it."""
    return Row(what, (), "", (), note=f"not measured: {why}")


def shown(value: float, unit: str) -> str:
    """Return a value as people read it."""
    if unit == "B":
        return f"{value / (1 << 20):.2f} MiB" if value >= 1 << 18 else f"{value / 1024:.1f} KiB"
    if unit == "s":
        return f"{value:.3f} s" if value >= 1 else f"{value * 1e3:.2f} ms" if value >= 1e-3 else f"{value * 1e6:.1f} us"
    return f"{value:g} {unit}"


class Desk:
    """A root, a configuration and an environment of its own; all gone at the end, processes too."""

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="claude-workers-bench-"))
        self._before = dict(os.environ)
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        os.environ.clear()
        (self.folder / "operator").mkdir()
        os.environ.update(kept)
        os.environ["HOME"] = str(self.folder / "operator")
        os.environ["CLAUDE_WORKERS_CONFIG_DIR"] = str(self.folder / "config")
        os.environ["CLAUDE_WORKERS_CLAUDE"] = str(stand_in.__file__)
        os.environ["ANTHROPIC_API_KEY"] = "sk-ant-test-key-0123456789"
        self.roots: list[Path] = []
        self.use_root("workers")
        return self

    def __exit__(self, *_: object) -> None:
        try:
            for root in self.roots:
                self._stop_all(Fleet(root))
            remove_tree(self.folder)
        finally:
            os.environ.clear()
            os.environ.update(self._before)

    @staticmethod
    def _stop_all(fleet: Fleet) -> None:
        """Stop what still runs by the identity that its task file records, never by a name."""
        for row in fleet.status():
            if row.state == "busy" and row.pid not in {None, os.getpid()}:
                with contextlib.suppress(WorkersError):
                    fleet.stop(row.worker)

    def use_root(self, name: str) -> Fleet:
        """Make another root of homes the one in force and return its fleet."""
        root = self.folder / name
        self.roots.append(root)
        os.environ["CLAUDE_WORKERS_ROOT"] = str(root)
        self.fleet = Fleet()
        return self.fleet

    def repository(self, name: str = "calc") -> Path:
        """Make a toy git repository with one commit on main."""
        path = self.folder / name
        path.mkdir()
        git("init", "--quiet", "--initial-branch=main", at=path)
        (path / "calc.py").write_text("def add(a, b):\n    return a + b\n", encoding="utf-8")
        git("add", ".", at=path)
        git("commit", "--quiet", "-m", "Begin", at=path)
        return path

    def until(self, worker: str, seen: Callable[[WorkerStatus], object]) -> WorkerStatus:
        """Wait until a worker's row shows something."""

        def look() -> WorkerStatus | None:
            row = self.fleet.status([worker])[0]
            return row if seen(row) else None

        return wait_for(f"worker {worker}", look)

    def end(self, worker: str) -> None:
        """Wait until a worker's task has ended, so that it disturbs nothing measured next; RuntimeError if it broke."""
        row = self.until(worker, lambda row: row.state != "busy")
        if row.state != "idle":
            raise RuntimeError(f"worker {worker} is {row.state}: {row.reason}")


def wait_for(what: str, look: Callable[[], T | None], pause: float = 0.01) -> T:
    """Look until there is something to see; RuntimeError after minutes of nothing."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(pause)
    raise RuntimeError(f"{what}: nothing to see after {_PATIENCE:.0f} s")


def git(*arguments: str, at: Path) -> str:
    """Run git as a person would in a repository of theirs."""
    identity = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
    done = subprocess.run(["git", *identity, *arguments], cwd=at, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def steps(*script: dict[str, object]) -> str:
    """Write a script for the stand-in agent."""
    return f"Play.\n```stand-in\n{json.dumps(script)}\n```\n"


def timed(*argv: str) -> float:
    """Return the seconds of a whole process, start to end."""
    begun = time.perf_counter()
    subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=_PATIENCE)
    return time.perf_counter() - begun


def interleave(repeats: int, **looks: Callable[[], float]) -> dict[str, list[float]]:
    """Take one sample of each in turn, A B A B, so that a noisy moment hits them all."""
    samples: dict[str, list[float]] = {name: [] for name in looks}
    for _ in range(repeats):
        for name, look in looks.items():
            samples[name].append(look())
    return samples


@contextlib.contextmanager
def running(argv: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:  # noqa: ANN401
    """Run a process of ours in the background and end it by its own handle."""
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
