"""The rows of the table, as data: what is trained, how, at which epsilon, and what it needs.

Every recipe has settings for a CPU, where large networks see small images, and for a GPU, where they see
what their papers gave them. A row that ran with the settings of the CPU though it wants a GPU is marked so.
No setting was chosen by looking at a test split.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any, Literal

from trainer.data import shortcuts
from trainer.privacy import choices

Family = Literal["no privacy", "paper", "published", "ours", "ablation", "probe"]
Effort = Literal["cpu", "gpu", "quick"]
Settings = Mapping[str, Any]


class ComparisonError(ValueError):
    """The comparison cannot be made as asked for; the message says what to change."""


@dataclass(frozen=True)
class Recipe:
    """One row."""

    row: str
    """Its name on the command line and in files."""
    title: str
    family: Family
    method: str
    """Key of `trainer.comparison.methods.METHODS`."""
    source: str
    """Where the recipe comes from."""
    epsilon: float | None = None
    """None: trained without privacy."""
    settings: Settings = field(default_factory=dict)
    """Whatever the machine."""
    cpu: Settings = field(default_factory=dict)
    gpu: Settings = field(default_factory=dict)
    quick: Settings = field(default_factory=dict)
    """In the place of both, for tests and for trying the command out."""
    search: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Settings to choose on held-out groups of the training split: name -> values, in any combination."""
    search_share: Mapping[str, float] = field(default_factory=dict)
    """What the trainings of a search take less of, where full ones are not affordable: setting -> share."""
    tried: str = "1"
    """How many settings were tried, where that is no search of this table."""
    tuned: str = "fixed beforehand"
    """How the settings that are not searched were chosen."""
    wants_gpu: str = ""
    """What a GPU would give; empty: nothing that would change the figure."""
    minutes: float = 5.0
    """Of one repetition on two cores and 4,200 training images, measured or estimated; orders the rows."""
    gpu_minutes: float = 3.0
    common: float = 0.0
    """Share of that time that goes into features: a search makes them once for all that it tries, and fixed
    ones are made once for all repetitions."""
    repeats: bool = True
    """False: the same every time, so once is enough."""

    def with_effort(self, effort: Effort) -> dict[str, Any]:
        """The settings on a machine."""
        return {**self.settings, **{"cpu": self.cpu, "gpu": self.gpu, "quick": self.quick}[effort]}

    def searching(self, settings: Settings) -> dict[str, Any]:
        """The settings of a search's trainings, of those of the row: with less of `search_share`."""
        less = {name: max(1, round(part * settings[name])) for name, part in self.search_share.items()}
        return {**settings, **less}

    def cost(self, effort: Effort) -> float:
        """Expected minutes of one repetition at full size."""
        return self.gpu_minutes if effort == "gpu" else self.minutes

    @property
    def values(self) -> int:
        """How many settings its search tries; 0 for none."""
        return prod(len(values) for values in self.search.values()) if self.search else 0

    def search_cost(self, effort: Effort, tried: int = 0) -> float:
        """Expected cost of what a search has left, in repetitions; it trains on four fifths of the images.

        Args:
            effort: of which machine.
            tried: settings that it has tried already.
        """
        left = self.values - tried
        if not left:
            return 0.0
        full = self.with_effort(effort)
        less = self.searching(full)
        share = prod(float(less[name]) / float(full[name]) for name in self.search_share)
        return 0.8 * share * (self.common + left * (1 - self.common))


_HE = "He et al. 2015 (arXiv 1512.03385), table 1, 50 layers; from scratch"
_VGG = "Simonyan and Zisserman 2014 (arXiv 1409.1556), table 1, D, with batch norm; from scratch"
_DE = "in the style of De et al. 2022 (arXiv 2204.13650): group norm, standardised weights, views, average"
_SCATTERING = "in the style of Tramer and Boneh 2021 (arXiv 2011.11660): scattering, group norm, linear"
_RANDP = (
    "in the style of DP-RandP (Tang et al. 2023, arXiv 2306.06076): prior from procedural images (here our "
    "detailed phantoms, 64 px), private head"
)
_BOTH = "scattering and procedural prior at 64 and 128 px, whitened privately, full-batch private head"
_WHITENED = "scattering pooled 2x2, whitened by drawn images and then privately, full-batch private head"
_OURS = "the recipe of trainer fit"
_TUNED = f"chosen {choices.WHERE}"
_QUICK_ENGINE = {"trial": {"steps": 3, "views": 2, "sampling_rate": 1.0}}
"""Of these the engine takes those that it has."""
_QUICK_HEAD = {"prior_images": 32, "whitening_images": 24, "steps": 4}
_RATES = {"rate": (0.12, 0.5, 2.0, 8.0)}
"""Of the private heads on published features. With 2, 8 and 25 two of them took the smallest."""
_WHITENING = {"ridge": (0.02, 1.0, 50.0), **_RATES}
"""Of those that are whitened by drawn images: nearly whole, in part, hardly."""
_WIDE = {"steps": 300, "sampling_rate": 0.1, "clip": 1.0, "momentum": 0.0, "averaging": 0.98}
_PLAIN = {"batch": 64, "rate": 1e-3, "decay": 0.05}
_THIRD = {"epochs": 1 / 3}


def _ours(row: str, title: str, family: Family, epsilon: float, **settings: Any) -> Recipe:
    return Recipe(
        row, title, family, "ours", _OURS, epsilon, settings, quick=_QUICK_ENGINE, tuned=_TUNED, minutes=4,
        tried=choices.ALL if family == "ours" else "as ours",
    )  # fmt: skip


