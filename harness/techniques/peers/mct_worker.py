"""Runs in an environment with model-compression-toolkit and TensorFlow up to 2.15.

Called with a folder, see `harness.techniques.peers.foreign`. It imports nothing of this project.
"""

import inspect
import pkgutil
import sys
from pathlib import Path


def main(folder: Path) -> None:
    import model_compression_toolkit as mct
    import numpy as np
    import tensorflow as tf

    model = tf.keras.models.load_model(folder / "model.h5", custom_objects(), compile=False)
    arrays = np.load(folder / "data.npz")
    batches: dict = {}
    for name in sorted(arrays.files):
        batches.setdefault(name.partition("_")[0], []).append(arrays[name])
    # Its own default capabilities: those that it calls "tflite" refuse most networks in 2.6.
    quantized, _ = mct.ptq.keras_post_training_quantization(model, lambda: iter(batches.values()))
    mct.exporter.keras_export_model(
        model=quantized,
        save_model_path=str(folder / "model.tflite"),
        serialization_format=mct.exporter.KerasExportSerializationFormat.TFLITE,
        quantization_format=mct.exporter.QuantizationFormat.INT8,
    )


def custom_objects() -> dict:
    """Return the layers that the modules of `keras.applications` define, and an input's.

    Files of a later Keras say of an input whether it is optional, which this one does not know.
    """
    import importlib

    from keras.src import applications
    from keras.src.engine.base_layer import Layer
    from keras.src.engine.input_layer import InputLayer

    class Input:
        @staticmethod
        def from_config(config: dict) -> object:
            return InputLayer(**{k: v for k, v in config.items() if k != "optional"})

    modules = [
        importlib.import_module(f"{applications.__name__}.{one.name}")
        for one in pkgutil.iter_modules(applications.__path__)
    ]
    return {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, Layer)
    } | {"InputLayer": Input}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
