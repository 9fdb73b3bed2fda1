"""The classifier: from the facts of a failure to its label, cause and remedy.

An ordered table of rules, all data. A rule matches on the stage, the type of an
exception anywhere in the chain, a pattern in any message of the chain, and the file of a
frame; the first that matches gives the label. Named groups of its pattern (``layer``,
``cls``, ``op``, ``activation``) say what blocks.

Labels are computed from facts that the record keeps, so a better table can be applied to
old records: ``harness relabel``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.failures.facts import headline
from harness.records import Failure, Record
from harness.vocabulary import Status, unknown

#: The option of `harness case` that says where a constructor of one's own is.
OWN = "--applications"

_TFMOT = "https://github.com/tensorflow/model-optimization/issues/"


@dataclass(frozen=True)
class Explanation:
    """What a reader is told of a label: a sentence or two each, and where to read on.

    Attributes:
      label, title: the word for it, and how it is spelt out.
      cause: why it happens.
      remedy: what the owner of the model can do.
      links: upstream issues.
      handled: what in `optim` takes such models now; empty where nothing does.
    """

    label: str
    title: str
    cause: str
    remedy: str
    links: tuple[str, ...] = ()
    handled: str = ""


@dataclass(frozen=True)
class Rule:
    """One row of the table. A field that is None matches anything.

    Attributes:
      label: what a match is called.
      status: the status the attempt ended with.
      stage: the stage that failed.
      type: name of an exception in the chain (a regular expression, whole name).
      message: a regular expression searched in every message of the chain.
      frame: a regular expression searched in the file names of the traceback.
      layer: class of the layer at fault (a regular expression, whole name).
      op: the op of the layer at fault (a regular expression, searched).
      blocker: the kind of what blocks, ``layer``, ``op`` or ``activation``, if one is named.
      own: whether the failure came up in a constructor of one's own: of the frames that are
        not of a library, the innermost is in its package.
    """

    label: str
    status: str | None = None
    stage: str | None = None
    type: str | None = None
    message: str | None = None
    frame: str | None = None
    layer: str | None = None
    op: str | None = None
    blocker: str | None = None
    own: bool = False


@dataclass(frozen=True)
class Classification:
    """What the classifier makes of a failure."""

    label: str
    fingerprint: str
    blocker_kind: str | None = None
    blocker: str | None = None
    blocker_name: str | None = None


_ADD = r"(^|\.)(__operators__\.|math\.)?(add|add_v2|AddV2)(_\d+)?$"
_UNSUPPORTED = (
    r"Layer (?P<layer>\S+?):<class '[\w.]*\b(?P<cls>\w+)'> is not supported\. "
    r"You can quantize this layer"
)
_UNPRUNABLE = (
    r"Please initialize `(Prune|Cluster)` with a supported layer.*<class '[\w.]*\b(?P<cls>\w+)'>"
)

#: First match wins: deaths of the process, then what names its cause, then what only hints.
RULES: tuple[Rule, ...] = (
    Rule("timeout", status="timeout"),
    Rule("oom", status="oom"),
    Rule("crash", status="crash"),
    Rule("oom", type=r"MemoryError|ResourceExhaustedError|_ArrayMemoryError"),
    # build
    Rule(
        "weights-unavailable",
        stage="build",
        message=r"(URL fetch failure|Name or service not known|urlopen error|"
        r"weights. argument should be|No such file .*\.(h5|keras|tgz)|no weights for \w)",
    ),
    Rule(
        "invalid-input-shape",
        message=r"(Input size must be at least|input_shape. (must|should) |"
        r"The input must have \d+ channels|specify a static .input_shape|"
        r"Computed output size would be negative|Negative dimension size|"
        r"One of the dimensions in the output is <= 0|"
        r"expected (shape=|axis -?\d+ of input shape))",
    ),
    Rule(
        "invalid-input-shape", stage="build", message=r"expected (min_|max_)?ndim=\d+, found ndim="
    ),
    # tfmot refuses before it tries
    Rule(
        "nested-model",
        message=r"(Quantizing a (tf\.)?keras Model inside another (tf\.)?keras Model)"
        r"|Subclassed models are not supported",
    ),
    Rule(
        "batchnorm-placement",
        message=r"Layer (?P<layer>\S+?):<class '[\w.]*\b(?P<cls>\w*BatchNormalization)'> "
        r"is not supported\. You can quantize",
        blocker="layer",
    ),
    Rule("unsupported-add", message=_UNSUPPORTED, layer=r".*OpLambda", op=_ADD, blocker="op"),
    Rule("unsupported-op", message=_UNSUPPORTED, layer=r".*OpLambda", blocker="op"),
    Rule(
        "unsupported-op",
        message=r"Layer (?P<layer>\S+?):<class '[\w.]*\b(?P<cls>\w*OpLambda)'> is not supported",
        blocker="op",
    ),
    Rule("unsupported-activation", message=_UNSUPPORTED, layer="Activation", blocker="activation"),
    Rule("unsupported-layer", message=_UNSUPPORTED, blocker="layer"),
    Rule("unsupported-add", message=_UNPRUNABLE, layer=r".*OpLambda", op=_ADD, blocker="op"),
    Rule("unsupported-op", message=_UNPRUNABLE, layer=r".*OpLambda", blocker="op"),
    Rule("unsupported-layer", message=_UNPRUNABLE, blocker="layer"),
    Rule(
        "unsupported-activation",
        message=r"Only some Keras activations under|"
        r"(?i:unsupported activation|activation) [`'\"]?(?P<activation>\w+)[`'\"]? "
        r"(is )?not supported",
        blocker="activation",
    ),
    Rule(
        "custom-layer",
        message=r"Unable to clone model.*custom Keras layers"
        r"(.*Layer (?P<cls>\w+) supplied to wrapper is not a supported)?",
        blocker="layer",
    ),
    Rule(
        "custom-layer",
        message=r"(Unknown (layer|object)|Could not locate (class|function)):? ?['\"]?(?P<cls>\w+)",
        blocker="layer",
    ),
    # the transformation ran into a layer it mishandles
    Rule(
        "tensor-rank",
        message=r"(Shape must be (at (least|most) )?rank \d+ but is rank \d+|"
        r"expected (min_|max_)?ndim=\d+, found ndim=\d+|must be of rank \d|rank mismatch|"
        r"Shapes? must be equal rank)",
        blocker="layer",
    ),
    Rule(
        "unsupported-add",
        type="AttributeError|TypeError|ValueError",
        message=r"calling layer \"(?P<layer>[^\"]*)\" \(type (?P<cls>\w*OpLambda)\)",
        op=_ADD,
        blocker="op",
    ),
    Rule(
        "unsupported-add",
        message=r"calling layer \"(?P<layer>tf\.(__operators__|math)\.add(_\d+)?)\" "
        r"\(type (?P<cls>\w*OpLambda)\)",
        blocker="op",
    ),
    Rule(
        "unsupported-op",
        message=r"calling layer \"(?P<layer>[^\"]*)\" \(type (?P<cls>\w*OpLambda)\)",
        blocker="op",
    ),
    # export
    Rule(
        "conversion",
        type=r"ConverterError|ConversionError",
        message=r"(error: )?'?(?P<op>tfl?\.\w+)'? op",
        blocker="op",
    ),
    Rule("conversion", type=r"ConverterError|ConversionError"),
    Rule("conversion", type="ExportError", message=r"operation (?P<op>\w+): ", blocker="op"),
    Rule("conversion", type="ExportError"),
    # the file
    Rule("flex-op", type="FlexOpError"),
    Rule("float-island", type="FloatIslandError"),
    # what pruning and clustering promise
    Rule("mask-missing", type="MaskMissingError"),
    Rule("sparsity-lost", type="SparsityLostError"),
    Rule("pattern-lost", type="PatternLostError"),
    Rule("clusters-lost", type="ClustersLostError"),
    Rule("runtime", stage="run", type="ModelFileError|RuntimeError|ValueError"),
    # checks
    Rule("not-finite", type="NotFiniteError"),
    Rule("nothing-trained", type="NothingTrainedError"),
    Rule("save-load", stage="save", type="OutputsDifferError"),
    Rule("numeric-mismatch", type="OutputsDifferError"),
    Rule("save-load", stage="save"),
    Rule("harness", status="error"),
    # What no rule above knows, where it came up in code that is not ours to have rules for.
    Rule("own-constructor", stage="build", own=True),
)

EXPLANATIONS: Mapping[str, Explanation] = {
    e.label: e
    for e in (
        Explanation(
            "tensor-rank",
            "tensor rank",
            "The transformation rebuilt an op layer with its tensor wrapped in a list, so the "
            "next layer got a tensor with one axis too many.",
            "Replace the op by a Keras layer (for RegNet's squeeze: GlobalAveragePooling2D with "
            "keepdims=True), or leave that part out of quantization.",
            (_TFMOT + "867", _TFMOT + "1145"),
            handled="`optim.quantize_model` reads what each op was called with and puts a layer in "
            "its place (a reshape, a slice, a mean, an affine map), so no tensor is wrapped "
            "again. `optim.uncluster` copies such layers with their calls, where tfmot's "
            "strip_clustering does not.",
        ),
        Explanation(
            "nested-model",
            "nested model",
            "tfmot refuses a model that is used as a layer of another model.",
            "Inline the inner model: call its layers one by one on the outer model's tensors.",
            (_TFMOT + "957", _TFMOT + "377", _TFMOT + "292"),
            handled="`optim.quantize_model` inlines nested models, however deep and wherever "
            "shared; `optim.prune_low_magnitude` prunes inside them and keeps the nesting.",
        ),
        Explanation(
            "unsupported-add",
            "unsupported add",
            "An addition written as `a + b` or `tf.add` is an op layer; tfmot has no config for "
            "it, or rebuilds it with its tensor wrapped in a list.",
            "Write the addition as keras.layers.Add()([a, b]), or as a Rescaling layer where one "
            "side is a constant.",
            (_TFMOT + "546", _TFMOT + "1139"),
            handled="`optim.quantize_model` makes an Add of it, or, with a constant, an affine map "
            "per channel that folds into the layer before it. `optim.uncluster` copies such layers "
            "with their calls, where tfmot's strip_clustering does not.",
        ),
        Explanation(
            "unsupported-op",
            "unsupported op",
            "An op that was called on Keras tensors became an op layer (TFOpLambda, "
            "SlicingOpLambda), which tfmot neither knows nor rebuilds correctly.",
            "Use the Keras layer that does the same, or wrap the op in a Layer subclass and "
            "annotate that with a QuantizeConfig.",
            (_TFMOT + "980", _TFMOT + "941", _TFMOT + "1062"),
            handled="`optim.quantize_model` has a rule or a place in the plan for every op of the "
            "applications; an op it does not know stays float, and "
            "`print(optim.plan(model))` says so.",
        ),
        Explanation(
            "unsupported-layer",
            "unsupported layer",
            "tfmot looks a layer's exact class up in its registry, and this one is not there.",
            "Annotate the layer with a QuantizeConfig (NoOpQuantizeConfig leaves it float); when "
            "pruning or clustering, use optim.prune_low_magnitude or optim.cluster_weights, which "
            "pass such layers through.",
            (_TFMOT + "647", _TFMOT + "733"),
            handled="`optim.quantize_model` looks along the class hierarchy: Rescaling and "
            "Normalization become one depthwise convolution, Multiply and its like get a "
            "range; `optim.prune_low_magnitude` and `optim.cluster_weights` pass through what has "
            "no kernel.",
        ),
        Explanation(
            "unsupported-activation",
            "unsupported activation",
            "tfmot's activation list does not hold this activation.",
            "Use relu, linear, softmax, sigmoid or tanh, or annotate the layer with a "
            "QuantizeConfig of its own.",
            (_TFMOT + "980",),
            handled="`optim.quantize_model` takes swish, hard-swish, hard-sigmoid and GELU apart, "
            "or leaves them whole where LiteRT fuses them, with the ranges that LiteRT "
            "prescribes.",
        ),
        Explanation(
            "custom-layer",
            "custom layer",
            "The model holds a class that Keras cannot find by its name when it rebuilds it.",
            "Give the class to Quantize(custom_objects={...}) or wrap the call in "
            "keras.utils.custom_object_scope.",
            (_TFMOT + "942",),
            handled="`optim.quantize_model` has rules for the layers that the applications define, "
            "and writes others out as what they compute; `optim.load_model` knows those "
            "classes by name.",
        ),
        Explanation(
            "batchnorm-placement",
            "BatchNormalization placement",
            "A BatchNormalization that does not directly follow a convolution cannot be folded, "
            "and tfmot has no config for one that stands alone.",
            "Annotate it with DefaultBNQuantizeConfig: `optim.AnnotateRecipe()(model)` does.",
            (_TFMOT + "363", _TFMOT + "763", _TFMOT + "1099"),
            handled="`optim.quantize_model` trains it as it is and runs it in int8 as a 1x1 "
            "depthwise convolution.",
        ),
        Explanation(
            "weights-unavailable",
            "weights unavailable",
            "The trained weights that were asked for are not there.",
            "Build with weights=None, put the weight files where Keras looks for them, or name "
            "their folder with --weights.",
        ),
        Explanation(
            "invalid-input-shape",
            "invalid input shape",
            "The constructor, or a layer of it, does not take an input of this shape.",
            "Give a larger or fully specified input_shape.",
        ),
        Explanation(
            "save-load",
            "save and load",
            "The model was written, but reading it back fails or gives other outputs.",
            "Save as .h5 instead of .keras (or the other way round), or save the weights alone "
            "and rebuild the model.",
            handled="What `optim` makes reads back from both formats with `optim.load_model`.",
        ),
        Explanation(
            "conversion",
            "conversion",
            "The LiteRT converter refused the model.",
            "Leave the named op, or the layer that made it, out of quantization.",
            handled="`optim.quantize_model` plans by what LiteRT can run, and gives tensors that "
            "have to share a scale one range.",
        ),
        Explanation(
            "float-island",
            "float island",
            "A file that is to run in int8 throughout has float operations between its input "
            "and its output, each with a conversion before and behind it.",
            "Look at the layer that the message names in `optim.plan(model)`: it says why it "
            "stays float. Replace the layer, or add a rule for it.",
        ),
        Explanation(
            "flex-op",
            "flex op",
            "The file needs an operation that LiteRT does not have; it would run only with "
            "TensorFlow's kernels linked in.",
            "Replace the layer that makes the operation by one that LiteRT knows.",
        ),
        Explanation(
            "mask-missing",
            "mask missing",
            "Training ended and no weight was pruned: no mask was ever set. Masks are set by "
            "tfmot's UpdatePruningStep callback, and by default first at step 100.",
            "Train with `optim.get_pruning_callbacks()`; for a short training give "
            "`prune_low_magnitude` a smaller `frequency`, or use `optim.sparsify`, which needs "
            "no training.",
            handled="`optim.unprune` warns when no mask was ever updated, and the masks of "
            "`optim.prune_low_magnitude` are set at the last step of a schedule too.",
        ),
        Explanation(
            "sparsity-lost",
            "sparsity lost",
            "Weights that were pruned are not zero any more, in the trained model or in its file.",
            "`unprune` before saving or converting, and quantize with "
            '`quantize_model(preserve="sparsity")`: plain quantization-aware training moves the '
            "zeros. `optim.sparsity_report` shows where, layer by layer.",
            handled='`optim.quantize_model(preserve="sparsity")` masks every kernel in each step '
            "of training, depthwise ones included.",
        ),
        Explanation(
            "pattern-lost",
            "pattern lost",
            "Groups of weights have fewer zeros than the m-by-n pattern asks for, so a sparse "
            "matrix unit cannot take the kernel.",
            "Prune with `optim.prune_low_magnitude(sparsity_m_by_n=...)`, which counts along the "
            "inputs as the file does; `optim.sparsity_report(file)` shows the layers.",
            handled="`optim.prune_low_magnitude` knows for each class of layer which axis is "
            "the innermost in a LiteRT file, and the pattern survives saving and loading.",
        ),
        Explanation(
            "clusters-lost",
            "clusters lost",
            "A kernel has more different values than its clustering allows, so its file hardly "
            "compresses better than without.",
            "`uncluster` before saving or converting, and quantize with "
            '`quantize_model(preserve="clusters")`: with a range per channel, the few values '
            "become other numbers in each channel.",
            handled='`optim.quantize_model(preserve="clusters")` trains the few values '
            "themselves, and `optim.export` puts them into the file as few numbers.",
        ),
        Explanation(
            "runtime",
            "runtime",
            "The file was written, and the LiteRT runtime cannot load or run it.",
            'Try other kernels (`optim.litert.Runtime(file, kernels="reference")`), and report '
            "the operation that the message names upstream.",
        ),
        Explanation(
            "not-finite",
            "not finite",
            "A loss or an output is NaN or infinite.",
            "Lower the learning rate, or look for a division or logarithm of zero.",
        ),
        Explanation(
            "nothing-trained",
            "nothing trained",
            "One optimizer step changed no kernel at all.",
            "Check that layers are trainable and that gradients reach them.",
        ),
        Explanation(
            "numeric-mismatch",
            "numeric mismatch",
            "Two models that should compute the same do not: the exported file and the model it "
            "was made from, or the file and the float model.",
            "`optim.debug(model, data)` shows layer by layer where the signal is lost; "
            "`optim.verify(file, references, data)` says against which of the two.",
            handled="`optim.quantize_model` keeps the order of every layer's inputs, and has no "
            "fake-quant inside what LiteRT runs as one operation.",
        ),
        Explanation(
            "timeout",
            "timeout",
            "The case was not done within its time; the end of its output shows where it was.",
            "Run it alone, or with a larger --case-timeout.",
        ),
        Explanation(
            "oom",
            "out of memory",
            "The case used more memory than it may, or than the machine has.",
            "Run with fewer workers (-n) or a larger --case-memory.",
            handled="optim.cluster_weights: 8.4 GiB for ResNetRS420, where tfmot's clustering is "
            "stopped at 16; 7.3 instead of 15.4 GiB for ResNetRS350.",
        ),
        Explanation(
            "crash",
            "crash",
            "The process died: a failed check in native code, a signal, or an exit.",
            "Run the repro command and read the end of its output; report it upstream.",
        ),
        Explanation(
            "control",
            "control failed",
            "The application fails without any technique: its float case did not pass.",
            "Look at the float case of the same row; this case says nothing of its technique.",
        ),
        Explanation(
            "harness",
            "harness fault",
            "The harness itself failed; nothing is known of the case.",
            "Run `python -m harness case ID` and report what it prints.",
        ),
        Explanation(
            "own-constructor",
            "own constructor",
            "The function that makes the application raised: one of your own, not of Keras.",
            "Your function raised; run the `harness case` command of the record, which shows "
            "the traceback, and correct it there.",
        ),
        Explanation(
            "unclassified",
            "unclassified",
            "No rule knows this failure yet.",
            "Read the traceback; if it is a defect with a cause of its own, add a rule to "
            "harness/failures/labels.py.",
        ),
    )
}


def explain(label: str) -> Explanation:
    """Return what is known of a label.

    Raises:
      UsageError: there is no such label; the message names the nearest.
    """
    if label not in EXPLANATIONS:
        raise unknown("label", label, EXPLANATIONS)
    return EXPLANATIONS[label]


def classify(failure: Failure, *, status: str, stage: str, constructor: str = "") -> Classification:
    """Return the label of a failure, what blocks, and its fingerprint.

    Args:
      failure: its facts.
      status: how the attempt ended.
      stage: where.
      constructor: of an application of one's own, as ``package.module:function``.
    """
    for rule in RULES:
        if rule.own and not _is_own(failure, constructor):
            continue
        groups = _match(rule, failure, status, stage)
        if groups is not None:
            kind, blocker, name = _blocker(rule, groups, failure)
            return Classification(rule.label, fingerprint(failure), kind, blocker, name)
    return Classification("unclassified", fingerprint(failure))


def apply(record: Record) -> Record:
    """Return ``record`` with its label, blocker and fingerprint computed anew."""
    if record.failure is None or record.status == Status.BLOCKED:
        return record
    found = classify(
        record.failure,
        status=record.status,
        stage=record.stage,
        constructor=_constructor(record),
    )
    return replace(
        record,
        label=found.label,
        remedy=found.label,
        fingerprint=found.fingerprint,
        blocker_kind=found.blocker_kind,
        blocker=found.blocker,
        blocker_name=found.blocker_name,
    )


def _constructor(record: Record) -> str:
    """Return where the constructor of an application of one's own is, as its command says."""
    words = record.repro.split()
    if OWN not in words[:-1]:
        return ""
    return words[words.index(OWN) + 1]


