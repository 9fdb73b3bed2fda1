"""Reuse: when an outcome of an earlier run still holds.

A cell is keyed by everything its outcome depends on: the application's source, the
technique's code, the versions of the libraries, the stages and the options. A column
that depends on installed libraries alone is taken from the reference run where its key
matches; whatever does not match is run.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import io
import itertools
import json
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

from harness.applications import distribution_version, keras_module
from harness.cases import Case, parse
from harness.records import Record
from harness.stages import DEPENDS_ON, up_to
from harness.stages.bench import Options
from harness.techniques import Technique, registry
from harness.words import STAGES, Status, UsageError

#: Statuses that say something of the case itself. The others say something of the
#: machine it ran on, and are tried again.
_LASTING = {Status.PASS.value, Status.FAIL.value, Status.CRASH.value}

#: Statuses that are worth keeping where nothing is run: a limit was reached, and would be
#: again. What was blocked, or failed in the harness, tells nothing of the case.
_WORTH_KEEPING = _LASTING | {Status.OOM.value, Status.TIMEOUT.value}

#: Statuses after which no later stage was tried: what those would do does not count.
_ENDED_EARLY = {Status.FAIL.value, Status.CRASH.value}

#: A line and a character of a source.
_Place = tuple[int, int]


def key(case: Case, until: str, options: Options, reached: str | None = None) -> str:
    """Return the digest of everything the outcome of ``case`` depends on.

    Args:
      case: the case.
      until: the last stage of the run.
      options: of the run.
      reached: the stage at which the case failed, if it did: a change of a later one
        leaves such an outcome as it is.
    """
    technique = case.technique
    tried = up_to(reached or until, technique.stages)
    ours = technique.depends_on + (technique.exports_with if "export" in tried else ())
    facts = {
        "application": [case.application.module, case.application.function],
        "source": case.application.source,
        "technique": [technique.id, _class_code(type(technique)), *_settings(technique)],
        "code": {name: module_code(name) for name in ours},
        "variant": case.variant,
        "stages": {name: stage_code(name) for name in ("bench", *tried)},
        # A run that goes on to a file builds without softmax (see `harness.stages.build`).
        "exports": "export" in up_to(until, technique.stages),
        "options": asdict(options),
        "libraries": libraries(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]


def stage_code(name: str) -> list[str]:
    """Digest a stage: its own source, and that of what it works with."""
    modules = (f"harness.stages.{name}", *DEPENDS_ON.get(name, ()))
    return [module_code(one) for one in modules]


def libraries() -> dict[str, str]:
    """Return the versions of the libraries that decide an outcome."""
    names = ("tensorflow", keras_module(), "tensorflow-model-optimization", "ai-edge-litert")
    return {name: distribution_version(name) for name in names}


def _settings(technique: Technique) -> list[str]:
    """Return what tells one technique of a class from another, e.g. its sparsity."""
    own = {k: v for k, v in sorted(vars(technique).items()) if k != "id"}
    return [repr(own)] if own else []


@cache
def _class_code(cls: type) -> str:
    """Digest a technique: its class and those it inherits from."""
    parts = []
    for base in cls.__mro__[:-1]:
        try:
            parts.append(code_digest(inspect.cleandoc("\n" + inspect.getsource(base))))
        except (OSError, TypeError):
            parts.append(base.__qualname__)
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:16]


@cache
def module_code(name: str) -> str:
    """Digest the source of a module, or of a package with all its modules."""
    files = _sources(name)
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode())
        digest.update(code_digest(file.read_text(encoding="utf-8")).encode())
    return digest.hexdigest()[:16]


def _sources(name: str) -> list[Path]:
    """Locate a module's source without importing what it is part of."""
    top, *rest = name.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or not spec.submodule_search_locations:
        return [Path(spec.origin)] if spec and spec.origin else []
    path = Path(next(iter(spec.submodule_search_locations))).joinpath(*rest)
    if path.is_dir():
        return sorted(path.rglob("*.py"))
    return [path.with_suffix(".py")]


def code_digest(source: str) -> str:
    """Digest what a source does: comments, docstrings and layout do not count.

    The text is compared, not the syntax tree, so that every version of Python comes
    to the same digest. Which block a line is in counts, and so does every character of a
    string; other white space does not.
    """
    lines = io.StringIO(source).readlines()
    starts = list(itertools.accumulate(map(len, lines), initial=0))

    def offset(line: int, column: int) -> int:
        return starts[line - 1] + column if line <= len(lines) else len(source)

    #: Parts of the source: begin, end, and the text that stands for the part.
    parts = [(offset(*a), offset(*b), "") for a, b in _docstrings(ast.parse(source), lines)]
    strings: list[int] = []  # begins of f-strings that are open: Python 3.12 splits them
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        begin, end = offset(*token.start), offset(*token.end)
        kind = tokenize.tok_name[token.type]
        if kind.endswith("STRING_START"):
            strings.append(begin)
        elif kind.endswith("STRING_END"):
            begin = strings.pop()
            if not strings:
                parts.append((begin, end, source[begin:end]))
        elif strings:
            continue
        elif kind == "STRING":
            parts.append((begin, end, source[begin:end]))
        elif kind == "COMMENT":
            parts.append((begin, end, ""))
        elif kind in ("INDENT", "DEDENT"):
            parts.append((begin, end, "\0>" if kind == "INDENT" else "\0<"))
    found = []
    at = 0
    for begin, end, text in sorted(parts, key=lambda part: part[0]):
        if begin < at:
            continue  # a string within a docstring
        found += [re.sub(r"\s+", "", source[at:begin]), text]
        at = end
    found.append(re.sub(r"\s+", "", source[at:]))
    return hashlib.sha256("".join(found).encode()).hexdigest()[:16]


