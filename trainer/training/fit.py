"""``trainer fit``: account, put on record, train, write down. In this order, and never another.

Nothing is computed from private images before the run stands in its ledger: they are decoded, so that a
broken file costs no budget, and their files' bytes are hashed, to know them again. Whatever else can go
wrong for a reason known beforehand (settings, device, memory, the directory of the run) is tried before,
too. The steps are fixed beforehand, and what is kept is a moving average of the weights: nothing is chosen
by looking at private data.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import torch

from trainer.data import sources
from trainer.network.edge_net import EdgeNet
from trainer.prior.weights import PROCEDURAL, Origin, load_prior
from trainer.privacy import accounting
from trainer.privacy.batch_check import refuse_batch_dependence
from trainer.privacy.ledger import Budget, Ledgers, Mode, Reservation, default_folder
from trainer.privacy.marker import Index
from trainer.privacy.spend import Spend
from trainer.privacy.statement import Recipe, group_epsilons, privacy_statement
from trainer.privacy.units import data_set
from trainer.progress import noted
from trainer.training import keep, run_record
from trainer.training.dp_sgd import DpSgd
from trainer.training.engine import Engine
from trainer.training.fixed_features import FixedFeatures
from trainer.training.task import PLAIN, Task

MIN_PROBABILITY = 0.5
THRESHOLD_RULE = (
    "temperature 1 and minimum probability 0.5 (more likely than all other classes of its group together), "
    "fixed before training; no image was used to choose them"
)

ENGINES: dict[str, Callable[[], FixedFeatures | DpSgd]] = {
    "head": FixedFeatures,
    "last": partial(DpSgd, depth="last"),
    "all": DpSgd,
}
"""By the depth that is trained on private data."""


class FitError(ValueError):
    """The run makes no sense as asked for; the message says what to change."""


@dataclass(frozen=True)
class Terms:
    """Under which terms a run is made."""

    mode: Mode = "release"
    ledgers: Path = field(default_factory=default_folder)
    """Directory of the ledgers."""
    data: str = ""
    """Where the records were read from and what was chosen of them: for people."""
    public: str = ""
    """For research: the public benchmark that the images belong to, or a person's word that they do."""
    prior_origin: str = ""
    """Where the prior comes from, said by a person; needed where the file does not say so."""
    index: Index | None = None
    """The index, beside which a note names the directory of its ledgers."""


def fit(
    task: Task,
    engine: Engine,
    *,
    epsilon: float,
    delta: float,
    prior: Path | None,
    out: Path,
    data_note: Any,
    terms: Terms | None = None,
) -> run_record.RunRecord:
    """Train, account, and write the run directory ``out``.

    Under ``torchrun`` this is what the first process does; the others call `follow`.

    Args:
        task: images, classes, units of privacy.
        engine: how it is trained.
        epsilon: of this run, by privacy loss distributions.
        delta: of this run, below one over the number of units.
        prior: what ``trainer pretrain`` wrote.
        out: directory of the run; new or empty.
        data_note: what the model card says of the data.
        terms: release or research, and where its ledger is; left out, a release in the default directory.

    Raises:
        ValueError: a setting makes no sense, this machine lacks what it asks for, nothing can be kept at
            ``out``, or the ledger does not allow the run. Nothing was trained, and nothing spent.
    """
    terms = terms or Terms()
    net, origin = _network(task, engine, prior)
    if origin is not None:
        _refuse_unknown(origin, prior, terms)
    recipe = _recipe(task, engine, origin, terms)
    run_record.prepare(out, net)
    engine.check(net, task)
    spend, figures = _account(task, engine, epsilon, delta)
    settled = engine.settled(spend, task.units.count)
    # Slow where units are sampled, so before the run is on record: whoever stops it here has spent nothing.
    groups_together = group_epsilons(spend, delta)
    reservation = _reserve(task, engine, spend, Budget(epsilon, delta), terms)
    groups = [use.group for use in task.intended_use]
    record = run_record.RunRecord(
        name="edge-net",
        made=_now(),
        classes=task.classes,
        intended_use=task.intended_use,
        temperature=dict.fromkeys(groups, 1.0),
        min_probability=dict.fromkeys(groups, MIN_PROBABILITY),
        threshold_rule=THRESHOLD_RULE,
        privacy=privacy_statement(
            reservation, figures, recipe, task.units, clip=engine.clip, groups=groups_together
        ),
        data=data_note,
        training={
            "engine": engine.name,
            **asdict(settled),
            run_record.BY_RULE: sorted(name for name, value in asdict(engine).items() if value is None),
            "prior": recipe.prior or "none",
            "prior_sha256": origin.sha256 if origin else "none",
        },
        preprocess=task.preprocessing.name,
    )
    with noted(accounting.meter(spend, delta)):
        settled.train(net, task, spend)
    record = record.model_copy(update={"made": _now()})
    keep.keep(out, record, net, reservation, terms.ledgers)
    return record


