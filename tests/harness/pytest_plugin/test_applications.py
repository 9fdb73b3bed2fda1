"""Discovery: which constructors there are, read from the package's source."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import techniques
from harness.matrix import discovery, keras_package, selection, source
from harness.matrix.application import Application
from harness.plugin import MATRIX_FILE
from harness.vocabulary import UsageError

HAS_TF_KERAS = importlib.util.find_spec("tf_keras") is not None
needs_tf_keras = pytest.mark.skipif(not HAS_TF_KERAS, reason="tf_keras is not installed")


class Package:
    """A Keras package under test, rewritten file by file."""

    def __init__(self, root: Path) -> None:
        self.root = root / "somekeras"
        self.index = self.root / "applications" / "__init__.py"
        self.cache = root / "cache" / "tfmot-matrix" / "applications-somekeras.json"

    def write(self, name: str, text: str) -> Path:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
        return file

    def discover(self) -> tuple[Application, ...]:
        """What a new process would find."""
        for function in (
            discovery._discover,
            source._tree,
            source.definitions,
            source.source_digest,
        ):
            function.cache_clear()
        return discovery.discover("somekeras")

    def names(self) -> list[str]:
        return [a.name for a in self.discover()]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(tmp_path))
    one = Package(tmp_path)
    one.write("__init__.py", "raise RuntimeError('reading must not import')\n")
    one.write("src/net_b.py", "def NetB1(): ...\ndef NetB0(): ...\n")
    one.write("src/net_a.py", "import somekeras.src.helper\nclass NetA: ...\n")
    one.write("src/helper.py", "SIZE = 1\n")
    one.write(
        "applications/__init__.py",
        "from somekeras.src.net_b import NetB0, NetB1\nfrom somekeras.src.net_a import NetA\n",
    )
    return one


# --- reading the index ------------------------------------------------------------------


def test_constructors_are_sorted_by_family_and_name(package: Package) -> None:
    found = package.discover()
    assert [(a.family, a.name) for a in found] == [
        ("net_a", "NetA"),
        ("net_b", "NetB0"),
        ("net_b", "NetB1"),
    ]
    assert {a.module for a in found} == {"somekeras.applications"}
    assert all(a.function == a.name and a.is_discovered for a in found)


def test_the_index_decides_under_which_name_a_constructor_is_known(package: Package) -> None:
    package.write("src/net_b.py", "def NetB(): ...\ndef build(): ...\ndef preprocess(): ...\n")
    package.write(
        "applications/__init__.py",
        """
        from somekeras.src.net_b import NetB as NetBee
        from somekeras.src.net_b import NetB as _hidden
        from somekeras.src.net_b import build as Built
        from somekeras.src.net_b import preprocess
        """,
    )
    assert package.names() == ["Built", "NetBee"]
    assert {a.function for a in package.discover()} == {"Built", "NetBee"}


def test_what_the_origin_does_not_define_is_no_constructor(package: Package) -> None:
    package.write("src/net_b.py", "from somekeras.src.net_a import NetA\nWEIGHTS = {}\n")
    package.write(
        "applications/__init__.py",
        """
        import json
        from collections import OrderedDict
        from somekeras.src import Missing
        from somekeras.src.gone import Gone
        from somekeras.src.net_b import NetA, WEIGHTS
        from somekeras.src.net_a import NetA as Real
        """,
    )
    assert package.names() == ["Real"]


def test_a_name_imported_twice_is_one_application(package: Package) -> None:
    package.write(
        "applications/__init__.py",
        """
        try:
            from somekeras.src.net_a import NetA
        except ImportError:
            from somekeras.src.net_a import NetA
        """,
    )
    assert package.names() == ["NetA"]


def test_the_source_digest_covers_what_a_constructor_imports_from_beside_it(
    package: Package,
) -> None:
    before = {a.name: a.source for a in package.discover()}
    package.write("src/helper.py", "SIZE = 2\n")
    after = {a.name: a.source for a in package.discover()}
    assert after["NetA"] != before["NetA"]
    assert after["NetB0"] == before["NetB0"]
    assert after["NetB0"] == after["NetB1"] != after["NetA"]


def test_an_index_without_imports_is_asked_by_running_it(package: Package) -> None:
    package.write("__init__.py", "")
    package.write("src/__init__.py", "")
    package.write(
        "applications/__init__.py",
        """
        import importlib
        net = importlib.import_module("somekeras.src.net_b")
        globals().update((k, v) for k, v in vars(net).items() if k.startswith("Net"))
        """,
    )
    assert [(a.name, a.family) for a in package.discover()] == [
        ("NetB0", "net_b"),
        ("NetB1", "net_b"),
    ]


def test_an_index_that_cannot_be_run_says_why(package: Package) -> None:
    package.write("applications/__init__.py", "")
    with pytest.raises(UsageError, match=r"import somekeras\.applications: RuntimeError: rea"):
        package.discover()


# --- the cache --------------------------------------------------------------------------


def unreadable(*_: object) -> dict[str, Path]:
    raise AssertionError("the index was read again")


def test_a_second_process_takes_the_cache(
    package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = package.discover()
    monkeypatch.setattr(discovery, "_read_index", unreadable)
    assert package.discover() == first


def later(file: Path) -> None:
    stat = file.stat()
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda p, m: later(p.index), id="index time"),
        pytest.param(lambda p, m: p.index.write_text(p.index.read_text() + "\n"), id="index size"),
        pytest.param(lambda p, m: later(p.root / "src" / "net_b.py"), id="source time"),
        pytest.param(lambda p, m: (p.root / "src" / "helper.py").unlink(), id="source gone"),
        pytest.param(
            lambda p, m: m.setattr(discovery, "distribution_version", lambda _: "9.9"),
            id="version",
        ),
        pytest.param(lambda p, m: m.setattr(discovery, "_CACHE_FORM", 99), id="form"),
    ],
)
def test_a_change_of_the_package_makes_the_cache_stale(
    package: Package,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Package, pytest.MonkeyPatch], object],
) -> None:
    package.discover()
    change(package, monkeypatch)
    reads: list[str] = []
    read = discovery._read_index
    monkeypatch.setattr(discovery, "_read_index", lambda *a: reads.append(a[0]) or read(*a))
    package.discover()
    package.discover()  # and the new state is cached in turn
    assert reads == ["somekeras"]


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe\x00", b"[1, 2]", b"null", b'{"stamp": 1}', b'{"files": 3, "stamp": []}'],
)
def test_an_unreadable_cache_is_made_anew(package: Package, content: bytes) -> None:
    good = package.discover()
    kept = package.cache.read_bytes()
    package.cache.write_bytes(content)
    assert package.discover() == good
    assert package.cache.read_bytes() == kept


def test_a_cache_with_strange_applications_is_made_anew(package: Package) -> None:
    good = package.discover()
    data = json.loads(package.cache.read_text())
    package.cache.write_text(json.dumps({**data, "applications": [{"name": "Odd"}]}))
    assert package.discover() == good


def test_nowhere_to_write_the_cache_is_no_error(
    package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert package.names() == ["NetA", "NetB0", "NetB1"]


# --- selection and errors ---------------------------------------------------------------


def test_a_missing_keras_module_names_the_command_that_installs_it() -> None:
    with pytest.raises(UsageError, match=r"'no_such_keras' is not installed: `pip install no-such"):
        discovery.discover("no_such_keras")


def test_a_package_without_applications_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bare_keras").mkdir()
    (tmp_path / "bare_keras" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UsageError, match="KERAS_MODULE=bare_keras: the package has no applicati"):
        discovery.discover("bare_keras")


def test_patterns_families_and_names_select_in_the_order_given(
    fake_keras: Callable[..., Path],
) -> None:
    fake_keras(Pass=3, Rank=2)

    def names(*patterns: str) -> list[str]:
        return [a.name for a in selection.select(patterns)]

    assert names() == ["Pass0", "Pass1", "Pass2", "Rank0", "Rank1"]
    assert names("Rank*", "Pass1") == ["Rank0", "Rank1", "Pass1"]
    assert names("*[02]") == ["Pass0", "Pass2", "Rank0"]
    assert names("family:net_rank", "Rank1") == ["Rank0", "Rank1"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("pass0", r"unknown application 'pass0': did you mean Pass0 or "),
        ("Ranq1", r"unknown application 'Ranq1': did you mean Rank1 or "),
        ("Zzz*", r"unknown application 'Zzz\*': known: Pass0, Pass1, Rank0, Rank1$"),
        ("family:net_pas", r"unknown family 'net_pas': did you mean net_pass or net_rank"),
        ("no_module:Net", r"'no_module:Net': there is no module 'no_module' on sys.path"),
        ("mine.no:Net", r"'mine.no:Net': there is no module 'mine.no' on sys.path"),
        ("mine.nets:Nett", r"unknown application in mine.nets 'Nett': did you mean Net"),
        ("mine.nets:nte", r"unknown application in mine.nets 'nte': did you mean Net\?$"),
        ("mine.empty:Net", r"unknown application in mine.empty 'Net': there is none$"),
        ("mine.private:Net", r"unknown application in mine.private 'Net': there is none$"),
        # No command lists what is in somebody's module.
        (
            "mine.many:zzz",
            r"unknown application in mine.many 'zzz': 20 are known, the nearest of them (\w+, ){4}",
        ),
        ("mine.broken:Net", r"'mine.broken:Net': broken.py:2: "),
    ],
)
def test_what_matches_nothing_is_an_error_with_the_nearest(
    fake_keras: Callable[..., Path], pattern: str, message: str
) -> None:
    own(fake_keras(Pass=2, Rank=2))
    with pytest.raises(UsageError, match=message):
        selection.select([pattern])


def own(root: Path) -> None:
    """Write a package of somebody's own; importing it would be noticed."""
    package = root / "mine"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    nets = "from mine import sizes\ndef _nte(): ...\ndef Net(size=sizes.SIZE): ...\n"
    (package / "nets.py").write_text(nets)
    (package / "private.py").write_text("def _Net(): ...\n")
    (package / "sizes.py").write_text("SIZE = 1\n")
    (package / "empty.py").write_text("")
    (package / "many.py").write_text("".join(f"def Net{n}(): ...\n" for n in range(20)))
    (package / "broken.py").write_text("x = 1\ndef Net(:\n")


