"""What a failure is called, why it happens, and what to do about it."""
