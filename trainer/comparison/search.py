"""Choosing settings without the judged split: trained on most training groups, compared on the others.

Each setting that is tried is a training of its own, where full ones are not affordable a shorter one: private
ones stand in the ledger as research runs, and the seconds of a search are told apart from those of a run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import torch

from trainer.comparison.answers import mean_balanced
from trainer.comparison.job import Job
from trainer.comparison.methods import make
from trainer.comparison.plain import DivergedError
from trainer.comparison.recipes import ComparisonError, Recipe
from trainer.comparison.results import write


def searched(job: Job, key: str, folder: Path) -> tuple[Job, dict[str, Any] | None]:
    """The job with the best settings of its recipe's search, and what was tried.

    Each setting is on disk as soon as it was tried: a search that was broken off goes on, and one that was
    done under ``key`` is looked up.
    """
    recipe = job.recipe
    if not recipe.search:
        return job, None
    base = recipe.searching(job.settings)
    found = tried_so_far(recipe.row, key, folder)
    tried: list[dict[str, Any]] = found.setdefault("tried", [])
    found.setdefault("seconds", 0.0)
    found["shortened"] = {name: base[name] for name in recipe.search_share}
    found["by"] = "mean within-modality balanced accuracy on held-out training groups"
    left = candidates(recipe)[len(tried) :]
    inner = job.material.inner() if left else job.material
    for settings in left:
        started = time.monotonic()
        tried.append(_try(replace(job, settings={**base, **settings}, material=inner), settings))
        found["seconds"] = round(found["seconds"] + time.monotonic() - started, 1)
        write(_file(recipe.row, folder), json.dumps({"key": key, **found}, indent=2) + "\n")
    able = [each for each in tried if each["score"] is not None]
    if not able:
        raise ComparisonError(
            f"every setting that was tried diverged: {tried[-1]['failed']}; to try again, delete "
            f"{_file(recipe.row, folder)}"
        )
    best = max(able, key=lambda each: float(each["score"]))
    found["chosen"] = best["settings"]
    return replace(job, settings={**job.settings, **best["settings"]}), found


def tried_so_far(row: str, key: str, folder: Path) -> dict[str, Any]:
    """What a search under ``key`` has tried so far; empty for nothing."""
    file = _file(row, folder)
    found: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    return {name: found[name] for name in ("tried", "seconds")} if found.get("key") == key else {}


def candidates(recipe: Recipe) -> list[dict[str, Any]]:
    """All settings of a recipe's search, in their order."""
    return [dict(zip(recipe.search, values, strict=True)) for values in product(*recipe.search.values())]


def _file(row: str, folder: Path) -> Path:
    return folder / "search" / f"{row}.json"


def _try(job: Job, settings: Mapping[str, Any]) -> dict[str, Any]:
    # The same start for all, so that settings are compared and not luck.
    torch.manual_seed(0)
    try:
        made = make(job)
    except DivergedError as error:
        return {"settings": settings, "score": None, "failed": str(error)}
    return {"settings": settings, "score": round(mean_balanced(made.answer(job.material), job.material), 4)}
