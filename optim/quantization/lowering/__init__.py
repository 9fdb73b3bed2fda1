"""From the layers of Keras to those that LiteRT runs as single int8 operations."""
