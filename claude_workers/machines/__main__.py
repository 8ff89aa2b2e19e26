"""What a machine's image runs: python -m claude_workers.machines."""

from __future__ import annotations

import sys

from claude_workers.errors import WorkersError
from claude_workers.machines.guest import Guest, read_request
from claude_workers.machines.outbox import choose

if __name__ == "__main__":
    try:
        sys.exit(Guest(read_request(), choose()).run())
    except WorkersError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
