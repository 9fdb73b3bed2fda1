"""What changed between two runs: outcomes, labels and numbers, beyond their noise.

`watched` says which numbers count and from where on, `compare` finds what differs, `news` says
it to a reader. A history (`harness.history`) keeps what these find, night by night.
"""
