"""The table of clusterable layers, under the name that messages give it."""

from optim.clustering.wrapper import CLUSTERABLE as CLUSTERABLE
