"""The agent: Claude Code's command line, its stream, its ending, and the watch over it."""
