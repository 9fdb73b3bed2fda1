"""Where things are: the project, its caches, and text without machine paths."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import site
import socket
import sys
import sysconfig
import tempfile
from functools import lru_cache
from pathlib import Path

from harness.vocabulary import KERAS_3

#: The folder that holds the ``harness`` package: a checkout, or site-packages.
PROJECT = Path(__file__).resolve().parent.parent

#: Whether the rows are of Keras 3: they have the names of others, and files of their own.
_OF_KERAS_3 = os.environ.get("KERAS_MODULE") == KERAS_3

#: The committed baseline.
EXPECTATIONS = (
    Path(__file__).resolve().parent
    / "baseline"
    / ("expectations-keras3.txt" if _OF_KERAS_3 else "expectations.txt")
)

#: The baseline of a user's own applications: beside their code, in the current folder.
OWN_EXPECTATIONS = Path("harness-expectations.txt")

#: The committed reference run, and what a full run publishes.
REPORTS = PROJECT / "reports" / "keras3" if _OF_KERAS_3 else PROJECT / "reports"


def cache_dir() -> Path:
    """Return the folder for files that can be made again."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "tfmot-matrix"


def working_dir() -> Path:
    """Return the folder where an unfinished or partial run keeps its records."""
    return Path(".harness")


#: What cannot stand before or after a path that is meant as a whole.
_PART = r"[\w.+@~-]"


@lru_cache(maxsize=1)
def _roots() -> tuple[re.Pattern[str], dict[str, str]]:
    """A pattern for machine paths, the longest first, and what to write in their place."""
    packages = {
        *site.getsitepackages(),
        site.getusersitepackages(),
        sysconfig.get_path("purelib"),
        sysconfig.get_path("platlib"),
    }
    pairs = dict.fromkeys(packages, "")
    pairs[sysconfig.get_path("stdlib")] = "python"
    pairs.setdefault(str(PROJECT), "")
    pairs[sys.prefix] = "python"
    pairs[sys.base_prefix] = "python"
    pairs[tempfile.gettempdir()] = "tmp"
    home = os.path.expanduser("~")
    if home not in ("/", "~"):
        pairs[home] = "home"
    everything = {**{os.path.realpath(p): new for p, new in pairs.items()}, **pairs}
    everything.pop("/", None)
    known = "|".join(map(re.escape, sorted(everything, key=len, reverse=True)))
    return re.compile(rf"(?<!{_PART})({known})(/|(?![\w+@~-]|\.\w))"), everything


#: Somebody's home, and whatever else still reads as a path of this machine: its last part
#: is kept.
_HOME = re.compile(rf"(?<!{_PART})/(?:home|Users)/{_PART}+")
_ABSOLUTE = re.compile(rf"(?<![\w/.:<])/(?:{_PART}+/){{2,}}({_PART}+)")


def scrub(text: str) -> str:
    """Return ``text`` without absolute paths, the user's home, or the host's name."""
    roots, written = _roots()

    def instead(found: re.Match[str]) -> str:
        new = written[found[1]]
        return (new + found[2] if new else "") if found[2] else new or "."

    text = _HOME.sub("home", roots.sub(instead, text))
    text = _ABSOLUTE.sub(r"\1", text)
    host = socket.gethostname()
    if len(host) > 3:
        text = re.sub(rf"\b{re.escape(host)}\b", "host", text)
    return text


def shown(path: Path) -> str:
    """Return ``path`` as a person in the current folder would write it."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def interpreter() -> str:
    """Return the Python in use as a person in the current folder would write it."""
    for word in ("python", "python3"):
        found = shutil.which(word)
        if found and os.path.abspath(found) == os.path.abspath(sys.executable):
            return word
    return shlex.quote(shown(Path(sys.executable)))


def relative(path: str) -> str:
    """Return ``path`` relative to site-packages or the project."""
    return scrub(os.path.realpath(path) if os.path.isabs(path) else path)
