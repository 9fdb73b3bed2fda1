"""The built-in techniques, registered through the same door as a plug-in's, in their order."""

from __future__ import annotations

from harness.techniques.clustering import Cluster, ClusterTfmot
from harness.techniques.combined import Cqat, Pcqat, Pqat
from harness.techniques.control import Float
from harness.techniques.peers.aeq import PtqAeq, PtqAeqDynamic
from harness.techniques.peers.keras3 import PtqKeras3
from harness.techniques.peers.mct import PtqMct
from harness.techniques.peers.tflite import PtqTflite
from harness.techniques.post_training import PtqDynamic, PtqFloat16, PtqInt8
from harness.techniques.pruning import Prune, Prune2x4, PruneTfmot
from harness.techniques.quantization import Qat, QatAnnotate, QatTfmot
from harness.techniques.registry import register

for _technique in (
    *(Float, QatTfmot, QatAnnotate, Qat, PtqInt8, PtqDynamic, PtqFloat16),
    *(PtqTflite, PtqAeq, PtqAeqDynamic, PtqMct, PtqKeras3),
    *(PruneTfmot, Prune, Prune2x4, ClusterTfmot, Cluster, Pqat, Cqat, Pcqat),
):
    register(_technique())