#: Where frames of our own are.
_OURS = re.compile(r"(harness|optim)/")


def _is_own(failure: Failure, constructor: str) -> bool:
    """Whether the innermost frame that is of no library is in a constructor's package."""
    package = constructor.partition(":")[0].partition(".")[0]
    if not package:
        return False
    theirs = re.compile(rf"(^|/){re.escape(package)}(/|\.py$)")
    for frame in reversed(failure.frames):
        if theirs.search(frame["file"]):
            return True
        if _OURS.match(frame["file"]):
            return False
    return False


def _match(rule: Rule, failure: Failure, status: str, stage: str) -> dict[str, str] | None:
    """Return the named groups of a matching rule, or None."""
    if rule.status is not None and rule.status != status:
        return None
    if rule.stage is not None and rule.stage != stage:
        return None
    layer = failure.layer or {}
    if rule.layer is not None and not re.fullmatch(rule.layer, layer.get("class", "")):
        return None
    if rule.op is not None and not re.search(rule.op, layer.get("op", "")):
        return None
    if rule.type is not None:
        types = [one["type"] for one in failure.chain] or [failure.type]
        if not any(re.fullmatch(rule.type, one) for one in types):
            return None
    if rule.frame is not None and not any(
        re.search(rule.frame, one["file"]) for one in failure.frames
    ):
        return None
    if rule.message is None:
        return {}
    for message in [one["message"] for one in failure.chain] or [failure.message]:
        found = re.search(rule.message, message, re.DOTALL)
        if found:
            return {k: v for k, v in found.groupdict().items() if v}
    return None


