"""Quantization-aware training: read -> lower -> plan -> build -> calibrate.

`optim.quantize_model` goes that way: from `optim.graph`, through the packages `lowering`,
`planning`, `building` and `calibration` here.
"""
