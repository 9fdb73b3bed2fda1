"""Names of before: rules written against `optim.engine.layers` go on working."""
