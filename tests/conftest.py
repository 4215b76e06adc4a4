"""Hypothesis looks at the same examples each time; `--hypothesis-profile=explore` at others, and more."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("explore", max_examples=500, deadline=None)
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")
