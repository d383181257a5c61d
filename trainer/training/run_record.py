"""The run directory: what ``fit`` leaves for ``export``.

``run.json`` is the whole record of a training run except for randomness, which is never written
anywhere; ``network.npz`` holds the averaged weights.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict

from edge.imaging.bundle import ClassInfo, IntendedUse, Privacy
from trainer.network.edge_net import EdgeNet


class RunError(ValueError):
    """The run directory cannot be used; the message says what to do."""


class RunRecord(BaseModel):
    """``run.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    name: str
    made: str
    classes: tuple[ClassInfo, ...]
    intended_use: tuple[IntendedUse, ...]
    temperature: dict[str, float]
    min_probability: dict[str, float]
    threshold_rule: str
    privacy: Privacy
    data: dict[str, Any]
    training: dict[str, Any]


def save(path: Path, record: RunRecord, net: EdgeNet) -> None:
    """Write a run directory."""
    path.mkdir(parents=True, exist_ok=True)
    arrays = {name: value.detach().numpy() for name, value in net.state_dict().items()}
    np.savez_compressed(path / "network.npz", **arrays)
    text = json.dumps(record.model_dump(mode="json"), indent=2) + "\n"
    (path / "run.json").write_text(text, "utf-8")


def load(path: Path) -> tuple[RunRecord, EdgeNet]:
    """Read a run directory.

    Raises:
        RunError: it is not one.
    """
    try:
        record = RunRecord.model_validate_json((path / "run.json").read_bytes())
        with np.load(path / "network.npz", allow_pickle=False) as arrays:
            state = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is no run directory: {error}; make one with trainer fit --out") from None
    net = EdgeNet(len(record.classes))
    net.load_state_dict(state)
    return record, net.eval()
