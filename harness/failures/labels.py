"""The labels: what a failure is called, how it is recognised, why it happens, what to do.

One entry a label, all data. `harness.failures.classify` tries the rules of all of them: in the
order of `When`, and within that in the order of this table.
"""

from __future__ import annotations

from harness.failures.label import Label, Rule, When

_TFMOT = "https://github.com/tensorflow/model-optimization/issues/"

_ADD = r"(^|\.)(__operators__\.|math\.)?(add|add_v2|AddV2)(_\d+)?$"
_UNSUPPORTED = (
    r"Layer (?P<layer>\S+?):<class '[\w.]*\b(?P<cls>\w+)'> is not supported\. "
    r"You can quantize this layer"
)
_UNPRUNABLE = (
    r"Please initialize `(Prune|Cluster)` with a supported layer.*<class '[\w.]*\b(?P<cls>\w+)'>"
)

LABELS: tuple[Label, ...] = (
    Label(
        "timeout",
        "timeout",
        cause="The case was not done within its time; the end of its output shows where it was.",
        remedy="Run it alone, or with a larger --case-timeout.",
        rules=(Rule(When.DEATH, status="timeout"),),
    ),
    Label(
        "oom",
        "out of memory",
        cause="The case used more memory than it may, or than the machine has.",
        remedy="Run with fewer workers (-n) or a larger --case-memory.",
        handled="optim.cluster_weights: 8.4 GiB for ResNetRS420, where tfmot's clustering is "
        "stopped at 16; 7.3 instead of 15.4 GiB for ResNetRS350.",
        rules=(
            Rule(When.DEATH, status="oom"),
            Rule(When.DEATH, type=r"MemoryError|ResourceExhaustedError|_ArrayMemoryError"),
        ),
    ),
    Label(
        "crash",
        "crash",
        cause="The process died: a failed check in native code, a signal, or an exit.",
        remedy="Run the repro command and read the end of its output; report it upstream.",
        rules=(Rule(When.DEATH, status="crash"),),
    ),
    Label(
        "untrusted-file",
        "file that brings code",
        cause="The model file has Python code in it, or names modules, files or operations that "
        "are not layers: to load it is to run what it brings.",
        remedy="Replace a Lambda by a layer class, and give or register your own classes "
        "(`--custom`, `custom_objects`). If you trust whoever made the file: `--trust`, or "
        "`safe_mode=False`.",
        rules=(Rule(When.BUILD, type="UntrustedFileError"),),
    ),
    Label(
        "model-file",
        "model file that cannot be read",
        cause="The file is damaged, of a format that is not known, holds no whole model, or names "
        "a class that Keras does not know; the message says which.",
        remedy="A class of your own: --custom package.module:Name. A function of `keras.ops`: save "
        "as .keras, as an .h5 file does not say where it is from. Otherwise save the model again "
        "with `model.save`, or copy the file again.",
        rules=(Rule(When.BUILD, stage="build", type="ModelFileError"),),
    ),
    Label(
        "weights-unavailable",
        "weights unavailable",
        cause="The trained weights that were asked for are not there.",
        remedy="Build with weights=None, put the weight files where Keras looks for them, or name "
        "their folder with --weights.",
        rules=(
            Rule(
                When.BUILD,
                stage="build",
                message=r"(URL fetch failure|Name or service not known|urlopen error|"
                r"weights. argument should be|No such file .*\.(h5|keras|tgz)|no weights for \w)",
            ),
        ),
    ),
    Label(
        "invalid-input-shape",
        "invalid input shape",
        cause="The constructor, or a layer of it, does not take an input of this shape.",
        remedy="Give a larger or fully specified input_shape.",
        rules=(
            Rule(
                When.BUILD,
                message=r"(Input size must be at least|input_shape. (must|should) |"
                r"The input must have \d+ channels|specify a static .input_shape|"
                r"Computed output size would be negative|Negative dimension size|"
                r"One of the dimensions in the output is <= 0|"
                r"expected (shape=|axis -?\d+ of input shape))",
            ),
            Rule(When.BUILD, stage="build", message=r"expected (min_|max_)?ndim=\d+, found ndim="),
        ),
    ),
    Label(
        "nested-model",
        "nested model",
        cause="tfmot refuses a model that is used as a layer of another model.",
        remedy="Inline the inner model: call its layers one by one on the outer model's tensors.",
        links=(_TFMOT + "957", _TFMOT + "377", _TFMOT + "292"),
        handled="`optim.quantize_model` inlines nested models, however deep and wherever "
        "shared; `optim.prune_low_magnitude` prunes inside them and keeps the nesting.",
        rules=(
            Rule(
                When.REFUSAL,
                message=r"(Quantizing a (tf\.)?keras Model inside another (tf\.)?keras Model)"
                r"|Subclassed models are not supported",
            ),
        ),
    ),
    Label(
        "batchnorm-placement",
        "BatchNormalization placement",
        cause="A BatchNormalization that does not directly follow a convolution cannot be folded, "
        "and tfmot has no config for one that stands alone.",
        remedy="Annotate it with DefaultBNQuantizeConfig: `optim.AnnotateRecipe()(model)` does.",
        links=(_TFMOT + "363", _TFMOT + "763", _TFMOT + "1099"),
        handled="`optim.quantize_model` trains it as it is and runs it in int8 as a 1x1 "
        "depthwise convolution.",
        rules=(
            Rule(
                When.REFUSAL,
                message=r"Layer (?P<layer>\S+?):<class '[\w.]*\b(?P<cls>\w*BatchNormalization)'> "
                r"is not supported\. You can quantize",
                blocker="layer",
            ),
        ),
    ),
    Label(
        "unsupported-add",
        "unsupported add",
        cause="An addition written as `a + b` or `tf.add` is an op layer; tfmot has no config for "
        "it, or rebuilds it with its tensor wrapped in a list.",
        remedy="Write the addition as keras.layers.Add()([a, b]), or as a Rescaling layer where "
        "one "
        "side is a constant.",
        links=(_TFMOT + "546", _TFMOT + "1139"),
        handled="`optim.quantize_model` makes an Add of it, or, with a constant, an affine map "
        "per channel that folds into the layer before it. `optim.uncluster` copies such layers "
        "with their calls, where tfmot's strip_clustering does not.",
        rules=(
            Rule(When.REFUSAL, message=_UNSUPPORTED, layer=r".*OpLambda", op=_ADD, blocker="op"),
            Rule(When.REFUSAL, message=_UNPRUNABLE, layer=r".*OpLambda", op=_ADD, blocker="op"),
            Rule(
                When.MISHANDLING,
                type="AttributeError|TypeError|ValueError",
                message=r"calling layer \"(?P<layer>[^\"]*)\" \(type (?P<cls>\w*OpLambda)\)",
                op=_ADD,
                blocker="op",
            ),
            Rule(
                When.MISHANDLING,
                message=r"calling layer \"(?P<layer>tf\.(__operators__|math)\.add(_\d+)?)\" "
                r"\(type (?P<cls>\w*OpLambda)\)",
                blocker="op",
            ),
        ),
    ),
    Label(
        "unsupported-op",
        "unsupported op",
        cause="An op that was called on Keras tensors became an op layer (TFOpLambda, "
        "SlicingOpLambda), which tfmot neither knows nor rebuilds correctly.",
        remedy="Use the Keras layer that does the same, or wrap the op in a Layer subclass and "
        "annotate that with a QuantizeConfig.",
        links=(_TFMOT + "980", _TFMOT + "941", _TFMOT + "1062"),
        handled="`optim.quantize_model` has a rule or a place in the plan for every op of the "
        "applications; an op it does not know stays float, and "
        "`print(optim.plan(model))` says so.",
        rules=(
            Rule(When.REFUSAL, message=_UNSUPPORTED, layer=r".*OpLambda", blocker="op"),
            Rule(
                When.REFUSAL,
                message=r"Layer (?P<layer>\S+?):<class '[\w.]*\b(?P<cls>\w*OpLambda)'> is not "
                r"supported",
                blocker="op",
            ),
            Rule(When.REFUSAL, message=_UNPRUNABLE, layer=r".*OpLambda", blocker="op"),
            Rule(
                When.MISHANDLING,
                message=r"calling layer \"(?P<layer>[^\"]*)\" \(type (?P<cls>\w*OpLambda)\)",
                blocker="op",
            ),
        ),
    ),
    Label(
        "unsupported-activation",
        "unsupported activation",
        cause="tfmot's activation list does not hold this activation.",
        remedy="Use relu, linear, softmax, sigmoid or tanh, or annotate the layer with a "
        "QuantizeConfig of its own.",
        links=(_TFMOT + "980",),
        handled="`optim.quantize_model` takes swish, hard-swish, hard-sigmoid and GELU apart, "
        "or leaves them whole where LiteRT fuses them, with the ranges that LiteRT "
        "prescribes.",
        rules=(
            Rule(When.REFUSAL, message=_UNSUPPORTED, layer="Activation", blocker="activation"),
            Rule(
                When.REFUSAL,
                message=r"Only some Keras activations under|"
                r"(?i:unsupported activation|activation) [`'\"]?(?P<activation>\w+)[`'\"]? "
                r"(is )?not supported",
                blocker="activation",
            ),
        ),
    ),
    Label(
        "unsupported-layer",
        "unsupported layer",
        cause="tfmot looks a layer's exact class up in its registry, and this one is not there.",
        remedy="Annotate the layer with a QuantizeConfig (NoOpQuantizeConfig leaves it float); "
        "when "
        "pruning or clustering, use optim.prune_low_magnitude or optim.cluster_weights, which "
        "pass such layers through.",
        links=(_TFMOT + "647", _TFMOT + "733"),
        handled="`optim.quantize_model` looks along the class hierarchy: Rescaling and "
        "Normalization become one depthwise convolution, Multiply and its like get a "
        "range; `optim.prune_low_magnitude` and `optim.cluster_weights` pass through what has "
        "no kernel.",
        rules=(
            Rule(When.REFUSAL, message=_UNSUPPORTED, blocker="layer"),
            Rule(When.REFUSAL, message=_UNPRUNABLE, blocker="layer"),
        ),
    ),
    Label(
        "custom-layer",
        "custom layer",
        cause="The model holds a class that Keras cannot find by its name when it rebuilds it.",
        remedy="Give the class to Quantize(custom_objects={...}) or wrap the call in "
        "keras.utils.custom_object_scope.",
        links=(_TFMOT + "942",),
        handled="`optim.quantize_model` has rules for the layers that the applications define, "
        "and writes others out as what they compute; `optim.load_model` knows those "
        "classes by name.",
        rules=(
            Rule(
                When.REFUSAL,
                message=r"Unable to clone model.*custom Keras layers"
                r"(.*Layer (?P<cls>\w+) supplied to wrapper is not a supported)?",
                blocker="layer",
            ),
            Rule(
                When.REFUSAL,
                message=r"(Unknown (layer|object)|Could not locate (class|function)):? "
                r"?['\"]?(?P<cls>\w+)",
                blocker="layer",
            ),
        ),
    ),
    Label(
        "tensor-rank",
        "tensor rank",
        cause="The transformation rebuilt an op layer with its tensor wrapped in a list, so the "
        "next layer got a tensor with one axis too many.",
        remedy="Replace the op by a Keras layer (for RegNet's squeeze: GlobalAveragePooling2D with "
        "keepdims=True), or leave that part out of quantization.",
        links=(_TFMOT + "867", _TFMOT + "1145"),
        handled="`optim.quantize_model` reads what each op was called with and puts a layer in "
        "its place (a reshape, a slice, a mean, an affine map), so no tensor is wrapped "
        "again. `optim.uncluster` copies such layers with their calls, where tfmot's "
        "strip_clustering does not.",
        rules=(
            Rule(
                When.MISHANDLING,
                message=r"(Shape must be (at (least|most) )?rank \d+ but is rank \d+|"
                r"expected (min_|max_)?ndim=\d+, found ndim=\d+|must be of rank \d|rank mismatch|"
                r"Shapes? must be equal rank)",
                blocker="layer",
            ),
        ),
    ),
    Label(
        "conversion",
        "conversion",
        cause="The LiteRT converter refused the model.",
        remedy="Leave the named op, or the layer that made it, out of quantization.",
        handled="`optim.quantize_model` plans by what LiteRT can run, and gives tensors that "
        "have to share a scale one range.",
        rules=(
            Rule(
                When.EXPORT,
                type=r"ConverterError|ConversionError",
                message=r"(error: )?'?(?P<op>tfl?\.\w+)'? op",
                blocker="op",
            ),
            Rule(When.EXPORT, type=r"ConverterError|ConversionError"),
            Rule(When.EXPORT, type="ExportError", message=r"operation (?P<op>\w+): ", blocker="op"),
            Rule(When.EXPORT, type="ExportError"),
        ),
    ),
    Label(
        "flex-op",
        "flex op",
        cause="The file needs an operation that LiteRT does not have; it would run only with "
        "TensorFlow's kernels linked in.",
        remedy="Replace the layer that makes the operation by one that LiteRT knows.",
        rules=(Rule(When.FILE, type="FlexOpError"),),
    ),
    Label(
        "float-island",
        "float island",
        cause="A file that is to run in int8 throughout has float operations between its input "
        "and its output, each with a conversion before and behind it.",
        remedy="Look at the layer that the message names in `optim.plan(model)`: it says why it "
        "stays float. Replace the layer, or add a rule for it.",
        rules=(Rule(When.FILE, type="FloatIslandError"),),
    ),
    Label(
        "nothing-quantized",
        "nothing quantized",
        cause="The tool ended without an error and quantized no layer: its file is the float "
        "model's. Keras 3's `model.quantize` knows dense layers and embeddings, and leaves "
        "convolutions as they are.",
        remedy='Use `optim.quantize_model`, or `optim.export(model, optimize="int8")`.',
        rules=(Rule(When.FILE, type="NothingQuantizedError"),),
    ),
    Label(
        "mask-missing",
        "mask missing",
        cause="Training ended and no weight was pruned: no mask was ever set. Masks are set by "
        "tfmot's UpdatePruningStep callback, and by default first at step 100.",
        remedy="Train with `optim.get_pruning_callbacks()`; for a short training give "
        "`prune_low_magnitude` a smaller `frequency`, or use `optim.sparsify`, which needs "
        "no training.",
        handled="`optim.unprune` warns when no mask was ever updated, and the masks of "
        "`optim.prune_low_magnitude` are set at the last step of a schedule too.",
        rules=(Rule(When.FILE, type="MaskMissingError"),),
    ),
    Label(
        "sparsity-lost",
        "sparsity lost",
        cause="Weights that were pruned are not zero any more, in the trained model or in its "
        "file.",
        remedy="`unprune` before saving or converting, and quantize with "
        '`quantize_model(preserve="sparsity")`: plain quantization-aware training moves the '
        "zeros. `optim.sparsity_report` shows where, layer by layer.",
        handled='`optim.quantize_model(preserve="sparsity")` masks every kernel in each step '
        "of training, depthwise ones included.",
        rules=(Rule(When.FILE, type="SparsityLostError"),),
    ),
    Label(
        "pattern-lost",
        "pattern lost",
        cause="Groups of weights have fewer zeros than the m-by-n pattern asks for, so a sparse "
        "matrix unit cannot take the kernel.",
        remedy="Prune with `optim.prune_low_magnitude(sparsity_m_by_n=...)`, which counts along "
        "the "
        "inputs as the file does; `optim.sparsity_report(file)` shows the layers.",
        handled="`optim.prune_low_magnitude` knows for each class of layer which axis is "
        "the innermost in a LiteRT file, and the pattern survives saving and loading.",
        rules=(Rule(When.FILE, type="PatternLostError"),),
    ),
    Label(
        "clusters-lost",
        "clusters lost",
        cause="A kernel has more different values than its clustering allows, so its file hardly "
        "compresses better than without.",
        remedy="`uncluster` before saving or converting, and quantize with "
        '`quantize_model(preserve="clusters")`: with a range per channel, the few values '
        "become other numbers in each channel.",
        handled='`optim.quantize_model(preserve="clusters")` trains the few values '
        "themselves, and `optim.export` puts them into the file as few numbers.",
        rules=(Rule(When.FILE, type="ClustersLostError"),),
    ),
    Label(
        "runtime",
        "runtime",
        cause="The file was written, and the LiteRT runtime cannot load or run it.",
        remedy='Try other kernels (`optim.litert.Runtime(file, kernels="reference")`), and report '
        "the operation that the message names upstream.",
        rules=(Rule(When.FILE, stage="run", type="ModelFileError|RuntimeError|ValueError"),),
    ),
    Label(
        "not-finite",
        "not finite",
        cause="A loss or an output is NaN or infinite.",
        remedy="Lower the learning rate, or look for a division or logarithm of zero.",
        rules=(Rule(When.CHECK, type="NotFiniteError"),),
    ),
    Label(
        "nothing-trained",
        "nothing trained",
        cause="One optimizer step changed no kernel at all.",
        remedy="Check that layers are trainable and that gradients reach them.",
        rules=(Rule(When.CHECK, type="NothingTrainedError"),),
    ),
    Label(
        "save-load",
        "save and load",
        cause="The model was written, but reading it back fails or gives other outputs.",
        remedy="Save as .h5 instead of .keras (or the other way round), or save the weights alone "
        "and rebuild the model.",
        handled="What `optim` makes reads back from both formats with `optim.load_model`.",
        rules=(
            Rule(When.CHECK, stage="save", type="OutputsDifferError"),
            Rule(When.REST, stage="save"),
        ),
    ),
    Label(
        "numeric-mismatch",
        "numeric mismatch",
        cause="Two models that should compute the same do not: the exported file and the model it "
        "was made from, or the file and the float model.",
        remedy="`optim.debug(model, data)` shows layer by layer where the signal is lost; "
        "`optim.verify(file, references, data)` says against which of the two.",
        handled="`optim.quantize_model` keeps the order of every layer's inputs, and has no "
        "fake-quant inside what LiteRT runs as one operation.",
        rules=(Rule(When.CHECK, type="OutputsDifferError"),),
    ),
    Label(
        "control",
        "control failed",
        cause="The application fails without any technique: its float case did not pass.",
        remedy="Look at the float case of the same row; this case says nothing of its technique.",
    ),
    Label(
        "not-installed",
        "not installed",
        cause="What the column works with is not in this environment; nothing was tried.",
        remedy="The message of the case says what to install: the extra `peers`, or an interpreter "
        "of its own (docs/peers.md).",
    ),
    Label(
        "harness",
        "harness fault",
        cause="The harness itself failed; nothing is known of the case.",
        remedy="Run `python -m harness case ID` and report what it prints.",
        rules=(Rule(When.REST, status="error"),),
    ),
    Label(
        "own-constructor",
        "own constructor",
        cause="The function that makes the application raised: one of your own, not of Keras.",
        remedy="Your function raised; run the `harness case` command of the record, which shows "
        "the traceback, and correct it there.",
        rules=(Rule(When.REST, stage="build", own=True),),
    ),
    Label(
        "unclassified",
        "unclassified",
        cause="No rule knows this failure yet.",
        remedy="Read the traceback; if it is a defect with a cause of its own, add a rule to "
        "harness/failures/labels.py.",
    ),
)
