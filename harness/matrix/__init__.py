"""What is in the matrix: applications, techniques, and the cases they make."""
