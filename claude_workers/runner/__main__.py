"""The runner's process: `python -m claude_workers.runner ROOT WORKER TASK_ID`."""

import sys

from claude_workers.errors import WorkersError
from claude_workers.paths import layout
from claude_workers.runner.life import main

try:
    main(layout(sys.argv[1]), sys.argv[2], sys.argv[3])
except WorkersError as error:
    sys.exit(str(error))
