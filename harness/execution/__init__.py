"""How cases are run: what runs next, where, and what becomes of it."""
