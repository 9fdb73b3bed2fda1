"""The marker of each technique: a shape that is told from the others without colour."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from harness.benchmark.definition.techniques import TECHNIQUES

#: Half the height of a marker, in the units of the plot.
RADIUS = 5.0


def _polygon(corners: int, turn: float = 0.0, inner: float = 1.0) -> str:
    """A regular polygon, its first corner upwards; a star if `inner` is less than 1."""
    points = []
    count = corners * (2 if inner < 1 else 1)
    for i in range(count):
        angle = math.tau * (i / count + turn) - math.pi / 2
        reach = RADIUS * (1.2 if i % 2 == 0 or inner == 1 else 1.2 * inner)
        points.append(f"{reach * math.cos(angle):.2f},{reach * math.sin(angle):.2f}")
    return "M" + "L".join(points) + "Z"


_R = RADIUS
#: Shapes as SVG paths around (0, 0): the eye tells them apart at this size.
SHAPES: Mapping[str, str] = {
    "disc": f"M{-_R},0a{_R},{_R} 0 1,0 {2 * _R},0a{_R},{_R} 0 1,0 {-2 * _R},0Z",
    "ring": f"M{-_R},0a{_R},{_R} 0 1,0 {2 * _R},0a{_R},{_R} 0 1,0 {-2 * _R},0Z"
    "M-2,0a2,2 0 1,1 4,0a2,2 0 1,1 -4,0Z",
    "square": _polygon(4, 1 / 8),
    "triangle": _polygon(3),
    "triangle-down": _polygon(3, 1 / 2),
    "triangle-right": _polygon(3, 1 / 4),
    "triangle-left": _polygon(3, 3 / 4),
    "hourglass": "M-5,-5L5,-5L-5,5L5,5Z",
    "bow": "M-5,-5L5,5L5,-5L-5,5Z",
    "diamond": _polygon(4),
    "pentagon": _polygon(5),
    "star": _polygon(5, 0, 0.42),
    "plus": "M-1.6,-5.5H1.6V-1.6H5.5V1.6H1.6V5.5H-1.6V1.6H-5.5V-1.6H-1.6Z",
}

#: By technique: its shape, and one of the hues of the style sheet, shared by its kind.
MARKS: Mapping[str, tuple[str, str]] = {
    "float": ("disc", "k0"),
    "ptq-int8": ("ring", "k1"),
    "qat": ("square", "k1"),
    "prune-50": ("triangle", "k2"),
    "prune-75": ("triangle-down", "k2"),
    "prune-87.5": ("triangle-right", "k2"),
    "prune-2x4": ("triangle-left", "k2"),
    "cluster-16": ("hourglass", "k3"),
    "cluster-32": ("bow", "k3"),
    "pqat": ("diamond", "k4"),
    "cqat": ("pentagon", "k4"),
    "pcqat": ("star", "k4"),
}
#: Of a technique of an older or newer version, which the table does not have.
OTHER = ("plus", "k0")


#: Of what stands at the edge of a plot, because it is far beyond.
FAR = "M0,-8L6,4H-6Z M-6,6H6V8H-6Z"


def mark(technique: str, far: bool = False) -> tuple[str, str]:
    """Return the path of a technique's marker and the class of its hue.

    Args:
      technique: its id.
      far: whether the marker stands at the edge of the plot, for what is beyond it.
    """
    shape, hue = MARKS.get(technique, OTHER)
    return FAR if far else SHAPES[shape], hue


def titles(present: Sequence[str]) -> dict[str, str]:
    """Return what is done, by technique, for those present."""
    known = {one.id: one.title for one in TECHNIQUES}
    return {name: known.get(name, "") for name in present}
