"""The panels of the plots: how large they are, and how much room a text takes."""

from __future__ import annotations

WIDTH, HEIGHT = 480.0, 280.0
LEFT, RIGHT, TOP, BOTTOM = 50.0, 14.0, 12.0, 36.0

#: How wide a character is, how high a line, and how far texts stay from each other and from
#: markers.
CHARACTER, LINE, PADDING = 5.8, 11.0, 3.0
