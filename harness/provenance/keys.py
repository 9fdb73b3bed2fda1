"""Keys: the digest of all that an outcome depends on.

A key is written by the run that made the record, and by nothing else. Where today's is
another, the record has lapsed, and its case has to be run again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from harness.matrix.cases import Case
from harness.matrix.keras_package import (
    DEFAULT_KERAS_MODULE,
    distribution_version,
    is_converted,
    keras_module,
)
from harness.provenance.codebase import Provenance, here
from harness.records import Record
from harness.stages import numerics, up_to
from harness.stages.workbench import Options
from harness.techniques import Technique
from harness.vocabulary import Status

#: Statuses after which no later stage was tried: what those would do does not count.
ENDED_EARLY = {Status.FAIL.value, Status.CRASH.value}


def key(
    case: Case,
    until: str,
    options: Options,
    reached: str | None = None,
    code: Provenance | None = None,
) -> str:
    """Return the digest of everything the outcome of ``case`` depends on.

    Args:
      case: the case.
      until: the last stage of the run.
      options: of the run.
      reached: the stage at which the case failed, if it did: a change of a later one
        leaves such an outcome as it is.
      code: by default as it is here.
    """
    code = code or here()
    technique = case.technique
    module = case.application.module
    tried = up_to(reached or until, technique.stages, module)
    return digest_of(
        {
            "application": [case.application.module, case.application.function],
            "source": case.application.source,
            "technique": [technique.id, code.technique(technique), *_settings(technique)],
            "components": code.of_case(technique, tried),
            "variant": case.variant,
            "stages": list(tried),
            # A run that goes on to a file builds without softmax (see `harness.stages.build`).
            "exports": "export" in up_to(until, technique.stages, module),
            "options": asdict(options),
            "libraries": libraries(),
            "numerics": numerics.effective(numerics.MATRIX),
            **_depends(technique),
        }
    )


def key_of(
    record: Record, case: Case, until: str, options: Options, code: Provenance | None = None
) -> str:
    """Return the key of an outcome."""
    reached = record.stage if record.status in ENDED_EARLY else None
    return key(case, until, options, reached, code)


def digest_of(facts: Mapping[str, Any]) -> str:
    """Return the key that facts come to."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]


def libraries() -> dict[str, str]:
    """Return the versions of the libraries that decide an outcome."""
    # Models of Keras 3 have twins, and these are of tf_keras.
    twins = (DEFAULT_KERAS_MODULE,) if is_converted() else ()
    packages = (keras_module(), *twins, "tensorflow-model-optimization", "ai-edge-litert")
    names = ("tensorflow", *packages)
    return {name: distribution_version(name) for name in names}


def _depends(technique: Technique) -> dict[str, Any]:
    """Return what a technique works with beyond the libraries of every case, if it says so."""
    found: Mapping[str, Any] = getattr(technique, "depends", dict)()
    return {"depends": dict(found)} if found else {}


def _settings(technique: Technique) -> list[str]:
    """Return what tells one technique of a class from another, e.g. its sparsity."""
    own = {k: v for k, v in sorted(vars(technique).items()) if k != "id"}
    return [repr(own)] if own else []
