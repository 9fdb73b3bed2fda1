"""Text for people: escaping, shortening and units, in one place.

Everything that comes out of a record is foreign text: an exception message may hold
a formula, a table separator, markup or a terminal escape.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

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


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Write a table in Markdown; its cells are escaped already, and what is empty is a dash.

    As in Markdown's own rule of dashes, a head that ends in a colon is flush right.
    """
    rule = ["--:" if name.endswith(":") else "---" for name in head]
    names = [name.removesuffix(":") for name in head]
    cells = [[cell or "–" for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (names, rule, *cells)]


def three(value: float) -> str:
    """Write three significant digits, never with an exponent: ``0.271``, ``12.3``, ``1230``."""
    return f"{float(f'{value:.3g}'):.12f}".rstrip("0").rstrip(".")


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
    """Write a count with a thousands suffix: ``950``, ``25.6 M``; or ``1.2e-7``."""
    for bound, suffix in ((1e9, " G"), (1e6, " M"), (1e4, " k")):
        if abs(value) >= bound:
            return f"{three(value / (1e3 if suffix == ' k' else bound))}{suffix}"
    if value and abs(value) < 1e-3:
        digits, exponent = f"{value:.1e}".split("e")
        return f"{digits}e{int(exponent)}"
    return f"{value:.4g}"


def size(value: float) -> str:
    """Write a number of bytes: ``1.4 MB``, ``5.1 GB``."""
    for bound, suffix in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(value) >= bound:
            return f"{three(value / bound)} {suffix}"
    return f"{value:.0f} B"


def share(value: float) -> str:
    """Write a share of 1: ``97.1 %``. Only all of it is 100 %, and only nothing 0 %."""
    if value in (0, 1):
        return f"{100 * value:.0f} %"
    if 0 < value < 1:
        return f"{'<' if value < 0.001 else '>' if value > 0.999 else ''}" + (
            f"{100 * min(max(value, 0.001), 0.999):.1f} %"
        )
    return f"{three(100 * value)} %"


def ratio(value: float) -> str:
    """Write a ratio: ``0.27``, ``1.05``, ``0.0123``."""
    return f"{value:.2f}" if abs(value) >= 0.0995 else three(value)


def milliseconds(value: float) -> str:
    """Write three digits, zeros too: ``1.30``, ``12.0``, ``1230``, ``0.0190``.

    Of tenths two: ``0.30``; nothing is ``0``.
    """
    if value == 0:
        return "0"
    if abs(value) < 0.0995:
        return f"{value:.{min(2 - int(f'{value:.2e}'.partition('e')[2]), 12)}f}"
    return f"{value:.{2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0}f}"


def _finite(write: Callable[[float], str], unit: str = "") -> Callable[[float], str]:
    def written(value: float) -> str:
        if math.isinf(value):
            return f"{'−' if value < 0 else ''}∞{unit}"
        return write(value) + unit

    return written


#: How a number is written for a reader. The page's script knows the same names.
FORMATS: Mapping[str, Callable[[float], str]] = {
    "number": _finite(amount),
    "share": _finite(share),
    "decibel": _finite(lambda v: f"{v:.1f}", " dB"),
    "steps": _finite(three, " LSB"),
    "size": _finite(size),
    "ratio": _finite(ratio, "×"),
    "milliseconds": _finite(milliseconds, " ms"),
    "time": _finite(seconds),
}

#: The format of a quantity nothing else is known of, by the end of its name.
_ENDS: tuple[tuple[str, str], ...] = (
    ("seconds", "time"), ("bytes", "size"), ("share", "share"), ("sparsity", "share"),
    ("_db", "decibel"), ("sqnr", "decibel"), ("_ms", "milliseconds"), ("_ratio", "ratio"),
)  # fmt: skip


def format_of(name: str) -> str:
    """Say in what format the quantity called ``name`` is written."""
    return next((f for end, f in _ENDS if name.casefold().endswith(end)), "number")


def spoken(name: str) -> str:
    """The name of a quantity as a reader says it: ``build_seconds`` is ``build time``."""
    for end, said in (("_seconds", " time"), ("_bytes", " size")):
        if name.endswith(end):
            name = name.removesuffix(end) + said
    return name.replace("_", " ")
