"""The real Claude Code from npm against a scripted endpoint on loopback."""
