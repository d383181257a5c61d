"""Which change of settings, code or prior makes a row of ``trainer compare`` run again."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from trainer import code_digest
from trainer.comparison import identity, methods, recipes
from trainer.comparison.material import Material
from trainer.prior import SHIPPED

IMAGES = cast("Material", SimpleNamespace(train_digest="a", judged_digest="b"))


def mark(row: str, images: Any = IMAGES, prior: Path = SHIPPED, **changed: Any) -> str:
    recipe = dataclasses.replace(recipes.choose([row])[0], **changed)
    return identity.key(recipe, "cpu", images, 1e-5, prior)


def test_a_row_is_another_with_other_settings_images_or_prior(tmp_path: Path) -> None:
    other = tmp_path / "prior.npz"
    other.write_bytes(SHIPPED.read_bytes() + b"\0")
    assert mark("ours-eps2") == mark("ours-eps2")
    assert mark("ours-eps2", prior=other) != mark("ours-eps2")
    assert mark("resnet50", prior=other) == mark("resnet50")
    elsewhere = SimpleNamespace(train_digest="c", judged_digest="b")
    for row in ("ours-eps2", "resnet50", "probe"):
        assert mark(row, elsewhere) != mark(row)
        assert mark(row, settings={"network": "vgg16"}) != mark(row)


def test_every_method_says_which_code_decides_its_rows() -> None:
    assert set(identity.CODE) == set(methods.METHODS)
    for place in {*identity.IMAGES, *(place for places in identity.CODE.values() for place in places)}:
        assert (code_digest.TOP / place).exists(), place
    assert "privacy/ghost.py" in identity.CODE["ours"]


@pytest.mark.parametrize("row", [recipe.row for recipe in recipes.RECIPES])
def test_a_change_of_code_makes_a_row_run_again(row: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = mark(row)
    decides = identity.CODE[recipes.choose([row])[0].method]
    known = code_digest.code_digest((*identity.IMAGES, *decides))
    monkeypatch.setattr(identity, "code_digest", lambda places: f"{places} changed")
    assert mark(row) != before
    # The control: the same code, the same row.
    monkeypatch.setattr(identity, "code_digest", lambda _: known)
    assert mark(row) == before


def test_words_about_code_are_not_code() -> None:
    plain = "def f(x):\n    return x + 1\n"
    told = '"""Module."""\n\ndef f( x ):\n    """Adds."""\n    # One more.\n    return (x + 1)\n'
    assert code_digest.bare(plain) == code_digest.bare(told)
    assert code_digest.bare(plain) != code_digest.bare(plain.replace("1", "2"))
    assert code_digest.bare('def f():\n    """Only words."""\n') == code_digest.bare("def f():\n    pass\n")


def test_a_file_that_changes_changes_the_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "room").mkdir()
    file = tmp_path / "room" / "a.py"
    file.write_text("x = 1\n")
    monkeypatch.setattr(code_digest, "TOP", tmp_path)

    def digest() -> str:
        code_digest.code_digest.cache_clear()
        return code_digest.code_digest(("room",))

    try:
        first = digest()
        file.write_text("# One.\nx = 1\n")
        assert digest() == first
        file.write_text("x = 2\n")
        assert digest() != first
    finally:
        code_digest.code_digest.cache_clear()
