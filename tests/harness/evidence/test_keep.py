"""What a case leaves for those who look closer."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.evidence import keep, node_data


def outputs(**values: Any) -> dict[str, tuple[str, Any]]:
    return {name: (f"{name}/out", np.asarray(x, float)) for name, x in values.items()}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Two files, and what their layers put out."""
    made = SimpleNamespace(own=tmp_path / "own.tflite", base=tmp_path / "base.tflite")
    made.own.write_bytes(b"own")
    made.base.write_bytes(b"base")
    layers = {
        "own.tflite": outputs(conv=[10.0, 0.1], same=[1.0], merged=[1.0, 2.0], wide=[1.0]),
        "base.tflite": outputs(conv=[10.0, 0.0], same=[1.0], wide=[1.0, 2.0]),
    }
    monkeypatch.setattr(node_data, "_outputs", lambda file, samples: layers[file.name])
    monkeypatch.setattr(node_data, "kinds", lambda file: {"conv/out": "int8", "wide/out": "float"})
    return made


def test_a_layer_is_compared_with_the_one_of_its_name_and_shape(files: SimpleNamespace) -> None:
    found = node_data.layer_sqnr(files.own, files.base, np.zeros((2, 3)))
    assert found.keys() == {"conv/out", "same/out"}
    assert found["conv/out"] == pytest.approx(40.0)
    assert found["same/out"] == node_data.MOST_DB, "no noise is no infinity in JSON"


def test_numbers_are_in_the_form_that_the_viewer_reads() -> None:
    data = json.loads(node_data.gradient("SQNR, dB", {"a;b": 12.345, "c": -3.0}))
    assert data["results"] == {"a;b": {"value": 12.35}, "c": {"value": -3.0}}
    stops = [one["stop"] for one in data["gradient"]]
    assert (stops[0], stops[-1]) == (0, 1)
    assert all(one["bgColor"].startswith("#") for one in data["gradient"])
    words = json.loads(node_data.words("computes with", {"a": "int8", "b": "float", "c": "new"}))
    colours = [one["bgColor"] for one in words["results"].values()]
    assert len(set(colours)) == 3
    assert words["results"]["b"]["value"] == "float"


def bench(files: SimpleNamespace, base: Any) -> Any:
    foundation = SimpleNamespace(float_file=lambda bench: base)
    return SimpleNamespace(file=files.own, foundation=foundation, samples=np.zeros((1, 2)))


def test_files_and_numbers_outlive_the_case(files: SimpleNamespace, tmp_path: Path) -> None:
    folder = tmp_path / "kept" / "here"
    keep.keep(bench(files, files.base), folder)
    assert (folder / keep.MODEL).read_bytes() == b"own"
    assert (folder / keep.FLOAT).read_bytes() == b"base"
    assert set(json.loads((folder / keep.SQNR).read_text())["results"]) == {"conv/out", "same/out"}
    assert len(json.loads((folder / keep.KINDS).read_text())["results"]) == 2


def test_what_cannot_be_compared_is_left_out(
    files: SimpleNamespace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(*arguments: Any) -> None:
        raise ValueError("no such tensor")

    monkeypatch.setattr(node_data, "_outputs", broken)
    keep.keep(bench(files, files.base), tmp_path / "one")
    assert not (tmp_path / "one" / keep.SQNR).exists()
    assert (tmp_path / "one" / keep.MODEL).exists()
    assert "no numbers for the layers: ValueError: no such tensor" in capsys.readouterr().out
    keep.keep(bench(files, None), tmp_path / "two")
    assert not (tmp_path / "two" / keep.FLOAT).exists()


def test_a_case_without_a_file_leaves_nothing(files: SimpleNamespace, tmp_path: Path) -> None:
    files.own.unlink()
    keep.keep(bench(files, files.base), tmp_path / "kept")
    assert not (tmp_path / "kept").exists()
