"""What the training benchmark runs: tables, settings and keys."""
