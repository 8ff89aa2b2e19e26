"""The forge: where issues live and changes go."""
