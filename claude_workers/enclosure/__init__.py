"""The enclosure: the OS sandbox round a whole agent, and the gate of its network."""
