"""One training of a cross-validation: a recipe, in a folder that is thrown away."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.imaging.bundle import IntendedUse
from edge.imaging.preprocess import Preprocessing, parse
from trainer.data import dataset
from trainer.evaluation.errors import EvaluationError
from trainer.evaluation.folds import Predictor, Train
from trainer.evaluation.runner import Runner, own_probabilities
from trainer.network import onnx_graph
from trainer.prior import SHIPPED
from trainer.privacy.folder import default_folder
from trainer.privacy.marker import Index
from trainer.privacy.units import DEFAULT_CAP, UnitName
from trainer.training.engine import Engine
from trainer.training.fit import Terms

PLAIN = Preprocessing()


@dataclass(frozen=True)
class Recipe:
    """What every fold trains by."""

    engine: Engine
    words: str
    """Whose recipe it is."""
    unit: UnitName = "image"
    cap: int | None = None
    """With the unit patient: images of a patient that are used, at most."""
    prior: Path | None = SHIPPED
    preprocessing: Preprocessing = PLAIN

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "words": self.words,
            "engine": {"name": self.engine.name, **asdict(self.engine)},
            "unit": self.unit,
            "images_per_unit": (self.cap or DEFAULT_CAP) if self.unit == "patient" else 1,
            "prior": "the one that comes along" if self.prior else "none",
            "preprocessing": self.preprocessing.name,
        }


def usual(depth: str) -> Recipe:
    """What ``trainer fit`` does if it is told nothing but the depth."""
    from trainer.training import fit

    engine = fit.ENGINES[depth]()
    words = f"The usual recipe of trainer fit (depth {depth}, per image), which need not be this network's"
    return Recipe(engine, words, prior=SHIPPED if engine.needs_prior else None)


def of_run(path: Path) -> Recipe:
    """The recipe of a run of ``trainer fit``: engine, its settings, unit of privacy, preprocessing.

    The prior is the one that comes along, or none; a run does not say where another one lay.

    Raises:
        RunError: it is no run directory.
        EvaluationError: its engine or its prior is not one that this trainer has.
    """
    from trainer.training import fit, run_record

    record, _ = run_record.load(path)
    depth = record.training.get("depth", "head")
    engine = fit.ENGINES[depth]() if depth in fit.ENGINES else None
    if engine is None or engine.name != record.training.get("engine"):
        raise EvaluationError(f"{path} is of an engine that this trainer lacks; train it again")
    # Folds run where this process does, and have noise and a number of units of their own.
    known = {each.name for each in fields(engine)} - {"device", *record.training.get(run_record.BY_RULE, ())}
    settings = {name: value for name, value in record.training.items() if name in known}
    prior = record.training.get("prior_sha256")
    if prior not in (None, "none") and prior != hashlib.sha256(SHIPPED.read_bytes()).hexdigest():
        raise EvaluationError(
            f"{path} was trained from another prior than the one that comes along, and folds from this one "
            "would judge another recipe; train the run again, or cross-validate without --run"
        )
    unit: UnitName = "patient" if record.privacy.unit.startswith("patient") else "image"
    cap = (record.privacy.model_extra or {}).get("records_per_unit")
    return Recipe(
        replace(engine, **settings),
        f"The recipe of the run {path.name} (settings, unit of privacy and preprocessing)",
        unit,
        cap if unit == "patient" else None,
        None if record.training.get("prior") == "none" else SHIPPED,
        parse(record.preprocess),
    )


def terms(name: str, benchmark: str, ledgers: Path | None, index: Index) -> Terms:
    """Research terms.

    Args:
        name: where the records come from, for the ledger, which counts every fold.
        benchmark: the public set that they are of.
        ledgers: directory of the ledgers; None takes `default_folder`.
        index: where they were read from.
    """
    where = ledgers or default_folder()
    return Terms(mode="research", ledgers=where, data=name, public=benchmark, index=index)


def trainer(
    known: dict[str, IntendedUse], recipe: Recipe, epsilon: float | None, delta: float | None, how: Terms
) -> Train:
    """A training for `trainer.evaluation.folds.cross_validate`.

    Args:
        known: intended use by modality.
        recipe: how each fold is trained.
        epsilon: budget of each fold's run.
        delta: of each fold's run.
        how: what `terms` gave.

    Raises:
        EvaluationError: there is no budget: the bundle was trained without a guarantee.
    """
    if epsilon is None or delta is None:
        raise EvaluationError("a network without a guarantee has no epsilon to cross-validate at")
    budget, chance = epsilon, delta

    def train(records: Sequence[dataset.Record]) -> Predictor:
        from trainer.data import sources
        from trainer.privacy.units import group
        from trainer.training import fit, run_record
        from trainer.training.task import prepare

        grouped = group(records, recipe.unit, recipe.cap)
        with tempfile.TemporaryDirectory() as folder:
            record = fit.fit(
                prepare(grouped.records, known, grouped.units, recipe.preprocessing),
                recipe.engine,
                epsilon=budget,
                delta=chance,
                prior=recipe.prior,
                out=Path(folder) / "run",
                data_note=sources.describe(grouped.records, grouped.units.name),
                # Counted in the ledger; the networks are thrown away, so nothing of them is released.
                terms=how,
            )
            _, net = run_record.load(Path(folder) / "run")
        runner = Runner(onnx_graph.build(net, "fp32").SerializeToString(), recipe.preprocessing)
        group_of = {each.name: each.group for each in record.classes}

        def probabilities(held: Sequence[dataset.Record]) -> NDArray[np.float64]:
            lost = sorted({each.label for each in held} - set(group_of))
            if lost:
                raise EvaluationError(
                    f"no image of {', '.join(lost)} was left to train a fold on (at most {recipe.cap} of a "
                    "patient); ask for fewer folds, or take a run with more images of each patient"
                )
            # Perspective is corrected at full size, as on the box; denoising is done by the runner.
            plain = Preprocessing(perspective=recipe.preprocessing.perspective)
            logits = runner.run(dataset.load_all(held, plain))["logits"]
            return own_probabilities(record, logits, [group_of[each.label] for each in held])

        return Predictor(record, probabilities)

    return train
