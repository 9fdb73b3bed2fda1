"""The converter of TensorFlow, called as its guide says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.techniques.peers.peer import Peer, one_by_one


class PtqTflite(Peer):
    """``tf.lite.TFLiteConverter.from_keras_model``, int8 throughout, ranges from the same data.

    The settings are those of "full integer quantization, integer only" in TensorFlow's guide on
    post-training quantization, but for the types of inputs and outputs: these stay float, as
    those of all other columns.
    """

    id = "ptq-tflite"
    title = "tf.lite.TFLiteConverter.from_keras_model(model), int8, as people write it"
    owner = "TensorFlow"
    int8 = True
    leaves_model = False  # where it leaves sizes open, it is called on an input that does not
    parity: Mapping[str, float] = {"float": 15}

    def export(self, model: Any, path: Path, input_shape: Any, data: Any) -> None:
        import tensorflow as tf

        converter = tf.lite.TFLiteConverter.from_keras_model(settled(model, input_shape))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: one_by_one(data)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        path.write_bytes(converter.convert())


def settled(model: Any, input_shape: Any) -> Any:
    """Return a model that says the size of its inputs: it, or one that calls it on inputs that do.

    Args:
      input_shape: of one sample; several inputs: a list.
    """
    import tf_keras as keras

    if all(all(tensor.shape[1:]) for tensor in model.inputs):
        return model
    shapes = input_shape if isinstance(input_shape, list) else [input_shape]
    inputs = [
        keras.Input(shape, dtype=tensor.dtype)
        for shape, tensor in zip(shapes, model.inputs, strict=True)
    ]
    return keras.Model(inputs, model(inputs if len(inputs) > 1 else inputs[0]))
