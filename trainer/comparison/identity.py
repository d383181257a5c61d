"""What a result depends on, so that a later call knows which rows it need not run again."""

from __future__ import annotations

import hashlib
import inspect
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trainer.comparison import plain
from trainer.comparison.material import Material
from trainer.comparison.recipes import Effort, Recipe
from trainer.network import edge_net
from trainer.training import fit

OURS = {"ours", "plain-head", "fine-tune"}
"""Methods whose network is the one that ships."""
PLAIN = {"network", "fine-tune"}
"""Methods that train by `plain.train`."""


def key(recipe: Recipe, effort: Effort, material: Material, delta: float, prior: Path) -> str:
    """SHA-256, in hex, over a row's settings, its training, the images and, for ours, network and prior.

    Raises:
        OSError: the prior cannot be read.
    """
    about: dict[str, Any] = {
        "method": recipe.method,
        "settings": recipe.with_effort(effort),
        "search": {} if effort == "quick" else [recipe.search, recipe.search_share],
        "epsilon": recipe.epsilon,
        "delta": delta,
        "train": material.train_digest,
        "judged": material.judged_digest,
    }
    if recipe.method in PLAIN:
        about["training"] = hashlib.sha256(inspect.getsource(plain.train).encode()).hexdigest()
    if recipe.method in OURS:
        about["prior"] = hashlib.sha256(prior.read_bytes()).hexdigest()
        about["network"] = hashlib.sha256(inspect.getsource(edge_net).encode()).hexdigest()
    if recipe.method == "ours":
        engine = fit.ENGINES["head"]()
        about["engine"] = [engine.name, asdict(engine)]
    text = json.dumps(about, sort_keys=True, default=list)
    return hashlib.sha256(text.encode()).hexdigest()
