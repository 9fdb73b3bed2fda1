"""Records that look like those of a full run, without running anything."""

from __future__ import annotations

import dataclasses
import hashlib
import random
from collections.abc import Sequence

from harness.records import Failure, Record, StageResult

FAMILIES: dict[str, tuple[str, ...]] = {
    "convnext": tuple(f"ConvNeXt{s}" for s in ("Tiny", "Small", "Base", "Large", "XLarge")),
    "densenet": ("DenseNet121", "DenseNet169", "DenseNet201"),
    "efficientnet": tuple(f"EfficientNetB{n}" for n in range(8)),
    "efficientnet_v2": tuple(f"EfficientNetV2{s}" for s in ("B0", "B1", "B2", "B3", "S", "M", "L")),
    "inception_resnet_v2": ("InceptionResNetV2",),
    "inception_v3": ("InceptionV3",),
    "mobilenet": ("MobileNet",),
    "mobilenet_v2": ("MobileNetV2",),
    "mobilenet_v3": ("MobileNetV3Large", "MobileNetV3Small"),
    "nasnet": ("NASNetLarge", "NASNetMobile"),
    "regnet": tuple(
        f"RegNet{k}{n:03}" for k in "XY" for n in (2, 4, 6, 8, 16, 32, 40, 64, 80, 120, 160, 320)
    ),
    "resnet": ("ResNet50", "ResNet101", "ResNet152"),
    "resnet_rs": tuple(f"ResNetRS{n}" for n in (50, 101, 152, 200, 270, 350, 420)),
    "resnet_v2": ("ResNet50V2", "ResNet101V2", "ResNet152V2"),
    "vgg16": ("VGG16",),
    "vgg19": ("VGG19",),
    "xception": ("Xception",),
}

TECHNIQUES = ("float", "qat-tfmot", "qat-annotate", "prune-tfmot", "prune")

ENVIRONMENT = {
    "python": "3.11.7",
    "tensorflow": "2.21.0",
    "tf_keras": "2.21.0",
    "tfmot": "0.8.1",
    "numpy": "2.3.5",
    "platform": "Linux-x86_64",
    "cores": 2,
    "memory_gib": 7.6,
    "revision": "3f9c2d1a0b44",
    "keras_module": "tf_keras",
}

#: family -> {technique: (label, blocker kind, blocker)}; absent is a pass.
_LAYER = "unsupported-layer"
FAILURES: dict[str, dict[str, tuple[str, str | None, str | None]]] = {
    "convnext": {
        "qat-tfmot": ("nested-model", None, None),
        "qat-annotate": ("nested-model", None, None),
        "prune-tfmot": (_LAYER, "layer", "LayerScale"),
    },
    "densenet": {"qat-tfmot": ("batchnorm-placement", "layer", "BatchNormalization")},
    "efficientnet": {
        "qat-tfmot": (_LAYER, "layer", "Rescaling"),
        "prune-tfmot": (_LAYER, "layer", "Rescaling"),
    },
    "efficientnet_v2": {
        "qat-tfmot": (_LAYER, "layer", "Rescaling"),
        "prune-tfmot": (_LAYER, "layer", "Rescaling"),
    },
    "inception_resnet_v2": {
        "qat-tfmot": ("custom-layer", "layer", "CustomScaleLayer"),
        "qat-annotate": ("custom-layer", "layer", "CustomScaleLayer"),
        "prune-tfmot": ("custom-layer", "layer", "CustomScaleLayer"),
    },
    "mobilenet_v3": {
        "qat-tfmot": ("unsupported-add", "op", "__operators__.add"),
        "qat-annotate": ("unsupported-add", "op", "__operators__.add"),
        "prune-tfmot": (_LAYER, "layer", "TFOpLambda"),
    },
    "regnet": {
        "qat-tfmot": ("nested-model", None, None),
        "qat-annotate": ("tensor-rank", None, None),
        "prune-tfmot": (_LAYER, "layer", "Rescaling"),
    },
    "resnet_rs": {
        "qat-tfmot": (_LAYER, "layer", "Rescaling"),
        "qat-annotate": ("unsupported-activation", "activation", "swish"),
        "prune-tfmot": ("unsupported-op", "op", "tf.math.reduce_mean"),
    },
    "resnet_v2": {"qat-tfmot": ("batchnorm-placement", "layer", "BatchNormalization")},
}

