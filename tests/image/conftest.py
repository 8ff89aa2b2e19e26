"""Fixtures of the image's tests."""

from tests.cli.conftest import cli as cli
