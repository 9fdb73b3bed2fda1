"""Quantization-aware training: read -> lower -> plan -> build -> calibrate.

`optim.quantize_model` goes that way; each step is a package or module of its name.
"""
