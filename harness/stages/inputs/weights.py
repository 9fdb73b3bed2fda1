"""The weights a case works with: conditioned random ones, or trained ones from files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.stages.workbench import Bench

#: What `--weights` takes besides a folder.
WORDS = ("conditioned", "random", "imagenet")

#: Names a weight file may have, by preference; `{variant}` is `top` or `notop`.
FILES = (
    "{application}_{variant}.weights.h5",
    "{application}_{variant}.h5",
    "{application}.weights.h5",
    "{application}.h5",
)


class WeightsMissingError(FileNotFoundError):
    """The folder of weight files has none for an application."""


def give(bench: Bench) -> None:
    """Give a freshly built model the weights that the run asks for.

    Raises:
      WeightsMissingError: the folder has no file for the application.
    """
    wanted = bench.options.weights
    if wanted == "conditioned":
        from harness.stages.inputs.conditioning import condition

        condition(bench.model, bench.batches()[0])
    elif wanted not in WORDS:
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
