"""Sony's Model Compression Toolkit, which works with TensorFlow up to 2.15."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.techniques.peers.foreign import Foreign


class PtqMct(Foreign):
    """``mct.ptq.keras_post_training_quantization`` with the capabilities of TFLite, in int8."""

    id = "ptq-mct"
    title = "mct.ptq.keras_post_training_quantization(model), exported as int8 TFLite"
    owner = "mct"
    interpreter = "mct"
    distributions = ("model-compression-toolkit", "tensorflow")
    script = Path(__file__).with_name("mct_worker.py")
    parity: Mapping[str, float] = {"float": 15}
