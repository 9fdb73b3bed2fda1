"""Keys of the real columns against the real code, broken, renamed and split in memory.

What a case runs is told here by a plain walk along import statements, which knows nothing of
components. Of the harness it follows what a case works with: stages and techniques. How a
case is run (`harness.execution`, the registry of techniques, and what collects, isolates and
records) decides whether there is an outcome and how long it takes, not what it is: threads
and memory are facts of the machine, and what TensorFlow is told that changes its sums is
a component of its own (`harness.stages.numerics`), and so are the options.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import accumulate
from typing import Any

import pytest

import optim
from harness import techniques
from harness.provenance import codebase
from harness.provenance.codebase import Provenance
from harness.provenance.source_digest import Closure, Code, Statement
from harness.provenance.sources import Source, Sources
from harness.stages import up_to
from harness.techniques.components import COMPONENTS, of_case

Keys = dict[str, object]

COLUMNS = {t.id: t for t in techniques.registry().values() if type(t).__module__.startswith("h")}


def keys(code: Provenance) -> Keys:
    """What of the code is in the key of each technique's cases that get through."""
    return {id: (code.technique(one), code.of_case(one, one.stages)) for id, one in COLUMNS.items()}


@pytest.fixture(scope="module")
def base() -> Provenance:
    code = Provenance()
    keys(code)
    return code


@pytest.fixture(scope="module")
def before(base: Provenance) -> Keys:
    return keys(base)


def lapsed(code: Provenance, before: Keys) -> set[str]:
    return {id for id, key in keys(code).items() if key != before[id]}


def reached(base: Provenance, technique: Any) -> Closure:
    """What the key of a technique covers."""
    cls = type(technique)
    own = base.code.closure([f"{cls.__module__}:{cls.__qualname__}"])
    return own | base.covered(technique.components, technique.stages)


def changed(base: Provenance, module: str, text: str) -> Provenance:
    """The code with a module changed which binds the same names: all others are shared."""
    source = Sources().read(module)
    assert source is not None
    code = Provenance(Sources(changed={module: Source(module, text, source.is_package)}))
    old, new = base.code, code.code
    new._modules.update({k: v for k, v in old._modules.items() if k != module})
    new._forms.update({k: v for k, v in old._forms.items() if k.module != module})
    return code


def text_of(module: str) -> str:
    source = Sources().read(module)
    assert source is not None, module
    return source.text


# --- a plain walk along imports -----------------------------------------------------------------

#: What runs cases: their late imports are none of what a case runs.
PLUMBING = ("harness", "harness.techniques", "harness.techniques.registry")


