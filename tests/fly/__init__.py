"""Fly: a Machines API of our own, whose machines are processes of this one, and what speaks to it."""
