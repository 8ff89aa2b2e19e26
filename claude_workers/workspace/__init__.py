"""Git: our own bare repositories, the agent's clone, and what is carried from one to the other."""
