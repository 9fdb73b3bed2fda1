"""What README and docs name is there: links, files, commands with their options, functions."""

from __future__ import annotations

import ast
import contextlib
import io
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import optim
from harness.cli import main
from harness.vocabulary import UsageError

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

#: Folders whose files the pages name from the top.
FOLDERS = "harness|optim|tests|docs|speed|reports"

#: Named, and made by what the page tells of.
MADE = {"harness/baseline/expectations-keras3.txt", "reports/keras3/"}

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


def spans(page: Path) -> list[str]:
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    return re.findall(r"`([^`]+)`", text)


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each call of the harness that a page shows."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    for line in (*lines, *spans(page)):
        found = re.match(r"(?:\w+=\S+ )*(?:python -m )?harness (\w.*)", line.partition("#")[0])
        if found:
            yield found[1].split()


@cache
def help_of(command: str) -> str | None:
    """What ``--help`` prints of a command; None: there is no such command."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
        try:
            main.main([command, "--help"])
        except (SystemExit, UsageError) as left:
            return said.getvalue() if not getattr(left, "code", 1) else None
    return None


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150


@pages
def test_links_resolve(page: Path) -> None:
    text = page.read_text("utf-8")
    gone = []
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            gone.append(link)
    assert gone == []


@pages
def test_files_that_are_named_are_there(page: Path) -> None:
    named = {
        path.rstrip(".")
        for span in spans(page)
        for path in re.findall(rf"(?<![\w./-])(?:{FOLDERS})/[\w./-]*", span)
    }
    assert {path for path in named - MADE if not (ROOT / path).exists()} == set()


@pages
def test_commands_and_their_options_are_those_of_the_command_line(page: Path) -> None:
    wrong = []
    for command, *words in commands(page):
        known = help_of(command)
        if known is None:
            wrong.append(command)
            continue
        options = [word for word in words if re.match(r"--[a-z]", word)]
        wrong += [f"{command} {one}" for one in options if not re.search(rf"{one}(?![\w-])", known)]
    assert wrong == []


def called(block: str) -> Iterator[tuple[str, list[str]]]:
    """The names of `optim` that a block uses, with the keywords that they are called with."""
    tree = ast.parse(block)
    froms = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module == "optim"]
    imported = {alias.name for node in froms for alias in node.names}

    def name_of(node: ast.expr) -> str | None:
        if isinstance(node, ast.Name) and node.id in imported:
            return node.id
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            return node.attr if node.value.id == "optim" else None
        return None

    yield from ((name, []) for name in imported)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := name_of(node.func)):
            yield name, [one.arg for one in node.keywords if one.arg]
        elif isinstance(node, ast.Attribute) and (name := name_of(node)):
            yield name, []


def keywords_of(name: str) -> set[str] | None:
    """The keywords that a public function takes, from its source; None: any."""
    module = ROOT.joinpath(*optim._PUBLIC[name].split("."))
    file = module / "__init__.py" if module.is_dir() else module.with_suffix(".py")
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            takes = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            return None if node.args.kwarg else {one.arg for one in takes}
    return None


@pages
def test_python_names_what_optim_has_and_the_keywords_that_it_takes(page: Path) -> None:
    submodules = {path.stem for path in (ROOT / "optim").iterdir()}
    wrong = []
    for name, keywords in (one for block in blocks(page, "python") for one in called(block)):
        if name not in {*optim.__all__, *submodules}:
            wrong.append(name)
        takes = keywords_of(name) if name in optim._PUBLIC else None
        wrong += [
            f"{name}({word}=)" for word in keywords if takes is not None and word not in takes
        ]
    assert wrong == []