def _blocker(
    rule: Rule, groups: Mapping[str, str], failure: Failure
) -> tuple[str | None, str | None, str | None]:
    """Return kind, class (or op, or activation) and name of what blocks."""
    if rule.blocker is None:
        return None, None, None
    layer = dict(failure.layer or {})
    # The message names the layer for certain; the frames' layer only adds to it.
    if groups.get("layer") and layer.get("name") not in (None, groups["layer"]):
        layer = {}
    name = groups.get("layer") or layer.get("name")
    by_kind = {
        "layer": groups.get("cls") or layer.get("class"),
        "op": groups.get("op") or layer.get("op") or _op_of(name),
        "activation": groups.get("activation") or layer.get("activation"),
    }
    value = by_kind[rule.blocker] or groups.get("cls") or layer.get("class")
    return (rule.blocker, value, name) if value else (None, None, None)


def _op_of(name: str | None) -> str | None:
    """Return the op an op layer is named after: ``tf.math.add_3`` was made by ``math.add``."""
    if not name or not name.startswith("tf."):
        return None
    return re.sub(r"_\d+$", "", name[len("tf.") :])


#: Names, paths and numbers differ from case to case of one defect.
_VARIABLE = re.compile(
    r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?!\w|\.\d)|"
    r"\S+(?=:<)|'[^']*'|\"[^\"]*\"|`[^`]*`|\{\{.*?\}\}|(?<!<)\b[\w/]*\d[\w/.]*\b"
)
#: The class of what is refused does not: another class is another defect.
_CLASS = re.compile(r"<class '[\w.]*\b(\w+)'>")

