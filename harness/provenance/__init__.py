"""Keys of records: what an outcome depends on, and whether that is still so."""
