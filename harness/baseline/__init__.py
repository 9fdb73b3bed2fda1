"""The expected outcomes, and what differs from them."""
