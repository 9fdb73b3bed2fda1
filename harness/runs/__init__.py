"""A run from its options to its reports: what it is asked, does, shows and leaves."""
