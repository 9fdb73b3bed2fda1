"""The command line: ``harness`` or ``python -m harness``.

Every command that only reads records, sources or tables starts in well under a second:
nothing here imports TensorFlow, and pandas only where a report is written.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.records.kinds import of_matrix, read
from harness.runs import options
from harness.vocabulary import STAGES, VARIANTS, Exit, UsageError

if TYPE_CHECKING:
    from harness.execution.interrupts import Interrupts

EPILOG = """\
exit codes: 0 as expected · 1 regression, or a new case that fails · 2 usage ·
            3 newly passing only · 4 the harness failed · 130 interrupted
words: an application (MobileNetV2) x a technique (qat-tfmot) x a variant (notop, top) is a case,
MobileNetV2-qat-tfmot-notop; it goes through the stages
build, transform, train, save, export, run, parity.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = _parser()
    raw = list(sys.argv[1:] if arguments is None else arguments)
    if not raw:
        parser.print_help()
        return int(Exit.USAGE)
    given, more = parser.parse_known_args(raw)
    if more and given.run is not _run:
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    given.more, given.raw = more, raw
    if os.getcwd() not in sys.path:  # a console script does not look where it is called
        sys.path.append(os.getcwd())
    try:
        code: Exit = given.run(given)
        sys.stdout.flush()
        return int(code)
    except UsageError as error:
        print(f"harness: {error}", file=sys.stderr)
        return int(Exit.USAGE)
    except BrokenPipeError:
        # The reader of our output has seen enough; what is left to flush goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(Exit.AS_EXPECTED)
    except OSError as error:
        print(f"harness: {error}", file=sys.stderr)
        return int(Exit.USAGE)
    except KeyboardInterrupt:
        print("harness: interrupted", file=sys.stderr)
        return int(Exit.INTERRUPTED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="harness",
        description="Which Keras application takes which optimization technique, and why not.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(
        name: str, function: Callable[[argparse.Namespace], Exit], summary: str, more: str = ""
    ) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog=more or None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.set_defaults(run=function)
        return sub

    _add_list(command)
    _add_run(command)
    _add_case(command)
    _add_report(command)
    _add_summary(command)
    _add_status(command)
    _add_merge(command)
    _add_publish(command)
    _add_diff(command)
    _add_accept(command)
    _add_relabel(command)
    _add_explain(command)
    _add_bench(command)
    return parser


def _add_options(
    sub: argparse.ArgumentParser | argparse._ArgumentGroup, table: Mapping[str, Mapping[str, Any]]
) -> None:
    for name, settings in table.items():
        sub.add_argument(name, **settings)


# --- list -----------------------------------------------------------------------------


def _add_list(command: Callable[..., argparse.ArgumentParser]) -> None:
    sub = command(
        "list",
        _list,
        "show the cases a run would have",
        "examples:\n  harness list --techniques prune\n  harness list --what techniques",
    )
    _add_options(sub, options.SELECTION)
    sub.add_argument(
        "--what",
        choices=("cases", "applications", "families", "techniques", "variants", "stages", "labels"),
        default="cases",
        help="the words to list (default: %(default)s, the ids that `harness case` takes)",
    )


def _list(given: argparse.Namespace) -> Exit:
    from harness import techniques
    from harness.matrix import applications
    from harness.matrix.cases import Selection

    words = (
        options.split(given.applications),
        options.split(given.techniques),
        options.split(given.variants),
    )
    if given.what == "cases":
        rows = [case.id for case in Selection(*words).cases()]
    elif given.what in ("applications", "families"):
        chosen = applications.select(words[0])
        if given.what == "applications":
            rows = [f"{a.name:<20} {a.family}" for a in chosen]
        else:
            rows = list(dict.fromkeys(a.family for a in chosen))
    elif given.what == "techniques":
        rows = [f"{t.id:<14} {t.owner:<10} {t.title}" for t in techniques.select(words[1])]
    elif given.what == "variants":
        rows = [f"{name:<6} {meaning}" for name, meaning in VARIANTS.items()]
    elif given.what == "stages":
        rows = list(STAGES)
    else:
        from harness.failures.classify import BY_NAME

        rows = [f"{e.name:<24} {e.cause}" for e in BY_NAME.values()]
    print("\n".join(rows))
    return Exit.AS_EXPECTED


