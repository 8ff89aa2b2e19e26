"""Tests of homes and tasks."""
