"""Images that nobody was ever in: phantoms and random processes, labelled by their generator.

The network learns to see from these, so that private data has less to teach. Everything here comes
from formulas and general knowledge of what a head or a chest looks like; nothing is fitted to an image.
Each image is gray, uint8, 224 x 224. Labels are a mapping task -> class; a task that does not apply to
an image is absent. Parts are masks at an eighth of the size.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from trainer.phantoms import acquisition
from trainer.phantoms.chest import phantom as chest
from trainer.phantoms.drawing import Drawing, Labels, Rng
from trainer.phantoms.head import lesions as head_lesions
from trainer.phantoms.head import phantom as head
from trainer.phantoms.head.sites import VIEWS
from trainer.phantoms.schematic import chest as schematic_chest
from trainer.phantoms.schematic import head as schematic_head
from trainer.phantoms.schematic import thorax as schematic_thorax
from trainer.phantoms.textures import blobs, facets, gratings, leaves, noise
from trainer.phantoms.thorax import phantom as thorax_ct

Image = NDArray[np.uint8]

Kinds = tuple[tuple[Callable[[Rng], Drawing], float], ...]

_TEXTURES: Kinds = tuple((each, 0.032) for each in (leaves, noise, gratings, blobs, facets))
STYLES: dict[str, Kinds] = {
    "detailed": ((head.head, 0.33), (chest.chest, 0.27), (thorax_ct.thorax_ct, 0.24), *_TEXTURES),
    "schematic": (
        (schematic_head.head, 0.33), (schematic_chest.chest, 0.27), (schematic_thorax.thorax_ct, 0.24),
        *_TEXTURES,
    ),
}  # fmt: skip
"""Each kind of image and its share, by style. The same questions are asked of both: two networks that learnt
from pictures of different styles see more than one that learnt from either or from both."""

(FAMILIES,) = {len(kinds) for kinds in STYLES.values()}
"""Kinds of each style: as many, in the same order."""
ANATOMY = 3
"""The first ones draw anatomy; the others do not."""

TASKS: dict[str, int] = {
    "family": FAMILIES,
    "head_view": len(VIEWS),
    "head_contrast": len(head.CONTRASTS),
    "head_lesion": len(head_lesions.LESIONS),
    "head_lesion_size": 3,
    "head_quadrant": 4,
    "head_frame": len(head.FRAMES),
    "ventricle_size": len(head.VENTRICLES) + 1,
    "chest_lesion": len(chest.LESIONS),
    "chest_side": 2,
    "chest_build": len(chest.BUILDS),
    "chest_frame": len(chest.FRAMES),
    "chest_severity": len(chest.SEVERITIES),
    "heart_size": len(chest.HEARTS),
    "ct_lesion": len(thorax_ct.LESIONS),
    "ct_level": len(thorax_ct.LEVELS),
    "ct_frame": len(thorax_ct.FRAMES),
    "ct_severity": len(thorax_ct.SEVERITIES),
    "ct_side": len(thorax_ct.SIDES),
    "leaf_shape": 3,
    "leaf_size": 4,
    "noise_slope": 6,
    "noise_angle": 4,
    "grating_period": 6,
    "grating_angle": 6,
    "blob_count": 4,
    "facet_corners": 3,
    "facet_lines": 4,
    **acquisition.TASKS,
}
"""Tasks and their numbers of classes."""

_ORGANS = ("family", "head", "ventricle", "chest", "heart", "ct")
ANATOMICAL = frozenset(name for name in TASKS if name.split("_")[0] in _ORGANS)
"""Tasks whose labels hold for an image that is turned, stretched or resampled."""

MIRRORED: dict[str, tuple[int, ...]] = {
    "head_quadrant": (1, 0, 3, 2),
    "chest_side": (1, 0),
    "ct_side": (1, 0, 2),
}
"""What a label becomes when the image is mirrored; other anatomical labels stay."""


def draw(rng: Rng, family: int, style: str) -> tuple[Image, Labels, NDArray[np.uint8]]:
    """One image of a family, its labels, and the maps of its parts (parts, 28, 28)."""
    drawing = STYLES[style][family][0](rng)
    image, acquired = acquisition.acquire(drawing.image, rng)
    return image, {"family": family, **drawing.labels, **acquired}, drawing.part_maps()


def sample(rng: Rng, style: str) -> tuple[Image, Labels, NDArray[np.uint8]]:
    """One image of a random family."""
    shares = np.array([share for _, share in STYLES[style]])
    return draw(rng, int(rng.choice(len(shares), p=shares / shares.sum())), style)
