"""`python -m harness bench`: its options, and what becomes of them."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness.paths import REPORTS, shown, working_dir
from harness.runs.options import at_least_one, seed, split
from harness.vocabulary import Exit, Status, UsageError

if TYPE_CHECKING:
    from harness.benchmark.execution.schedule import Plan
    from harness.benchmark.report.targets import Judged

NAME = "bench"
SUMMARY = "train small models on real data, and measure what each technique costs them"

MORE = """\
Trains a small member of each of eight families on scikit-learn's digits, applies each
technique to the trained weights, fine-tunes, and reports test accuracy, size and latency
of the int8 files over several seeds. Finished units are kept: the same command goes on
where the last one stopped. docs/benchmark.md tells how it is done.

examples:
  harness bench                                         everything, within an hour on 2 cores
  harness bench --quick                                 two applications, one seed: minutes
  harness bench --applications MobileNetV2 --techniques 'prune*'
  harness bench --applications mypackage.models:MyNet --techniques qat,pcqat --repeats 1
  harness bench --only-report                           write the page from what is there
"""


def add_options(sub: argparse.ArgumentParser) -> None:
    """Give a parser the options of the command."""
    from harness.benchmark.definition.applications import MEMBERS
    from harness.benchmark.definition.settings import DEFAULT, FIRST_SEED, QUICK, REPEATS
    from harness.benchmark.definition.techniques import BY_ID

    words = {"action": "append", "default": [], "metavar": "A,B"}
    sub.add_argument(
        "--quick", action="store_true", help="two small applications, one seed, fewer epochs"
    )
    sub.add_argument(
        "--applications",
        **words,  # type: ignore[arg-type]
        help=f"names or patterns of {', '.join(one.name for one in MEMBERS)} (default: all of "
        "these), any that `harness list --what applications` shows, or package.module:function",
    )
    sub.add_argument(
        "--techniques",
        **words,  # type: ignore[arg-type]
        help=f"ids or patterns of {', '.join(BY_ID)} (default: all); what they start from is "
        "run too",
    )
    sub.add_argument(
        "--repeats",
        type=at_least_one,
        metavar="N",
        help=f"seeds, one after the other (default: {REPEATS}; 1 with --quick)",
    )
    sub.add_argument(
        "--seed",
        type=seed,
        default=FIRST_SEED,
        metavar="N",
        help="the first seed (default: %(default)d)",
    )
    sub.add_argument(
        "--epochs",
        type=at_least_one,
        metavar="N",
        help="passes over the images for a float model; pruning takes 2/5 of them, other "
        f"fine-tuning 1/4 (default: {DEFAULT.epochs}; {QUICK.epochs} with --quick)",
    )
    sub.add_argument(
        "-n", type=at_least_one, metavar="N", help="units at once (default: one per core)"
    )
    sub.add_argument(
        "--results",
        type=Path,
        metavar="DIR",
        help="where the records are (default: reports/bench; .harness/bench-quick with --quick)",
    )
    sub.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="the page; its CSV goes beside it (default: bench.html in the folder that holds "
        "the records, or beside that folder for the default one)",
    )
    sub.add_argument("--fresh", action="store_true", help="run finished units again")
    sub.add_argument(
        "--only-report", action="store_true", help="run nothing, write the page from the records"
    )
    sub.add_argument("--runtime", default=None, help=argparse.SUPPRESS)  # of the tests


def run(given: argparse.Namespace) -> Exit:
    """Run the benchmark as the command line says."""
    from harness import environment, records
    from harness.benchmark.definition import applications, techniques, units
    from harness.benchmark.definition.settings import DEFAULT, QUICK, REPEATS, of_epochs
    from harness.benchmark.execution import schedule
    from harness.records import kinds
    from harness.runs import prepare, results_lock

    settings = QUICK if given.quick else DEFAULT
    if given.epochs:
        settings = of_epochs(given.epochs)
    named = split(given.applications) or (applications.QUICK if given.quick else ())
    repeats = given.repeats or (1 if given.quick else REPEATS)
    asked = units.units(
        applications.select(named),
        techniques.select(split(given.techniques)),
        range(given.seed, given.seed + repeats),
    )
    results, page = _places(given)
    if given.only_report:
        return _report(results, page)
    file = results / records.RESULTS_NAME
    with contextlib.suppress(records.RecordError):  # told of when it is gone on with
        kinds.refuse_others(records.read(file).records, file, bench=True)
    plan = schedule.Plan(
        asked,
        settings,
        results,
        workers=given.n or environment.cores(),
        fresh=given.fresh,
        runtime=given.runtime or schedule.RUNTIME,
    )
    prepare.make_folder(results)
    with results_lock.alone(results, leave_file=True):
        return _run(plan, page)


def _run(plan: Plan, page: Path) -> Exit:
    """Run what a plan asks for, and write the page."""
    from harness import records
    from harness.benchmark.execution import schedule
    from harness.runs.progress import duration

    asked, results = plan.units, plan.results
    try:
        work = schedule.Schedule(plan, lambda line: print(line, flush=True))
    except records.RecordError as error:
        raise UsageError(str(error)) from error
    kept = sum(unit.id in work.found for unit in asked)
    print(f"{len(asked)} units, {kept} of them finished earlier, {len(work.left)} to run", end="")
    print(f", {plan.workers} at once, about {duration(work.estimate())}" if work.left else "")
    print(f"records: {shown(plan.file)}", flush=True)
    try:
        work.run()
    except KeyboardInterrupt:
        print("interrupted: what is finished is kept, the same command goes on", file=sys.stderr)
        if plan.file.exists():
            _report(results, page)
        return Exit.INTERRUPTED
    code = _report(results, page)
    return code if not work.left else _worse(code, [work.found[u.id].status for u in work.left])


def _worse(code: Exit, statuses: list[str]) -> Exit:
    """A failed unit decides over the exit code; a missed target does not."""
    if Status.ERROR.value in statuses:
        return Exit.HARNESS_FAILED
    failed = any(status != Status.PASS for status in statuses)
    return Exit.REGRESSION if failed else code


def _places(given: argparse.Namespace) -> tuple[Path, Path]:
    """Return the folder of the records, and the page.

    Raises:
      UsageError: either cannot be what it should be.
    """
    results = given.results
    if results is None:
        results = working_dir() / "bench-quick" if given.quick else REPORTS / "bench"
        default = results / "bench.html" if given.quick else REPORTS / "bench.html"
    else:
        default = results / "bench.html"
    page = given.output or default
    if results.exists() and not results.is_dir():
        raise UsageError(f"--results {results} is a file: name the folder that holds the records")
    if page.is_dir():
        raise UsageError(f"--output {page} is a folder: name the page, e.g. {page / 'bench.html'}")
    if page.suffix not in (".html", ".htm"):  # its CSV, or the records, would be written over
        raise UsageError(f"--output {page}: a page ends in .html, e.g. {page.with_suffix('.html')}")
    return results, page


def _report(results: Path, page: Path) -> Exit:
    """Write page and CSV, and print the targets.

    Raises:
      UsageError: there are no records of the benchmark, or they cannot be read.
    """
    from harness.benchmark.report import figures, targets
    from harness.benchmark.report.reports import write
    from harness.records.kinds import of_benchmark

    found = of_benchmark([results])
    write(found, page)
    for one in targets.judge(figures.rows(found)):
        if one.verdict != "unknown":
            print(f"{one.verdict:<7} {one.target.title}{_told(one)}")
    print(f"page: {shown(page)}")
    return Exit.AS_EXPECTED


def _told(one: Judged) -> str:
    if one.missed:
        return ": " + ", ".join(f"{name} {one.target.tell(cost)}" for name, cost in one.missed)
    return f" (worst {one.worst[0]}: {one.target.tell(one.worst[1])})" if one.worst else ""
