"""The benchmarks' entry point: `python bench/run.py [NAME...]` prints one table of ratios."""

from __future__ import annotations

import importlib
import os
import signal
import statistics
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)

from bench.common import Row, shown  # noqa: E402  found only once the path is set

NAMES = ("status", "dispatch", "first_request", "memory", "clone", "recovery", "hosts", "tickets", "fly")
_HEAD = ("BENCH", "MEASURED", "MEDIAN", "BASELINE", "MEDIAN", "RATIO", "PAIRS", "REPEATS", "NOTE")


def cells(name: str, row: Row) -> tuple[str, ...]:
    """Return a row as texts; PAIRS is the least and the largest ratio of samples taken in one turn."""
    if not row.measured:
        return (name, row.what, "", row.against, "", "", "", "", row.note)
    least, most = row.spread
    return (
        name,
        row.what,
        shown(statistics.median(row.measured), row.unit),
        row.against,
        shown(statistics.median(row.baseline), row.unit),
        f"{row.ratio:.3g}",
        f"{least:.3g}-{most:.3g}",
        str(len(row.measured)),
        row.note,
    )


def table(lines: list[tuple[str, ...]]) -> str:
    """Return rows as aligned lines."""
    widths = [max(len(line[index]) for line in lines) for index in range(len(_HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def main(names: list[str]) -> int:
    """Measure what was named, or all, and print the table."""
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        print(f"there is no bench {unknown[0]}; known are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    lines: list[tuple[str, ...]] = [_HEAD]
    for name in names or NAMES:
        print(f"measuring {name} ...", file=sys.stderr)
        rows: list[Row] = importlib.import_module(f"bench.{name}").measure()
        lines += [cells(name, row) for row in rows]
    print(table(lines))
    print(f"\nRatios are of medians, the two sampled in turns; {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
