"""Case ids, what a selection makes of words, and in which order cases run."""

from __future__ import annotations

import importlib.util
import itertools
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import techniques
from harness.matrix import cases, discovery, selection
from harness.matrix.application import Application
from harness.matrix.cases import Case, Selection
from harness.techniques.builtin import Float
from harness.vocabulary import VARIANTS, UsageError

FakeKeras = Callable[..., Path]


def application(name: str, family: str = "net") -> Application:
    return Application(name, family, "fakekeras.applications", name, "")


def case(name: str, technique: str = "float", variant: str = "notop", family: str = "net") -> Case:
    return Case(application(name, family), techniques.registry()[technique], variant)


@pytest.fixture
def wide_prune(monkeypatch: pytest.MonkeyPatch) -> Float:
    """A technique whose id ends like another's."""
    one = Float()
    one.id = "wide-prune"
    monkeypatch.setitem(techniques.registry(), one.id, one)
    return one


# --- ids --------------------------------------------------------------------------------


@pytest.mark.skipif(importlib.util.find_spec("tf_keras") is None, reason="needs tf_keras' source")
def test_every_id_of_the_real_matrix_names_its_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KERAS_MODULE", raising=False)
    every = Selection(variants=tuple(VARIANTS)).cases()
    assert len(every) == len(discovery.discover()) * len(techniques.select(())) * 2 >= 710
    assert len({c.id for c in every}) == len(every)
    for one in every:
        found = cases.parse(one.id)
        assert found == one
        assert found.technique is one.technique
        assert found.id == one.id == str(one)


def test_the_default_selection_is_every_application_and_technique_at_notop(
    fake_keras: FakeKeras,
) -> None:
    fake_keras(Pass=2)
    found = Selection().cases()
    columns = [technique.id for technique in techniques.select()]
    assert columns[:4] == ["float", "qat-tfmot", "qat-annotate", "qat"]
    assert [c.id for c in found] == [f"Pass{n}-{t}-notop" for n in (0, 1) for t in columns]
    assert Selection().is_default()
    assert not Selection(until="build").is_default()


def test_of_two_technique_ids_that_end_a_case_id_the_longer_is_meant(
    fake_keras: FakeKeras, wide_prune: Float
) -> None:
    fake_keras(Pass=1)
    assert cases.parse("Pass0-wide-prune-top").technique is wide_prune
    assert cases.parse("Pass0-prune-top").technique.id == "prune"


def test_a_name_with_hyphens_is_told_from_the_technique(
    fake_keras: FakeKeras, wide_prune: Float, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_keras(Pass=1)
    rows = (application("My-Net"), application("My-Net-wide"))
    monkeypatch.setattr(discovery, "discover", lambda module=None: rows)
    columns = [one for one, t in techniques.registry().items() if techniques.fits(t, False)]
    for name, technique in itertools.product(("My-Net", "My-Net-wide"), columns):
        found = cases.parse(f"{name}-{technique}-notop")
        if (name, technique) == ("My-Net-wide", "prune"):
            # What cannot be told apart is decided once: the longer technique id.
            assert (found.application.name, found.technique.id) == ("My-Net", "wide-prune")
        else:
            assert (found.application.name, found.technique.id) == (name, technique)


@pytest.mark.parametrize(
    ("case_id", "hint"),
    [
        ("Pass0-qat-tfmt-notop", "did you mean Pass0-qat-tfmot-notop or "),
        ("pass1-prune-top", "did you mean Pass1-prune-top or "),
        ("Pass0-prune-notopp", "did you mean Pass0-prune-notop or "),
        ("Pas*-prune-notop", "did you mean Pass"),
        ("family:net_pass-float-notop", "did you mean Pass"),
        ("Pass0-notop", "did you mean Pass0-"),
        ("Pass0", "did you mean Pass0-"),
        ("", "`python -m harness list --variants notop,top` shows all "),
    ],
)
def test_an_id_that_names_no_case_is_an_error_with_the_nearest(
    fake_keras: FakeKeras, case_id: str, hint: str
) -> None:
    fake_keras(Pass=2)
    with pytest.raises(UsageError) as caught:
        cases.parse(case_id)
    assert str(caught.value).startswith(f"unknown case {case_id!r}: {hint}")


def test_a_case_of_ones_own_needs_to_be_told_where_it_is(fake_keras: FakeKeras) -> None:
    (fake_keras(Pass=1) / "mynets.py").write_text("def Net(): ...\n")
    found = cases.parse("Net-qat-annotate-top", ["mynets:Net"])
    assert found.application == selection.named("mynets:Net")
    assert (found.id, found.control) == ("Net-qat-annotate-top", "Net-float-top")
    with pytest.raises(UsageError, match="unknown case 'Net-qat-annotate-top'"):
        cases.parse("Net-qat-annotate-top")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"applications": ("Pas1",)}, "unknown application 'Pas1': did you mean Pass1"),
        ({"techniques": ("qat-tfmott",)}, "unknown technique 'qat-tfmott': did you mean qat-tfmot"),
        ({"variants": ("no_top",)}, "unknown variant 'no_top': did you mean notop or top"),
        ({"until": "saved"}, r"unknown stage 'saved': did you mean save"),
        ({"until": "xyz"}, r"unknown stage 'xyz': known: build, convert, transform, train"),
    ],
)
def test_unknown_words_name_the_nearest(
    fake_keras: FakeKeras, words: dict[str, tuple[str, ...]], message: str
) -> None:
    fake_keras(Pass=2)
    with pytest.raises(UsageError, match=message):
        Selection(**words).cases()  # type: ignore[arg-type]


