"""How the techniques as shipped are called, in lines that stand by themselves: data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_TFMOT = "import tensorflow_model_optimization as tfmot"


@dataclass(frozen=True)
class Recipe:
    """What is done to ``model``, by the stage that does it, and what has to be imported."""

    imports: tuple[str, ...]
    stages: Mapping[str, tuple[str, ...]]
    packages: tuple[str, ...] = field(
        default=("tensorflow", "tf_keras", "tensorflow-model-optimization")
    )

    def lines(self, until: str) -> tuple[str, ...]:
        """Return the lines up to a stage."""
        found: list[str] = []
        for stage, lines in self.stages.items():
            found += lines
            if stage == until:
                break
        return tuple(found)


_CONVERT = (
    "converter = tf.lite.TFLiteConverter.from_keras_model(model)",
    "converter.optimizations = [tf.lite.Optimize.DEFAULT]",
    "converter.convert()",
)
_STEP = (
    'model.compile("sgd", "mse", run_eagerly=True)',
    "inputs = np.zeros([1, *[s or 96 for s in model.input_shape[1:]]])",
    "model.fit(inputs, np.zeros(model(inputs).shape){callbacks}, verbose=0)",
)


def _step(callbacks: str = "") -> tuple[str, ...]:
    return tuple(line.format(callbacks=callbacks) for line in _STEP)


RECIPES: Mapping[str, Recipe] = {
    "qat-tfmot": Recipe(
        (_TFMOT,),
        {
            "transform": ("model = tfmot.quantization.keras.quantize_model(model)",),
            "train": _step(),
            "save": (
                'model.save("model.h5")',
                "with tfmot.quantization.keras.quantize_scope():",
                '    model = keras.models.load_model("model.h5")',
            ),
            "export": _CONVERT,
        },
    ),
    "prune-tfmot": Recipe(
        (_TFMOT,),
        {
            "transform": ("model = tfmot.sparsity.keras.prune_low_magnitude(model)",),
            "train": _step(", callbacks=[tfmot.sparsity.keras.UpdatePruningStep()]"),
            "save": (
                'model.save("model.h5")',
                "with tfmot.sparsity.keras.prune_scope():",
                '    model = keras.models.load_model("model.h5")',
            ),
            "export": (
                "model = tfmot.sparsity.keras.strip_pruning(model)",
                "tf.lite.TFLiteConverter.from_keras_model(model).convert()",
            ),
        },
    ),
    "cluster-tfmot": Recipe(
        (_TFMOT,),
        {
            "transform": (
                "model = tfmot.clustering.keras.cluster_weights(",
                "    model,",
                "    number_of_clusters=16,",
                "    cluster_centroids_init=tfmot.clustering.keras.CentroidInitialization"
                ".KMEANS_PLUS_PLUS,",
                ")",
            ),
            "train": _step(),
            "save": (
                'model.save("model.h5")',
                "with tfmot.clustering.keras.cluster_scope():",
                '    model = keras.models.load_model("model.h5")',
            ),
            "export": (
                "model = tfmot.clustering.keras.strip_clustering(model)",
                "tf.lite.TFLiteConverter.from_keras_model(model).convert()",
            ),
        },
    ),
    "ptq-tflite": Recipe(
        (),
        {
            "export": (
                "shape = [1, *[s or 96 for s in model.input_shape[1:]]]",
                "converter = tf.lite.TFLiteConverter.from_keras_model(model)",
                "converter.optimizations = [tf.lite.Optimize.DEFAULT]",
                "converter.representative_dataset = lambda: [[np.zeros(shape, np.float32)]]",
                "converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]",
                "converter.convert()",
            ),
        },
        ("tensorflow", "tf_keras"),
    ),
}
"""By technique: those whose failures a script can show."""
