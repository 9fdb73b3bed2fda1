"""Export to LiteRT: checks -> trace -> freeze -> convert -> metadata -> file.

Importing this package imports TensorFlow; the name is that of `optim` itself.
"""

from optim.exporting.api import export

__all__ = ["export"]
