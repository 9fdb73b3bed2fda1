"""The parts of the plug-in `harness.plugin`."""
