"""A case in a few lines of Python: the model, what is done to it, the file."""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.records import Record
from harness.report import metrics

#: By technique: what is done to `model`, and how the file is written. `{file}` is its name.
LINES: Mapping[str, tuple[str, ...]] = {
    "float": ('optim.export(model, "{file}")',),
    "qat": ("qat = optim.quantize_model(model, calibration_data=batches)",
            'optim.export(qat, "{file}")'),
    "ptq-int8": ('optim.export(model, "{file}", optimize="int8", representative_data=batches)',),
    "ptq-dynamic": ('optim.export(model, "{file}", optimize="dynamic")',),
    "ptq-float16": ('optim.export(model, "{file}", optimize="float16")',),
    "ptq-tflite": ("import tensorflow as tf",
                   "converter = tf.lite.TFLiteConverter.from_keras_model(model)",
                   "converter.optimizations = [tf.lite.Optimize.DEFAULT]",
                   "converter.representative_dataset = lambda: ([x[None]] for x in images)",
                   "converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]",
                   'open("{file}", "wb").write(converter.convert())'),
    "prune": ("pruned = optim.prune_low_magnitude(model)  # then compile and fit",
              'optim.export(optim.unprune(pruned), "{file}")'),
    "prune-2x4": ("pruned = optim.prune_low_magnitude(model, sparsity_m_by_n=(2, 4))  # then fit",
                  'optim.export(optim.unprune(pruned), "{file}")'),
    "cluster": ("few = optim.cluster_weights(model, 16)  # then compile and fit",
                'optim.export(optim.uncluster(few), "{file}")'),
    "pqat": ('qat = optim.quantize_model(optim.sparsify(model), preserve="sparsity", '
             "calibration_data=batches)",
             'optim.export(qat, "{file}")'),
    "cqat": ("few = optim.uncluster(optim.cluster_weights(model, 16))",
             'qat = optim.quantize_model(few, preserve="clusters", calibration_data=batches)',
             'optim.export(qat, "{file}")'),
    "pcqat": ("few = optim.uncluster(optim.cluster_weights(optim.sparsify(model), 16, "
              "preserve_sparsity=True))",
              'qat = optim.quantize_model(few, preserve="both", calibration_data=batches)',
              'optim.export(qat, "{file}")'),
}  # fmt: skip

_OWN = re.compile(r"--applications\s+['\"]?([\w.]+):(\w+)")


def template(technique: str) -> str:
    """Return the lines of a technique, or nothing if there are none."""
    return "\n".join(LINES.get(technique, ()))


def construction(record: Record) -> str:
    """Return the lines that import and build a case's model."""
    arguments = ""
    if record.variant == "notop":
        size = int(metrics.number(record.metrics.get("input_size")) or 96)
        arguments = f"include_top=False, input_shape=({size}, {size}, 3)"
    own = _OWN.search(record.repro)
    if own:
        return f"import optim\nfrom {own[1]} import {own[2]}\nmodel = {own[2]}()"
    return (
        f"import optim, tf_keras\nmodel = tf_keras.applications.{record.application}({arguments})"
    )
