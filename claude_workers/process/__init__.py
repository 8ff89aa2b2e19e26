"""Processes: who one is, whether it lives, how to start one that outlives us and end a tree."""
