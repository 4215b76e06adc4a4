"""pdp: a policy decision point."""
