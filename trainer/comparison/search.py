"""Choosing settings without the judged split: trained on most training groups, compared on the others.

Each setting that is tried is a training of its own, where full ones are not affordable a shorter one: private
ones stand in the ledger as research runs, and the seconds of a search are told apart from those of a run.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import torch

from trainer.comparison.answers import mean_balanced
from trainer.comparison.job import Job
from trainer.comparison.methods import METHODS
from trainer.comparison.plain import DivergedError
from trainer.comparison.recipes import ComparisonError
from trainer.comparison.results import write


def searched(job: Job, key: str, folder: Path) -> tuple[Job, dict[str, Any] | None]:
    """The job with the best settings of its recipe's search, and what was tried; looked up if known."""
    recipe = job.recipe
    if not recipe.search:
        return job, None
    file = folder / "search" / f"{recipe.row}.json"
    found: dict[str, Any] = {}
    if file.exists():
        found = json.loads(file.read_text("utf-8"))
    if found.get("key") != key:
        found = {"key": key, **_search(job)}
        write(file, json.dumps(found, indent=2) + "\n")
    return replace(job, settings={**job.settings, **found["chosen"]}), found


def _search(job: Job) -> dict[str, Any]:
    started = time.monotonic()
    inner = job.material.inner()
    tried: list[dict[str, Any]] = []
    names = list(job.recipe.search)
    base = job.recipe.searching(job.settings)
    for values in product(*job.recipe.search.values()):
        settings = dict(zip(names, values, strict=True))
        # The same start for all, so that settings are compared and not luck.
        torch.manual_seed(0)
        try:
            made = METHODS[job.recipe.method](replace(job, settings={**base, **settings}, material=inner))
        except DivergedError as error:
            tried.append({"settings": settings, "score": None, "failed": str(error)})
            continue
        tried.append({"settings": settings, "score": round(mean_balanced(made.answer(inner), inner), 4)})
    able = [each for each in tried if each["score"] is not None]
    if not able:
        raise ComparisonError(f"every setting that was tried diverged: {tried[-1]['failed']}")
    best = max(able, key=lambda each: float(each["score"]))
    return {
        "chosen": best["settings"],
        "tried": tried,
        "shortened": {name: base[name] for name in job.recipe.search_share},
        "by": "mean within-modality balanced accuracy on held-out training groups",
        "seconds": round(time.monotonic() - started, 1),
    }
