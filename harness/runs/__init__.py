"""A run: what it takes on, and what it makes of the records that are there."""
