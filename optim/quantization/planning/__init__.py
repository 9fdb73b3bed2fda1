"""What is quantized, and how: decided before anything is built."""