# --- run ------------------------------------------------------------------------------


def _add_run(command: Callable[..., argparse.ArgumentParser]) -> None:
    sub = command(
        "run",
        _run,
        "run the matrix, or a part of it, and write its reports",
        "Cells whose records in reports/ still hold are not run, but for a sample that is\n"
        "compared with them; `harness status` shows which hold. What has lapsed is run whatever\n"
        "it takes.\n"
        "Any other option of pytest is taken too, e.g. -k 'ResNet and not V2', -m family_regnet.\n"
        "Records go to .harness/; a complete default run is published to reports/.\n\n"
        "examples:\n"
        "  harness run                                      the default matrix\n"
        "  harness run --applications MobileNetV2,VGG16     two rows\n"
        "  harness run --fresh                              everything for real\n"
        "  harness run --budget 1h --sample-seed 7          a larger sample, the same each time\n"
        "  harness run --smoke --budget 5m                  a sample of small members\n"
        "  harness run --resume                             go on after an interrupt\n",
    )
    sub.add_argument(
        "-n",
        default="auto",
        metavar="N",
        help="cases at once (default: as many as there are cores, and memory for)",
    )
    sub.add_argument(
        "--scheduler",
        metavar="WHERE",
        help="local:N, the same as -n N; or tcp://HOST:PORT of a Dask scheduler, whose workers "
        "run the cases (needs the extra `cluster`)",
    )
    sub.epilog = f"{_matrix_options()}\n{sub.epilog}"


def _matrix_options() -> str:
    """Return the help of the options that pytest is handed."""
    shown = argparse.ArgumentParser(prog="", add_help=False)
    _add_options(shown.add_argument_group("options of the matrix"), options.MATRIX)
    return "options of the matrix" + shown.format_help().partition("options of the matrix")[2]


def _run(given: argparse.Namespace) -> Exit:
    from harness.execution.interrupts import Interrupts

    with Interrupts() as interrupts:
        return _run_pytest(given, interrupts)