MESSAGES = {
    "nested-model": "Quantizing a tf.keras Model inside another tf.keras Model is not supported.",
    "unsupported-layer": (
        "Layer {name}:<class 'tf_keras.src.layers.preprocessing.image_preprocessing.{blocker}'> "
        "is not supported. You can quantize this layer by passing a "
        "`tfmot.quantization.keras.QuantizeConfig` instance to the `quantize_annotate_layer` API."
    ),
    "tensor-rank": (
        "Shape must be rank 4 but is rank 5 for '{{{{node {name}/BiasAdd}}}} = "
        'BiasAdd[T=DT_FLOAT, data_format="NHWC"]\' with input shapes: [1,?,?,?,8], [8].'
    ),
    "batchnorm-placement": (
        "Layer {name}:<class 'tf_keras.src.layers.normalization.batch_normalization."
        "BatchNormalization'> is not supported."
    ),
}

_TFMOT = "site-packages/tensorflow_model_optimization/python/core/quantization/keras/"


def _frames(technique: str, label: str, depth: int) -> tuple[dict[str, object], ...]:
    head = [
        {
            "file": "harness/stages/transform.py",
            "line": 88,
            "function": "run_stage",
            "code": "stage.run(case)",
        },
        {
            "file": "harness/techniques/quantization.py",
            "line": 41,
            "function": "transform",
            "code": "return quantize_model(model)",
        },
    ]
    middle = [
        {
            "file": f"{_TFMOT}quantize.py",
            "line": 130 + 7 * i,
            "function": f"quantize_step_{i}",
            "code": f"layer_{i} = self._walk(layer, annotations[{i}], scheme=quantize_scheme)",
        }
        for i in range(depth)
    ]
    tail = [
        {
            "file": f"{_TFMOT}quantize_registry.py",
            "line": len(label) * 11,
            "function": f"check_{technique.replace('-', '_')}",
            "code": "raise ValueError(",
        }
    ]
    return tuple(head + middle + tail)


def record(
    application: str = "ResNet50",
    technique: str = "float",
    variant: str = "notop",
    *,
    family: str = "resnet",
    failing: tuple[str, str | None, str | None] | None = None,
    **changes: object,
) -> Record:
    """One plausible record; ``changes`` overrides any field."""
    case = f"{application}-{technique}-{variant}"
    dice = random.Random(case)
    size = 1 + int(hashlib.sha256(application.encode()).hexdigest(), 16) % 40
    stages = [StageResult("build", "pass", 0.4 * size * dice.uniform(0.9, 1.1), 0.5 * size)]
    slow = {"float": 0.0, "qat-tfmot": 3.0, "qat-annotate": 4.0}.get(technique, 0.7)
    wall = slow * size * dice.uniform(0.8, 1.3)
    stages.append(StageResult("transform", "pass", wall, slow * size))
    metrics: dict[str, object] = {
        "parameters": 750_000 * size + 3,
        "layers": 12 * size,
    }
    fields: dict[str, object] = {}
    if failing is None:
        stages.append(StageResult("train", "pass", 0.9 * size, 1.4 * size))
        stages.append(StageResult("save", "pass", 0.5 * size, 0.5 * size))
        metrics |= {
            "loss": round(dice.uniform(0.1, 7), 4),
            "save_bytes": 3_100_000 * size,
            "save_difference": 0.0,
        }
    else:
        label, kind, blocker = failing
        stages[-1] = dataclasses.replace(stages[-1], status="fail")
        name = (blocker or "layer").lower()
        message = MESSAGES.get(label, "Unknown {blocker} in {name}; see the layer's config.")
        message = message.format(name=name, blocker=blocker)
        fields = {
            "status": "fail",
            "label": label,
            "stage": "transform",
            "blocker_kind": kind,
            "blocker": blocker,
            "blocker_name": blocker and name,
            "fingerprint": f"{label}:quantize_registry.py:check",
            "failure": Failure(
                "ValueError",
                message,
                ({"type": "ValueError", "message": message, "notes": []},),
                _frames(technique, label, 8 + dice.randrange(25)),
            ),
        }
    values: dict[str, object] = {
        "case": case, "application": application, "family": family, "technique": technique,
        "variant": variant, "status": "pass", "stage": "save", "until": "save",
        "run_id": "20260102-030405-ab12", "stages": tuple(stages), "metrics": metrics,
        "peak_rss_bytes": 600_000_000 + 90_000_000 * size,
        "seconds": sum(s.seconds for s in stages),
        "cpu_seconds": sum(s.cpu_seconds for s in stages),
        "repro": f"python -m harness case {case}", "started": "2026-01-02T03:04:05+00:00",
        "environment": ENVIRONMENT, "expectation": "expected",
        "key": hashlib.sha256(case.encode()).hexdigest()[:16],
    } | fields | changes  # fmt: skip
    if "expected" not in values:
        values["expected"] = {k: values.get(k) for k in ("status", "stage", "label")}
    return Record(**values)  # type: ignore[arg-type]


