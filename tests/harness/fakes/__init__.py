"""Stand-ins that need no TensorFlow: a Keras package, its models, and a runtime."""
