"""What a case leaves for those who look closer: its file, and numbers for each layer of it."""
