"""The weights a case works with: conditioned random ones, or trained ones from files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.stages.workbench import Bench

#: What `--weights` takes besides a folder.
WORDS = {
    "auto": "conditioned for a constructor of keras.applications, own for any other",
    "conditioned": "random ones under which figures mean something, whatever the model had",
    "own": "what the constructor gives its model",
    "random": "as Keras initializes them",
    "imagenet": "the trained ones that Keras downloads",
}

#: Names a weight file may have, by preference; `{variant}` is `top` or `notop`.
FILES = (
    "{application}_{variant}.weights.h5",
    "{application}_{variant}.h5",
    "{application}.weights.h5",
    "{application}.h5",
)


class WeightsMissingError(FileNotFoundError):
    """The folder of weight files has none for an application."""


def settled(wanted: str, *, of_keras: bool) -> str:
    """Return what to do for one application.

    Only what Keras builds without weights is conditioned unasked: in a person's model are
    weights, trained ones perhaps, and figures are to be of these.

    Args:
      wanted: of the run.
      of_keras: whether the constructor is one of `keras.applications`.
    """
    if wanted == "auto":
        return "conditioned" if of_keras else "own"
    return wanted


def give(bench: Bench) -> None:
    """Give a freshly built model the weights that the run asks for.

    Raises:
      WeightsMissingError: the folder has no file for the application.
    """
    load(bench)
    condition(bench)


def condition(bench: Bench) -> None:
    """Condition the weights of a model, if the run asks for that."""
    if bench.options.weights == "conditioned":
        from harness.stages.inputs import conditioning

        conditioning.condition(bench.model, bench.batches()[0])


def load(bench: Bench) -> None:
    """Read the weights of a model from the folder that the run names, if it names one.

    Raises:
      WeightsMissingError: the folder has no file for the application.
    """
    wanted = bench.options.weights
    if wanted not in WORDS:
        path = find(Path(wanted), bench.function, bench.variant)
        bench.model.load_weights(path)
        bench.metrics["weights"] = path.name


def find(folder: Path, application: str, variant: str) -> Path:
    """Return the file of a folder that holds the weights of an application."""
    names = [name.format(application=application, variant=variant) for name in FILES]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise WeightsMissingError(
        f"no weights for {application} at {variant} in {folder}: expected one of {', '.join(names)}"
    )
