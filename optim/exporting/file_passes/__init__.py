"""What is done to a file that the converter has written."""
