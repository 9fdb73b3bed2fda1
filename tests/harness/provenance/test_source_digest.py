"""Digests of code: what is in them, and what is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.paths import PROJECT
from harness.provenance.source_digest import Code, EntryError
from harness.provenance.sources import Source, Sources


def code(**modules: str) -> Code:
    """A package `toy` of the given modules; `a__b` is `toy.a.b`, and `toy` what is in itself."""
    found = {"toy": Source("toy", modules.pop("toy", ""), True)}
    for name, text in modules.items():
        dotted = "toy." + name.replace("__", ".")
        found[dotted] = Source(dotted, text, any(m.startswith(f"{name}__") for m in modules))
    return Code(Sources(("toy",), found))


def digest(entry: str = "toy.main:run", **modules: str) -> str:
    one = code(**modules)
    return one.digest(one.closure([entry]))


def of(text: str) -> str:
    """Digest the text of a function's body, or of what stands before it."""
    return digest("toy.main", main=text)


# --- one module -----------------------------------------------------------------------------

CODE = '''\
"""A module."""

import os
from tensorflow import keras


class Scale(object):
    """Scales.

    Over several lines.
    """

    factor = 2.0

    def call(self, x: int) -> int:
        # A comment.
        if x:
            x = x * self.factor  # another
            x = x + 1
        return f"{x!r:>{10}} # {os.sep}"
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""A module."""', '"""Another text."""'),
        ('"""A module."""', '__all__ = ["Scale"]'),
        ("    Over several lines.\n", "    Over several lines, ä ö ü.\n\n    And more.\n"),
        ("        # A comment.\n", ""),
        ("  # another", "  # yet another, with a 'quote"),
        ("        if x:", "        if   x :"),
        ("\n\n\nclass", "\nclass"),
        ("    factor = 2.0", "    factor   =   2.0   "),
        ("x: int) -> int", "x: float) -> float"),
        ("import os\n", "import os\nimport math\n"),
        ("f\"{x!r:>{10}} # {os.sep}\"", "f'{x!r:>{10}}' f' # {os.sep}'"),
    ],
)  # fmt: skip
def test_comments_docstrings_and_layout_do_not_change_a_digest(old: str, new: str) -> None:
    assert CODE.count(old) == 1
    assert of(CODE.replace(old, new)) == of(CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2.0", "2.5"),
        ("import os", "import sys as os"),
        ("from tensorflow import", "from another import"),
        ("class Scale(object)", "class Scale(dict)"),
        ("            x = x + 1\n", ""),
        ("# {os.sep}", "- {os.sep}"),
        ('"{x!r', '"{x!s'),
        ("    factor = 2.0", '    factor = "2.0"'),
        ("    factor = 2.0", "    factor = 2"),
        ("        # A comment.\n", '        y = "# A comment."\n'),
    ],
)
def test_a_change_of_code_changes_the_digest(old: str, new: str) -> None:
    assert CODE.count(old) == 1
    assert of(CODE.replace(old, new)) != of(CODE)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("if a:\n    b()\n    c()\n", "if a:\n    b()\nc()\n"),
        ("if a:\n  if b:\n    c()\n  d()\n", "if a:\n  if b:\n    c()\nd()\n"),
        ("x = 'a b'\n", "x = 'ab'\n"),
        ("x = 'a'\n", "x = b'a'\n"),
        ("x = 1\n", "x = True\n"),
        ("x = f'{a} b'\n", "x = f'{a}b'\n"),
        ("x = f'{a}{b}'\n", "x = f'{a}' + f'{b}'\n"),
        ("x = -1\n", "x = 1\n"),
        ("x[a:]\n", "x[:a]\n"),
        ("f(*a)\n", "f(**a)\n"),
        ("f(a)\ng(b)\n", "g(b)\nf(a)\n"),
    ],
)
def test_what_differs_has_different_digests(one: str, other: str) -> None:
    assert of(one) != of(other)


# --- what is followed -------------------------------------------------------------------------

WAYS = {
    "name": "from toy.tool import pull\ndef run(x):\n    return pull(x)\n",
    "other name": "from toy.tool import pull as p\ndef run(x):\n    return p(x)\n",
    "module": "from toy import tool\ndef run(x):\n    return tool.pull(x)\n",
    "dotted": "import toy.tool\ndef run(x):\n    return toy.tool.pull(x)\n",
    "module as": "import toy.tool as t\ndef run(x):\n    return t.pull(x)\n",
    "relative": "from .tool import pull\ndef run(x):\n    return pull(x)\n",
    "late": "def run(x):\n    from toy.tool import pull\n    return pull(x)\n",
    "by name": "import importlib\ndef run(x):\n"
    "    return importlib.import_module('toy.tool').pull(x)\n",
    "star": "from toy.tool import *\ndef run(x):\n    return pull(x)\n",
    "re-exported": "from toy import pulled\ndef run(x):\n    return pulled(x)\n",
    "lazy": "from toy import lazy_pull as pull\ndef run(x):\n    return pull(x)\n",
}

TOOL = """\
def pull(x):
    return deep(x)

def deep(x):
    return x + 1

def other(x):
    pass
"""

TOP = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from toy.tool import lazy_pull as lazy_pull
from toy.tool import pull as pulled
"""


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_import_is_followed(way: str) -> None:
    top = TOP if way == "re-exported" else ""
    tool = TOOL
    if way == "lazy":
        tool += "def lazy_pull(x):\n    return pull(x)\n"
        top = (
            "import importlib\n_PUBLIC = {'lazy_pull': 'toy.tool', 'unused': 'toy.unused'}\n"
            "def __getattr__(name):\n"
            "    return getattr(importlib.import_module(_PUBLIC[name]), name)\n"
        )
    unused = "1 / 0\n"

    def now(tool: str = tool, top: str = top) -> str:
        return digest(toy=top, main=WAYS[way], tool=tool, unused=unused)

    assert now(tool.replace("x + 1", "x + 2")) != now(), "it is reached through another"
    assert now(tool.replace("pass", "return x")) == now(), "it is not reached"
    assert now(tool + "raise ValueError\n") != now(), "the module is executed"
    assert now(f'"""Text."""\n# More\n{tool}') == now()
    if way == "lazy":
        assert now(top=top.replace("return getattr", "return 1 and getattr")) != now()
        assert now(top=top.replace("'unused'", "'not_used'")) == now()


def test_how_a_name_is_imported_is_not_in_the_digest() -> None:
    found = {way: digest(main=WAYS[way], tool=TOOL) for way in WAYS if way not in ("lazy", "star")}
    found["re-exported"] = digest(
        toy="from toy.tool import pull as pulled\n", main=WAYS["re-exported"], tool=TOOL
    )
    assert len(set(found.values())) == 1, found


def test_where_a_definition_stands_is_not_in_the_digest() -> None:
    one = digest(main=WAYS["name"], tool=TOOL)
    other = WAYS["name"].replace("toy.tool", "toy.a.b")
    assert digest(main=other, a="", a__b=TOOL) == one
    pull, deep = TOOL.split("\n\n")[:2]
    assert digest(main=WAYS["name"], tool=f"from toy.deep import deep\n{pull}\n", deep=deep) == one


def test_two_that_swap_their_names_are_seen() -> None:
    main = "from toy.one import a\nfrom toy.two import b\ndef run():\n    return a() - b()\n"
    first = "def {}():\n    return 1\n"
    second = "def {}():\n    return 2\n"
    one = digest(main=main, one=first.format("a"), two=second.format("b"))
    assert digest(main=main, one=second.format("a"), two=first.format("b")) != one
    main = main.replace("from toy.two import b", "from toy.two import a as b")
    one = digest(main=main, one=first.format("a"), two=second.format("a"))
    assert digest(main=main, one=second.format("a"), two=first.format("a")) != one


def test_a_name_of_a_function_hides_that_of_the_module() -> None:
    tool = "def scale(x):\n    return {}\n"
    main = "from toy.tool import scale\ndef run(scale):\n    return scale\n"
    assert digest(main=main, tool=tool.format(1)) == digest(main=main, tool=tool.format(2))
    for body in (
        "    return [scale for scale in scale()]\n",
        "    return lambda: scale(1)\n",
        "    class A:\n        scale = scale\n    return A\n",
        "    def inner(x=scale):\n        scale = x\n    return inner\n",
        "    global scale\n    scale = None\n",
    ):
        main = f"from toy.tool import scale\ndef run():\n{body}"
        assert digest(main=main, tool=tool.format(1)) != digest(main=main, tool=tool.format(2))


# --- what a module does when it is imported ---------------------------------------------------

ACTS = {
    "a registered function": "@register\ndef made():\n    return 1\n",
    "a class that is registered": "@register\nclass Made:\n    size = 1\n",
    "a subclass that is told of": "class Made(Base):\n    size = 1\n",
    "a call": "print(1)\n",
    "a loop": "for name in (1,):\n    TABLE[name] = 1\n",
    "an entry": "TABLE['a'] = 1\n",
    "a condition": "if TABLE:\n    size = 1\n",
    "a call of another's": "made = register(1)\n",
    "a registered method": "class Made:\n    @register\n    def a(self):\n        return 1\n",
    "an import of a library": "import numpy.1\n".replace(".1", ".one as n1"),
}
WAITS = {
    "a function": "def made():\n    return 1\n",
    "a class": "class Made:\n    size = 1\n",
    "a data class": "@dataclass(frozen=True)\nclass Made:\n    size: int = 1\n",
    "a property": "class Made:\n    @property\n    def size(self):\n        return 1\n",
    "a constant": "SIZE = 1\n",
    "a pattern": "SIZE = re.compile('1')\n",
    "something kept": "SIZE = Kept(1)\n",
    "a cached function": "@lru_cache(maxsize=1)\ndef made():\n    return 1\n",
    "for checkers": "if TYPE_CHECKING:\n    size = 1\n",
    "for scripts": "if __name__ == '__main__':\n    print(1)\n",
}
TOOLS = """
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from toy.base import TABLE, Base, Kept, register
"""
BASE = """
from dataclasses import dataclass
TABLE = {}
class Base:
    def __init_subclass__(cls):
        TABLE[cls.__name__] = cls
@dataclass
class Kept:
    size: int
def register(one):
    return one
"""


@pytest.mark.parametrize("what", [*ACTS, *WAITS])
def test_what_acts_when_it_is_imported_counts(what: str) -> None:
    text = TOOLS + (ACTS.get(what) or WAITS[what])
    main = "import toy.effects\ndef run():\n    pass\n"
    before = digest(main=main, effects=text, base=BASE)
    changed = digest(main=main, effects=text.replace("1", "2").replace("one", "two"), base=BASE)
    assert (changed != before) == (what in ACTS)


def test_the_order_of_what_is_registered_alike_counts() -> None:
    one, other = (f"@rule({{}})\ndef {name}():\n    pass\n" for name in "ab")
    main = "from toy import rules\ndef run():\n    pass\n"

    def now(*rules: str) -> str:
        text = "from toy.base import rule\n" + "".join(rules)
        return digest(main=main, rules=text, base="def rule(x):\n    return x\n")

    assert now(one.format(1), other.format(1)) != now(other.format(1), one.format(1))
    assert now(one.format(1), other.format(2)) == now(other.format(2), one.format(1))


def test_a_module_that_is_used_as_a_value_counts_whole() -> None:
    for main in (
        "from toy import tool\ndef run(name):\n    return getattr(tool, name)\n",
        "import importlib\nTABLE = ('toy.tool',)\n"
        "def run():\n    return [importlib.import_module(name) for name in TABLE]\n",
        "import importlib\n"
        "def run(name):\n    return importlib.import_module(f'toy.{name}').pull\n",
    ):
        before = digest(main=main, tool=TOOL)
        assert digest(main=main, tool=TOOL.replace("pass", "return x")) != before
    only_run = (
        "import importlib\nTABLE = ('toy.tool',)\n"
        "def run():\n    for name in TABLE:\n        importlib.import_module(name)\n"
    )
    before = digest(main=only_run, tool=TOOL)
    assert digest(main=only_run, tool=TOOL.replace("pass", "return x")) == before
    assert digest(main=only_run, tool=f"{TOOL}print()\n") != before


def test_an_entry_point_that_is_not_there_is_told() -> None:
    with pytest.raises(EntryError, match=r"no module 'toy\.none'"):
        digest("toy.none:run")
    with pytest.raises(EntryError, match=r"'toy\.main' has no 'walk'"):
        digest("toy.main:walk", main=WAYS["name"], tool=TOOL)


# --- every Python -------------------------------------------------------------------------------


def interpreters() -> dict[str, Path]:
    """Other versions of Python on this machine."""
    found = sorted((Path.home() / ".pyenv" / "versions").glob("3.1[0-3].*/bin/python"))
    this = f"{sys.version_info.major}.{sys.version_info.minor}."
    return {p.parts[-3]: p for p in found if not p.parts[-3].startswith(this)}


DIGESTS = """
import json, sys
from harness.provenance.codebase import Provenance
from harness.provenance.source_digest import Code
from harness.provenance.sources import Source, Sources
found = Provenance().components()
for text in json.load(sys.stdin):
    code = Code(Sources(("toy",), {"toy": Source("toy", text)}))
    found[text] = code.digest(code.closure(["toy"]))
print(json.dumps(found))
"""

TRICKY = [
    CODE,
    'def f(x):\n    """Doc."""\n    return f"{x:{x}} {x!r} {{}} {x=} # no comment {\'#\'}"\n',
    'x = rf"""\n  # {1 +\n 1}\n"""  # comment\n',
    "x = f'a' 'b' f'{c}' 'd' u'e'\n",
    "x = f'{a:{b}{c}d}' f'' f'{a:>10.{n}f}'\n",
    'def f():\n    "one" " docstring" \\\n        " in parts"\n    return 1\n',
    "async def f():\n\t'''Tabs.'''\n\tawait g()\n",
    "class A:\n    '''Ünï.'''\n    x = 'ünï \\ud800 \\U0001fae8'  # ünï\n",
    "match x:\n  case {'a': 1, **rest}:\n    pass\n  case [1, *_] | None as y:\n    pass\n",
    "x = (1, 1.0, 1j, 1e400, b'\\xff', ..., None, True, a[1:2, ::3], {**a, 'b': [*c]})\n",
    "def f(a, /, b=1, *c, d, e=2, **g): return lambda h=1, *i: (j := 1)\n",
    "try:\n    a()\nexcept (A, B) as e:\n    raise C from e\nelse:\n    b()\nfinally:\n    c()\n",
    "with (a as b, c as (d, e)):\n    del b\nfor x in y:\n    global z\n",
    "",
]


@pytest.mark.parametrize("version", interpreters() or ["none"])
def test_every_python_comes_to_the_same_digest(version: str) -> None:
    if version == "none":
        pytest.skip("no other Python is installed here")
    results = [
        json.loads(
            subprocess.run(
                [python, "-c", DIGESTS],
                input=json.dumps(TRICKY),
                env={**os.environ, "PYTHONPATH": str(PROJECT)},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for python in (sys.executable, interpreters()[version])
    ]
    assert results[0] == results[1]
    assert len(set(results[0].values())) == len(results[0])
