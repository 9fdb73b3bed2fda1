"""What is run: the tables, what names select, and when an outcome still holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.benchmark.definition import applications, techniques, units
from harness.benchmark.definition.settings import DEFAULT
from harness.benchmark.definition.units import Unit
from harness.vocabulary import UsageError


def unit(name: str = "MobileNetV2", technique: str = "qat", seed: int = 2021) -> Unit:
    return Unit(applications.select([name])[0], techniques.BY_ID[technique], seed)


def test_every_technique_stands_after_the_one_it_starts_from() -> None:
    ids = list(techniques.BY_ID)
    for one in techniques.TECHNIQUES:
        if one.after is not None:
            assert ids.index(one.after) < ids.index(one.id)
    assert ids[0] == "float"


def test_the_applications_are_of_eight_families() -> None:
    assert len(applications.MEMBERS) == 8
    assert len({member.application.family for member in applications.MEMBERS}) == 8
    assert set(applications.QUICK) <= {member.name for member in applications.MEMBERS}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["qat"], ["float", "qat"]),
        (["cqat"], ["float", "cluster-16", "cqat"]),
        (["prune*"], ["float", "prune-50", "prune-75", "prune-87.5", "prune-2x4"]),
        ([], list(techniques.BY_ID)),
    ],
)
def test_what_a_technique_starts_from_is_selected_too(given: list[str], found: list[str]) -> None:
    assert [one.id for one in techniques.select(given)] == found


def test_an_unknown_word_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="'pcqt': did you mean pcqat"):
        techniques.select(["pcqt"])
    with pytest.raises(UsageError, match="did you mean MobileNetV2"):
        applications.select(["MobilNetV2"])


def test_any_application_of_the_matrix_can_be_asked_for() -> None:
    (found,) = applications.select(["ResNet50V2"])
    assert (found.name, found.arguments, found.application.family) == (
        "ResNet50V2",
        {},
        "resnet_v2",
    )


def test_recurrent_networks_are_run_where_they_are_named() -> None:
    names = [one.name for one in applications.RECURRENT]
    assert names == ["lstm_rows", "gru_rows", "bigru_rows", "cnn_gru", "crnn"]
    assert [one.name for one in applications.select(["*_rows"])] == names[:3]
    assert not {one.name for one in applications.select()} & set(names)


def test_units_go_seed_by_seed() -> None:
    found = units.units([unit().member], techniques.select(["qat"]), range(2021, 2023))
    assert [u.id for u in found] == [
        "MobileNetV2-float-bench-2021",
        "MobileNetV2-qat-bench-2021",
        "MobileNetV2-float-bench-2022",
        "MobileNetV2-qat-bench-2022",
    ]


def test_a_key_is_of_all_that_decides() -> None:
    one = unit()
    same = units.key(one, DEFAULT)
    assert same == units.key(unit(), DEFAULT)
    others = [
        units.key(unit(seed=1), DEFAULT),
        units.key(unit(technique="pqat"), DEFAULT),
        units.key(unit("MobileNet"), DEFAULT),
        units.key(one, replace(DEFAULT, tuning_epochs=9)),
        units.key(replace(one, member=replace(one.member, rate=0.5)), DEFAULT),
    ]
    assert len({same, *others}) == 6


def test_a_key_depends_on_what_it_starts_from(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {t: units.key(unit(technique=t), DEFAULT) for t in ("float", "qat", "pcqat")}
    changed = replace(techniques.BY_ID["prune-75"], steps=())
    monkeypatch.setitem(techniques.BY_ID, "prune-75", changed)  # type: ignore[arg-type]
    after = {t: units.key(unit(technique=t), DEFAULT) for t in ("float", "qat", "pcqat")}
    assert [t for t in before if before[t] != after[t]] == ["pcqat"]
