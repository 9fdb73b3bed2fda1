"""Tables are complete: what LiteRT, Keras and the converter have is in them, and entries work."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tf_keras")

import optim
from optim import litert
from optim._keras import keras
from optim.exporting import passes
from optim.litert.operators import FOREIGN, NO_OPERATORS, OPERATORS, Operator
from optim.models import kernels
from optim.models.class_tables import nearest
from optim.quantization.activation_facts import ACTIVATIONS, FIXED, FUSED, fixed_range
from optim.quantization.lowering import registry

K = keras.layers

#: Public layers with weights that are none of their kernels: what they learn is per channel, or
#: is no parameter.
WITHOUT_KERNELS = {
    "BatchNormalization", "CategoryEncoding", "Discretization", "GroupNormalization",
    "Hashing", "HashedCrossing", "IntegerLookup", "LayerNormalization", "Normalization", "PReLU",
    "SpectralNormalization", "StringLookup", "TextVectorization", "UnitNormalization",
    "SyncBatchNormalization",
}  # fmt: skip

#: Layers that are called on something else than one tensor, or that hold other layers: what
#: they hold is looked into.
HOLDERS = {
    "AbstractRNNCell", "Bidirectional", "InputLayer", "Lambda", "Layer", "MultiHeadAttention",
    "RNN", "StackedRNNCells", "TimeDistributed", "Wrapper", "DenseFeatures",
}  # fmt: skip


def public_layers() -> dict[str, type]:
    return {
        name: cls
        for name, cls in vars(K).items()
        if inspect.isclass(cls) and issubclass(cls, K.Layer)
    }


# -- LiteRT operators ----------------------------------------------------------------------


def test_every_operator_of_the_schema_has_a_row() -> None:
    codes = vars(litert.schema().BuiltinOperator)
    names = {name for name, code in codes.items() if isinstance(code, int) and name[0] != "_"}
    names = {name for name in names if not name.startswith(FOREIGN)} - set(NO_OPERATORS)
    assert names - set(OPERATORS) == set()
    assert set(OPERATORS) - names == set()


def test_rows_that_multiply_have_kernels_and_those_with_a_bias_channels() -> None:
    for name, row in OPERATORS.items():
        if row.macs is not None:
            assert row.kernels, name
        if row.linear is not None:
            assert row.channels is not None, name
            assert row.linear.places[1] in row.kernels, name


@pytest.mark.parametrize(
    ("layer", "operator"),
    [
        (lambda: K.Conv2D(5, 3, groups=1), "CONV_2D"),
        (lambda: K.DepthwiseConv2D(3, depth_multiplier=2), "DEPTHWISE_CONV_2D"),
        (lambda: K.Conv2DTranspose(5, 3), "TRANSPOSE_CONV"),
    ],
)
def test_a_stored_kernel_is_what_the_row_says(layer: Any, operator: str) -> None:
    inputs = keras.Input((8, 8, 4))
    made = layer()
    model = keras.Model(inputs, made(inputs))
    row = OPERATORS[operator]
    assert row.linear is not None
    assert row.channels is not None
    weights = getattr(made, kernels.KERNELS[type(made)].linear).numpy()
    file = litert.parse(optim.export(model))
    graph = file.Subgraphs(0)
    (place,) = (
        i
        for i in range(graph.OperatorsLength())
        if litert.operator_name(file.OperatorCodes(graph.Operators(i).OpcodeIndex()).BuiltinCode())
        == operator
    )
    kernel = graph.Tensors(graph.Operators(place).Inputs(row.linear.places[1]))
    stored = file.Buffers(kernel.Buffer()).DataAsNumpy().view("<f4").reshape(kernel.ShapeAsNumpy())
    first = np.moveaxis(stored, row.channels, 0)
    expected = row.linear.stored(weights)
    np.testing.assert_array_equal(first.reshape(expected.shape), expected)


# -- Keras layers with kernels ---------------------------------------------------------------


#: What layers are made with, by the name of the argument; of `Reshape`, a shape of 24 numbers.
ARGUMENTS: dict[str, Any] = {
    "filters": 2, "kernel_size": 2, "units": 3, "pool_size": 2, "input_dim": 5, "output_dim": 4,
    "n": 2, "activation": "relu", "axes": 1, "height": 4, "width": 4, "factor": 0.1,
    "height_factor": 0.1, "width_factor": 0.1, "scale": 0.5, "rate": 0.5, "stddev": 0.1,
    "dims": (2, 1), "target_shape": (4, 6),
}  # fmt: skip

SHAPES: tuple[Any, ...] = (
    (2, 6, 4), (2, 6, 6, 4), (2, 6, 6, 6, 4), (2, 4), (2, 3, 6, 6, 4), [(2, 6, 6), (2, 6, 6)],
)  # fmt: skip


def weights_of(cls: type) -> list[str]:
    """Names of the matrices that a layer of a class makes."""
    wanted = inspect.signature(cls).parameters
    needed = {k for k, p in wanted.items() if p.default is p.empty and p.kind is not p.VAR_KEYWORD}
    sizes = {"filters", "kernel_size", "units", "pool_size", "input_dim", "output_dim", "n"}
    given = {k: ARGUMENTS[k] for k in wanted if k in needed | sizes and k in ARGUMENTS}
    for shape in SHAPES:
        try:
            layer = cls(**given)
            layer.build(shape)
        except Exception:
            continue
        found = [w for w in layer.weights if getattr(w, "shape", None) is not None]
        return [w.name for w in found if w.shape.rank is not None and w.shape.rank >= 2]
    raise AssertionError(f"{cls.__name__}: say in ARGUMENTS and SHAPES how it is made")


def test_every_layer_with_a_kernel_is_known() -> None:
    unknown = {}
    for name, cls in public_layers().items():
        if name in WITHOUT_KERNELS | HOLDERS or nearest(kernels.KERNELS, cls.__mro__):
            continue
        if nearest(kernels.CONTAINERS, cls.__mro__):
            continue
        found = weights_of(cls)
        if found:
            unknown[name] = found
    assert unknown == {}


@pytest.mark.parametrize("cls", [K.SimpleRNN, K.LSTM, K.GRU, K.ConvLSTM1D, K.ConvLSTM2D])
def test_recurrent_layers_are_pruned_in_their_cells(cls: type) -> None:
    convolves = cls in (K.ConvLSTM1D, K.ConvLSTM2D)
    shape = (3, 6, 6, 2)[: 4 if cls is K.ConvLSTM2D else 3] if convolves else (5, 2)
    layer = cls(4, 2) if convolves else cls(4)
    inputs = keras.Input(shape)
    model = keras.Model(inputs, layer(inputs))
    report = optim.sparsity_report(optim.sparsify(model, sparsity=0.5))
    assert {k.kernel for k in report.kernels} >= {"cell.kernel", "cell.recurrent_kernel"}
    assert report.total.sparsity == pytest.approx(0.5, abs=0.02)


def test_linear_layers_name_their_kernel_and_its_channels() -> None:
    assert {cls.__name__ for cls in kernels.LINEAR} == {
        "Dense", "Conv1D", "Conv2D", "Conv1DTranspose", "Conv2DTranspose", "DepthwiseConv1D",
        "DepthwiseConv2D",
    }  # fmt: skip
    for cls in kernels.LINEAR:
        known = kernels.linear_kernel(cls.__mro__)
        assert known is not None
        layer = cls(3) if cls in (K.Dense, K.DepthwiseConv1D, K.DepthwiseConv2D) else cls(5, 3)
        layer.build((None, 8, 4) if "1D" in cls.__name__ else (None, 8, 8, 4))
        kernel = getattr(layer, known.linear)
        assert known.channels is not None
        count = int(np.prod([kernel.shape[axis] for axis in known.channels]))
        assert (
            count
            == layer.compute_output_shape(
                (None, 8, 4) if "1D" in cls.__name__ else (None, 8, 8, 4)
            )[-1]
        )


# -- activations -----------------------------------------------------------------------------


def test_every_activation_of_keras_has_an_entry() -> None:
    own = {"get", "serialize", "deserialize"}
    names = {n for n, f in vars(keras.activations).items() if inspect.isfunction(f)} - own
    known = {f for one in ACTIVATIONS.values() for f in one.functions}
    assert {n for n in names if getattr(keras.activations, n) not in known} == set()


def test_ranges_are_what_litert_prescribes() -> None:
    assert set(FIXED) == {"sigmoid", "tanh", "softmax"}
    assert set(FUSED) == {"linear", "relu", "relu6"}
    assert fixed_range("sigmoid", 8) == (0.0, 255 / 256)
    assert fixed_range("tanh", 8) == (-1.0, 127 / 128)
    assert fixed_range("log_softmax", 8) is None  # float: it would be clipped
    assert fixed_range("l2_normalize", 16) == (-1.0, 32767 / 32768)
    assert fixed_range("swish", 8) is None


# -- one entry each --------------------------------------------------------------------------


class Halve(K.Layer):
    def call(self, x: Any) -> Any:
        return x / 2


@pytest.fixture
def halved() -> Iterator[Any]:
    inputs = keras.Input((8, 8, 3))
    yield keras.Model(inputs, Halve()(K.Conv2D(4, 3)(inputs)))
    registry._RULES.pop(Halve, None)


def test_a_rule_is_one_function(halved: Any) -> None:
    from optim.quantization.layers import Affine

    @optim.rule(Halve)
    def halve_is_affine(graph: Any, node: Any) -> Any:
        x = node.inputs[0]
        weights = [np.full(4, 0.5, "float32"), np.zeros(4, "float32")]
        return graph.add(Affine(name=node.name), x, specs=x.spec, weights=weights).output

    data = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype("float32")
    quantized = optim.quantize_model(halved, calibration_data=[data])
    names = [type(getattr(x, "layer", x)).__name__ for x in quantized.layers]
    assert names.count("Conv2D") == 1
    assert "Affine" not in names  # folded into the convolution
    np.testing.assert_allclose(quantized(data), halved(data), atol=0.05)


def test_a_pass_over_the_file_is_one_line(monkeypatch: pytest.MonkeyPatch, halved: Any) -> None:
    def describe(file: Any, known: passes.Known) -> None:
        file.description = b"seen"

    monkeypatch.setattr(passes, "FILE_PASSES", (*passes.FILE_PASSES, describe))
    assert litert.parse(optim.export(halved)).Description() == b"seen"


def test_a_pass_over_the_graph_is_one_line(monkeypatch: pytest.MonkeyPatch, halved: Any) -> None:
    seen = []
    more = (*passes.GRAPH_PASSES, lambda graph, graph_def: seen.append(len(graph_def.node)))
    monkeypatch.setattr(passes, "GRAPH_PASSES", more)
    optim.export(halved)
    assert seen
    assert seen[0] > 3


def test_a_layer_with_a_kernel_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    class Scaled(K.Layer):
        def build(self, shape: Any) -> None:
            self.table = self.add_weight("table", (shape[-1], 6))

        def call(self, x: Any) -> Any:
            return x @ self.table

    optim.register_prunable(Scaled, ["table"])
    inputs = keras.Input((16,))
    model = keras.Model(inputs, Scaled()(inputs))
    report = optim.sparsity_report(optim.sparsify(model, sparsity=0.5))
    assert [k.sparsity for k in report.kernels] == [pytest.approx(0.5, abs=0.01)]


def test_an_operator_is_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = keras.Input((8, 8, 3))
    file = optim.export(keras.Model(inputs, K.Conv2D(4, 3, activation="sigmoid")(inputs)))
    before = optim.verify(file).macs
    row = Operator({0: None}, macs=lambda table, inputs, outputs: 1000)
    monkeypatch.setitem(OPERATORS, "LOGISTIC", row)  # type: ignore[arg-type]
    assert optim.verify(file).macs == before + 1000
