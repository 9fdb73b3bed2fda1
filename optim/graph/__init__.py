"""A Keras model as a graph of calls: read from a Functional or Sequential model, or traced."""
