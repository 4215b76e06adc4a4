"""What the decision point remembers."""
