"""A recurrent layer as a loop: WHILE, whose body is one step in int8.

What inputs contribute is computed for all steps at once before it. All tensors of a step have one
row per sample; of sequences, the rows of a step follow those of the step before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optim.exporting.recurrent.assembler import Assembler, Tensor
from optim.exporting.recurrent.variables import keep, kept_state
from optim.exporting.recurrent.writing import Writing
from optim.litert.flatbuffer import schema
from optim.quantization.recurrent.written import Written


@dataclass(frozen=True)
class Ends:
    """Where a layer is in its graph.

    Attributes:
        x: inputs `(batch, steps, ...)`, int8.
        initial: states before the first step, on any grid or float; none: zeros.
        mask: `(batch, steps)`, bool; None: there is none.
        outputs: tensors to be made, on any grids or float: of the output, then of states.
    """

    x: Tensor
    initial: Sequence[Tensor]
    mask: Tensor | None
    outputs: Sequence[Sequence[Tensor]]


def write_loop(assembler: Assembler, written: Written, ends: Ends) -> None:
    """Write a layer.

    Args:
        assembler: adds to the graph where the layer is.
        written: the layer.
        ends: what it takes and makes.
    """
    _Loop(assembler, written, ends).write()


class _Loop:
    def __init__(self, assembler: Assembler, written: Written, ends: Ends) -> None:
        self.main = assembler
        self.written = written
        self.layer = written.layer
        self.ends = ends
        self.batch, self.steps = ends.x.shape[:2]
        self.first = written.cells[0]
        self.kept: list[Tensor] = []

    def write(self) -> None:
        main = self.main
        rows = self._rows(self.ends.x)
        projected = self.first.step.project(Writing(main, self.first, self.layer.name), rows)
        states = self._initial(projected)
        mask = None if self.ends.mask is None else self._rows(self.ends.mask)
        wanted = bool(self.layer.return_sequences)
        if self.steps == 1:
            output, states = self._masked(main, projected, states, mask, None)
        else:
            output, states = self._while(projected, states, mask, wanted)
        for handle, state in zip(self.kept, states, strict=False):
            keep(main, handle, state)
        self._finish(output, wanted, self.ends.outputs[0])
        for state, into in zip(states, self.ends.outputs[1:], strict=False):
            self._finish(state, False, into)

    # -- before and behind the loop ------------------------------------------------------------

    def _rows(self, x: Tensor) -> Tensor:
        """Sequences as rows: those of all samples at the first step, at the second, ..."""
        main = self.main
        if self.batch > 1:
            x = main.transpose(x, (1, 0, *range(2, len(x.shape))))
        inner = x.shape[2:] or (1,)
        if self.first.conv is not None and len(inner) == 2:
            inner = (1, *inner)
        return main.reshape(x, (self.batch * self.steps, *inner))

    def _finish(self, x: Tensor, sequence: bool, wanted: Sequence[Tensor]) -> None:
        """Give the rest of the graph a result, in the shape that it takes."""
        if not wanted:
            return
        main = self.main
        if sequence and self.batch > 1:
            inner = x.shape[1:]
            x = main.reshape(x, (self.steps, self.batch, *inner))
            x = main.transpose(x, (1, 0, *range(2, len(x.shape))))
        for into in wanted:
            main.hand_over(x, into)

    def _initial(self, projected: Sequence[Tensor]) -> list[Tensor]:
        main, found = self.main, []
        given = list(self.ends.initial)
        for cell in self.written.cells:
            shape = [self.batch, cell.width]
            if cell.conv is not None:
                shape = [self.batch, *projected[0].shape[1:-1], cell.width]
            for name in cell.step.states:
                grid = cell.grids[name]
                if given:
                    found.append(main.reshape(main.quantize(given.pop(0), grid), shape))
                    continue
                if self.layer.stateful:
                    variable = f"{self.layer.name}_{len(found)}"
                    handle, value = kept_state(main, variable, shape, grid)
                    self.kept.append(handle)
                    found.append(value)
                    continue
                dtype: Any = np.int8 if grid.bits == 8 else np.int16
                found.append(main.constant(np.full(shape, grid.zero, dtype), grid))
        return found

    # -- the step --------------------------------------------------------------------------------

    def _step(
        self, into: Assembler, projected: Sequence[Tensor], states: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        left, after = list(states), []
        output: Any = None
        inputs = list(projected)
        for i, cell in enumerate(self.written.cells):
            ops = Writing(into, cell, self.layer.name)
            if i:
                inputs = cell.step.project(ops, output)
            own, left = left[: len(cell.step.states)], left[len(cell.step.states) :]
            output, new = cell.step.step(ops, inputs, own)
            after += new
        return output, after

    def _masked(
        self,
        into: Assembler,
        inputs: Sequence[Tensor],
        before: Sequence[Tensor],
        mask: Tensor | None,
        last: Tensor | None,
    ) -> tuple[Tensor, list[Tensor]]:
        """A step, or nothing where its mask is False.

        Args:
            into: what the step is written in.
            inputs, before: what inputs contribute to it, and the states.
            mask: `(batch, 1)`; None: it is True.
            last: the output of the step before; None: it is the state, or zero.
        """
        output, after = self._step(into, inputs, before)
        if mask is None:
            return output, after
        kept = [_chosen(into, mask, new, old) for new, old in zip(after, before, strict=True)]
        first = -len(self.written.cells[-1].step.states)
        if last is None and self.steps > 1:
            return kept[first], kept
        if last is None or self.layer.zero_output_for_mask:
            assert output.grid is not None
            last = into.constant(np.full(output.shape, output.grid.zero, np.int8), output.grid)
        return _chosen(into, mask, output, last), kept

    # -- the loop --------------------------------------------------------------------------------

    def _while(
        self,
        projected: Sequence[Tensor],
        states: Sequence[Tensor],
        mask: Tensor | None,
        wanted: bool,
    ) -> tuple[Tensor, list[Tensor]]:
        main, batch, total = self.main, self.batch, self.batch * self.steps
        backwards = bool(self.layer.go_backwards)
        place = main.integers((total - batch if backwards else 0) + np.arange(batch))
        variables = [place, *states]
        layer = self.layer
        zeroes = layer.zero_output_for_mask or self.ends.initial or layer.stateful
        own_last = mask is not None and bool(zeroes)
        output = states[-len(self.written.cells[-1].step.states)]
        assert output.grid is not None
        if own_last:
            zero = np.full(output.shape, output.grid.zero, np.int8)
            variables.append(main.constant(zero, output.grid))
        if wanted:
            rows = (total, *output.shape[1:])
            variables += [self._start(output, backwards), self._filled(rows, output)]
        held = [*projected, *([mask] if mask is not None else [])]
        variables += held

        def body(into: Assembler, given: list[Tensor]) -> list[Tensor]:
            place, *rest = given
            before, rest = rest[: len(states)], rest[len(states) :]
            last = rest.pop(0) if own_last else None
            end = len(rest) - len(held)
            inputs = [_gather(into, x, place) for x in rest[end : end + len(projected)]]
            seen = None if mask is None else _gather(into, rest[-1], place)
            output, after = self._masked(into, inputs, before, seen, last)
            made = [_moved(into, place, -batch if backwards else batch), *after]
            if own_last:
                made.append(output)
            if wanted:
                start, outputs = rest[:2]
                made += [
                    _moved(into, start, self._stride(output, backwards)),
                    into.add(
                        "DYNAMIC_UPDATE_SLICE",
                        [outputs, output, start],
                        [into.tensor(outputs.shape, outputs.grid)],
                        "DynamicUpdateSliceOptions",
                    ),
                ]
            return [*made, *rest[end:]]

        def condition(into: Assembler, given: list[Tensor]) -> list[Tensor]:
            place = given[0]
            if batch > 1:
                first = into.tensor((1,), dtype="int32")
                place = into.add(
                    "SLICE",
                    [place, into.integers([0]), into.integers([1])],
                    [first],
                    "SliceOptions",
                )
            limit, name = (0, "GREATER_EQUAL") if backwards else (total, "LESS")
            made = into.tensor((1,), dtype="bool")
            options = "GreaterEqualOptions" if backwards else "LessOptions"
            return [into.add(name, [place, into.integers([limit])], [made], options)]

        results = self._looped(variables, condition, body)
        after = results[1 : 1 + len(states)]
        if wanted:
            return results[2 + len(states) + own_last], after
        first = -len(self.written.cells[-1].step.states)
        return results[1 + len(states)] if own_last else after[first], after

    def _start(self, output: Tensor, backwards: bool) -> Tensor:
        """Where the output of the first step goes among all outputs."""
        reverse = backwards and self.layer.reversed_outputs
        row = self.batch * (self.steps - 1) if reverse else 0
        return self.main.integers([row, *[0] * (len(output.shape) - 1)])

    def _stride(self, output: Tensor, backwards: bool) -> list[int]:
        reverse = backwards and self.layer.reversed_outputs
        rows = -self.batch if reverse else self.batch
        return [rows, *[0] * (len(output.shape) - 1)]

    def _filled(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """A tensor of zeros, which takes no room in the file."""
        assert like.grid is not None
        main = self.main
        zero = main.constant(np.asarray(like.grid.zero, np.int8), like.grid)
        made = main.tensor(shape, like.grid)
        return main.add("FILL", [main.integers(shape), zero], [made], "FillOptions")

    def _looped(
        self,
        variables: Sequence[Tensor],
        condition: Callable[[Assembler, list[Tensor]], list[Tensor]],
        body: Callable[[Assembler, list[Tensor]], list[Tensor]],
    ) -> list[Tensor]:
        numbers = [self._subgraph(variables, make) for make in (condition, body)]
        results = [self.main.like(one, name=self.layer.name) for one in variables]
        self.main.add(
            "WHILE",
            variables,
            results,
            "WhileOptions",
            condSubgraphIndex=numbers[0],
            bodySubgraphIndex=numbers[1],
        )
        return results

    def _subgraph(
        self,
        variables: Sequence[Tensor],
        make: Callable[[Assembler, list[Tensor]], list[Tensor]],
    ) -> int:
        graph = schema().SubGraphT()
        graph.tensors, graph.operators = [], []
        graph.name = f"{self.layer.name}_{make.__name__.strip('_')}".encode()
        self.main.file.subgraphs.append(graph)
        into = Assembler(self.main.file, graph)
        given = [into.like(one) for one in variables]
        graph.inputs = [one.number for one in given]
        graph.outputs = [one.number for one in make(into, given)]
        return len(self.main.file.subgraphs) - 1


def _gather(into: Assembler, x: Tensor, place: Tensor) -> Tensor:
    made = into.like(x, (place.shape[0], *x.shape[1:]))
    return into.add("GATHER", [x, place], [made], "GatherOptions", axis=0)


def _moved(into: Assembler, place: Tensor, by: Any) -> Tensor:
    made = into.tensor(place.shape, dtype="int32")
    step = into.integers(np.broadcast_to(by, place.shape))
    return into.add("ADD", [place, step], [made], "AddOptions")


def _chosen(into: Assembler, mask: Tensor, new: Tensor, old: Tensor) -> Tensor:
    if len(new.shape) > len(mask.shape):
        mask = into.reshape(mask, (mask.shape[0], *[1] * (len(new.shape) - 1)))
    made = into.like(new)
    return into.add("SELECT_V2", [mask, new, old], [made], "SelectV2Options")
