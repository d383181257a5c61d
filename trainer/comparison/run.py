"""The comparison: rows from cheap to dear, each repetition on disk as soon as it is done."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

import torch

from trainer.comparison import machine, results
from trainer.comparison.answers import judge
from trainer.comparison.estimate import expected
from trainer.comparison.features import warm
from trainer.comparison.identity import key
from trainer.comparison.job import Job
from trainer.comparison.material import Material
from trainer.comparison.methods import changed, make
from trainer.comparison.plan import Item, Plan
from trainer.comparison.recipes import ComparisonError, Recipe
from trainer.comparison.results import Result
from trainer.comparison.search import searched
from trainer.evaluation import reads

Missing = dict[tuple[str, int], str]
"""Row and repetition -> why there is no result."""


def compare(plan: Plan, material: Material) -> Missing:
    """Make what is missing, and return what is missing still, with the reason.

    Raises:
        ComparisonError: another process works in the folder, or it holds something else.
    """
    started = time.monotonic()
    with _alone(plan.folder):
        done = results.load(plan.folder)
        items, missing = plan_items(plan, material, done)
        for place, item in enumerate(items):
            before = items[place - 1].recipe.row if place else ""
            times = expected(items[place:], plan, material, done, before)
            stop = _stop(plan, time.monotonic() - started, times[0])
            if stop:
                missing |= {(each.recipe.row, each.repetition): stop for each in items[place:]}
                _say(f"stopped: {stop}")
                break
            name = f"{item.recipe.title}{_at(item.recipe)}, repetition {item.repetition}"
            _say(f"[{place + 1}/{len(items)}] {name}; about {_minutes(sum(times))} left in all")
            if place and before != item.recipe.row:
                material.cache.clear()
                if plan.device.type == "cuda":
                    torch.cuda.empty_cache()
            try:
                result = _one(item, plan, material)
            except Exception as error:  # noqa: BLE001  # One row must not end the others; it is in the table.
                reason = f"failed: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
                results.fail(plan.folder, item.recipe.row, item.repetition, reason)
                missing[item.recipe.row, item.repetition] = reason
                _say(f"{name}: {reason}")
                continue
            results.save(plan.folder, result)
            done[result.row, result.repetition] = result
            value, cost = result.headlines["mean"], result.cost["seconds"] or 0
            _say(f"{name}: mean balanced accuracy {value:.3f}, {_minutes(cost)}")
    return missing


def plan_items(
    plan: Plan, material: Material, done: Mapping[tuple[str, int], Result]
) -> tuple[list[Item], Missing]:
    """What is to be made, from cheap to dear, and what cannot be made here. Pure."""
    items: list[Item] = []
    missing: Missing = {}
    for recipe in sorted(plan.recipes, key=lambda each: each.cost(plan.effort)):
        wanted = key(recipe, plan.effort, material, plan.delta, plan.prior)
        # On a CPU what a GPU has made is as good or better, and is kept.
        better = key(recipe, "gpu", material, plan.delta, plan.prior) if plan.effort == "cpu" else wanted
        repetitions = range(1, 1 + (plan.repetitions if recipe.repeats else 1))
        known = {k: done[recipe.row, k].key for k in repetitions if (recipe.row, k) in done}
        from_gpu = better != wanted and better in known.values()
        for repetition in repetitions:
            if known.get(repetition) == (better if from_gpu else wanted):
                continue
            if from_gpu:
                reason = "other repetitions of the row ran with a GPU's settings; run it there"
                missing[recipe.row, repetition] = reason
            else:
                items.append(Item(recipe, repetition))
    return items, missing


def current(plan: Plan, material: Material, done: Mapping[tuple[str, int], Result]) -> list[Result]:
    """The results that belong to what was asked for: same images, same settings, same network."""
    kept = []
    for recipe in plan.recipes:
        keys = {key(recipe, plan.effort, material, plan.delta, plan.prior)}
        if plan.effort == "cpu":
            keys.add(key(recipe, "gpu", material, plan.delta, plan.prior))
        kept += [each for (row, _), each in sorted(done.items()) if row == recipe.row and each.key in keys]
    return kept


def _one(item: Item, plan: Plan, material: Material) -> Result:
    recipe, effort = item.recipe, plan.effort
    mark = key(recipe, effort, material, plan.delta, plan.prior)
    job = Job(
        recipe=recipe,
        settings=recipe.with_effort(effort),
        material=material,
        device=plan.device,
        repetition=item.repetition,
        delta=plan.delta,
        prior=plan.prior,
        shared=plan.shared,
    )
    warm(job)
    meter = machine.Meter(plan.device)
    job, notes = changed(job)
    quick = replace(recipe, search={}) if effort == "quick" else recipe
    job, search = searched(replace(job, recipe=quick), mark, plan.folder)
    if search is not None:
        meter = machine.Meter(plan.device)
    if recipe.epsilon is None:
        torch.manual_seed(item.repetition)
    else:
        torch.seed()  # Drawn anew; noise and samples come from the operating system whatever this is.
    made = make(job)
    task = job.material.judged
    number = reads.count_read(
        material.judged_digest, material.split, task.records, made.model_sha256, material.terms.ledgers
    )
    judged = judge(made.answer(job.material), job.material)
    cost = meter.read()
    return Result(
        row=recipe.row,
        repetition=item.repetition,
        key=mark,
        effort=effort,
        made=results.now(),
        split=material.split,
        split_sha256=material.judged_digest,
        split_reads=number,
        images=len(task.records),
        groups=judged.figures["groups"],
        left_out=material.left_out,
        settings=made.settings,
        search=search,
        privacy=made.privacy,
        parameters=made.parameters,
        device=machine.describe(made.device),
        gpu=made.device.type == "cuda",
        cost={**cost.to_json(), "seconds": round(cost.seconds + made.earlier_seconds, 1)},
        notes=(*notes, *made.notes),
        headlines=judged.headlines,
        draws=judged.draws,
        figures=judged.figures,
    )


def _stop(plan: Plan, spent: float, estimate: float) -> str:
    """Why nothing more is begun; empty if the next repetition fits."""
    if plan.minutes is None or spent + estimate <= 60 * plan.minutes:
        return ""
    left = _minutes(max(0.0, 60 * plan.minutes - spent))
    return (
        f"time limit of {plan.minutes:g} min: the next one would take about {_minutes(estimate)}, "
        f"{left} were left"
    )


def _minutes(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _at(recipe: Recipe) -> str:
    return "" if recipe.epsilon is None else f", epsilon {recipe.epsilon:g}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    file: IO[bytes]
    with os.fdopen(os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ComparisonError(f"another trainer compare works in {folder}; let it end") from None
        yield
