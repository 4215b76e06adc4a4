"""Policies as code: program, compile, emit, index."""
