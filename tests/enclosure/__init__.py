"""Tests of the enclosure's rules, gate and toolchain."""
