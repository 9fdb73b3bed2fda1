"""Model files: what each is, whether what it brings may run, and the model in it."""
