"""Tickets: the embedded forge's issues, claims and changes in one SQLite file."""
