"""Wrappers around the layers of a model: put on, looked for, and taken off again."""
