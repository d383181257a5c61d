"""How many images each threshold of likeness would hold back, valid ones and others: to choose one by.

Thresholds are fitted on images that are public or paid for: on a split of private images this is a look at
them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.imaging.bundle import Bundle
from trainer.evaluation.other_images import Other
from trainer.evaluation.runner import Runner

LEAST = tuple(round(0.05 * step, 2) for step in range(2, 17))


def curve(
    bundle: Bundle,
    runner: Runner,
    features: NDArray[np.float32],
    groups: Sequence[str],
    others: Sequence[Other],
) -> list[dict[str, float]]:
    """For each threshold, the bundle's own among them, the shares of images that it alone holds back.

    Shares are of valid images, and of trials with others: a trial is one of them offered to one group.

    Args:
        bundle: whose directions are meant; none gives an empty list.
        runner: of its network.
        features: of the valid images, (N, F).
        groups: of the valid images.
        others: what the network was not made for.
    """
    known = bundle.likeness
    if not known or not others:
        return []
    toward = {name: np.array(known[name].direction) for name in known}
    valid = np.array([row @ toward[name] for row, name in zip(features, groups, strict=True)])
    theirs = runner.run(np.stack([each.image for each in others]), ("features",))["features"]
    rows = zip(theirs, others, strict=True)
    strange = np.array([row @ toward[name] for row, each in rows for name in each.groups or known])
    return [
        {
            "least": least,
            "valid": round(float((valid < least).mean()), 4),
            "others": round(float((strange < least).mean()), 4),
        }
        for least in sorted({*LEAST, *(each.least for each in known.values())})
    ]
