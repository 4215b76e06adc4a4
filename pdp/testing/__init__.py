"""pdp test: cases of every kind, run and reported."""
