"""One training of a cross-validation: today's recipe, in a folder that is thrown away."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.imaging.bundle import IntendedUse
from trainer.data import dataset
from trainer.evaluation.errors import EvaluationError
from trainer.evaluation.folds import Predictor, Train
from trainer.evaluation.runner import Runner, own_probabilities
from trainer.network import onnx_graph

PRIOR = Path(__file__).parents[1] / "prior" / "prior.npz"


def trainer(
    known: dict[str, IntendedUse], depth: str, epsilon: float | None, delta: float | None, benchmark: str
) -> Train:
    """A training for `trainer.evaluation.folds.cross_validate`.

    Args:
        known: intended use by modality.
        depth: key of `trainer.training.fit.ENGINES`.
        epsilon: budget of each fold's run.
        delta: of each fold's run.
        benchmark: the public set that the images are of, for the ledger, which counts every fold.

    Raises:
        EvaluationError: there is no budget: the bundle was trained without a guarantee.
    """
    if epsilon is None or delta is None:
        raise EvaluationError("a network without a guarantee has no epsilon to cross-validate at")
    budget, chance = epsilon, delta

    def train(records: Sequence[dataset.Record]) -> Predictor:
        from trainer.data import sources
        from trainer.training import fit, run_record
        from trainer.training.task import prepare

        engine = fit.ENGINES[depth]()
        with tempfile.TemporaryDirectory() as folder:
            record = fit.fit(
                prepare(records, known),
                engine,
                epsilon=budget,
                delta=chance,
                prior=PRIOR if engine.needs_prior else None,
                out=Path(folder),
                data_note=sources.describe(records),
                # Counted in the ledger; the networks are thrown away, so nothing of them is released.
                terms=fit.Terms(mode="research", public=benchmark),
            )
            _, net = run_record.load(Path(folder))
        runner = Runner(onnx_graph.build(net, "fp32").SerializeToString())
        group = {each.name: each.group for each in record.classes}

        def probabilities(held: Sequence[dataset.Record]) -> NDArray[np.float64]:
            logits = runner.run(dataset.load_all(held))["logits"]
            return own_probabilities(record, logits, [group[each.label] for each in held])

        return Predictor(record, probabilities)

    return train