RECIPES: tuple[Recipe, ...] = (
    Recipe(
        "resnet50", "ResNet-50", "no privacy", "network", _HE,
        settings={"network": "resnet50", "nine_classes": True, **_PLAIN},
        cpu={"side": 64, "epochs": 10}, gpu={"side": 224, "epochs": 90}, quick={"side": 32, "epochs": 1},
        search={"rate": (3e-4, 1e-3, 3e-3)}, search_share=_THIRD,
        wants_gpu="224 px and 90 epochs", minutes=22, gpu_minutes=20,
    ),
    Recipe(
        "vgg16", "VGG-16", "no privacy", "network", _VGG,
        settings={"network": "vgg16", "nine_classes": True, **_PLAIN, "rate": 3e-4},
        cpu={"side": 64, "epochs": 8}, gpu={"side": 224, "epochs": 90}, quick={"side": 32, "epochs": 1},
        search={"rate": (1e-4, 3e-4, 1e-3)}, search_share=_THIRD,
        wants_gpu="224 px and 90 epochs", minutes=20, gpu_minutes=25,
    ),
    Recipe(
        "cnn-eps5", "small CNN + DP-SGD", "paper", "dp-sgd",
        "three convolutions and two linear layers, DP-SGD (Abadi et al. 2016, arXiv 1607.00133), 64 px",
        epsilon=5.0, settings={"network": "small", "nine_classes": True, "rate": 0.5, "engine": _WIDE},
        quick={"engine": {"steps": 2, "sampling_rate": 1.0}}, search={"rate": (0.2, 0.5, 1.5)},
        minutes=13, gpu_minutes=2,
    ),
    Recipe(
        "scratch-eps2", "from scratch, DP-SGD", "published", "dp-sgd", _DE, epsilon=2.0,
        settings={"network": "wide", "rate": 2.0},
        cpu={"wide": 1, "views": 2, "engine": _WIDE},
        gpu={"wide": 4, "views": 8, "engine": {**_WIDE, "steps": 600, "sampling_rate": 0.2, "physical": 128}},
        quick={"wide": 1, "views": 2, "engine": {"steps": 2, "sampling_rate": 1.0}},
        search={"rate": (0.7, 2.0, 6.0)}, search_share={"views": 1 / 8},
        wants_gpu="a network four times as wide, 8 views, 600 steps", minutes=40, gpu_minutes=30,
    ),
    Recipe(
        "scattering-eps2", "scattering + linear", "published", "features", _SCATTERING, epsilon=2.0,
        settings={"families": ("scattering",), "grid": 4, "whiten": False, "private_whiten": False},
        quick=_QUICK_HEAD, search=_RATES, minutes=1.7, common=0.85,
    ),
    Recipe(
        "scattering-whitened-eps2", "scattering, whitened", "published", "features", _WHITENED, epsilon=2.0,
        settings={"families": ("scattering",), "whiten": True, "private_whiten": True},
        quick=_QUICK_HEAD, search=_WHITENING, minutes=3, common=0.9,
    ),
    Recipe(
        "prior-eps2", "prior from our phantoms + private head", "published", "features", _RANDP, epsilon=2.0,
        settings={"families": ("prior64",), "whiten": True, "private_whiten": False},
        quick=_QUICK_HEAD, search=_WHITENING, minutes=1, common=0.9,
    ),
    Recipe(
        "both-eps2", "scattering and procedural prior, whitened", "published", "features", _BOTH, epsilon=2.0,
        settings={"families": ("scattering", "prior64", "prior128"), "whiten": True, "private_whiten": True},
        quick=_QUICK_HEAD, search=_WHITENING, minutes=6, common=0.9,
    ),
    *(_ours(f"ours-eps{e}", "ours", "ours", float(e)) for e in (1, 2, 8)),
    Recipe(
        "ours-head-nodp", "ours, head without DP", "ours", "plain-head",
        "same features and head, no clipping, no noise", settings={"views": 6, "ridge": 1e-4},
        quick={"views": 2}, search={"ridge": (1e-5, 1e-4, 1e-3)}, minutes=7, common=0.95,
    ),
    Recipe(
        "ours-all-nodp", "ours, all layers without DP", "ours", "fine-tune",
        "same prior, head first, then all layers, no clipping, no noise",
        settings={"views": 2, "ridge": 1e-4, "rate": 3e-4, "batch": 32, "decay": 0.01}, cpu={"epochs": 6},
        gpu={"epochs": 40}, quick={"epochs": 1}, search={"rate": (1e-4, 3e-4, 1e-3)},
        wants_gpu="40 epochs", minutes=15, gpu_minutes=10,
    ),
    _ours("ours-noaug-eps2", "ours without augmentation", "ablation", 2.0, engine={"views": 1}),
    _ours("ours-denoise-eps2", "ours with denoising", "ablation", 2.0, denoise=True),
    _ours("ours-perspective-eps2", "ours with perspective correction", "ablation", 2.0, perspective=True),
    _ours("ours-quality-eps2", "ours, quality gate on the training images", "ablation", 2.0, gate=True),
    Recipe(
        "probe", "shortcut probe: brightness and sharpness alone", "probe", "probe",
        f"{shortcuts.WORDS}, on statistics of whole images", minutes=1, gpu_minutes=1, repeats=False,
    ),
)  # fmt: skip
"""In the order of the table; they are run from cheap to dear."""


def choose(names: list[str]) -> tuple[Recipe, ...]:
    """Some rows by name, in the order of the table; all if none is named.

    Raises:
        ComparisonError: a name is not known.
    """
    known = {recipe.row for recipe in RECIPES}
    unknown = sorted(set(names) - known)
    if unknown:
        raise ComparisonError(f"--rows names {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return tuple(recipe for recipe in RECIPES if not names or recipe.row in names)
