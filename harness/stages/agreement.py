"""How often a file and the float model's file name the same class first, on many photographs.

The samples that ranges are taken from are too few to tell: of eight, a share comes in steps of
an eighth. These are others, and as many as steps of 0.02 take. What costs, the crops and what
the float file makes of them, is done once for all cases of an application.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.vocabulary import CONTROL

if TYPE_CHECKING:
    from harness.stages.workbench import Bench

#: Photographs, so that a share has steps of 0.02.
SAMPLES = 50

#: They are not those that ranges are taken from.
_SEED = 1

#: Threads that the files run on. The classes do not depend on it, the time does.
_THREADS = 1


def measure(bench: Bench) -> dict[str, Any]:
    """Return ``top1_agreement``, and of how many samples it is; nothing where there are no classes.

    Classes have a single output of one row a sample, of an image, in a file that computes what the
    float model's does.
    """
    if bench.technique.id == CONTROL or not bench.technique.preserves or not _classifies(bench):
        return {}
    base = bench.foundation.float_file(bench)
    if base is None:
        return {}
    images = _images(bench)
    named = bench.foundation.folder / "classes.npy"
    wanted = _kept(named, lambda: _classes(base, images))
    same = wanted == _classes(bench.file, images)
    return {"top1_agreement": float(same.mean()), "top1_samples": len(same)}


def _classifies(bench: Bench) -> bool:
    outputs, shapes = bench.found, bench.foundation.sample_shapes
    one = len(outputs) == 1 and outputs[0].ndim == 2 and outputs[0].shape[1] > 1
    return one and len(shapes) == 1 and len(shapes[0]) == 3


def _images(bench: Bench) -> Any:
    """Return the crops, every second one mirrored; from disk, where they need no memory."""
    import numpy as np

    from harness.stages.inputs import photographs

    def crops() -> Any:
        height, width, channels = bench.foundation.sample_shapes[0]
        found = photographs.crops((SAMPLES, height, width, channels), bench.options.seed + _SEED)
        found[1::2] = found[1::2, :, ::-1]
        return found

    path = bench.foundation.folder / "photographs.npy"
    _kept(path, crops)
    return np.load(path, mmap_mode="r")


def _classes(file: Path, images: Any) -> Any:
    """Return which class a file names first, image by image."""
    import numpy as np

    from optim import litert

    runtime = litert.Runtime(file, threads=_THREADS)
    return np.array([runtime.run(np.array(one[None]))[0].argmax() for one in images])


def _kept(path: Path, make: Any) -> Any:
    """Return what a file holds; made and written first if it is not there."""
    import numpy as np

    if not path.is_file():
        partial = path.with_suffix(f".{os.getpid()}.npy")
        np.save(partial, make())
        partial.replace(path)
    return np.load(path, mmap_mode="r")
