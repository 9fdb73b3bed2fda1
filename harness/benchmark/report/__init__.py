"""From the records of the training benchmark to its page and CSV."""
