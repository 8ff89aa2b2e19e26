"""A plan: what is played in one life, and what must come of it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.stage import steps

KINDS = ("ticket", "prompt", "github")
_LEFT = "Work left uncommitted by worker 01"


@dataclass(frozen=True)
class Plan:
    """What is played: where, which commits, so many seconds between them, with or without a gate and an open end.

    `prelude` is a shell command that is run first; `open_end` leaves a change uncommitted; `slow` are the seconds
    that the agent needs beyond the stand-in's; `merge`: what passes is merged, its base having moved on meanwhile.
    """

    kind: str
    numbers: tuple[str, ...] = ("one", "two", "three")
    pause: float = 0.05
    verify: bool = False
    open_end: bool = False
    prelude: str = "true"
    slow: float = 0.0
    merge: bool = False

    @property
    def subjects(self) -> list[str]:
        """The commits that must come of it."""
        return [*self.numbers, *([_LEFT] if self.open_end else [])]

    @property
    def length(self) -> float:
        """The seconds that such a life takes on a quiet machine, from its dispatch on."""
        return 1.1 + 0.6 * self.verify + 1.3 * self.open_end + 0.7 * (self.kind == "github") + self.slow

    @property
    def untracked(self) -> list[str]:
        """The files that no commit may hold."""
        return sorted(f"notes-{number}.txt" for number in self.numbers)

    @property
    def commands(self) -> list[list[str]]:
        """The shell commands of each commit; whoever was cut short in one can run it again."""
        return [[f"echo {one} > notes-{one}.txt", _line(one), _commit(one)] for one in self.numbers]

    @property
    def prompt(self) -> str:
        """The script of the stand-in."""
        script: list[dict[str, object]] = [{"run": self.prelude}]
        for commands in self.commands:
            script += [dict[str, object](run=one) for one in commands]
            script.append({"sleep": self.pause})
        return steps(*script, *([{"run": _line("left")}] if self.open_end else []), {"text": "Done."})

    @property
    def settings(self) -> str:
        """The operator's config.toml: kills are many, and nobody waits long between them."""
        gate = f"test -f {self.numbers[-1]}.txt && grep -qx '# {self.numbers[-1]}' calc.py"
        if self.merge:  # one that names no file of the change's: that would be left to a person
            gate = f"cat *.py | grep -qx '# {self.numbers[-1]}'"
        lines = ["max_attempts = 99", 'backoff = "0.02s"', "disk_floor = 0", "memory_floor = 0"]
        lines += ['merge = "auto"'] if self.merge else []
        return "\n".join([*lines, *([f'verify = "{gate}"'] if self.verify else []), ""])


def _line(number: str) -> str:
    return f"grep -qx '# {number}' calc.py || echo '# {number}' >> calc.py"


def _commit(number: str) -> str:
    done = f"git log --format=%s | grep -qx {number}"
    return f"{done} || {{ echo {number} > {number}.txt; git add {number}.txt; git commit -qam {number}; }}"
