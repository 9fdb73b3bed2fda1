"""The compatibility matrix of Keras applications and model-optimization techniques."""
