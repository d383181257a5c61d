"""``trainer fit``: spend computed, network trained by an engine, run recorded. No step count is adaptive.

What is kept is a moving average of the weights; nothing is chosen by looking at private data.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from trainer.network.edge_net import EdgeNet
from trainer.prior.pretrain import load_prior
from trainer.privacy.statement import privacy_statement
from trainer.training import run_record
from trainer.training.dp_sgd import DpSgd
from trainer.training.engine import Engine
from trainer.training.fixed_features import FixedFeatures
from trainer.training.task import Task

MIN_PROBABILITY = 0.5
THRESHOLD_RULE = (
    "temperature 1 and minimum probability 0.5 (more likely than all other classes of its group together), "
    "fixed before training; no image was used to choose them"
)

ENGINES: dict[str, type[FixedFeatures | DpSgd]] = {"head": FixedFeatures, "all": DpSgd}
"""By the depth that is trained on private data."""


def fit(
    task: Task, engine: Engine, *, epsilon: float, delta: float, prior: Path | None, out: Path, data_note: Any
) -> run_record.RunRecord:
    """Train, account, and write the run directory ``out``.

    Raises:
        ValueError: delta is not below one over the number of images, or the budget cannot be met.
    """
    count = task.units.count
    if not delta < 1 / count:
        raise ValueError(f"delta {delta} must be below 1/n = {1 / count:.2g}")
    spend = engine.spend(count, epsilon, delta)
    net = EdgeNet(len(task.classes))
    if prior is not None:
        load_prior(prior, net)
    elif engine.needs_prior:
        raise ValueError("training the head alone needs a prior; make one with trainer pretrain")
    started = time.monotonic()
    engine.train(net, task, spend)
    groups = [use.group for use in task.intended_use]
    record = run_record.RunRecord(
        name="edge-net",
        made=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        classes=task.classes,
        intended_use=task.intended_use,
        temperature=dict.fromkeys(groups, 1.0),
        min_probability=dict.fromkeys(groups, MIN_PROBABILITY),
        threshold_rule=THRESHOLD_RULE,
        privacy=privacy_statement(spend, engine.clip, delta, count),
        data=data_note,
        training={
            "engine": engine.name,
            **asdict(engine),
            "prior": "procedural images only" if prior else "none",
            "seconds": round(time.monotonic() - started, 1),
        },
    )
    run_record.save(out, record, net)
    return record
