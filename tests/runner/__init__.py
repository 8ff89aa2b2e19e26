"""The runner, with the stand-in agent."""
