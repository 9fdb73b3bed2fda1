"""A check: how one model fares under each technique, and what to do with it."""
