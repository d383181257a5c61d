"""The trainer's tests need its extra; without torch they are skipped, and say so."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the trainer's extra is not installed: pip install '.[trainer]'")
pytest.importorskip("opacus", reason="the trainer's extra is not installed: pip install '.[trainer]'")
torch.set_num_threads(1)


@pytest.fixture(scope="module", autouse=True)
def _ledgers_of_a_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test writes into the user's own ledgers; fixtures of a module share one directory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGE_LEDGER", str(tmp_path_factory.mktemp("ledgers")))
        yield


@pytest.fixture(autouse=True)
def _ledgers_of_a_test(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test starts with no ledger."""
    monkeypatch.setenv("EDGE_LEDGER", str(tmp_path_factory.mktemp("ledgers")))


@pytest.fixture(scope="session", autouse=True)
def _no_notes_beside_indexes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests share an index and not their ledgers: no note may stop another, or lie beside real data."""
    from trainer.privacy import marker

    folder, numbers = tmp_path_factory.mktemp("notes"), count()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(marker, "beside", lambda index: folder / f"{next(numbers)}.ledger")
        yield


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty procedural images in an index: 40 to train on, 16 to test on, 4 of a class only in test."""
    import cv2

    from trainer.phantoms import procedural

    folder = tmp_path_factory.mktemp("data")
    (folder / "phantoms").mkdir()
    rng = np.random.default_rng(3)
    rows = []
    for number in range(60):
        head = number % 2 == 0
        image = procedural.draw(rng, 0 if head else 1, "detailed")[0]
        label = ("head", "chest")[not head] + ("_even" if number % 4 < 2 else "_odd")
        split = "train" if number < 40 else "test"
        if number >= 56:
            label = "head_new" if head else "chest_new"
        file = f"phantoms/{number}.png"
        cv2.imwrite(str(folder / file), image)
        rows.append(
            {
                "file": file,
                "task_label": label,
                "modality": "MRI" if head else "XR",
                "group_id": f"g{number // 2}",
                "split": split,
                "source": "procedural",
            }
        )
    with (folder / "index.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder / "index.csv"
