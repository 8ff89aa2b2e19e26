"""The verbs of one machine."""
