"""Zeros, patterns and different values in the kernels of a model or a file."""