def follow(task: Task, engine: Engine, *, epsilon: float, delta: float, prior: Path | None) -> None:
    """Train along with the first process of ``torchrun``, which keeps the ledger and writes the run.

    An engine meets the first process before it looks at an image, and that one comes only after its run is
    on record; if it may not, it ends, and all others with it.

    Raises:
        ValueError: a setting makes no sense.
    """
    net, _ = _network(task, engine, prior)
    engine.check(net, task)
    spend, _ = _account(task, engine, epsilon, delta)
    engine.train(net, task, spend)


def _account(task: Task, engine: Engine, epsilon: float, delta: float) -> tuple[Spend, accounting.Figures]:
    """Everything that the run will release, by every accountant. Looks at the number of units alone."""
    bad = [name for name, value in asdict(engine).items() if _not_finite(value)]
    if bad:
        raise FitError(f"expected finite settings, got {', '.join(sorted(bad))}")
    units = task.units
    if not delta < 1 / units.count:
        raise FitError(
            f"delta {delta} must be below 1/n = {1 / units.count:.2g} ({units.count} {units.name}s)"
        )
    spend = engine.spend(epsilon, delta)
    figures = accounting.figures(spend, delta)
    if figures.pld > epsilon:
        raise FitError(f"the engine would spend epsilon {figures.pld:.4f}, and {epsilon:g} was asked for")
    return spend, figures


def _not_finite(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _network(task: Task, engine: Engine, prior: Path | None) -> tuple[EdgeNet, Origin | None]:
    net, origin = EdgeNet(len(task.classes)), None
    if prior is not None:
        origin = load_prior(prior, net)
    elif engine.needs_prior:
        raise FitError("this engine needs a prior; make one with trainer pretrain")
    refuse_batch_dependence(net, torch.randn(3, 3, 224, 224))
    return net, origin


def _refuse_unknown(origin: Origin, prior: Path | None, terms: Terms) -> None:
    if terms.mode == "release" and not (origin.words or terms.prior_origin.strip()):
        raise FitError(
            f"{prior} does not say what it was made of, and images in a prior are not in epsilon: make one "
            'with trainer pretrain, or say it yourself with --prior-origin "...", which statements repeat'
        )


def _recipe(task: Task, engine: Engine, origin: Origin | None, terms: Terms) -> Recipe:
    """What the statement says of the settings. Those of the recipe that ships need no word of a person."""
    settings = asdict(engine)
    usual = {each.name: each.default for each in fields(engine)}
    given: dict[str, object] = {}
    if engine.name != FixedFeatures.name:
        given = {"engine": engine.name, **{name: settings[name] for name in settings if name == "depth"}}
    given |= {
        name: value for name, value in settings.items() if value != usual[name] and name not in engine.beside
    }
    if origin is None:
        given["prior"] = "none"
    if task.preprocessing.name != PLAIN.name:
        given["preprocessing"] = task.preprocessing.name
    said = " ".join(terms.prior_origin.split())
    prior = ""
    if origin is not None:
        prior = "; ".join(part for part in (origin.words, said and f"a person says: {said}") if part)
        prior = f"{prior or 'not stated'}, SHA-256 {origin.sha256}"
    return Recipe(
        chosen=engine.chosen,
        given=given,
        prior=prior,
        looked=origin is not None and (origin.provenance or {}).get("origin") == PROCEDURAL,
        benchmark=tuple(sorted({name for name in sources.sets_of(task.records) if name})),
    )


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _reserve(task: Task, engine: Engine, spend: Spend, budget: Budget, terms: Terms) -> Reservation:
    data = data_set(terms.data, task.records, task.units)
    reservation = Ledgers(terms.ledgers).reserve(
        data,
        spend,
        mode=terms.mode,
        engine=engine.name,
        budget=budget,
        public=terms.public,
        index=terms.index,
    )
    account = reservation.account
    if reservation.opened:
        allowed = account.budget
        limit = (
            f"epsilon {allowed.epsilon:g} at delta {allowed.delta:g}" if allowed else "none: research only"
        )
        print(f"opened ledger {account.id} of this data set in {terms.ledgers}; budget {limit}")
    return reservation
