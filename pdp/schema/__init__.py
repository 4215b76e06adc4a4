"""What policies may talk about: types, schema, functions (the one table of built-ins)."""
