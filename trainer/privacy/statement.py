"""The privacy statement of a run, in numbers and in words."""

from __future__ import annotations

from edge.imaging.bundle import Privacy
from trainer.privacy import accounting, noise
from trainer.privacy.spend import Spend, to_json


def privacy_statement(spend: Spend, clip: float, delta: float, records: int) -> Privacy:
    """What the accountants say of a spend, with everything needed to compute it again."""
    main = max(spend, key=lambda release: release.steps)
    releases = "; ".join(
        f"{release.what}: {release.steps} Gaussian release{'s' if release.steps > 1 else ''}, noise "
        f"multiplier {release.noise:.4f}, sampling rate {release.sampling_rate:g}"
        for release in spend
    )
    return Privacy.model_validate(
        {
            "mechanism": f"Gaussian noise on clipped per-record contributions, composed: {releases}",
            "epsilon": accounting.epsilon(spend, delta),
            "delta": delta,
            "unit": "image",
            "adjacency": "add or remove one image",
            "sampling": "Poisson, each image on its own, drawn from the operating system's CSPRNG",
            "sampling_rate": main.sampling_rate,
            "noise_multiplier": main.noise,
            "releases": to_json(spend),
            "clip": clip,
            "steps": main.steps,
            "accountant": "PLD (dp-accounting)",
            "epsilon_cross_check": accounting.epsilon_prv(spend, delta),
            "records": records,
            "records_public": True,
            "noise_source": noise.SOURCE,
            "tuned": (
                "nothing on private data: clip and learning rate on procedural images, thresholds and "
                "temperature by a rule fixed beforehand"
            ),
            "tuning_cost": "none",
            "not_covered": (
                "The unit is one image. A patient with several images is protected less (group privacy: at "
                "epsilon 2, two images about 4.4, five about 13). The number of images, their number in each "
                "group and their modality are treated as public. The guarantee is of this one run: further "
                "runs on the same images add up."
            ),
        }
    )
