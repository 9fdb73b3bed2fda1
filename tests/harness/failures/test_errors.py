"""The classifier: real messages and the labels they must get."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from harness import vocabulary
from harness.baseline import expectations
from harness.failures import classify as classifier
from harness.failures import facts
from harness.failures.classify import BY_NAME, classify, ordered
from harness.failures.fingerprint import fingerprint
from harness.failures.label import Label, Rule, When
from harness.failures.labels import LABELS
from harness.records import Failure, Record
from harness.vocabulary import Status, UsageError

MakeRecord = Callable[..., Record]

LAYERS = "tf_keras.src.layers"
QUANTIZE = "tensorflow_model_optimization/python/core/quantization/keras/quantize.py"
PRUNE = "tensorflow_model_optimization/python/core/sparsity/keras/pruning_wrapper.py"


def unsupported(name: str, cls: str) -> str:
    return (
        f"Layer {name}:<class '{cls}'> is not supported. You can quantize this layer by passing "
        "a `tfmot.quantization.keras.QuantizeConfig` instance to the `quantize_annotate_layer` API."
    )


def unprunable(cls: str) -> str:
    return (
        "Please initialize `Prune` with a supported layer. Layers should either be supported by "
        "the PruneRegistry (built-in keras layers) or should be a `PrunableLayer` instance, or "
        "should has a customer defined `get_prunable_weights` method. You passed: "
        f"<class '{cls}'>"
    )


def calling(name: str, cls: str, message: str, arguments: str = "  • x=1") -> str:
    return (
        f'Exception encountered when calling layer "{name}" (type {cls}).\n\n{message}\n\n'
        f'Call arguments received by layer "{name}" (type {cls}):\n{arguments}'
    )


def rank(node: str) -> str:
    return (
        f"Shape must be rank 4 but is rank 5 for '{{{{node {node}/FusedBatchNormV3}}}} = "
        'FusedBatchNormV3[T=DT_FLOAT, data_format="NHWC", epsilon=1e-05](Placeholder, '
        f"{node}/ReadVariableOp)' with input shapes: [1,?,1,1,16], [16], [16], [16], [16]."
    )


LIST_DTYPE = "'list' object has no attribute 'dtype'"
ADD = {"name": "tf.__operators__.add", "class": "TFOpLambda", "op": "__operators__.add"}
MEAN = {"name": "tf.math.reduce_mean", "class": "TFOpLambda", "op": "math.reduce_mean"}


@dataclass(frozen=True)
class Seen:
    """A failure as it is found, and what the classifier has to make of it."""

    label: str
    message: str = ""
    type: str = "ValueError"
    stage: str = "transform"
    status: str = "fail"
    layer: dict[str, str] | None = None
    blocks: tuple[str, str, str | None] | None = None

    def failure(self) -> Failure:
        return Failure(self.type, self.message, layer=self.layer)


SEEN = {
    "hang": Seen("timeout", "not done after 1800 s", "Timeout", status="timeout"),
    "killed for memory": Seen("oom", "over its limit of 8 GiB", "OutOfMemory", status="oom"),
    "abort": Seen("crash", "ended by SIGABRT", "Crash", status="crash"),
    "a layer of one's own that tfmot cannot clone": Seen(
        "custom-layer",
        "Unable to clone model. This generally happens if you used custom Keras layers or objects "
        "in your model. Please specify them via `quantize_scope` for your calls to "
        "`quantize_model` and `quantize_apply`. [Layer Halve supplied to wrapper is not a "
        "supported layer type. Please ensure wrapped layer is a valid TF-Keras layer.].",
        blocks=("layer", "Halve", None),
    ),
    "a layer that tfmot does not cluster": Seen(
        "unsupported-layer",
        "Please initialize `Cluster` with a supported layer. Layers should either be a "
        "`ClusterableLayer` instance, or should be supported by the ClusteringRegistry. You "
        "passed: <class 'tf_keras.src.applications.convnext.LayerScale'>",
        blocks=("layer", "LayerScale", None),
    ),
    "memory error": Seen("oom", "Unable to allocate 2 GiB", "_ArrayMemoryError", stage="train"),
    "file with code": Seen(
        "untrusted-file",
        "'m.h5' is not loaded: lambda has Python code in the file, which is not run -> replace it",
        "UntrustedFileError",
        "build",
    ),
    "file cut off": Seen(
        "model-file",
        "cannot read 'm.keras': it is a damaged archive (File is not a zip file)",
        "ModelFileError",
        "build",
    ),
    "no network": Seen(
        "weights-unavailable",
        "URL fetch failure on https://storage.googleapis.com/x.h5: None -- "
        "[Errno -2] Name or service not known",
        "Exception",
        "build",
    ),
    "weights argument": Seen(
        "weights-unavailable",
        "The `weights` argument should be either `None` (random initialization), `imagenet` "
        "(pre-training on ImageNet), or the path to the weights file to be loaded.",
        stage="build",
    ),
    "input too small": Seen(
        "invalid-input-shape",
        "Input size must be at least 75x75; Received: input_shape=(32, 32, 3)",
        stage="build",
    ),
    "channels": Seen(
        "invalid-input-shape",
        "The input must have 3 channels; Received `input_shape=(96, 96, 1)`",
        stage="build",
    ),
    "unknown size with top": Seen(
        "invalid-input-shape",
        "If `include_top` is True, you should specify a static `input_shape`. "
        "Received: input_shape=(None, None, 3)",
        stage="build",
    ),
    "downsampled away": Seen(
        "invalid-input-shape",
        "One of the dimensions in the output is <= 0 due to downsampling in conv2d_4. Consider "
        "increasing the input size. Received input shape [None, 1, 1, 3] which would produce "
        "output shape with a zero or negative value in a dimension.",
        stage="build",
    ),
    "wrong axis": Seen(
        "invalid-input-shape",
        'Input 0 of layer "model" is incompatible with the layer: expected axis -1 of input shape '
        "to have value 3, but received input with shape (None, 224, 224, 1)",
        stage="train",
    ),
    "wrong shape": Seen(
        "invalid-input-shape",
        'Input 0 of layer "model" is incompatible with the layer: expected shape=(None, 224, 224, '
        "3), found shape=(1, 96, 96, 3)",
        stage="train",
    ),
    "too few axes to build": Seen(
        "invalid-input-shape",
        'Input 0 of layer "conv1" is incompatible with the layer: expected min_ndim=4, found '
        "ndim=3. Full shape received: (None, 32, 3)",
        stage="build",
    ),
    "ConvNeXtTiny-qat-tfmot": Seen(
        "nested-model", "Quantizing a keras Model inside another keras Model is not supported."
    ),
    "subclassed inside": Seen("nested-model", "Subclassed models are not supported currently."),
    "DenseNet121-qat-tfmot": Seen(
        "batchnorm-placement",
        unsupported(
            "conv2_block1_0_bn", f"{LAYERS}.normalization.batch_normalization.BatchNormalization"
        ),
        "RuntimeError",
        layer={"name": "conv2_block1_0_bn", "class": "BatchNormalization"},
        blocks=("layer", "BatchNormalization", "conv2_block1_0_bn"),
    ),
    "add refused": Seen(
        "unsupported-add",
        unsupported("tf.__operators__.add", f"{LAYERS}.core.tf_op_layer.TFOpLambda"),
        "RuntimeError",
        layer=ADD,
        blocks=("op", "__operators__.add", "tf.__operators__.add"),
    ),
    "mean refused": Seen(
        "unsupported-op",
        unsupported("tf.math.reduce_mean", f"{LAYERS}.core.tf_op_layer.TFOpLambda"),
        "RuntimeError",
        layer=MEAN,
        blocks=("op", "math.reduce_mean", "tf.math.reduce_mean"),
    ),
    "op refused, nothing else known": Seen(
        "unsupported-op",
        unsupported("tf.nn.gelu_7", f"{LAYERS}.core.tf_op_layer.TFOpLambda"),
        "RuntimeError",
        blocks=("op", "nn.gelu", "tf.nn.gelu_7"),
    ),
    "swish refused": Seen(
        "unsupported-activation",
        unsupported("act_3", f"{LAYERS}.core.activation.Activation"),
        "RuntimeError",
        layer={"name": "act_3", "class": "Activation", "activation": "swish"},
        blocks=("activation", "swish", "act_3"),
    ),
    "EfficientNetB0-qat-tfmot": Seen(
        "unsupported-layer",
        unsupported("rescaling", f"{LAYERS}.preprocessing.image_preprocessing.Rescaling"),
        "RuntimeError",
        layer={"name": "rescaling", "class": "Rescaling"},
        blocks=("layer", "Rescaling", "rescaling"),
    ),
    "another layer in the frames": Seen(
        "unsupported-layer",
        unsupported("rescaling", f"{LAYERS}.preprocessing.image_preprocessing.Rescaling"),
        "RuntimeError",
        layer={"name": "conv", "class": "Conv2D"},
        blocks=("layer", "Rescaling", "rescaling"),
    ),
    "add not prunable": Seen(
        "unsupported-add",
        unprunable(f"{LAYERS}.core.tf_op_layer.TFOpLambda"),
        layer={**ADD, "name": "tf.__operators__.add_4"},
        blocks=("op", "__operators__.add", "tf.__operators__.add_4"),
    ),
    "mean not prunable": Seen(
        "unsupported-op",
        unprunable(f"{LAYERS}.core.tf_op_layer.TFOpLambda"),
        layer=MEAN,
        blocks=("op", "math.reduce_mean", "tf.math.reduce_mean"),
    ),
    "ConvNeXtTiny-prune-tfmot": Seen(
        "unsupported-layer",
        unprunable(f"{LAYERS}.preprocessing.normalization.Normalization"),
        layer={"name": "convnext_tiny_prestem_normalization", "class": "Normalization"},
        blocks=("layer", "Normalization", "convnext_tiny_prestem_normalization"),
    ),
    "not prunable, nothing else known": Seen(
        "unsupported-layer",
        unprunable("tf_keras.src.applications.inception_resnet_v2.CustomScaleLayer"),
        blocks=("layer", "CustomScaleLayer", None),
    ),
    "elu within a convolution": Seen(
        "unsupported-activation",
        "Only some Keras activations under `keras.activations` are supported. For other "
        "activations, use `Quantizer` directly, and update layer config using `QuantizeConfig`.",
        layer={"name": "conv", "class": "Conv2D", "activation": "elu"},
        blocks=("activation", "elu", "conv"),
    ),
    "activation named": Seen(
        "unsupported-activation",
        "activation `gelu` is not supported",
        blocks=("activation", "gelu", None),
    ),
    "unknown layer": Seen(
        "custom-layer",
        "Unknown layer: 'CustomScaleLayer'. Please ensure you are using a "
        "`keras.utils.custom_object_scope` and that this object is included in the scope.",
        stage="save",
        blocks=("layer", "CustomScaleLayer", None),
    ),
    "not located": Seen(
        "custom-layer",
        "Could not locate class 'LayerScale'. Make sure custom classes are decorated with "
        "`@keras.saving.register_keras_serializable()`.",
        "TypeError",
        "save",
        blocks=("layer", "LayerScale", None),
    ),
    "RegNetY002-qat-tfmot": Seen(
        "tensor-rank",
        calling("regnety002_Stage_0_bn", "BatchNormalization", rank("regnety002_Stage_0_bn")),
        layer={"name": "regnety002_Stage_0_bn", "class": "BatchNormalization"},
        blocks=("layer", "BatchNormalization", "regnety002_Stage_0_bn"),
    ),
    "one axis too many for a layer": Seen(
        "tensor-rank",
        'Input 0 of layer "dense" is incompatible with the layer: expected ndim=4, found ndim=5.',
        layer={"name": "dense", "class": "Dense"},
        blocks=("layer", "Dense", "dense"),
    ),
    "MobileNetV3Small-qat-annotate": Seen(
        "unsupported-add",
        calling(
            "tf.__operators__.add", "TFOpLambda", LIST_DTYPE, "  • x=['tf.Tensor(...)']\n  • y=3.0"
        ),
        "AttributeError",
        layer=ADD,
        blocks=("op", "__operators__.add", "tf.__operators__.add"),
    ),
    "add by its name alone": Seen(
        "unsupported-add",
        calling("tf.__operators__.add_12", "TFOpLambda", LIST_DTYPE),
        "AttributeError",
        blocks=("op", "__operators__.add", "tf.__operators__.add_12"),
    ),
    "slice": Seen(
        "unsupported-op",
        calling("tf.__operators__.getitem_2", "SlicingOpLambda", "list indices must be integers"),
        "TypeError",
        blocks=("op", "__operators__.getitem", "tf.__operators__.getitem_2"),
    ),
    "converter names an op": Seen(
        "conversion",
        "<unknown>:0: error: loc(\"avg\"): 'tfl.average_pool_2d' op quantization parameters "
        "violate the same scale constraint",
        "ConverterError",
        "save",
        blocks=("op", "tfl.average_pool_2d", None),
    ),
    "converter": Seen("conversion", "Variable constant folding is failed.", "ConverterError"),
    "exporter": Seen(
        "conversion",
        "the converter to LiteRT failed: net: Variable constant folding is failed",
        "ExportError",
        "export",
    ),
    "exporter names an op": Seen(
        "conversion",
        "- gelu: operation Erfc: LiteRT has no such operation -> replace the layer",
        "ExportError",
        "export",
        blocks=("op", "Erfc", None),
    ),
    "islands": Seen(
        "float-island", "2 float islands between input and output", "FloatIslandError", "run"
    ),
    "flex": Seen(
        "flex-op", "the file needs operations LiteRT does not have: Erf", "FlexOpError", "run"
    ),
    "file does not load": Seen(
        "runtime", "the LiteRT runtime cannot run the model", "ModelFileError", "run"
    ),
    "loss is nan": Seen(
        "not-finite", "the loss of the first training step is nan", "NotFiniteError", "train"
    ),
    "nothing moved": Seen(
        "nothing-trained",
        "one optimizer step changed none of 12 kernels",
        "NothingTrainedError",
        "train",
    ),
    "loaded differs": Seen(
        "save-load",
        "the loaded model's output differs by 0.1 of its largest value",
        "OutputsDifferError",
        "save",
    ),
    "differs elsewhere": Seen("numeric-mismatch", "differs by 0.1", "OutputsDifferError", "train"),
    "cannot be read": Seen(
        "save-load", "Unable to open file (file signature not found)", "OSError", "save"
    ),
    "left as it was": Seen(
        "nothing-quantized",
        "model.quantize('int8') quantized no layer of this model: it has neither dense layers",
        "NothingQuantizedError",
        "export",
    ),
    "no mask was set": Seen(
        "mask-missing",
        "none of the weights in 35 kernels is zero after training: no mask was set",
        "MaskMissingError",
        "train",
    ),
    "zeros went": Seen(
        "sparsity-lost",
        "21 weights of the file are zero, and 512 were in the model",
        "SparsityLostError",
        "run",
    ),
    "groups without their zeros": Seen(
        "pattern-lost",
        "conv1 conv_2d: 68.73% of its groups of 4 weights have 2 zeros",
        "PatternLostError",
        "run",
    ),
    "more values than clusters": Seen(
        "clusters-lost",
        "conv1 kernel: over 1024 different values in 16 clusters",
        "ClustersLostError",
        "run",
    ),
    "host died": Seen("harness", "the host process went away", "HostError", status="error"),
    "never seen": Seen("unclassified", "something nobody has seen", "KeyError"),
    "no message at all": Seen("unclassified", "", "ZeroDivisionError", "train"),
}


@pytest.mark.parametrize("name", SEEN)
def test_a_message_gets_its_label_and_names_what_blocks(name: str) -> None:
    seen = SEEN[name]
    found = classify(seen.failure(), status=seen.status, stage=seen.stage)
    assert found.label == seen.label
    assert (found.blocker_kind, found.blocker, found.blocker_name) == (
        seen.blocks or (None, None, None)
    )


def first_rule(seen: Seen) -> int | None:
    """The place in the table of the rule that decides."""
    for place, (_, rule) in enumerate(ordered(LABELS)):
        if classifier._match(rule, seen.failure(), seen.status, seen.stage) is not None:
            return place
    return None


def test_every_rule_decides_for_some_message() -> None:
    reached = {first_rule(seen) for seen in SEEN.values()}
    # Whose the constructor is, no message tells: see the end of this file.
    rules = enumerate(ordered(LABELS))
    never = [
        f"{label.name}: {rule}"
        for place, (label, rule) in rules
        if place not in reached and not rule.own
    ]
    assert never == []


def test_every_label_has_words_and_a_use() -> None:
    assert len(BY_NAME) == len(LABELS)
    assert {one.name for one in LABELS if not one.rules} == {
        "unclassified",
        "control",
        "not-installed",
    }
    for told in LABELS:
        assert told.cause.endswith(".")
        assert told.remedy.endswith(".")
        assert told.handled.endswith(".") or not told.handled
        assert all(link.startswith("https://") for link in told.links)


def test_a_label_of_a_stock_failure_says_what_takes_such_models_now() -> None:
    from harness.paths import EXPECTATIONS

    expected = expectations.read(EXPECTATIONS)
    labels = {outcome[2] for outcome in expected.lines.values() if outcome[2]}
    assert labels
    assert [label for label in labels if not BY_NAME[label].handled] == []


def test_the_labels_that_were_promised_are_there() -> None:
    promised = """tensor-rank nested-model unsupported-add unsupported-op unsupported-layer
    unsupported-activation custom-layer batchnorm-placement weights-unavailable
    invalid-input-shape save-load conversion not-finite numeric-mismatch timeout oom crash
    mask-missing sparsity-lost pattern-lost clusters-lost unclassified"""
    assert set(promised.split()) - set(BY_NAME) == set()


def test_what_blocks_is_a_layer_an_op_or_an_activation() -> None:
    rules = [rule for _, rule in ordered(LABELS)]
    assert {rule.blocker for rule in rules} == {None, "layer", "op", "activation"}
    assert {r.status for r in rules} <= {None, *map(str, vocabulary.Status)}
    assert {r.stage for r in rules} <= {None, *vocabulary.STAGES}


def test_a_label_is_one_entry() -> None:
    coffee = Label(
        "no-coffee",
        "no coffee",
        cause="The pot is empty.",
        remedy="Fill it.",
        rules=(Rule(When.MISHANDLING, type="CoffeeError", message=r"no (?P<cls>\w+) left"),),
    )
    failure = Failure(type="CoffeeError", message="no arabica left")
    known = classify(failure, status="fail", stage="build")
    found = classify(failure, status="fail", stage="build", labels=(*LABELS, coffee))
    assert (known.label, found.label) == ("unclassified", "no-coffee")


def test_of_rules_for_one_moment_that_of_the_earlier_label_is_tried_first() -> None:
    first, second = (
        Label(name, name, cause="It is.", remedy="None.", rules=(Rule(when, type="E"),))
        for name, when in (("early", When.CHECK), ("late", When.EXPORT))
    )
    assert [one.name for one, _ in ordered((first, second))] == ["late", "early"]
    same = Label("same", "same", cause="It is.", remedy="None.", rules=(Rule(When.EXPORT),))
    assert [one.name for one, _ in ordered((second, same))] == ["late", "same"]


def test_an_unknown_label_names_the_nearest() -> None:
    assert classifier.explain("nested-model").title == "nested model"
    with pytest.raises(UsageError, match="unknown label 'nestd-model': did you mean nested-model"):
        classifier.explain("nestd-model")


def test_issues_are_noted_by_label() -> None:
    found = classifier.upstream_issues()
    assert found["nested-model"] == "tfmot#957"
    assert set(found) == {e.name for e in BY_NAME.values() if e.links}


# --- chains -----------------------------------------------------------------------------


def raised(function: Callable[[], object]) -> Failure:
    """What a record keeps of what ``function`` raises."""
    try:
        function()
    except Exception as error:
        names = {f.name for f in dataclasses.fields(Failure)}
        found = facts.from_exception(error)
        assert set(found) <= names
        return Failure(**{**found, "chain": tuple(found["chain"])})
    raise AssertionError("nothing was raised")


def unable_to_clone() -> None:
    try:
        raise ValueError("Unknown layer: 'LayerScale'. Please ensure ...")
    except ValueError as error:
        raise ValueError("Unable to clone model. This generally happens if ...") from error


def while_handling() -> None:
    try:
        raise MemoryError("cannot allocate")
    except MemoryError:
        raise RuntimeError("could not build")  # noqa: B904  (the context is what is tested)


def hidden() -> None:
    try:
        raise MemoryError("cannot allocate")
    except MemoryError:
        raise RuntimeError("could not build") from None


@pytest.mark.parametrize(
    ("function", "types", "label"),
    [
        (unable_to_clone, ["ValueError", "ValueError"], "custom-layer"),
        (while_handling, ["RuntimeError", "MemoryError"], "oom"),
        (hidden, ["RuntimeError"], "unclassified"),
    ],
)
def test_the_whole_chain_is_looked_at(
    function: Callable[[], None], types: list[str], label: str
) -> None:
    failure = raised(function)
    assert [one["type"] for one in failure.chain] == types
    assert failure.type == types[0]
    assert classify(failure, status="fail", stage="transform").label == label


def test_an_exception_that_is_its_own_cause_ends() -> None:
    def loop() -> None:
        error = ValueError("x")
        error.__cause__ = KeyError("y")
        error.__cause__.__cause__ = error
        raise error

    assert [one["type"] for one in raised(loop).chain] == ["ValueError", "KeyError"]


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_an_exception_that_cannot_speak_is_still_a_failure() -> None:
    def speak() -> None:
        raise Mute

    failure = raised(speak)
    assert (failure.type, failure.message) == (
        "Mute",
        "(its message cannot be read: RuntimeError)",
    )


def test_a_message_cannot_drive_the_terminal_and_stays_short() -> None:
    def shout() -> None:
        raise ValueError("\x1b[31mred\x00\ud800" + "x" * 100_000)

    message = raised(shout).message
    assert message.startswith("\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}")
    assert message.isprintable() or "\n" in message
    assert "characters left out" in message
    assert len(message) < facts.MESSAGE_LIMIT + 100
    message.encode("utf-8")


def test_a_deep_traceback_keeps_both_ends() -> None:
    def down(n: int) -> int:
        return down(n - 1) if n else 1 // 0

    frames = raised(lambda: down(200)).frames
    assert len(frames) == facts.FRAME_LIMIT + 1
    assert frames[facts.FRAME_LIMIT // 2]["function"] == "(163 more)"
    assert frames[-1]["code"] == "return down(n - 1) if n else 1 // 0"


# --- what blocks, from the frames -------------------------------------------------------


def layer(
    cls: str, bases: tuple[type, ...] = (), module: str = "tf_keras.src.x", **has: Any
) -> Any:
    """An object that looks like a finished Keras layer."""
    found = type(cls, bases, {"__module__": module})()
    vars(found).update({"_name": has.get("name"), **has})
    return found


KerasLayer: type = type("Layer", (), {"__module__": "tf_keras.src.engine.base_layer"})
KerasModel: type = type("Model", (KerasLayer,), {"__module__": "tf_keras.src.engine.training"})


def fails_at(one: Any) -> Failure:
    class Caller:
        def work(self, layer: Any) -> None:
            raise ValueError("no")

    return raised(lambda: Caller().work(one))


def test_the_layer_at_fault_is_read_from_the_frames() -> None:
    def mean() -> None: ...

    plain = layer("Rescaling", (KerasLayer,), name="rescaling")
    op = layer("TFOpLambda", (KerasLayer,), name="tf.m_1", function=mean, symbol="math.mean")
    act = layer("Activation", (KerasLayer,), name="act", activation=mean)
    assert fails_at(plain).layer == {"name": "rescaling", "class": "Rescaling"}
    assert fails_at(op).layer == {"name": "tf.m_1", "class": "TFOpLambda", "op": "math.mean"}
    assert fails_at(act).layer == {"name": "act", "class": "Activation", "activation": "mean"}


def test_a_wrapper_counts_as_what_it_wraps() -> None:
    inner = layer("Conv2D", (KerasLayer,), name="conv")
    outer = layer("QuantizeWrapper", (KerasLayer,), name="quant_conv", layer=inner)
    assert fails_at(outer).layer == {"name": "conv", "class": "Conv2D"}


def test_neither_a_model_nor_something_else_is_a_layer_at_fault() -> None:
    assert fails_at(layer("Functional", (KerasModel,), name="net")).layer is None
    assert fails_at(layer("Layer", (), module="mine", name="net")).layer is None
    unfinished: Any = type("Dense", (KerasLayer,), {"__module__": "tf_keras.src.x"})()
    assert fails_at(unfinished).layer is None


# --- fingerprints -----------------------------------------------------------------------


def at(message: str, file: str = QUANTIZE, type: str = "ValueError") -> str:
    frames = [
        {"file": "harness/stages/transform.py", "function": "run", "line": 9, "code": ""},
        {"file": file, "function": "_quantize", "line": 446, "code": ""},
        {"file": "tf_keras/src/utils/x.py", "function": "handler", "line": 7, "code": ""},
    ]
    return fingerprint(Failure(type, message, frames=tuple(frames)))


def list_dtype(name: str) -> str:
    return calling(name, "TFOpLambda", LIST_DTYPE, "  • y=3.0")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (list_dtype("tf.__operators__.add"), list_dtype("tf.math.add_17")),
        (rank("regnety002_Stage_0_YBlock_0_bn"), rank("regnety320_Stage_3_YBlock_0_bn")),
        (
            unsupported("rescaling", f"{LAYERS}.preprocessing.image_preprocessing.Rescaling"),
            unsupported("rescaling_1", f"{LAYERS}.image_preprocessing.Rescaling"),
        ),
        (
            unsupported("conv2_block1_0_bn", f"{LAYERS}.x.BatchNormalization"),
            unsupported("bn", f"{LAYERS}.x.BatchNormalization"),
        ),
        (
            "the loaded model's output differs by 0.1 of its largest value",
            "the loaded model's output differs by 3.25e-05 of its largest value",
        ),
        (
            calling("a", "Prune", "in user code:\n\n    File \"optim/x.py\", line 1, in call  *\n"
                    "        if not f():\n\n    NameError: name 'f' is not defined\n"),
            calling("b", "Prune", "in user code:\n\n    File \"optim/x.py\", line 8, in call  *\n"
                    "        if not g():\n\n    NameError: name 'g' is not defined\n",
                    "  • kwargs=<class 'inspect._empty'>"),
        ),
    ],
    ids=["add", "rank", "layer", "names with and without digits", "numbers", "user code"],
)  # fmt: skip
def test_one_defect_in_two_applications_has_one_fingerprint(one: str, other: str) -> None:
    assert one != other
    assert at(one) == at(other)


def test_different_defects_have_different_fingerprints() -> None:
    messages = [
        list_dtype("tf.__operators__.add"),
        rank("bn"),
        unsupported("rescaling", f"{LAYERS}.preprocessing.image_preprocessing.Rescaling"),
        unsupported("normalization", f"{LAYERS}.preprocessing.normalization.Normalization"),
        unprunable(f"{LAYERS}.preprocessing.image_preprocessing.Rescaling"),
        unprunable(f"{LAYERS}.preprocessing.normalization.Normalization"),
        unprunable(f"{LAYERS}.convolutional.conv2d.Conv2D"),
        unprunable(f"{LAYERS}.convolutional.conv3d.Conv3D"),
        SEEN["ConvNeXtTiny-qat-tfmot"].message,
        SEEN["elu within a convolution"].message,
    ]
    prints = [at(m) for m in messages]
    prints += [at(messages[0], file=PRUNE), at(messages[0], type="TypeError")]
    assert len(set(prints)) == len(prints)


def test_a_fingerprint_reads_as_type_message_and_place() -> None:
    assert at(list_dtype("tf.math.add_17"), type="AttributeError") == (
        f"AttributeError: _ object has no attribute _ @ {QUANTIZE}:_quantize"
    )
    assert at(unsupported("bn_3", f"{LAYERS}.x.BatchNormalization"), type="RuntimeError") == (
        "RuntimeError: Layer _:<BatchNormalization> is not supported. You can quantize this layer "
        f"by passing a _ instance to the _ API. @ {QUANTIZE}:_quantize"
    )
    pruning = at(unprunable(f"{LAYERS}.convolutional.conv2d.Conv2D"), file=PRUNE)
    assert pruning.endswith(f"... <Conv2D> @ {PRUNE}:_quantize")


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("", ""),
        ("one", "one"),
        ("\n  first \n second", "first"),
        (calling("a", "Add", "Incompatible shapes: [2]"), "Incompatible shapes: [2]"),
        ('Exception encountered when calling layer "a" (type A).', None),
        (
            'in user code:\n\n    File "x.py", line 1, in f *\n        raise g()\n\n'
            "    ValueError: bad\n    and more\n",
            "ValueError: bad",
        ),
        (
            'in user code:\n\n    File "x.py", line 1, in f *\n        g()\n\n    ValueError: '
            + calling("a", "A", "TypeError: deep down"),
            "TypeError: deep down",
        ),
        ("in user code:\n  nothing known", "nothing known"),
    ],
)  # fmt: skip
def test_the_headline_is_what_was_raised(message: str, line: str | None) -> None:
    assert facts.headline(message) == (message if line is None else line)


# --- records ----------------------------------------------------------------------------


def test_a_record_is_labelled_anew_from_its_facts(make_record: MakeRecord) -> None:
    seen = SEEN["EfficientNetB0-qat-tfmot"]
    old = make_record(
        status="fail",
        stage="transform",
        label="unclassified",
        fingerprint="old",
        failure=seen.failure(),
        expectation="expected",
    )
    new = classifier.apply(old)
    assert new.label == "unsupported-layer"
    assert (new.blocker_kind, new.blocker, new.blocker_name) == seen.blocks
    assert new.fingerprint == fingerprint(seen.failure())
    assert classifier.apply(new) == new
    names = [f.name for f in dataclasses.fields(Record)]
    changed = {name for name in names if getattr(old, name) != getattr(new, name)}
    assert changed == {"label", "fingerprint", "blocker_kind", "blocker", "blocker_name"}


def test_a_pass_and_a_blocked_case_keep_their_label(make_record: MakeRecord) -> None:
    assert classifier.apply(make_record()) == make_record()
    blocked = make_record(
        status=str(Status.BLOCKED), label="control", failure=Failure("Blocked", "the control ...")
    )
    assert classifier.apply(blocked) == blocked


# --- constructors of one's own ------------------------------------------------------------


def raised_in(*files: str) -> Failure:
    frames = [{"file": f, "line": 1, "function": "f", "code": ""} for f in files]
    chain = ({"type": "ZeroDivisionError", "message": "division by zero", "notes": []},)
    return Failure("ZeroDivisionError", "division by zero", chain=chain, frames=tuple(frames))


HARNESS = ("harness/execution/host.py", "harness/stages/build.py")


@pytest.mark.parametrize(
    ("files", "constructor", "label"),
    [
        ([*HARNESS, "mynets.py"], "mynets:Net", "own-constructor"),
        ([*HARNESS, "home/models/mynets.py"], "mynets:Net", "own-constructor"),
        ([*HARNESS, "mypackage/nets.py", "tf_keras/src/layers/a.py"], "mypackage.nets:Net",
         "own-constructor"),
        ([*HARNESS, "mypackage/nets.py", "mypackage/parts.py"], "mypackage.nets:Net",
         "own-constructor"),
        ([*HARNESS, "mynets.py", "optim/saving.py"], "mynets:Net", "unclassified"),
        (HARNESS, "mynets:Net", "unclassified"),
        ([*HARNESS, "tf_keras/src/applications/vgg16.py"], "", "unclassified"),
        ([*HARNESS, "notmynets.py"], "mynets:Net", "unclassified"),
    ],
)  # fmt: skip
def test_what_a_constructor_of_ones_own_raises_is_not_ours_to_classify(
    make_record: MakeRecord, files: list[str], constructor: str, label: str
) -> None:
    own = f" --applications {constructor}" if constructor else ""
    record = make_record(
        status="fail",
        stage="build",
        failure=raised_in(*files),
        repro=f"python -m harness case Net-float-notop{own}",
    )
    assert classifier.apply(record).label == label
    later = dataclasses.replace(record, stage="transform")
    assert classifier.apply(later).label == "unclassified"


def test_a_cause_that_is_known_goes_before_whose_the_constructor_is(
    make_record: MakeRecord,
) -> None:
    failure = dataclasses.replace(raised_in(*HARNESS, "mynets.py"), type="MemoryError", chain=())
    record = make_record(
        status="fail", stage="build", failure=failure, repro="x --applications mynets:Net"
    )
    assert classifier.apply(record).label == "oom"
