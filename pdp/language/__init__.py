"""Policies as text: source, diagnostic, render, syntax, parse, format."""
