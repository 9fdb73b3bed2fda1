"""What is done to a frozen graph before the converter sees it."""
