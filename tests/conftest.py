"""Hypothesis looks at the same few examples each time; `--hypothesis-profile=explore` looks at others, and more."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("explore", max_examples=500, deadline=None)
settings.register_profile("steady", max_examples=15, deadline=None, derandomize=True)
settings.load_profile("steady")
