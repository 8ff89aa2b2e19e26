"""A worker's home: its folder, its files, its task, and the lock that guards them."""
