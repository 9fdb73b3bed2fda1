"""What is true of any Keras model: how it is copied, compared, named, fed and told apart."""
