"""Fake-quants of weights and activations, and the wrappers that hold them."""
