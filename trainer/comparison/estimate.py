"""How long what is left will take: by what was measured, and before that by what the recipes say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trainer.comparison.features import warm_already
from trainer.comparison.identity import key
from trainer.comparison.material import Material
from trainer.comparison.plan import Item, Plan
from trainer.comparison.results import Result
from trainer.comparison.search import tried_so_far

FULL = 4200
"""Training images that `Recipe.minutes` speaks of."""
PRETRAINING = 600.0
"""Seconds of the small prior of the published rows on two cores, about; once for all of them."""
QUICK = 10.0
"""Seconds of a repetition that shows nothing."""


def expected(
    items: Sequence[Item],
    plan: Plan,
    material: Material,
    done: Mapping[tuple[str, int], Result],
    before: str = "",
) -> list[float]:
    """Seconds that each item is expected to take when they are made in this order.

    What is made once is counted once, with the first that needs it: the small prior, the search of a row,
    its fixed features.

    Args:
        items: repetitions of one row one after the other.
        plan: says on what machine, and in which folder.
        material: the images.
        done: what was measured.
        before: row of what was made just before; its fixed features are still at hand.
    """
    out: list[float] = []
    pretrained = plan.effort == "quick"
    for item in items:
        recipe, again = item.recipe, item.recipe.row == before
        mark = key(recipe, plan.effort, material, plan.delta, plan.prior)
        seconds = once = _repetition(item, mark, plan, material, done)
        if again and recipe.method == "features":
            seconds *= 1 - recipe.common
        if not again and plan.effort != "quick":
            tried = len(tried_so_far(recipe.row, mark, plan.folder).get("tried", ()))
            seconds += once * recipe.search_cost(plan.effort, tried)
        if not pretrained and not warm_already(recipe.with_effort(plan.effort), plan.shared):
            seconds, pretrained = seconds + PRETRAINING, True
        out.append(seconds)
        before = recipe.row
    return out


def _repetition(
    item: Item, mark: str, plan: Plan, material: Material, done: Mapping[tuple[str, int], Result]
) -> float:
    """Of one repetition with its features: as long as another one of its row, else what its recipe says."""
    same = [each for (row, _), each in done.items() if row == item.recipe.row and each.key == mark]
    if same and same[-1].cost["seconds"]:
        return float(same[-1].cost["seconds"])
    if plan.effort == "quick":
        return QUICK
    return 60 * item.recipe.cost(plan.effort) * max(0.02, len(material.train.records) / FULL)
