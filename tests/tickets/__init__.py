"""Tests of the tickets database."""
