"""Which technique is recommended, and what is said of its cost."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.checking import recipes, scripts, terminal
from harness.checking.asked import Asked, Data, Source
from harness.checking.checking import by_default
from harness.checking.verdict import judge
from harness.records import Record

MakeRecord = Callable[..., Record]

ASKED = Asked(
    source=Source("my nets/net.h5", "/x/net.h5", "an HDF5 file of Keras 2", "net"),
    data=Data("photos.npz", "/x/photos.npz"),
    techniques=("float", "ptq-int8", "qat"),
    custom=("mine.layers:Scale",),
    trust=True,
    out=Path("report"),
)


def one(make: MakeRecord, technique: str, **metrics: Any) -> Record:
    known = {"file_ratio": 0.5, "latency_ratio": 1.0, "sqnr_float_db": 30.0, **metrics}
    return make(f"net-{technique}-top", metrics=known)


def test_of_those_that_are_close_the_smallest_and_fastest_is_taken(
    make_record: MakeRecord,
) -> None:
    found = [
        one(make_record, "float"),
        one(make_record, "ptq-int8", file_ratio=0.27, latency_ratio=0.5, sqnr_float_db=25),
        one(make_record, "ptq-dynamic", file_ratio=0.3, latency_ratio=0.9, sqnr_float_db=40),
        one(make_record, "ptq-float16", file_ratio=0.5, latency_ratio=1.0, sqnr_float_db="inf"),
    ]
    verdict = judge(found, ASKED)
    assert verdict.technique == "ptq-int8"
    assert verdict.cost == {"size": 0.27, "time": 0.5, "sqnr_db": 25.0}
    assert "27% of the size" in verdict.says[1]
    assert "outputs 5.6% off (25.0 dB)" in verdict.says[1]
    found[1] = one(make_record, "ptq-int8", file_ratio=0.27, latency_ratio=0.5, sqnr_float_db=19)
    assert judge(found, ASKED).technique == "ptq-dynamic", "ten decibels off is not close"


def test_times_of_a_busy_machine_decide_nothing(make_record: MakeRecord) -> None:
    found = [
        one(make_record, "float"),
        one(make_record, "ptq-int8", file_ratio=0.27, latency_ratio=4.0, latency_noisy=True),
        one(make_record, "ptq-float16", file_ratio=0.5),
    ]
    verdict = judge(found, ASKED)
    assert verdict.technique == "ptq-int8"
    assert "busy machine" in verdict.says[1]


def test_where_all_lose_much_training_is_what_to_try(make_record: MakeRecord) -> None:
    found = [one(make_record, "float"), one(make_record, "ptq-int8", sqnr_float_db=16)]
    verdict = judge(found, ASKED)
    assert "loses much" in verdict.says[0]
    assert "--techniques qat" in verdict.says[1]


def test_where_nothing_is_gained_float_stays(make_record: MakeRecord) -> None:
    found = [one(make_record, "float"), one(make_record, "ptq-int8", file_ratio=1.1)]
    assert judge(found, ASKED).technique == "float"


def test_the_lines_do_it(make_record: MakeRecord) -> None:
    found = [one(make_record, "float"), one(make_record, "ptq-int8")]
    assert list(judge(found, ASKED).lines) == [
        "import numpy",
        "import optim",
        "import mine.layers",
        "model = optim.load_model('my nets/net.h5', "
        "custom_objects={'Scale': mine.layers.Scale}, safe_mode=False)",
        "data = [list(numpy.load('photos.npz').values())]",
        'optim.export(model, "net-ptq-int8.tflite", optimize="int8", representative_data=data)',
    ]


SOURCES = (ASKED.source, Source("mine:net", "", "a function", "net"))
DATA = (ASKED.data, Data("a.npy", "/x/a.npy"), Data("mine:batches", ""), Data("", ""))


@pytest.mark.parametrize("technique", recipes.RECIPES)
@pytest.mark.parametrize("source", SOURCES, ids=str)
@pytest.mark.parametrize("data", DATA, ids=str)
def test_every_recipe_can_be_pasted(technique: str, source: Source, data: Data) -> None:
    """It is Python, names nothing that it has not made, and what optim has."""
    import optim

    lines = recipes.written(technique, replace(ASKED, source=source, data=data))
    known = set(dir(builtins))
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            known |= {(one.asname or one.name).partition(".")[0] for one in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            known.add(node.id)
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.Name):
            assert node.id in known, lines
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "optim":
            assert hasattr(optim, node.attr)


def test_the_default_needs_no_training() -> None:
    assert by_default() == ("ptq-int8", "ptq-dynamic", "ptq-float16")


def test_a_command_says_all_that_was_asked() -> None:
    assert ASKED.command("qat") == (
        "python -m harness check 'my nets/net.h5' --techniques qat --data photos.npz "
        "--custom mine.layers:Scale --trust"
    )


def test_scripts_are_of_what_passed(make_record: MakeRecord, tmp_path: Path) -> None:
    asked = Asked(**{**{f: getattr(ASKED, f) for f in ASKED.__dataclass_fields__}, "out": tmp_path})
    inputs = [{"name": "a", "shape": [4], "dtype": "float32"}] * 2
    control = one(make_record, "float", inputs=inputs)
    failed = make_record("net-ptq-int8-top", status="fail", stage="run", label="float-island")
    assert scripts.write(asked, failed, control) is None
    path = scripts.write(asked, one(make_record, "ptq-int8"), control)
    assert path is not None
    text = path.read_text()
    compile(text, path.name, "exec")
    assert "input_shape=[(4,), (4,)]" in text
    assert "[x[i : i + size] for x in arrays]" in text
    trained = scripts.write(asked, one(make_record, "prune"), control)
    assert trained is not None
    compile(trained.read_text(), trained.name, "exec")
    assert '"--save"' in trained.read_text()


def test_sizes_are_read() -> None:
    assert [terminal.size(n) for n in (999, 1234, 5_400_000)] == ["999 B", "1.23 kB", "5.4 MB"]


def test_parameters_are_told_where_there_are_layers_to_count_them(make_record: MakeRecord) -> None:
    known = {"layers": 3, "data": "none", "inputs": [{"name": "x", "shape": [4], "dtype": "int8"}]}
    told = terminal.about(one(make_record, "float", parameters=1234, **known))
    assert told[0] == "  1,234 parameters in 3 layers; input x 4 int8"
    of_a_graph = terminal.about(one(make_record, "float", parameters=0, **known))
    assert of_a_graph[0] == "  input x 4 int8"
