"""What is known of cases beforehand, and how a new outcome compares with it."""
