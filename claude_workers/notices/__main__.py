"""Send what a root has to tell: python -m claude_workers.notices ROOT."""

import sys

from claude_workers.notices.sender import main

main(sys.argv[1])
