"""Runs of several environments in one report: the same column of each side by side."""
