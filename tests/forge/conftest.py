"""The conformance suite's assertions explain themselves as those of any test do."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.forge.conformance")