#: Libraries whose innermost frame marks the place of a defect, the most telling first.
_LIBRARIES = (
    "tensorflow_model_optimization/",
    "optim/",
    "tf_keras/",
    "tensorflow/",
    "ai_edge_litert/",
)


def fingerprint(failure: Failure) -> str:
    """Return the message without names and numbers, and the library frame at fault.

    Equal fingerprints are the same defect, whatever the application.
    """
    message = failure.chain[-1]["message"] if failure.chain else failure.message
    kind = failure.chain[-1]["type"] if failure.chain else failure.type
    line = _CLASS.sub(r"<\1>", headline(message)).removeprefix(f"{kind}: ")
    text = " ".join(_VARIABLE.sub("_", line).split())
    named = re.search(r"<\w+>", text)
    if named and named.end() > 160:
        text = f"{text[:140]}... {named[0]}"
    text = text[:160]
    where = ""
    for library in _LIBRARIES:
        frames = [f for f in failure.frames if f["file"].startswith(library)]
        if frames:
            where = f" @ {frames[-1]['file']}:{frames[-1]['function']}"
            break
    return f"{kind}: {text}{where}"


def upstream_issues() -> dict[str, str]:
    """Return, by label, the first upstream issue that tells of it."""
    from harness.baseline.expectations import short_issue

    return {label: short_issue(e.links[0]) for label, e in EXPLANATIONS.items() if e.links}
