"""Notices: what a person wants to be told at once, written down by whoever sees it and sent by a process of its own."""