def test_an_application_of_ones_own_is_found_without_importing_its_package(
    fake_keras: Callable[..., Path],
) -> None:
    root = fake_keras(Pass=1)
    own(root)
    (found,) = selection.select(["mine.nets:Net"])
    assert (found.name, found.family, found.module) == ("Net", "nets", "mine.nets")
    assert not found.is_discovered
    assert selection.named("mine.private:_Net").name == "_Net", "who names it may have it"
    (root / "mine" / "sizes.py").write_text("SIZE = 2\n")
    source.source_digest.cache_clear()
    source._tree.cache_clear()
    assert selection.named("mine.nets:Net").source != found.source


# --- the real package -------------------------------------------------------------------


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a second call: its cache has been written."""
    keep = {k: v for k, v in os.environ.items() if k not in ("KERAS_MODULE", "XDG_CACHE_HOME")}
    cache = tmp_path_factory.mktemp("cache")
    environment = {**keep, "XDG_CACHE_HOME": str(cache)}
    command = [sys.executable, "-m", "harness", "list", "--what", "applications"]
    subprocess.run(command, env=environment, check=True, capture_output=True, cwd=cache)
    return environment


LISTING = {
    "list": "-m harness list",
    "collect": f"-m pytest {MATRIX_FILE} --collect-only -q -p no:cacheprovider "
    "-p no:hypothesispytest",
}


@needs_tf_keras
@pytest.mark.parametrize("how", LISTING)
def test_listing_is_quick_and_imports_no_tensorflow(
    warm: dict[str, str], tmp_path: Path, how: str
) -> None:
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *LISTING[how].split()],
        env=warm,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    after = os.times()
    assert done.returncode == 0, done.stdout + done.stderr
    assert sum("-notop" in line for line in done.stdout.splitlines()) == (
        len(discovery.discover("tf_keras")) * len(techniques.select())
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "harness.matrix.discovery" in imported
    heavy = {"tensorflow", "tf_keras", "keras", "tensorflow_model_optimization", "pandas"}
    assert imported & heavy == set()
    spent = after.children_user + after.children_system
    assert spent - before.children_user - before.children_system < 2.0


@needs_tf_keras
def test_static_reading_finds_what_the_imported_package_has() -> None:
    """Imports TensorFlow, in a process of its own: only the real package can tell."""
    found = {(a.name, a.family) for a in discovery.discover("tf_keras")}
    asked = discovery._ask_python("tf_keras")
    assert found == {(a.name, a.family) for a in asked}
    assert len(found) == len(asked)
    if keras_package.distribution_version("tf_keras").startswith("2.21."):
        assert len(found) == 71
