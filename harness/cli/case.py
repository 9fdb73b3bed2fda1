"""`harness case`: one case, run and shown whole."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.arguments import add_table
from harness.runs import options
from harness.vocabulary import Exit

NAME = "case"
SUMMARY = "run one case exactly as a run does, and show its whole record"
MORE = "example:\n  harness case MobileNetV2-qat-tfmot-notop"


def add_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("id", help="APPLICATION-TECHNIQUE-VARIANT")
    sub.add_argument(
        "--applications", default="", metavar="MODULE:FUNCTION", help="where a case of one's own is"
    )
    sub.add_argument("--json", action="store_true", help="print the record as JSON")
    sub.add_argument(
        "--keep",
        type=Path,
        metavar="DIR",
        help="keep the LiteRT file, the float model's, and data for each layer that Model "
        "Explorer overlays",
    )
    add_table(sub, options.CASE)


def run(given: argparse.Namespace) -> Exit:
    import tempfile

    from harness import environment
    from harness.matrix import cases
    from harness.runs import prepare, progress
    from harness.runs.conclude import exit_code
    from harness.runs.session import Session
    from harness.runs.settings import Settings
    from harness.runs.stamps import new_run_id
    from harness.techniques.peers import interpreters

    interpreters.name(given.peer_python)
    case = cases.parse(given.id, options.split([given.applications]))
    cases.check_stage(given.until)
    prepare.check_runtime(given.runtime)
    with tempfile.TemporaryDirectory(prefix="tfmot-matrix-case-") as folder:
        one = Session(
            Settings(
                results=Path(folder),
                until=given.until,
                options=options.options_of(given),
                limits=options.limits_of(given),
                runtime=given.runtime,
                keep=given.keep and given.keep.absolute(),
                fresh=True,
                run_id=new_run_id(),
                # As many threads as the case gets when the matrix fills the machine.
                threads=max(1, environment.cores() // environment.worker_count()),
            )
        )
        try:
            record = one.run(case)
        finally:
            one.close()
    print(record.to_json() if given.json else progress.full_text(record))
    if given.keep and not given.json:
        kept = sorted(one.name for one in given.keep.glob("*")) if given.keep.is_dir() else []
        print(f"  kept in {given.keep}: {', '.join(kept) or 'nothing, no file was made'}")
    return exit_code([record])
