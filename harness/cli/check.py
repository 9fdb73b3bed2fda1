"""`harness check`: how one model fares, from its file."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness.checking.asked import INPUT_SIZE, SAMPLES
from harness.runs import options
from harness.vocabulary import Exit, UsageError

if TYPE_CHECKING:
    from harness.checking.asked import Asked

NAME = "check"
SUMMARY = "say how one model fares under each technique, and which to take"
MORE = (
    "Exit codes: 0 every technique passes; 1 one fails; 2 the model cannot be opened, or the\n"
    "call is off; 4 the harness failed; 130 interrupted.\n\n"
    "examples:\n"
    "  harness check model.keras                            techniques that need no training\n"
    "  harness check model.h5 --data images/ -o report      a page, with the error of each layer\n"
    "  harness check saved_model/ --data batch.npz --save -o report\n"
    "  harness check mymodels:my_net --techniques ptq-int8,qat,prune\n"
)


def add_options(sub: argparse.ArgumentParser) -> None:
    add = sub.add_argument
    add(
        "model",
        metavar="MODEL",
        help="a model file (.keras, .h5, SavedModel), or package.module:function",
    )
    add(
        "--data",
        default="",
        metavar="DATA",
        help="inputs such as the model will see: an .npz or .npy file, a folder of images, or "
        "package.module:function, which returns batches (default: photographs or noise; "
        "figures are rough then)",
    )
    add(
        "--techniques",
        action="append",
        default=[],
        metavar="A,B",
        help="columns of the matrix (default: those that need no training)",
    )
    add("-o", "--out", type=Path, metavar="DIR", help="write a page, and the records, into DIR")
    add(
        "--save",
        action="store_true",
        help="keep the .tflite files in DIR too, with a script that writes each",
    )
    add(
        "--custom",
        action="append",
        default=[],
        metavar="package.module:Name",
        help="a class or function of yours that the file names; may be given several times",
    )
    add(
        "--trust",
        action="store_true",
        help="run the Python code that the file brings: for files of people you trust",
    )
    add("--json", action="store_true", help="print all that was found as JSON")
    add(
        "--samples",
        type=options.at_least_one,
        default=SAMPLES,
        metavar="N",
        help="inputs that ranges are taken from and outputs compared on (default: %(default)d)",
    )
    add(
        "--range",
        default="",
        metavar="LOW:HIGH",
        help="values of black and white in images (default: 0:255 for a model that rescales its "
        "input itself, 0:1 for others)",
    )
    add(
        "--input-size",
        type=options.at_least_one,
        default=INPUT_SIZE,
        metavar="PIXELS",
        help="height and width of images where the model leaves them open (default: %(default)d)",
    )
    for name in ("--seed", "--case-timeout", "--case-memory"):
        add(name, **options.CASE[name])
    add("--runtime", default="harness.checking.runtime", help=argparse.SUPPRESS)


def run(given: argparse.Namespace) -> Exit:
    from harness.checking import outputs, terminal
    from harness.checking.checking import Checking
    from harness.checking.verdict import judge
    from harness.runs import prepare
    from harness.runs.conclude import exit_code

    asked = _asked(given)
    prepare.check_runtime(asked.runtime)
    outputs.prepare(asked)
    progress = sys.stderr if given.json else sys.stdout

    def write(line: str) -> None:
        print(line, file=progress, flush=True)

    width = max(map(len, asked.techniques))
    write(terminal.head(asked))
    checking = Checking(asked, write)
    first = True

    def ended(record: object) -> None:
        nonlocal first
        from harness.records import Record

        assert isinstance(record, Record)
        lines = terminal.about(record) if first else []
        first = False
        facts = checking.found.facts.get(record.technique, {})
        for line in [*lines, *terminal.line(record, facts, width)]:
            write(line)

    found = checking.run(ended)
    verdict = judge(found.records, asked)
    for line in terminal.verdict(verdict):
        write(line)
    for line in outputs.write(asked, found, verdict):
        write(line)
    if given.json:
        print(json.dumps(outputs.as_data(asked, found, verdict), default=str))
    return exit_code(found.records)


def _asked(given: argparse.Namespace) -> Asked:
    """Return what the words of a call ask for.

    Raises:
      UsageError: one of them is off.
    """
    from harness import environment, techniques
    from harness.checking import words
    from harness.checking.asked import Asked
    from harness.checking.checking import by_default
    from harness.vocabulary import CONTROL

    if given.save and given.out is None:
        raise UsageError("--save keeps files in a folder: name it with -o DIR")
    low, high = words.pixels(given.range)
    wanted = options.split(given.techniques) or by_default()
    chosen = [one.id for one in techniques.select(wanted)]
    return Asked(
        source=words.model(given.model),
        data=words.data(
            given.data,
            count=given.samples,
            size=given.input_size,
            seed=given.seed,
            low=low,
            high=high,
        ),
        techniques=tuple(dict.fromkeys([CONTROL, *chosen])),
        custom=words.custom(options.split(given.custom)),
        trust=given.trust,
        out=given.out,
        save=given.save,
        limits=options.limits_of(given),
        threads=environment.cores(),
        runtime=given.runtime,
    )
