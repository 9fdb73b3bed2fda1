"""Scripts that write the files of a check again, each by itself."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from harness.checking.asked import Asked
from harness.checking.bench import BATCH
from harness.checking.recipes import RECIPES, importing, opening
from harness.records import Record


def file_name(asked: Asked, technique: str) -> str:
    """Return the name of the LiteRT file of a technique."""
    return f"{asked.source.name}-{technique}.tflite"


def samples_name(asked: Asked) -> str:
    """Return the name of the file with the inputs of a check."""
    return f"{asked.source.name}-samples.npz"


def write(asked: Asked, record: Record, control: Record) -> Path | None:
    """Write the script of a technique that passed; None if it did not.

    Args:
      asked: of the check; it has a folder.
      record: of the technique.
      control: with what is known of the inputs.
    """
    if not record.passed or asked.out is None:
        return None
    recipe = RECIPES.get(record.technique)
    lines = (
        _by_hand(asked, record, control) if recipe and recipe.exact else _by_check(asked, record)
    )
    path = asked.out / Path(file_name(asked, record.technique)).with_suffix(".py")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _by_hand(asked: Asked, record: Record, control: Record) -> list[str]:
    """The calls of the library that make the file."""
    shapes = [tuple(one["shape"]) for one in control.metrics["inputs"]]
    shape = f", input_shape={shapes if len(shapes) > 1 else shapes[0]}"
    size = control.metrics.get("batch") or BATCH
    file = file_name(asked, record.technique)
    recipe = RECIPES[record.technique]
    lines = [f'"""Writes {file}: {recipe.what}."""', "", "import os", "import sys"]
    if recipe.takes_data:
        lines += ["", "import numpy"]
    lines += [
        "",
        "import optim",
        "",
        f"os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), {_back(asked)!r}))",
        "sys.path.append(os.getcwd())  # for modules beside the model",
        *(f"{one}  # noqa: E402" for one in importing(asked)),
        opening(asked),
        "os.chdir(os.path.dirname(os.path.abspath(__file__)))",
    ]
    if recipe.takes_data or "data" in "".join(recipe.exact):
        one = "arrays[0][i : i + size]" if len(shapes) == 1 else "[x[i : i + size] for x in arrays]"
        lines += [
            f"arrays = list(numpy.load({samples_name(asked)!r}).values())",
            f"size = {size}",
            f"data = [{one} for i in range(0, len(arrays[0]), size)]",
        ]
    return [*lines, *(one.format(file=file, shape=shape) for one in recipe.exact)]


def _by_check(asked: Asked, record: Record) -> list[str]:
    """The check itself, of this technique alone: a training step is part of its file."""
    file = file_name(asked, record.technique)
    words = shlex.split(asked.command(record.technique))[3:]
    return [
        f'"""Writes {file}, by the check that wrote it: training left a trace in it."""',
        "",
        "import os",
        "",
        "from harness.cli.main import main",
        "",
        "here = os.path.dirname(os.path.abspath(__file__))",
        f"os.chdir(os.path.join(here, {_back(asked)!r}))",
        f'raise SystemExit(main([*{words!r}, "--save", "-o", here]))',
    ]


def _back(asked: Asked) -> str:
    """The way from the folder of the files to the one that the check was called in."""
    assert asked.out is not None
    return os.path.relpath(Path.cwd(), asked.out.absolute())