def full_run(
    techniques: Sequence[str] = TECHNIQUES, variants: Sequence[str] = ("notop",)
) -> list[Record]:
    """71 applications by every technique, with what a real run is known to find."""
    records = []
    for family, applications in FAMILIES.items():
        for application in applications:
            for technique in techniques:
                failure = FAILURES.get(family, {}).get(technique)
                for variant in variants:
                    one = record(application, technique, variant, family=family, failing=failure)
                    if technique.endswith(("tfmot", "annotate")) and family != "vgg16":
                        reused = {
                            "run_id": "20251201-000000-ffff",
                            "date": "2025-12-01T00:00:00+00:00",
                        }
                        one = dataclasses.replace(one, reused=reused)
                    records.append(one)
    return records


def with_surprises(records: list[Record]) -> list[Record]:
    """The same run with one case of every expectation and every status in it."""
    by_case = {r.case: r for r in records}

    def change(case: str, **changes: object) -> None:
        if case in by_case:
            by_case[case] = dataclasses.replace(by_case[case], **changes)  # type: ignore[arg-type]

    regressed = record(
        "VGG16",
        "prune",
        family="vgg16",
        failing=("not-finite", None, None),
        stage="train",
        expectation="regression",
        expected={"status": "pass", "stage": "save", "label": None},
    )
    by_case[regressed.case] = regressed
    change(
        "MobileNetV3Small-qat-annotate-notop",
        label="tensor-rank",
        expectation="changed-label",
        expected={"status": "fail", "stage": "transform", "label": "unsupported-add"},
    )
    change(
        "Xception-qat-tfmot-notop",
        expectation="newly-passing",
        expected={"status": "fail", "stage": "transform", "label": "batchnorm-placement"},
    )
    change("MobileNet-prune-notop", expectation="new", expected=None)
    deaths: tuple[tuple[str, str, str, dict[str, object]], ...] = (
        ("ResNetRS420-qat-annotate-notop", "oom", "oom", {"signal": "SIGKILL"}),
        ("NASNetLarge-qat-tfmot-notop", "timeout", "timeout", {}),
        ("NASNetLarge-qat-annotate-notop", "crash", "crash", {"signal": "SIGABRT"}),
    )
    for case, status, label, facts in deaths:
        died = Failure(output="F0000 check failed: rank >= 0 (-1 vs. 0)\n", **facts)  # type: ignore[arg-type]
        change(
            case,
            status=status,
            label=label,
            stage="transform",
            failure=died,
            blocker=None,
            blocker_kind=None,
            expected={"status": status, "stage": "transform", "label": label},
        )
    change("DenseNet201-prune-tfmot-notop", status="error", label="unclassified")
    for technique in TECHNIQUES[1:]:
        change(
            f"ConvNeXtXLarge-{technique}-notop",
            status="blocked",
            stage="build",
            label=None,
            failure=None,
            blocker=None,
            blocker_kind=None,
        )
    change("ConvNeXtXLarge-float-notop", status="fail", stage="build", label="weights-unavailable")
    change("EfficientNetB7-prune-notop", status="skipped", stage="build")
    return list(by_case.values())
