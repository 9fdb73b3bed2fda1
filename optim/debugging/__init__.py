"""Where quantization hurts: layer by layer."""
