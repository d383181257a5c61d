"""Which change of settings, code or prior makes a row of ``trainer compare`` run again."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

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
    for places in identity.CODE.values():
        for place in places:
            assert len(identity.code(place)) == 64


@pytest.mark.parametrize("row", [recipe.row for recipe in recipes.RECIPES])
def test_a_change_of_code_makes_a_row_run_again(row: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = mark(row)
    monkeypatch.setattr(identity, "code", lambda place: f"{place} changed")
    assert mark(row) != before


def test_words_about_code_are_not_code() -> None:
    plain = "def f(x):\n    return x + 1\n"
    told = '"""Module."""\n\ndef f( x ):\n    """Adds."""\n    # One more.\n    return (x + 1)\n'
    assert identity.bare(plain) == identity.bare(told)
    assert identity.bare(plain) != identity.bare(plain.replace("1", "2"))
    assert identity.bare('def f():\n    """Only words."""\n') == identity.bare("def f():\n    pass\n")
