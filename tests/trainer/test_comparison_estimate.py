"""The time left that ``trainer compare`` prints: what is made once is counted once."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from trainer.comparison import estimate, recipes, small_prior
from trainer.comparison.identity import key
from trainer.comparison.material import Material
from trainer.comparison.plan import Item, Plan
from trainer.prior import SHIPPED

FULL = cast(
    "Material",
    SimpleNamespace(train_digest="a", judged_digest="b", train=SimpleNamespace(records=range(estimate.FULL))),
)


def plan(folder: Path, *rows: str, **changed: Any) -> Plan:
    values = {"repetitions": 3, "folder": folder, "device": torch.device("cpu"), "effort": "cpu"}
    return Plan(recipes.choose(list(rows)), **{**values, "delta": 1e-5, "prior": SHIPPED, **changed})


def items(asked: Plan) -> list[Item]:
    return [Item(recipe, k) for recipe in asked.recipes for k in (1, 2, 3)]


def times(asked: Plan, done: Any = None, before: str = "") -> list[float]:
    return estimate.expected(items(asked), asked, FULL, done or {}, before)


def pretrained(asked: Plan) -> None:
    path = small_prior.path_of(asked.shared, 24_000)
    path.parent.mkdir(parents=True)
    path.touch()


def test_what_was_measured_on_two_cores_is_what_is_expected(tmp_path: Path) -> None:
    """Scattering: 104 s of search, 102 s, then 15 and 23; the head without privacy: 342, three times 423."""
    assert sum(times(plan(tmp_path, "scattering-eps2"))) == pytest.approx(104 + 102 + 15 + 23, rel=0.2)
    assert sum(times(plan(tmp_path, "ours-head-nodp"))) == pytest.approx(342 + 3 * 423, rel=0.2)


def test_the_small_prior_is_counted_once_and_not_when_it_is_there(tmp_path: Path) -> None:
    asked = plan(tmp_path, "prior-eps2", "both-eps2")
    with_it = times(asked)
    pretrained(asked)
    without = times(asked)
    gone = [one - two for one, two in zip(with_it, without, strict=True)]
    assert gone == pytest.approx([estimate.PRETRAINING, 0, 0, 0, 0, 0])
    # A search, then a repetition, then two for which the features are at hand.
    assert without[0] > 60
    assert without[1] == pytest.approx(6)
    assert without[1] == without[2]


def test_features_at_hand_and_settings_that_were_tried_are_not_counted_again(tmp_path: Path) -> None:
    asked = plan(tmp_path, "scattering-eps2")
    first, second, _ = times(asked)
    assert times(asked, before="scattering-eps2")[0] == pytest.approx(second)
    recipe = asked.recipes[0]
    mark = key(recipe, "cpu", FULL, 1e-5, SHIPPED)
    tried = [{"settings": {"rate": rate}, "score": 0.5} for rate in recipe.search["rate"]]
    file = tmp_path / "search" / "scattering-eps2.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"key": mark, "tried": tried[:2], "seconds": 1.0}))
    partly = times(asked)[0]
    file.write_text(json.dumps({"key": mark, "tried": tried, "seconds": 1.0}))
    assert 60 * recipe.minutes == pytest.approx(times(asked)[0])
    assert times(asked)[0] < partly < first


def test_a_measured_time_replaces_that_of_the_recipe(tmp_path: Path) -> None:
    asked = plan(tmp_path, "ours-eps2")
    mark = key(asked.recipes[0], "cpu", FULL, 1e-5, SHIPPED)
    known = SimpleNamespace(key=mark, cost={"seconds": 33.0})
    assert times(asked, {("ours-eps2", 1): known}) == [33.0] * 3
    known.key = "of other images"
    assert times(asked, {("ours-eps2", 1): known}) == [240.0] * 3
