"""Damaged files: everything that reads one reads all of it or says that it is damaged."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import optim
from optim import litert
from optim.errors import ModelFileError
from optim.litert.writer import pack, unpack


class Unrun:
    """In place of the interpreter, whose native code may crash: what is read before it runs."""

    def __init__(self, **options: Any) -> None:
        pass

    def allocate_tensors(self) -> None:
        pass


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[Any], Any]]:
    resolvers = SimpleNamespace(AUTO=0)
    monkeypatch.setattr(
        "optim.litert.runtime._module",
        lambda name: SimpleNamespace(Interpreter=Unrun, OpResolverType=resolvers),
    )

    def verify(content: Any) -> str:
        report = optim.verify(content)
        report.to_dict()
        return str(report)

    return {
        "verify": verify,
        "sparsity_report": lambda content: str(optim.sparsity_report(content)),
        "Runtime": litert.Runtime,
    }


@pytest.fixture
def files(small_qat: Any, two_ends: Any) -> list[bytes]:
    return [optim.export(small_qat), optim.export(two_ends)]


def mutations(content: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Damaged contents: bytes flipped, the end cut off, ranges overwritten."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        data = bytearray(content)
        kind = ("flip", "cut", "zeros", "ones", "noise")[number % 5]
        at = int(rng.integers(8, len(data)))
        length = int(rng.integers(1, 64))
        if kind == "flip":
            for place in rng.integers(8, len(data), length):
                data[place] ^= 1 << int(rng.integers(8))
        elif kind == "cut":
            del data[at:]
        else:
            fill = {"zeros": bytes(length), "ones": b"\xff" * length}
            data[at : at + length] = fill.get(kind) or rng.bytes(length)
        yield f"{kind} {number} at {at}", bytes(data[: len(content)])


def check(files: list[bytes], readers: dict[str, Any], count: int) -> dict[str, int]:
    """Read damaged files; return how many each reader refused."""
    refused = dict.fromkeys(readers, 0)
    for seed, content in enumerate(files):
        for what, damaged in mutations(content, count // len(files), seed):
            for name, read in readers.items():
                try:
                    read(damaged)
                except ModelFileError:
                    refused[name] += 1
                except Exception as error:  # the message names the damage that did it
                    pytest.fail(f"{name} of file {seed}, {what}: {error!r}")
    return refused


def test_damage_is_refused_or_read(files: list[bytes], readers: dict[str, Any]) -> None:
    refused = check(files, readers, 100)
    assert min(refused.values()) >= 20, refused  # all that are cut off, at least


@pytest.mark.slow
def test_much_damage_is_refused_or_read(files: list[bytes], readers: dict[str, Any]) -> None:
    assert min(check(files, readers, 2000).values()) >= 400


def test_whole_files_are_read(files: list[bytes], readers: dict[str, Any]) -> None:
    for content in files:
        for read in readers.values():
            read(content)


def test_damage_of_a_file_on_disk(
    files: list[bytes], readers: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "cut.tflite"
    path.write_bytes(files[0][: len(files[0]) // 2])
    for read in readers.values():
        with pytest.raises(ModelFileError, match=r"damaged or cut off.*fetch the file again"):
            read(path)


@pytest.mark.parametrize("change", ["buffer", "operator code", "operand", "output", "signature"])
def test_numbers_out_of_range(files: list[bytes], readers: dict[str, Any], change: str) -> None:
    model = unpack(files[0])
    graph = model.subgraphs[0]
    if change == "buffer":
        graph.tensors[0].buffer = 999
    elif change == "operator code":
        graph.operators[0].opcodeIndex = 99
    elif change == "operand":
        graph.operators[0].inputs = np.array([999, *graph.operators[0].inputs[1:]], np.int32)
    elif change == "output":
        graph.outputs = np.array([-5], np.int32)
    else:
        model.signatureDefs[0].inputs[0].tensorIndex = 999
    damaged = pack(model)
    for read in readers.values():
        with pytest.raises(ModelFileError, match=r"damaged or cut off \(.* of \d+\)"):
            read(damaged)


@pytest.mark.parametrize(
    "change",
    [
        {"model": 3},
        {"outputs": [{"shape": [1]}]},
        {"inputs": "image"},
        {"inputs": [{"name": "image", "range": ["low", "high"]}]},
        {"versions": ["tensorflow"]},
        {"techniques": [7]},
    ],
)
def test_an_entry_of_other_types(
    files: list[bytes], readers: dict[str, Any], change: dict[str, Any]
) -> None:
    model = unpack(files[0])
    entry = next(x for x in model.metadata if x.name == b"optim")
    buffer = model.buffers[entry.buffer]
    facts = {**json.loads(bytes(buffer.data)), **change}
    buffer.data = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    with pytest.raises(ModelFileError, match="entry 'optim' of the file is damaged"):
        readers["verify"](pack(model))