def _run_pytest(given: argparse.Namespace, interrupts: Interrupts) -> Exit:
    import pytest

    from harness import plugin
    from harness.execution import schedulers
    from harness.pytest_plugin.driver import Driver
    from harness.runs import session

    outcome = _Outcome()
    scheduler = schedulers.parse(given.n, given.scheduler)
    driver = Driver(scheduler, interrupts, (*session.COMMAND, *given.raw[1:]))
    quiet = ["-q", "--tb=no", "-r", "N", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    # Whatever PYTEST_ADDOPTS says: this process runs the cases, not the workers of xdist.
    arguments = [str(plugin.MATRIX_FILE), "-n", "0", *quiet, *given.more]
    if not _has_plugin():
        arguments = ["-p", "harness.plugin", *arguments]
    code = pytest.main(arguments, plugins=[outcome, driver])
    if code == pytest.ExitCode.NO_TESTS_COLLECTED:
        print("harness: no case is selected; `harness list` shows what there is", file=sys.stderr)
        return Exit.USAGE
    if code == pytest.ExitCode.USAGE_ERROR:
        return Exit.USAGE
    if code in (pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.INTERRUPTED):
        return Exit.HARNESS_FAILED
    if outcome.code is None and code != pytest.ExitCode.OK:
        return Exit.HARNESS_FAILED
    return outcome.code or Exit.AS_EXPECTED


def _has_plugin() -> bool:
    import importlib.metadata

    return any(
        e.value == "harness.plugin" for e in importlib.metadata.entry_points(group="pytest11")
    )


class _Outcome:
    """Sees what pytest makes of the call, and the exit code that the plugin computes."""

    code: Exit | None = None

    def pytest_configure(self, config: Any) -> None:
        """Refuse words that belong to no option: pytest would take them for files."""
        import pytest

        from harness import plugin

        stray = [word for word in config.args if word != str(plugin.MATRIX_FILE)]
        if stray:
            raise pytest.UsageError(
                f"{stray[0]!r} belongs to no option. Applications, for example, are given as "
                "--applications A,B: the words of an option are separated by commas"
            )

    def pytest_matrix_concluded(self, code: Exit) -> None:
        self.code = code


# --- case -----------------------------------------------------------------------------


def _add_case(command: Callable[..., argparse.ArgumentParser]) -> None:
    sub = command(
        "case",
        _case,
        "run one case exactly as a run does, and show its whole record",
        "example:\n  harness case MobileNetV2-qat-tfmot-notop",
    )
    sub.add_argument("id", help="APPLICATION-TECHNIQUE-VARIANT")
    sub.add_argument(
        "--applications", default="", metavar="MODULE:FUNCTION", help="where a case of one's own is"
    )
    sub.add_argument("--json", action="store_true", help="print the record as JSON")
    _add_options(sub, options.CASE)


def _case(given: argparse.Namespace) -> Exit:
    import tempfile

    from harness import environment
    from harness.matrix import cases
    from harness.runs import prepare, progress, session
    from harness.runs.conclude import exit_code

    case = cases.parse(given.id, options.split([given.applications]))
    cases.check_stage(given.until)
    prepare.check_runtime(given.runtime)
    with tempfile.TemporaryDirectory(prefix="tfmot-matrix-case-") as folder:
        one = session.Session(
            session.Settings(
                results=Path(folder),
                until=given.until,
                options=options.options_of(given),
                limits=options.limits_of(given),
                runtime=given.runtime,
                fresh=True,
                run_id=session.new_run_id(),
                # As many threads as the case gets when the matrix fills the machine.
                threads=max(1, environment.cores() // environment.worker_count()),
            )
        )
        try:
            record = one.run(case)
        finally:
            one.close()
    print(record.to_json() if given.json else progress.full_text(record))
    return exit_code([record])


# --- report, merge, diff, accept, relabel, explain --------------------------------------


def _add_report(command: Callable[..., argparse.ArgumentParser]) -> None:
    sub = command("report", _report, "write index.html, matrix.csv and summary.md from records")
    _add_results(sub, many=True)
    sub.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="where to write them; the folder is made if it is not there",
    )


def _add_results(sub: argparse.ArgumentParser, *, many: bool) -> None:
    sub.add_argument(
        "results",
        nargs="+" if many else None,
        type=Path,
        metavar="RESULTS",
        help="a results.jsonl, or a folder that holds one",
    )


def _report(given: argparse.Namespace) -> Exit:
    from harness import report

    found = of_matrix(given.results)
    try:
        given.output.mkdir(parents=True, exist_ok=True)
        report.write(found, given.output)
    except OSError as error:
        raise UsageError(f"cannot write to {given.output}: {error.strerror}") from error
    print(f"{given.output / 'index.html'}")
    return Exit.AS_EXPECTED


def _add_summary(command: Callable[..., argparse.ArgumentParser]) -> None:
    sub = command("summary", _summary, "print what a run found and exit as that run did")
    _add_results(sub, many=True)


def _summary(given: argparse.Namespace) -> Exit:
    from harness import records
    from harness.report import terminal
    from harness.runs.conclude import exit_code

    latest = records.latest(of_matrix(given.results)).values()
    print(terminal.summary(latest, color=sys.stdout.isatty()))
    return exit_code(latest)


def _add_status(command: Callable[..., argparse.ArgumentParser]) -> None:
    from harness.provenance import status

    status.add_options(command("status", status.run, status.SUMMARY, status.MORE))


def _add_merge(command: Callable[..., argparse.ArgumentParser]) -> None:
    sub = command(
        "merge",
        _merge,
        "join the records of several machines into one file",
        "Records of different library versions are refused unless --allow-mixed is given.",
    )
    _add_results(sub, many=True)
    sub.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="the results.jsonl to write, one record per case; one that is there is replaced",
    )
    sub.add_argument(
        "--allow-mixed", action="store_true", help="join records of different environments"
    )


def _merge(given: argparse.Namespace) -> Exit:
    from harness import records
    from harness.provenance import lock
    from harness.records import merge

    joined = merge.merge(read(given.results), allow_mixed=given.allow_mixed)
    try:
        given.output.parent.mkdir(parents=True, exist_ok=True)
        records.write(given.output, joined)
        lock.carry(joined, given.results, given.output)
    except OSError as error:
        raise UsageError(f"cannot write {given.output}: {error.strerror}") from error
    print(f"{len(joined)} cases in {given.output}")
    return Exit.AS_EXPECTED


