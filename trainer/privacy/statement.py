"""The privacy statement of a run, in numbers and in words."""

from __future__ import annotations

from edge.imaging.bundle import Privacy
from trainer.privacy import accounting, noise


def privacy_statement(mechanism: accounting.Mechanism, clip: float, delta: float, records: int) -> Privacy:
    """What the accountants say of a mechanism, with everything needed to compute it again."""
    means = (
        f"one Gaussian release of the mean features (noise multiplier {mechanism.mean_noise:.4f}, "
        f"sensitivity 1, all records), composed with "
        if mechanism.mean_noise is not None
        else ""
    )
    return Privacy.model_validate(
        {
            "mechanism": f"{means}DP-SGD (Gaussian noise, per-record clipping, Opacus)",
            "epsilon": accounting.epsilon(mechanism, delta),
            "delta": delta,
            "unit": "image",
            "adjacency": "add or remove one image",
            "sampling": "Poisson, each image on its own, drawn from the operating system's CSPRNG",
            "sampling_rate": mechanism.sampling_rate,
            "noise_multiplier": mechanism.noise,
            "mean_noise_multiplier": mechanism.mean_noise,
            "clip": clip,
            "steps": mechanism.steps,
            "accountant": "PLD (dp-accounting)",
            "epsilon_cross_check": accounting.epsilon_prv(mechanism, delta),
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
