"""The figures of a model card, read off now: the bundle that is to be signed is judged before it is."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edge.imaging.bundle import Bundle
from trainer.data import dataset
from trainer.evaluation.evaluate import evaluate, table
from trainer.release import evidence
from trainer.release.signing import sign_bundle

SKIPPED = ("degraded", "faithfulness")
"""Parts that no model card tells of."""


def figures(
    files: Mapping[str, bytes], records: Sequence[dataset.Record], split: str, trained: evidence.Trained
) -> dict[str, Any]:
    """Judge a bundle on a split that it was not trained on. The read is counted.

    Args:
        files: of the bundle, name -> content.
        records: all records of an index.
        split: which of them to judge on.
        trained: what the network was trained on; such images are refused before anything is read off them.

    Raises:
        EvidenceError: an image of the split is in the data set that the network was trained on.
        DataError: see `trainer.evaluation.evaluate.evaluate`.
    """
    there = dataset.of_split(records, split)
    evidence.refuse_trained(f"--data with --split {split}", split, there, trained)
    with tempfile.TemporaryDirectory() as folder:
        # Signed by keys that are thrown away with it: what is judged is a bundle like any other.
        place, keys = Path(folder) / "bundle", Path(folder) / "keys"
        (place / "targets").mkdir(parents=True)
        for name, data in files.items():
            (place / "targets" / name).write_bytes(data)
        sign_bundle(place, keys)
        bundle = Bundle.load(place, keys / "root.json", allow_research=True)
        found = evaluate(bundle, records, split, skip=SKIPPED, ledgers=trained.ledgers)
    print(table(found))
    return found
