"""What the privacy of a network's training means, in words: how much, for whom, and what it leaves out."""

from __future__ import annotations

import math
from typing import Any

STRENGTH = (
    (1.0, "By the usual reading this is strong protection."),
    (10.0, "By the usual reading this is reasonable protection, not strong protection."),
)
"""Up to which epsilon; Ponomareva et al. 2023 (arXiv 2303.00654), section 5.2: tiers 1 and 2."""
WEAK = "By the usual reading this is weak protection or none."
RESEARCH = (
    "This network is of a research run, for images that are, or are said to be, public. Nothing limited it: "
    "what was learnt from other runs on the same images is in no epsilon. Devices refuse it."
)


def privacy(result: dict[str, Any]) -> list[str]:
    """The privacy statement as paragraphs, from the keys that `trainer.evaluation.evaluate` writes."""
    research = [RESEARCH] if result["privacy_mode"] == "research" else []
    epsilon, delta = result["epsilon"], result["delta"]
    if epsilon is None:
        return [*research, "It was trained without any privacy guarantee."]
    unit = str(result["unit"])
    one = "image" if unit.startswith("image") else "patient"
    strength = next((words for limit, words in STRENGTH if epsilon <= limit), WEAK)
    return [
        *research,
        (
            f"It was trained under differential privacy: epsilon {epsilon:.2f} at delta {delta:g} for each "
            f"{unit} ({result['adjacency']}). That means: whatever anyone concludes from the network, with "
            f"any one {one} in the training that conclusion is at most {_factor(epsilon)} times as likely as "
            f"without it, and the other way round, apart from a chance of {_chance(delta)}. {strength} It is "
            "a bound for the worst case, not a measurement."
        ),
        f"It does not cover: {_not_covered(one)} {result['not_covered']}".rstrip(),
    ]


def _factor(epsilon: float) -> str:
    factor = math.exp(min(epsilon, 700.0))
    return f"{factor:.2f}" if factor < 2 else f"{factor:.1f}" if factor < 100 else f"{factor:.2g}"


def _chance(delta: float) -> str:
    return f"1 in {1 / delta:,.0f}" if delta > 0 else "nothing"


def _not_covered(unit: str) -> str:
    who = (
        "patients, as far as they have more than one image in the training; "
        if unit == "image"
        else "families and hospitals; "
    )
    return (
        f"{who}what people learnt by looking at the images; the figures of this page; anything that is known "
        "of a person from elsewhere, such as that a disease is common."
    )
