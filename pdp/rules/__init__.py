"""Policies as meaning: terms, rules, check, infer, interpret, lint."""
