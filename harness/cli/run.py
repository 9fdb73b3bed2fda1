"""`harness run`: the matrix, or a part of it, as one session of pytest."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from harness.cli.arguments import add_table
from harness.runs import options
from harness.vocabulary import Exit

if TYPE_CHECKING:
    from harness.execution.interrupts import Interrupts


NAME = "run"
SUMMARY = "run the matrix, or a part of it, and write its reports"
MORE = (
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
    "  harness run --resume                             go on after an interrupt\n"
)


def add_options(sub: argparse.ArgumentParser) -> None:
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


def run(given: argparse.Namespace) -> Exit:
    from harness.execution.interrupts import Interrupts

    with Interrupts() as interrupts:
        return _run_pytest(given, interrupts)


def _matrix_options() -> str:
    """Return the help of the options that pytest is handed."""
    shown = argparse.ArgumentParser(prog="", add_help=False)
    add_table(shown.add_argument_group("options of the matrix"), options.MATRIX)
    return "options of the matrix" + shown.format_help().partition("options of the matrix")[2]


def _run_pytest(given: argparse.Namespace, interrupts: Interrupts) -> Exit:
    import pytest

    from harness import plugin
    from harness.pytest_plugin import schedulers
    from harness.pytest_plugin.driver import Driver
    from harness.runs.settings import COMMAND

    outcome = _Outcome()
    scheduler = schedulers.parse(given.n, given.scheduler)
    driver = Driver(scheduler, interrupts, (*COMMAND, *given.raw[1:]))
    quiet = ["-q", "--tb=no", "-r", "N", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    # Whatever PYTEST_ADDOPTS says: this process runs the cases, not the workers of xdist.
    # Nor does it matter whether plug-ins are loaded by themselves: these two are named.
    named = ["-p", "xdist", "-p", "harness.plugin"]
    arguments = [*named, str(plugin.MATRIX_FILE), "-n", "0", *quiet, *given.more]
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
