"""What a result depends on, so that a later call knows which rows it need not run again."""

from __future__ import annotations

import ast
import hashlib
import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from trainer.comparison.material import Material
from trainer.comparison.recipes import Effort, Recipe
from trainer.training import fit

OURS = {"ours", "plain-head", "fine-tune"}
"""Methods whose network is the one that ships."""
_PRIVATE = ("privacy/noise.py", "privacy/private_step.py", "training/steps.py", "training/units.py")
_SHIPPED = ("network/edge_net.py", "network/standardise.py", "network/augment.py")
CODE: dict[str, tuple[str, ...]] = {
    "network": ("comparison/networks.py", "comparison/plain.py"),
    "dp-sgd": ("comparison/small_networks.py", "network/augment.py", "training/dp_sgd.py", *_PRIVATE),
    "features": (
        "comparison/feature_head.py", "comparison/features.py", "comparison/scattering.py",
        "comparison/small_networks.py", "comparison/small_prior.py", "phantoms", *_PRIVATE,
    ),
    "ours": (*_SHIPPED, "training/fixed_features.py", *_PRIVATE),
    "plain-head": (*_SHIPPED, "comparison/plain.py"),
    "fine-tune": (*_SHIPPED, "comparison/plain.py"),
    "probe": ("data/shortcuts.py",),
}  # fmt: skip
"""Method -> files and folders of the trainer that decide what a row of it becomes; `comparison/methods.py`,
which has a function for each, stands for none of them."""


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
    about["code"] = [code(place) for place in CODE[recipe.method]]
    if recipe.method in OURS:
        about["prior"] = hashlib.sha256(prior.read_bytes()).hexdigest()
    if recipe.method == "ours":
        engine = fit.ENGINES["head"]()
        about["engine"] = [engine.name, asdict(engine)]
    text = json.dumps(about, sort_keys=True, default=list)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def code(place: str) -> str:
    """SHA-256, in hex, over the code of a file or folder of the trainer, without comments and docstrings."""
    top = Path(__file__).parents[1]
    found = hashlib.sha256()
    for file in sorted((top / place).rglob("*.py")) if (top / place).is_dir() else [top / place]:
        found.update(f"{file.relative_to(top)}\n{bare(file.read_text('utf-8'))}\n".encode())
    return found.hexdigest()


def bare(source: str) -> str:
    """Python without comments and docstrings, in one layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [each for each in body if not _is_text(each)]
            node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(tree)


def _is_text(node: ast.AST) -> bool:
    held = node.value if isinstance(node, ast.Expr) else None
    return isinstance(held, ast.Constant) and isinstance(held.value, str)
