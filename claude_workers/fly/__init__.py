"""Fly: its Machines API, over httpx, with its refusals told apart and its limits kept."""