def test_a_word_given_twice_counts_once(fake_keras: FakeKeras) -> None:
    fake_keras(Pass=1)
    twice = Selection(("Pass0", "Pass*"), ("prune", "prune"), ("top", "top"))
    assert [c.id for c in twice.cases()] == ["Pass0-prune-top"]


# --- order ------------------------------------------------------------------------------


def test_controls_go_first_then_the_unknown_then_the_longest() -> None:
    every = [case(n, t) for n in "ABC" for t in ("prune", "float")]
    seconds = {"A-prune-notop": 5.0, "B-prune-notop": 50.0, "A-float-notop": 1, "C-float-notop": 2}
    assert [c.id.removesuffix("-notop") for c in cases.in_order(every, seconds)] == [
        "B-float",
        "C-float",
        "A-float",
        "C-prune",
        "B-prune",
        "A-prune",
    ]
    assert cases.in_order(reversed(every), seconds) == cases.in_order(every, seconds)


# --- smoke ------------------------------------------------------------------------------


def test_smoke_takes_the_smallest_of_each_family_and_kind_of_row() -> None:
    every = [case(n, family=f) for n, f in (("A1", "a"), ("A2", "a"), ("A3", "a"), ("B1", "b"))]
    sizes = {"A1": 30.0, "A2": 20.0, "A3": 10.0}
    same: dict[str, object] = {}
    assert cases.smoke(every, same, sizes) == {"A3", "B1"}
    rows: dict[str, object] = {"A3": (("prune-notop", ("fail", "transform", "oom")),)}
    assert cases.smoke(every, rows, sizes) == {"A2", "A3", "B1"}


def test_smoke_takes_an_unknown_size_for_large_and_then_goes_by_name() -> None:
    every = [case(n) for n in ("A2", "A1", "A3")]
    assert cases.smoke(every, {}, {"A3": 1e9}) == {"A3"}
    assert cases.smoke(every, {}, {}) == {"A1"}


# --- shards -----------------------------------------------------------------------------


def test_shards_share_all_rows_and_about_the_same_time() -> None:
    every = [case(f"N{n:02}", t) for n in range(20) for t in ("float", "qat-tfmot", "prune")]
    seconds = {c.id: float(1 + 7 * int(c.application.name[1:]) % 40) for c in every}
    parts = [cases.shard(every, seconds, part, 3) for part in (1, 2, 3)]
    assert sorted(c.id for part in parts for c in part) == sorted(c.id for c in every)
    rows = [{c.application.name for c in part} for part in parts]
    assert rows[0] & rows[1] == rows[1] & rows[2] == rows[0] & rows[2] == set()
    loads = [math.fsum(seconds[c.id] for c in part) for part in parts]
    assert max(loads) < 1.1 * min(loads)
    assert cases.shard(every, {}, 1, 1) == every
    assert len(cases.shard(every, {}, 2, 2)) == 30


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "-1/2", "1/0", "1/2/3", ""])
def test_a_shard_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="must read PART/PARTS"):
        cases.parse_shard(text)


def test_a_shard_reads_part_and_parts() -> None:
    assert cases.parse_shard("2/4") == (2, 4)
