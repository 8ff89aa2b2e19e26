"""Faults: what kills, cuts and hostile circumstances leave, and that everything goes on."""
