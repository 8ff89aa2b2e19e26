"""`python -m claude_workers` is the command line."""

from claude_workers.cli.main import main

main()
