"""A peer in an environment of its own: another interpreter, behind the same stages.

The model goes there as a Keras file, the data as arrays; what comes back is a LiteRT file, or
what went wrong. A column of this kind is a subclass with a script:

    class PtqMine(Foreign):
        id, title, owner = "ptq-mine", "mine.quantize(model)", "mine"
        interpreter = "mine"                       # harness run --peer-python mine=PATH
        distributions = ("mine", "tensorflow")     # in that environment
        script = Path(__file__).with_name("mine_worker.py")

The script is called with a folder that holds `model.h5` and `data.npz`, whose arrays
`BATCH_INPUT` are the inputs of a batch, numbered in their order. It leaves `model.tflite` there,
or raises.
"""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.techniques.peers import interpreters
from harness.techniques.peers.peer import Peer, PeerError

#: How much of what a script prints is told of its failure.
_TAIL = 4000

MODEL, DATA, RESULT = "model.h5", "data.npz", "model.tflite"


class Foreign(Peer):
    """A column whose tool runs in another interpreter. Not part of a run unless that is named."""

    leaves_model = True
    of_keras3 = False  # a twin's layers are known to nobody there
    distributions: tuple[str, ...] = ()

    #: The name of the interpreter, as ``--peer-python`` takes it.
    interpreter: str

    #: What runs there. It may import nothing of ours.
    script: Path

    @property
    def python(self) -> str | None:
        """The path of the interpreter; None if it was not named."""
        return interpreters.given().get(self.interpreter)

    @property
    def on_request(self) -> bool:
        """Whether a run has the column only where it is asked for by name."""
        return self.python is None

    def unavailable(self) -> str | None:
        if self.python is None:
            return (
                f"it needs an interpreter with {', '.join(self.distributions)}: "
                f"--peer-python {self.interpreter}=PATH (docs/peers.md says how to make one)"
            )
        missing = [name for name, version in self.depends().items() if version is None]
        if not missing:
            return None
        return (
            f"{', '.join(missing)} not installed in the interpreter of "
            f"--peer-python {self.interpreter}: `PATH -m pip install {' '.join(missing)}`"
        )

    def depends(self) -> Mapping[str, str | None]:
        script = hashlib.sha256(self.script.read_bytes()).hexdigest()[:12]
        if self.python is None:
            return {"script": script}
        return {**interpreters.versions(self.python, self.distributions), "script": script}

    def inspect(self, result: Any, known: Mapping[str, Any]) -> Mapping[str, Any]:
        found = {name: v for name, v in self.depends().items() if name != "script"}
        return {"peer_versions": ", ".join(f"{name} {v}" for name, v in found.items())}

    def export(self, model: Any, path: Path, input_shape: Any, data: Any) -> None:
        import numpy as np

        from harness.techniques.peers.tflite import settled

        with tempfile.TemporaryDirectory(dir=path.parent) as name:
            folder = Path(name)
            fixed = settled(model, input_shape) if self.wants_sizes else model
            fixed.save(folder / MODEL, include_optimizer=False)
            arrays = {
                f"{i:05}_{j}": x
                for i, batch in enumerate(data)
                for j, x in enumerate(batch if isinstance(batch, list) else [batch])
            }
            np.savez(folder / DATA, **arrays)
            del arrays
            run(str(self.python), self.script, folder)
            (folder / RESULT).replace(path)

    #: Whether it takes no model that leaves the size of its inputs open.
    wants_sizes = True


def run(python: str, script: Path, folder: Path) -> None:
    """Run a script on a folder.

    Raises:
      PeerError: it failed, or left no file; the message is the last line that it printed, and
        its output is what was printed before.
    """
    done = subprocess.run(
        # -I: neither the current folder nor the user's packages are seen there.
        [python, "-I", str(script), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=interpreters.clean(),
        cwd=folder,
    )
    print(done.stdout[-_TAIL:])
    if done.returncode or not (folder / RESULT).exists():
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        last = lines[-1].strip() if lines else "it printed nothing"
        raise PeerError(f"{script.stem} ended with exit code {done.returncode}: {last}")