def _docstrings(tree: ast.Module, lines: Sequence[str]) -> Iterator[tuple[_Place, _Place]]:
    """Yield where each docstring begins and ends: line from 1, character from 0."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

    def place(line: int, byte: int) -> _Place:
        return line, len(lines[line - 1].encode()[:byte].decode())

    for node in ast.walk(tree):
        if isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None:
            doc = node.body[0]
            yield (
                place(doc.lineno, doc.col_offset),
                place(doc.end_lineno or doc.lineno, doc.end_col_offset or 0),
            )


class Reference:
    """The outcomes of an earlier run, by key."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._by_case = {record.case: record for record in records}
        self._by_application: dict[str, list[Record]] = {}
        for record in self._by_case.values():
            self._by_application.setdefault(record.application, []).append(record)

    def seconds(self, cases: Iterable[Case]) -> Mapping[str, float]:
        """Return how long each case is expected to take, by case id.

        That is what it took. One that is new takes the longest time of the cases most like it:
        those of its application and variant whose technique has the same owner, else those of
        its variant, else any of its application. Cases of an unknown application are left out.
        """
        expected = {case.id: self._figure(case, lambda r: r.seconds) for case in cases}
        return {case: seconds for case, seconds in expected.items() if seconds}

    def peak(self, case: Case) -> int | None:
        """Return how much memory a case is expected to take, in bytes; None if unknown.

        As for the time, a new case is expected to take the most that any like it did.
        """
        return int(self._figure(case, lambda r: r.peak_rss_bytes)) or None

    def _figure(self, case: Case, of: Callable[[Record], float | None]) -> float:
        figures = (
            max((of(record) or 0.0 for record in alike), default=0.0) for alike in self._alike(case)
        )
        return next(filter(None, figures), 0.0)

    def _alike(self, case: Case) -> Iterator[list[Record]]:
        """Yield the records that tell what to expect of a case, the most telling first."""
        own = self._by_case.get(case.id)
        if own:
            yield [own]
            return
        owners = {technique.id: technique.owner for technique in registry().values()}
        all_of_it = self._by_application.get(case.application.name, [])
        same_variant = [record for record in all_of_it if record.variant == case.variant]
        # What tfmot's own code takes tells little of ours: up to three times the memory.
        owner = case.technique.owner
        yield [record for record in same_variant if owners.get(record.technique) == owner]
        yield same_variant
        yield all_of_it

    def sizes(self) -> Mapping[str, float]:
        """Return the number of parameters by application."""
        found: dict[str, float] = {}
        for record in self._by_case.values():
            size = record.metrics.get("parameters")
            if size and record.variant == "notop":
                found[record.application] = float(size)
        return found

    def lookup(self, case: Case, until: str, options: Options) -> Record | None:
        """Return the record of ``case`` if it may stand for a new attempt."""
        if not case.technique.reusable:
            return None
        record = self._by_case.get(case.id)
        if record is None or not holds(record, case, until, options):
            return None
        return replace(taken_over(record), until=until)


def key_of(record: Record, case: Case, until: str, options: Options) -> str:
    """Return the key of an outcome."""
    return key(case, until, options, record.stage if record.status in _ENDED_EARLY else None)


def holds(record: Record, case: Case, until: str, options: Options) -> bool:
    """Whether a run up to a stage would come to the same outcome as the record tells of."""
    return record.status in _LASTING and _same(record, case, until, options)


def _same(record: Record, case: Case, until: str, options: Options) -> bool:
    """Whether a run up to a stage would try what the record tells of."""
    early = record.status in _ENDED_EARLY
    comparable = record.stage in up_to(until) if early else record.until == until
    return comparable and record.key == key_of(record, case, until, options)


def still_holding(found: Iterable[Record]) -> list[Record]:
    """Return those of the records whose key is what it would be today, marked as taken over.

    They are what is known of cases that are not run. So a case that reached a limit is among
    them, though it would be tried again in a run. What was recorded for an application, a
    technique or a variant that is gone is left out.
    """
    kept = []
    for record in found:
        try:
            case = parse(record.case)
        except UsageError:
            continue
        worth = record.status in _WORTH_KEEPING
        if worth and _same(record, case, record.until, Options()):
            kept.append(taken_over(record))
    return kept


def is_complete(record: Record) -> bool:
    """Whether today's code, run with the default options to the last stage, would try the same.

    Of a case that is not known here only the record itself can tell.
    """
    own, asked = _asked(record)
    try:
        case = parse(record.case, own)
    except UsageError:
        return record.until == STAGES[-1] and not asked
    return record.key == key_of(record, case, STAGES[-1], Options())


def why_incomplete(record: Record) -> str:
    """Say in a few words why a record is not complete."""
    _, asked = _asked(record)
    return asked or "of other code or libraries than today's"


def _asked(record: Record) -> tuple[list[str], str]:
    """Return what a record's command says: an application of one's own, and other options."""
    own: list[str] = []
    asked: list[str] = []
    _, _, given = record.repro.partition(f" case {record.case}")
    words = iter(given.split())
    for word in words:
        if word == "--applications":
            own.append(next(words, ""))
        else:
            asked.append(word)
    if record.until != STAGES[-1] and "--until" not in asked:
        asked += ["--until", record.until]
    return own, " ".join(asked)


def taken_over(record: Record) -> Record:
    """Return the record with a note of the run it is from."""
    source = record.reused or {"run_id": record.run_id, "date": record.started}
    return replace(record, reused=source)