def _add_publish(command: Callable[..., argparse.ArgumentParser]) -> None:
    from harness.paths import REPORTS

    sub = command(
        "publish",
        _publish,
        "make the records of a run part of the published one",
        "A complete default run is published by itself; this is for columns outside it.\n"
        "What the published run has besides is kept where it still holds. Records that today's\n"
        "code with the default options would not leave are refused unless --partial is given.\n\n"
        "example:\n"
        "  harness run --variants top --techniques float,qat --results .harness/top\n"
        "  harness publish .harness/top",
    )
    _add_results(sub, many=True)
    sub.add_argument(
        "-o",
        "--output",
        type=Path,
        default=REPORTS,
        metavar="DIR",
        help="the published run (default: reports/ beside the harness package)",
    )
    sub.add_argument(
        "--partial",
        action="store_true",
        help="publish also what ended before the last stage, had other options, or is of code "
        "that has changed since",
    )


def _publish(given: argparse.Namespace) -> Exit:
    from harness.paths import shown
    from harness.records import merge
    from harness.runs import conclude

    joined = merge.merge(of_matrix(given.results))
    if not given.partial:
        conclude.refuse_partial(joined)
    try:
        for line in conclude.publish(joined, given.output, given.results):
            print(line)
    except OSError as error:
        raise UsageError(f"cannot write to {given.output}: {error.strerror}") from error
    print(f"{len(joined)} cases published: {shown(given.output / 'index.html')}")
    return Exit.AS_EXPECTED


def _add_diff(command: Callable[..., argparse.ArgumentParser]) -> None:
    sub = command(
        "diff",
        _diff,
        "compare two runs: regressions, fixes, changed labels, new, removed",
        "Exits with 1 on a regression, a changed label or a new case that fails, with 3 where\n"
        "cases only newly pass.",
    )
    what = "a results.jsonl, or a folder that holds one"
    sub.add_argument("before", type=Path, metavar="A", help=f"the older run: {what}")
    sub.add_argument("after", type=Path, metavar="B", help=f"the newer run: {what}")
    sub.add_argument("--markdown", action="store_true", help="print tables in Markdown")


def _diff(given: argparse.Namespace) -> Exit:
    from harness import records
    from harness.baseline import compare

    before, after = (records.latest(of_matrix([path])) for path in (given.before, given.after))
    found = compare.compare(before, after)
    print(compare.to_markdown(found) if given.markdown else compare.to_text(found))
    return compare.exit_code(found)


def _add_accept(command: Callable[..., argparse.ArgumentParser]) -> None:
    from harness.paths import EXPECTATIONS, working_dir

    sub = command(
        "accept",
        _accept,
        "make what a run found the new baseline, and print what changes",
        "Cases that the run does not have keep what is said of them; applications, techniques\n"
        "and variants that no longer exist are dropped.",
    )
    sub.add_argument(
        "results",
        nargs="*",
        type=Path,
        default=[working_dir()],
        metavar="RESULTS",
        help="a results.jsonl, or a folder that holds one (default: .harness, the last run)",
    )
    sub.add_argument(
        "--expectations",
        type=Path,
        default=EXPECTATIONS,
        metavar="FILE",
        help="the baseline to change and write (default: harness/baseline/expectations.txt, "
        "the one of this package)",
    )
    sub.add_argument("--dry-run", action="store_true", help="print the change, write nothing")


def _accept(given: argparse.Namespace) -> Exit:
    import difflib

    from harness import records, techniques
    from harness.baseline import expectations
    from harness.failures import classify
    from harness.matrix import applications
    from harness.vocabulary import VARIANTS

    old = expectations.read(given.expectations)
    found = records.latest(of_matrix(given.results))
    new = expectations.accept(old, found, classify.upstream_issues())
    names = {*(a.name for a in applications.discover()), *(r.application for r in found.values())}
    known = [f"{a}-{t}-{v}" for a in names for t in techniques.registry() for v in VARIANTS]
    new.drop(new.stale(names, known))
    before, after = expectations.render(old), expectations.render(new)
    name = given.expectations.name
    if given.expectations.exists() and before == after:
        print(f"{name}: nothing changes")
        return Exit.AS_EXPECTED
    changes = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"a/{name}", f"b/{name}", lineterm="", n=0
    )
    print("\n".join(changes))
    if not given.dry_run:
        expectations.write(given.expectations, new)
    return Exit.AS_EXPECTED


