"""Hosts: the machines that keep workers, asked over one wire, which is the command line."""
