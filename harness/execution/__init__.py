"""Execution: what runs the cases of a run, here or elsewhere."""