@cache
def imports(module: str, late: bool) -> tuple[str, ...]:
    """The modules that a module imports, in functions too if `late`."""
    found: list[str] = []
    by_name = late and "import_module(" in text_of(module)

    def walk(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if not late and isinstance(child, (ast.FunctionDef, ast.Lambda)):
                continue
            if isinstance(child, ast.Import):
                found.extend(alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.module
                assert not child.level
                found.append(child.module)
                for alias in child.names:
                    found.append(f"{child.module}.{alias.name}")
                    if child.module == "optim" and alias.name in optim._PUBLIC:
                        found.append(optim._PUBLIC[alias.name])
            elif isinstance(child, ast.Constant) and isinstance(child.value, str) and by_name:
                found.append(child.value)
            walk(child)

    if module == "optim":
        found.append("optim._keras")
        found.append("optim.errors")
        if late:
            found.append("optim.registering")
    else:
        walk(ast.parse(text_of(module)))
    return tuple(found)


def walked(begin: Iterable[str], late: Callable[[str], bool]) -> set[str]:
    seen: set[str] = set()
    open_ = list(begin)
    sources = Sources()
    while open_:
        module = open_.pop()
        if module in seen or not sources.has(module):
            continue
        seen.add(module)
        open_ += imports(module, late(module))
        if "." in module:
            open_.append(module.rpartition(".")[0])
    return seen


def begins(technique: Any) -> list[str]:
    """The modules that have what runs first: the technique's classes, and the stages."""
    stages = [f"harness.stages.{name}" for name in technique.stages]
    return [
        *(c.__module__ for c in type(technique).__mro__[:-1]),
        *stages,
        "harness.stages.workbench",
    ]


def may_run(technique: Any) -> set[str]:
    """All that a case can import, whatever function it calls."""
    return walked(begins(technique), lambda module: module not in PLUMBING)


def does_run(technique: Any) -> set[str]:
    """What every case imports that gets through its stages: late imports of stages count."""
    return walked(begins(technique), lambda module: module in stage_modules(technique))


def stage_modules(technique: Any) -> set[str]:
    return {f"harness.stages.{name}" for name in technique.stages}


#: Every module that some case may run.
MODULES = sorted(set().union(*(may_run(one) for one in COLUMNS.values())))


# --- what a key covers ------------------------------------------------------------------------


#: Of the component `pruning`, which those name, too, that prune at once and need none.
CALLBACKS = "optim.pruning.callbacks"


def test_a_key_covers_every_source_that_a_case_runs(base: Provenance) -> None:
    for id, technique in COLUMNS.items():
        missing = may_run(technique) - reached(base, technique).modules
        # Another way to quantize, and what it is made of, is imported by nothing that runs; and
        # what trains with pruning by no technique that brings callbacks of its own.
        not_run = {"optim.quantization.options", "optim.annotation.recipe", CALLBACKS}
        assert missing <= not_run - does_run(technique), id


def test_what_a_technique_reaches_outside_its_package_is_of_a_component_that_it_names(
    base: Provenance,
) -> None:
    for id, technique in COLUMNS.items():
        cls = type(technique)
        own = base.code.closure([f"{cls.__module__}:{cls.__qualname__}"])
        more = own - base.covered(technique.components, technique.stages)
        outside = {one.module for one in more.statements if one.module.startswith("optim")}
        assert not outside, f"{id} works with {outside}: it has to name a component that does"


def test_no_component_decides_before_the_stage_it_says(base: Provenance) -> None:
    """What `transform` and the others call is in the key of what failed in their stage."""
    calls = {
        "transform": ["transform"],
        "train": ["transform", "callbacks"],
        "save": ["transform", "callbacks", "load"],
    }
    for id, technique in COLUMNS.items():
        for stage, methods in calls.items():
            if stage not in technique.stages:
                continue
            tried = up_to(stage, technique.stages)
            covered = Closure()
            for name in of_case(technique.components, tried):
                covered |= base.closure(name)
            for method in methods:
                missing = called(base.code, technique, method) - covered
                assert not {
                    one.module for one in missing.statements if one.module.startswith("optim")
                }, f"{id}: {method} at {stage}"


def called(code: Code, technique: Any, method: str) -> Closure:
    """What a method of a technique reaches, and its own methods that it calls."""
    from harness.provenance.normal_form import normal_form

    found = Closure()
    open_, seen = [method], set()
    while open_:
        name = open_.pop()
        if name in seen:
            continue
        seen.add(name)
        for cls in type(technique).__mro__[:-1]:
            module = code.module(cls.__module__)
            assert module is not None
            (place,) = module.bindings[cls.__qualname__]
            assert isinstance(place, int)
            for node in module.body[place].body:  # type: ignore[attr-defined]
                if isinstance(node, ast.FunctionDef) and node.name == name:
                    found |= code.reach(list(code.leads_to(normal_form(node, module))))
                    open_ += [
                        one.attr
                        for one in ast.walk(node)
                        if isinstance(one, ast.Attribute)
                        and isinstance(one.value, ast.Name)
                        and one.value.id == "self"
                    ]
    return found


# --- breaking -----------------------------------------------------------------------------------


def test_breaking_a_module_lapses_what_runs_it(base: Provenance, before: Keys) -> None:
    surely = {id: does_run(one) for id, one in COLUMNS.items()}
    maybe = {id: may_run(one) for id, one in COLUMNS.items()}
    covered = {id: reached(base, one).modules for id, one in COLUMNS.items()}
    assert len(MODULES) > 100
    for module in MODULES:
        broken = changed(base, module, f"raise RuntimeError('broken')\n{text_of(module)}")
        found = lapsed(broken, before)
        assert found >= {id for id in COLUMNS if module in surely[id]}, module
        may = {id for id, one in COLUMNS.items() if module in maybe[id]}
        if module == CALLBACKS:
            may |= {id for id, one in COLUMNS.items() if "pruning" in one.components}
        assert found <= may, module
        assert found == {id for id in COLUMNS if module in covered[id]}, module


def test_what_is_shared_between_codes_changes_no_key(base: Provenance, before: Keys) -> None:
    """`changed` comes to what reading everything anew comes to."""
    for module in ("optim.wrapping.transform", "harness.stages.train"):
        source = Sources().read(module)
        assert source is not None
        text = f"raise RuntimeError('broken')\n{source.text}"
        anew = Provenance(Sources(changed={module: Source(module, text, source.is_package)}))
        assert keys(anew) == keys(changed(base, module, text)) != before


def functions() -> list[tuple[str, str]]:
    """Functions of the modules, as module and name; a fixed sample of them."""
    found = [
        (module, node.name)
        for module in MODULES
        for node in ast.parse(text_of(module)).body
        if isinstance(node, ast.FunctionDef)
    ]
    return random.Random(2021).sample(found, 160)


def test_changing_a_function_lapses_exactly_what_reaches_it(
    base: Provenance, before: Keys
) -> None:  # fmt: skip
    covered = {id: reached(base, one).statements for id, one in COLUMNS.items()}
    seen = set()
    for module, name in functions():
        tree = ast.parse(text_of(module))
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name == name:
                node.body = [*node.body[:-1], ast.parse("print()").body[0], node.body[-1]]
        found = lapsed(changed(base, module, ast.unparse(tree)), before)
        places = base.code.module(module).bindings[name]  # type: ignore[union-attr]
        where = {Statement(module, place) for place in places if isinstance(place, int)}
        expected = {id for id in COLUMNS if where & covered[id]}
        assert found == expected, f"{module}:{name}"
        seen.add(frozenset(found))
    assert len(seen) > 4  # not all the same


def test_wrapping_that_ignores_skip_lapses_pruning_and_clustering(
    base: Provenance, before: Keys
) -> None:
    text = text_of("optim.wrapping.transform")
    old = "if self.skip(layer, path) or self.skip(layer.layer, path):"
    assert text.count(old) == 1
    found = lapsed(
        changed(base, "optim.wrapping.transform", text.replace(old, "if False:")), before
    )
    assert found >= {"prune", "prune-2x4", "cluster", "pqat", "cqat", "pcqat"}
    assert not found & {"float", "qat", "ptq-int8"}


# --- moving ---------------------------------------------------------------------------------------

#: What carries the name of a stage or an entry point, and so stays.
KEPT_NAMES = {
    "optim",
    "harness",
    "harness.stages",
    "harness.techniques",
    "harness.stages.numerics",
} | {entry.partition(":")[0] for one in COMPONENTS.values() for entry in one.entries}


class Renamer(ast.NodeTransformer):
    """Gives every module another name, wherever it is named."""

    def __init__(self, sources: Sources, kept: set[str]) -> None:
        self.sources, self.kept = sources, kept
        self.code = Code(sources)

    def name(self, dotted: str) -> str:
        parts = dotted.split(".")
        paths = [".".join(parts[: i + 1]) for i in range(len(parts))]
        if not self.sources.has(dotted):
            return dotted
        return ".".join(
            part if path in self.kept else f"{part}_moved"
            for part, path in zip(parts, paths, strict=True)
        )

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        assert node.module is not None
        names = []
        for alias in node.names:
            dotted = f"{node.module}.{alias.name}"
            target = self.code.attribute(node.module, alias.name)
            if target is not None and target.kind == "module":
                new = self.name(dotted).rpartition(".")[2]
                names.append(ast.alias(new, alias.asname or alias.name))
            else:
                names.append(alias)
        return ast.ImportFrom(self.name(node.module), names, 0)

    def visit_Import(self, node: ast.Import) -> ast.AST:
        assert all(alias.asname for alias in node.names if self.sources.owns(alias.name))
        return ast.Import([ast.alias(self.name(a.name), a.asname) for a in node.names])

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, str) and "." in node.value:
            return ast.Constant(self.name(node.value))
        return node


def test_renaming_every_module_lapses_nothing(
    before: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = Sources()
    in_use = {
        parent
        for one in COLUMNS.values()
        for parent in accumulate(
            type(one).__module__.split("."), lambda package, name: f"{package}.{name}"
        )
    }
    elsewhere = {one for one in sources.below("harness") if one not in MODULES}
    renamer = Renamer(sources, KEPT_NAMES | in_use | elsewhere)
    new: dict[str, Source | None] = {}
    for module in [*MODULES, *sources.below("optim")]:
        source = sources.read(module)
        assert source is not None
        if module not in KEPT_NAMES | in_use:
            new[module] = None
        tree = renamer.visit(ast.parse(source.text))
        name = renamer.name(module)
        new[name] = Source(name, ast.unparse(ast.fix_missing_locations(tree)), source.is_package)
    gone = [name for name, source in new.items() if source is None]
    assert {
        "optim.clustering.assignment",
        "optim.quantization.planning.plan",
        "harness.techniques.promises",
    } <= set(gone)
    assert len(gone) > 90
    assert keys(Provenance(Sources(changed=new))) == before


def test_renaming_one_small_module_lapses_nothing(before: Keys) -> None:
    sources = Sources()
    kept = {one for one in MODULES if one != "optim.clustering.assignment"}
    renamer = Renamer(sources, kept)
    new: dict[str, Source | None] = {"optim.clustering.assignment": None}
    for module in MODULES:
        if module == "optim.clustering.assignment" or "assignment" in text_of(module):
            source = sources.read(module)
            assert source is not None
            name = renamer.name(module)
            tree = renamer.visit(ast.parse(source.text))
            new[name] = Source(name, ast.unparse(tree), source.is_package)
    assert keys(Provenance(Sources(changed=new))) == before


#: Modules that are not split: the order of those with rules is data, and splitting one is a
#: change of it; `_keras` reads its own names at run time, and `registering` a table of modules,
#: which count whole where they are read elsewhere.
WHOLE = ("optim._keras", "optim.registering")


def split(module: str, source: Source) -> Iterator[Source]:
    """Move the later half of a module's definitions to another module beside it."""
    tree = ast.parse(source.text)
    kinds = (ast.FunctionDef, ast.ClassDef)
    found = [node for node in tree.body if isinstance(node, kinds)]
    moved = [node for node in found[len(found) // 2 :] if not node.decorator_list]
    other = f"{module}_more"
    names = [node.name for node in moved]
    bound = [
        *(node.name for node in tree.body if isinstance(node, kinds) and node not in moved),
        *(
            one.id
            for node in tree.body
            if isinstance(node, (ast.Assign, ast.AnnAssign))
            for one in ast.walk(node)
            if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
        ),
    ]
    head = [n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom, ast.If))]
    head = [n for n in head if not isinstance(n, ast.If) or "TYPE_CHECKING" in ast.unparse(n.test)]
    back = [f"from {module} import {', '.join(bound)}"] if bound else []
    text = "\n".join([*map(ast.unparse, head), *back, *map(ast.unparse, moved)])
    rest = [ast.unparse(node) for node in tree.body if node not in moved]
    yield Source(module, "\n".join([*rest, f"from {other} import {', '.join(names)}"]))
    yield Source(other, text)


def test_splitting_modules_lapses_nothing(before: Keys) -> None:
    sources = Sources()
    new: dict[str, Source | None] = {}
    for module in MODULES:
        source = sources.read(module)
        assert source is not None
        if source.is_package or "@rule(" in source.text or module in WHOLE:
            continue
        plain = [n for n in ast.parse(source.text).body if isinstance(n, ast.FunctionDef)]
        if len([n for n in plain if not n.decorator_list]) > 3:
            new.update({one.name: one for one in split(module, source)})
    assert len(new) > 60
    assert keys(Provenance(Sources(changed=new))) == before


def test_docstrings_comments_and_all_lapse_nothing(base: Provenance, before: Keys) -> None:
    for module in (
        "optim.wrapping.transform",
        "optim.quantization.planning.plan",
        "harness.stages.train",
        "optim.saving",
    ):
        text = f'"""Another text."""\n# A comment.\n{text_of(module)}\n__all__ = ["nothing"]\n'
        assert not lapsed(changed(base, module, text), before)


def test_the_order_of_the_modules_with_rules_is_in_every_key_that_lowers(
    base: Provenance, before: Keys
) -> None:
    text = text_of("optim.quantization.lowering.driver")
    assert text.count("    affine,\n    hard_swish,\n    activations,\n") == 1
    swapped = text.replace(
        "    affine,\n    hard_swish,\n    activations,\n",
        "    activations,\n    affine,\n    hard_swish,\n",
    )
    assert lapsed(changed(base, "optim.quantization.lowering.driver", swapped), before) == set(
        COLUMNS
    )


def test_this_process_has_one_code() -> None:
    assert codebase.here() is codebase.here()
