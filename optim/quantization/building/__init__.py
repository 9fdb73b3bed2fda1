"""From a plan to a Keras model."""
