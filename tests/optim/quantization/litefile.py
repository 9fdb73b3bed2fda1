"""A LiteRT file of a quantization-aware model, and what it computes: the judge of placements.

Kept apart from what `optim` exports with: these tests ask whether the simulation is right,
not whether the export is.
"""

from __future__ import annotations

from typing import Any

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
from ai_edge_litert import schema_py_generated as schema  # type: ignore[import-untyped]
from ai_edge_litert.interpreter import (  # type: ignore[import-untyped]
    Interpreter,
    OpResolverType,
)

from optim._keras import tf  # before any of TensorFlow itself

from tensorflow.python.framework.convert_to_constants import (  # isort: skip
    convert_variables_to_constants_v2,
)

_INT16 = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8

# Operations with a bias: slot of the activation, slot of the bias.
_BIASED = {
    schema.BuiltinOperator.CONV_2D: (0, 2),
    schema.BuiltinOperator.DEPTHWISE_CONV_2D: (0, 2),
    schema.BuiltinOperator.FULLY_CONNECTED: (0, 2),
    schema.BuiltinOperator.TRANSPOSE_CONV: (2, 3),
}


def convert(model: Any, *, int16: bool = False) -> bytes:
    """Return a LiteRT file of a model, for batches of one.

    The variables are frozen first: a fraction of the time of the converter's own way.
    """
    specs = [tf.TensorSpec([1, *x.shape[1:]], x.dtype) for x in model.inputs]
    call = tf.function(lambda *x: model(list(x) if len(x) > 1 else x[0], training=False))
    frozen = convert_variables_to_constants_v2(call.get_concrete_function(*specs))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if int16:
        converter.target_spec.supported_ops = [_INT16]
    return bytes(converter.convert())


def finish_int16(content: bytes) -> bytes:
    """Put right what the converter leaves wrong in a 16x8 file of a trained model.

    Its biases are int32 where kernels read int64: DEPTHWISE_CONV_2D refuses them, CONV_2D
    takes two for one.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    for graph in model.subgraphs:
        for op in graph.operators:
            code = model.operatorCodes[op.opcodeIndex].builtinCode
            slot, bias_slot = _BIASED.get(code, (0, len(op.inputs)))
            if bias_slot >= len(op.inputs) or op.inputs[bias_slot] < 0:
                continue
            bias = graph.tensors[op.inputs[bias_slot]]
            if (
                graph.tensors[op.inputs[slot]].type == schema.TensorType.INT16
                and bias.type == schema.TensorType.INT32
            ):
                narrow = np.frombuffer(bytes(model.buffers[bias.buffer].data), np.int32)
                wide = schema.BufferT()
                wide.data = narrow.astype(np.int64).view(np.uint8)
                model.buffers.append(wide)
                bias.buffer, bias.type = len(model.buffers) - 1, schema.TensorType.INT64
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def interpreter(content: bytes) -> Any:
    """An interpreter without delegates: the kernels that define what is right."""
    kind = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    made = Interpreter(model_content=content, experimental_op_resolver_type=kind)
    made.allocate_tensors()
    return made


def run(content: bytes, batch: np.ndarray) -> np.ndarray:
    """What the file computes for each sample of a batch; one input, one output."""
    made = interpreter(content)
    (feed,), (fetch,) = made.get_input_details(), made.get_output_details()
    results = []
    for sample in np.asarray(batch):
        made.set_tensor(feed["index"], sample[None])
        made.invoke()
        results.append(made.get_tensor(fetch["index"]).copy())
    return np.concatenate(results)


def operations(content: bytes) -> list[str]:
    """Names of the operations of a file, in execution order."""
    return [details["op_name"] for details in interpreter(content)._get_ops_details()]


def decibels(signal: np.ndarray, other: np.ndarray) -> float:
    """Signal-to-noise ratio of `other`; 200 and more where both are equal."""
    noise = np.mean((signal - other) ** 2) + 1e-20 * np.mean(signal**2)
    return float(10 * np.log10(np.mean(signal**2) / noise))
