"""Machines: each exists for one worker, keeps its home on a volume, and is up only while somebody needs it."""
