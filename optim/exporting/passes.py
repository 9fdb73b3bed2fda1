"""What is done to every graph before the converter, and to every file behind it, in order.

A new pass is a function and a line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from optim.exporting.file_passes import (
    bias_scales,
    cell_clips,
    clustered_kernels,
    common_scales,
    float_edges,
    float_kernels,
    leftovers,
)
from optim.exporting.graph_passes import (
    dead_channels,
    dilations,
    half_precision,
    tables,
    transposed_bias,
)
from optim.exporting.recurrent.file_pass import write_recurrent
from optim.litert import writer
from optim.quantization.recurrent.written import Written


@dataclass(frozen=True)
class Known:
    """What is known of the model that a file was made of.

    Attributes:
        kernels: the numbers of those that keep few values, as training left them.
        floats: the kernels of layers that are to be float in a quantized file.
        recurrent: layers that operations of the file stand for, by the name of these.
    """

    kernels: Sequence[np.ndarray] = ()
    floats: Sequence[np.ndarray] = ()
    recurrent: Mapping[str, Written] = field(default_factory=dict)


GraphPass = Callable[[Any, Any], object]
"""Of the graph it was traced in, for its constants, and the `GraphDef`, which it changes."""

FilePass = Callable[[Any, Known], object]
"""Of a file, from `writer.unpack`, which it changes, and what is known of its model."""

GRAPH_PASSES: tuple[GraphPass, ...] = (
    lambda graph, graph_def: half_precision.widen(graph_def),
    transposed_bias.give_biases,
    dilations.fold,
    lambda graph, graph_def: dead_channels.give_room(graph_def),
    lambda graph, graph_def: tables.keep_apart(graph_def),
)

FILE_PASSES: tuple[FilePass, ...] = (
    lambda file, known: float_edges.close(file),
    lambda file, known: common_scales.round_again(file),
    lambda file, known: common_scales.take_outputs(file),
    lambda file, known: cell_clips.open_up(file),
    lambda file, known: float_kernels.restore(file, known.floats),
    lambda file, known: writer.share_equal(file),
    # Before kernels change their steps: it goes by those that the converter had.
    lambda file, known: bias_scales.repair_equal(file),
    lambda file, known: clustered_kernels.restore_steps(file, known.kernels),
    lambda file, known: bias_scales.settle(file),
    lambda file, known: write_recurrent(file, known.recurrent),
    lambda file, known: leftovers.shorten_names(file),
    lambda file, known: leftovers.drop_tensors(file),
    lambda file, known: writer.drop_unused(file),
)
