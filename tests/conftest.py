"""Settings that all tests share."""

from __future__ import annotations

from hypothesis import settings

# The same examples on every run: a failure is found again by running the test again.
settings.register_profile("sancha", derandomize=True, deadline=None, max_examples=100)
settings.load_profile("sancha")
