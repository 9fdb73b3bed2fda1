"""Peers: what others offer for the same work, as columns of their own beside ours.

Each gets the float model and the data that ours gets, with the settings that its own
documentation recommends (docs/peers.md), and its file is judged by the same stages.
"""
