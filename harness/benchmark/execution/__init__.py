"""How a unit of the training benchmark is run."""
