"""What a result depends on, so that a later call knows which rows it need not run again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trainer.code_digest import code_digest
from trainer.comparison.material import Material
from trainer.comparison.recipes import Effort, Recipe
from trainer.comparison.small_prior import CODE as SMALL_PRIOR
from trainer.training import fit

OURS = {"ours", "plain-head", "fine-tune"}
"""Methods whose network is the one that ships."""
IMAGES = (
    "../edge/imaging/denoise.py", "../edge/imaging/gray.py", "../edge/imaging/perspective.py",
    "../edge/imaging/preprocess.py", "../edge/imaging/quality.py", "../edge/imaging/still.py",
    "training/task.py",
)  # fmt: skip
_PRIVATE = (
    "privacy/accounting.py", "privacy/ghost.py", "privacy/instantiated.py", "privacy/layer_gradients.py",
    "privacy/noise.py", "privacy/paired.py", "privacy/parts.py", "privacy/private_step.py",
    "training/average.py", "training/steps.py", "privacy/units.py",
)  # fmt: skip
_SHIPPED = ("network/edge_net.py", "network/standardise.py", "network/augment.py")
_PLAIN = ("comparison/plain.py", "network/augment.py", "network/standardise.py")
CODE: dict[str, tuple[str, ...]] = {
    "network": ("comparison/networks.py", *_PLAIN),
    "dp-sgd": (
        "comparison/networks.py", "comparison/small_networks.py", "network/augment.py",
        "network/standardise.py", "training/depth.py", "training/dp_sgd.py", *_PRIVATE,
    ),
    "features": (
        "comparison/feature_head.py", "comparison/features.py", "comparison/networks.py",
        "comparison/scattering.py", *SMALL_PRIOR, *_PLAIN, *_PRIVATE,
    ),
    "ours": (*_SHIPPED, "training/fixed_features.py", "training/step_size.py", *_PRIVATE),
    "plain-head": (*_SHIPPED, *_PLAIN, "training/plain_head.py"),
    "fine-tune": (*_SHIPPED, *_PLAIN, "training/plain_head.py"),
    "probe": ("data/shortcuts.py",),
}  # fmt: skip
"""Method -> files and folders, seen from the trainer's, that decide what its rows become, beside `IMAGES`.
What all rows share, the functions in `comparison/methods.py` and the judging, is not among them: after a
change there start anew."""


def key(recipe: Recipe, effort: Effort, material: Material, delta: float, prior: Path) -> str:
    """SHA-256, in hex, over a row's settings, its code, the images and, for ours, the prior.

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
    about["code"] = code_digest((*IMAGES, *CODE[recipe.method]))
    if recipe.method in OURS:
        about["prior"] = hashlib.sha256(prior.read_bytes()).hexdigest()
    if recipe.method == "ours":
        engine = fit.ENGINES["head"]()
        about["engine"] = [engine.name, asdict(engine)]
    text = json.dumps(about, sort_keys=True, default=list)
    return hashlib.sha256(text.encode()).hexdigest()
