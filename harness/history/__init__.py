"""What changed night by night: an append-only store, timelines, a page and a feed.

A night adds a line for each case that changed since the line before of that case, and one for
itself: years of nights stay small (docs/history.md has the figures). Git keeps such files well.
"""
