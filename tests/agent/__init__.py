"""Tests of reading and watching the agent."""