def _add_relabel(command: Callable[..., argparse.ArgumentParser]) -> None:
    from harness.paths import EXPECTATIONS

    sub = command(
        "relabel",
        _relabel,
        "apply today's classifier and baseline to records that are there already",
        "For use after a change of harness/failures/labels.py: nothing has to be run again.",
    )
    _add_results(sub, many=False)
    sub.add_argument(
        "--expectations",
        type=Path,
        default=EXPECTATIONS,
        metavar="FILE",
        help="the baseline to compare with (default: harness/baseline/expectations.txt)",
    )


def _relabel(given: argparse.Namespace) -> Exit:
    from harness import records
    from harness.baseline import expectations
    from harness.failures import classify
    from harness.runs import session

    path = given.results / records.RESULTS_NAME if given.results.is_dir() else given.results
    found = of_matrix([path])
    baseline = expectations.read(given.expectations)
    fresh = [session.compared(classify.apply(r), baseline) for r in found]
    records.write(path, fresh)
    changed = [(a, b) for a, b in zip(found, fresh, strict=True) if a.label != b.label]
    for a, b in changed:
        print(f"{a.case}  {a.label} -> {b.label}")
    print(f"{len(changed)} of {len(found)} labels changed")
    return Exit.AS_EXPECTED


def _add_explain(command: Callable[..., argparse.ArgumentParser]) -> None:
    sub = command(
        "explain",
        _explain,
        "tell what a label means, why it happens and what to do",
        "example:\n  harness explain nested-model",
    )
    sub.add_argument("label", nargs="?", help="one label; without one, all in short")


def _explain(given: argparse.Namespace) -> Exit:
    from harness import records
    from harness.failures import classify
    from harness.paths import REPORTS

    if given.label is None:
        for one in classify.BY_NAME.values():
            print(f"{one.name:<24} {one.cause}")
        return Exit.AS_EXPECTED
    found = classify.explain(given.label)
    print(f"{found.name}: {found.title}")
    told = {"cause": found.cause, "remedy": found.remedy, "handled": found.handled}
    for name, text in told.items():
        if text:
            print(_wrapped(name, text))
    for link in found.links:
        print(f"  link    {link}")
    try:
        reference = list(records.read(REPORTS).records)
    except records.RecordError:
        reference = []
    examples = [r for r in reference if r.label == given.label]
    for line in _taken_now(examples, reference):
        print(f"          {line}")
    for record in examples[:5]:
        print(_wrapped("example", f"{record.case} ({record.stage}) {record.fingerprint or ''}"))
    if len(examples) > 5:
        print(f"          and {len(examples) - 5} more in the reference run")
    return Exit.AS_EXPECTED


def _wrapped(name: str, text: str) -> str:
    """Return a text behind its name, in lines; no word, and so no path, is cut."""
    import textwrap

    return textwrap.fill(
        text,
        88,
        initial_indent=f"  {name:<8}",
        subsequent_indent=" " * 10,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _taken_now(examples: Sequence[Any], reference: Sequence[Any]) -> list[str]:
    """Say how our own columns fare on the applications of the examples."""
    from harness import techniques

    cells = {(r.application, r.variant) for r in examples}
    found = []
    for technique in techniques.registry().values():
        if technique.owner != "optim" or any(r.technique == technique.id for r in examples):
            continue
        there = [
            r
            for r in reference
            if r.technique == technique.id and (r.application, r.variant) in cells
        ]
        if there:
            passed = sum(r.passed for r in there)
            found.append(f"{technique.id} passes {passed} of {len(there)} in the reference run")
    return found


# --- bench ----------------------------------------------------------------------------


def _add_bench(command: Callable[..., argparse.ArgumentParser]) -> None:
    from harness.benchmark import command as bench

    bench.add_options(command("bench", bench.run, bench.SUMMARY, bench.MORE))
