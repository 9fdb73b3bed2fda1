"""Text for people: escaping, shortening and units, in one place.

Everything that comes out of a record is foreign text: an exception message may hold
a formula, a table separator, markup or a terminal escape.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

_PLAIN_CODE = re.compile(r"[\w .,:;=+/()\[\]-]+", re.ASCII)
_MARKDOWN = re.compile(r"([\\`*_\[\]|#~$@!])")

#: A spreadsheet takes a cell that starts with one of these for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

_CONTROL = {c: "\ufffd" for c in (*range(32), 127) if chr(c) not in "\n\t"}


def clean(text: str) -> str:
    """Replace what no text file can hold (lone surrogates, control characters)."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_CONTROL)


def line(text: str, most: int = 300) -> str:
    """Make one line of ``text``, of at most ``most`` characters."""
    # A line never needs more than this of a long text, whatever is collapsed.
    joined = " ".join(clean(text[: 20 * most]).split())
    return joined if len(joined) <= most else joined[: most - 1].rstrip() + "…"


@lru_cache(maxsize=8192)
def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key that puts ResNet50 before ResNet101."""
    # int() refuses more digits than any name has; [0-9] because \d is more than it reads.
    parts = re.findall(r"[0-9]{1,18}|[^0-9]+", text)
    return tuple((0, int(p), "") if p[0] in "0123456789" else (1, 0, p.casefold()) for p in parts)


def cell(text: str) -> str:
    """Keep a spreadsheet from running ``text`` as a formula."""
    text = clean(text)
    return "'" + text if text.lstrip(" ").startswith(_FORMULA) else text


def md(text: str, most: int = 300) -> str:
    """Escape ``text`` for one line of Markdown, also within a table."""
    return _MARKDOWN.sub(r"\\\1", html.escape(line(text, most), quote=False))


def code(text: str, most: int = 300) -> str:
    """Write ``text`` as Markdown code, also within a table."""
    text = line(text, most)
    if _PLAIN_CODE.fullmatch(text):
        return f"`{text}`"
    # Within backticks a pipe ends the cell and a backtick the code; entities do neither.
    return f"<code>{re.sub(r'[^A-Za-z0-9 .,:;=/()-]', lambda m: f'&#{ord(m[0])};', text)}</code>"


def seconds(value: float) -> str:
    """Write a duration: ``0.4 s``, ``12 s``, ``3 min 20 s``, ``1 h 05 min``."""
    if not value >= 9.95 or math.isinf(value):
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def amount(value: float) -> str:
    """Write a count with a thousands suffix: ``950``, ``25.6 M``."""
    for bound, suffix in ((1e9, " G"), (1e6, " M"), (1e4, " k")):
        if abs(value) >= bound:
            scaled = value / (1e3 if suffix == " k" else bound)
            return f"{scaled:.3g}{suffix}"
    return f"{value:.4g}"


def size(value: float) -> str:
    """Write a number of bytes: ``1.4 MB``, ``5.1 GB``."""
    for bound, suffix in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(value) >= bound:
            return f"{value / bound:.3g} {suffix}"
    return f"{value:.0f} B"


#: How a quantity is written, by the end of its name; the page follows the same table.
UNITS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("seconds", "time", seconds),
    ("bytes", "size", size),
    ("share", "share", lambda v: f"{100 * v:.3g} %"),
    ("sparsity", "share", lambda v: f"{100 * v:.3g} %"),
    ("_db", "decibel", lambda v: f"{v:.1f} dB"),
    ("sqnr", "decibel", lambda v: f"{v:.1f} dB"),
)


def unit(name: str) -> str:
    """Say in what unit the quantity called ``name`` is written."""
    return next((u for end, u, _ in UNITS if name.casefold().endswith(end)), "number")


def quantity(name: str, value: Any) -> str:
    """Write the value of the quantity called ``name`` for a reader."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return line(str(value))
    if not math.isfinite(value):
        return str(value)
    write = next((w for end, _, w in UNITS if name.casefold().endswith(end)), amount)
    return write(value)
