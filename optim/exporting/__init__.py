"""Export to LiteRT: checks -> freeze -> convert -> passes over the file -> metadata -> a trial.

Importing this package imports TensorFlow.
"""

from optim.exporting.api import export

__all__ = ["export"]
