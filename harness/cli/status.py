"""`harness status`: what of the published records holds for the code as it is here."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from harness.paths import REPORTS
from harness.vocabulary import Exit

NAME = "status"
SUMMARY = "show which records hold for the code and libraries as they are here, and which lapsed"

MORE = """\
A record carries a key: a digest of all that its outcome depends on. Where the code, the
libraries or the application here would come to another key, the record has lapsed: it says
nothing of this code, and its case has to be run again. Only a run gives a record its key.

because: the components of the code that have changed since (harness/provenance/components.py
tells what each is), or
  libraries    TensorFlow, tf_keras, tfmot or LiteRT has another version here
  application  the source that the model is built from has changed, or is gone
  technique    the technique's own class or a setting of it has changed, or is gone
  options      the run had other options than the default
  unrecorded   the record does not say which state of the code it was run with

Reads records and sources, writes nothing, and needs no TensorFlow.

examples:
  harness status                     the published run
  harness status .harness            what the last run left
  harness status --json              {"columns": [{"technique", "variant", "records", "hold",
                                     "lapsed", "because", "seconds"}]}; seconds: of a run of
                                     the lapsed ones
"""


def add_options(sub: argparse.ArgumentParser) -> None:
    """Give a parser the options of the command."""
    sub.add_argument(
        "results",
        nargs="?",
        type=Path,
        default=REPORTS,
        metavar="RESULTS",
        help="a results.jsonl, or a folder that holds one (default: reports/ beside the harness "
        "package)",
    )
    sub.add_argument("--json", action="store_true", help="print columns as JSON, nothing else")


def run(given: argparse.Namespace) -> Exit:
    """Show the status as the command line says."""
    from harness import environment, records
    from harness.provenance import lock, status
    from harness.provenance.codebase import here
    from harness.records.kinds import of_matrix

    found = records.latest(of_matrix([given.results])).values()
    gone = status.lapsed(found, lock.read(given.results), here())
    workers = environment.worker_count()
    rows = status.columns(found, gone, workers)
    if given.json:
        print(json.dumps({"columns": [asdict(row) for row in rows]}))
    else:
        print(status.text(rows, gone, workers))
    return Exit.AS_EXPECTED
