"""The runner: the detached process that carries one task through its life."""
