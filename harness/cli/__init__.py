"""The command line: `python -m harness`, one module per command."""
