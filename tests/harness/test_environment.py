"""What a record says of the machine that it was made on."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import environment


@pytest.mark.parametrize(
    ("told", "model"),
    [
        ("processor\t: 0\nmodel name\t: Some  Maker 9000 @ 2 GHz\n", "Some Maker 9000 @ 2 GHz"),
        ("processor\t: 0\nBogoMIPS\t: 1\nHardware\t: Board\n", "Board"),
    ],
)
def test_the_processor_is_called_as_its_maker_does(
    monkeypatch: pytest.MonkeyPatch, told: str, model: str
) -> None:
    monkeypatch.setattr(Path, "read_text", lambda *_a, **_k: told)
    assert environment.processor() == model


def test_without_a_word_of_it_the_platform_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_arguments: object, **_named: object) -> str:
        raise OSError

    monkeypatch.setattr(Path, "read_text", missing)
    monkeypatch.setattr("platform.processor", lambda: "")
    assert environment.processor() is None


def test_the_environment_names_the_processor() -> None:
    assert "processor" in environment.capture()
