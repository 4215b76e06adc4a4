"""Who is asking: what the enforcement point asserts, or what was verified."""
