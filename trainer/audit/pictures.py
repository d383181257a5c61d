"""Inversion of the released model, of the same without privacy, and of a net that knows images by heart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.audit import inversion
from trainer.audit.inversion import Reading, shrink
from trainer.audit.material import Effort, Images
from trainer.network.augment import network_input
from trainer.network.edge_net import EdgeNet
from trainer.progress import progress
from trainer.training.run_record import RunRecord

SIDE = int(network_input(torch.zeros(1, 1, 224, 224)).shape[-1])
"""Of the gray image that the network looks at."""
READ_SIDE = 56
SMALL = 32


@dataclass(frozen=True)
class Inversion:
    """Reconstructions from one network and how near they come to its members."""

    subject: str
    pixels: Reading
    """By structural similarity."""
    features: Reading | None
    """By the network's own features, cosine."""
    shown: tuple[tuple[str, NDArray[np.uint8], NDArray[np.uint8]], ...]
    """For the local page alone: (class, reconstruction, nearest member), display values."""

    def to_json(self) -> dict[str, Any]:
        """Figures only."""
        return {
            "subject": self.subject,
            "pixels": self.pixels.to_json(),
            "features": None if self.features is None else self.features.to_json(),
        }


@dataclass(frozen=True)
class _Class:
    position: int
    members: NDArray[np.uint8]
    others: NDArray[np.uint8]


def _pick(
    record: RunRecord, members: Images, others: Images, effort: Effort, rng: np.random.Generator
) -> list[_Class]:
    """Equal numbers of members and others of each class that has both."""
    picked = []
    for position in range(len(record.classes)):
        own, rest = (np.flatnonzero(each.labels == position) for each in (members, others))
        size = min(len(own), len(rest), effort.compared)
        if size:
            picked.append(
                _Class(
                    position,
                    members.images[rng.permutation(own)[:size]],
                    others.images[rng.permutation(rest)[:size]],
                )
            )
    return picked


def _objective(net: EdgeNet, record: RunRecord, position: int) -> Callable[[Tensor], Tensor]:
    """Logit of a class over the logarithm of the sum of its group's others."""
    group = record.classes[position].group
    rest = [place for place, each in enumerate(record.classes) if each.group == group and place != position]

    def value(image: Tensor) -> Tensor:
        logits: Tensor = net(image)
        own = logits[:, position]
        others: Tensor | float = logits[:, rest].logsumexp(1) if rest else 0.0
        return own - others

    return value


def invert_network(
    subject: str,
    net: EdgeNet,
    record: RunRecord,
    members: Images,
    others: Images,
    effort: Effort,
    rng: np.random.Generator,
) -> list[Inversion]:
    """Reconstruct every class that has both members and others; empty if none has."""
    picked = _pick(record, members, others, effort, rng)
    if not picked:
        return []
    pixels: tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]] = ([], [])
    features: tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]] = ([], [])
    shown = []
    with progress(f"inversion: {subject}", len(picked) * effort.steps) as advance:
        for each in picked:
            made = inversion.invert(
                _objective(net, record, each.position),
                SIDE,
                restarts=effort.restarts,
                steps=effort.steps,
                advance=advance,
            )
            small = torch.nn.functional.avg_pool2d(made, SIDE // READ_SIDE)
            for side, images in enumerate((each.members, each.others)):
                pixels[side].append(inversion.similarity(small, shrink(images, READ_SIDE)))
                features[side].append(_cosine(net, made, shrink(images, SIDE)))
            nearest = each.members[int(pixels[0][-1][0].argmax())]
            shown.append((record.classes[each.position].name, _display(made[0, 0]), nearest))
    readings = inversion.read(*pixels, rng), inversion.read(*features, rng)
    return [Inversion(subject, *readings, tuple(shown))]


@torch.no_grad()
def _cosine(net: EdgeNet, made: Tensor, images: Tensor) -> NDArray[np.float64]:
    def unit(x: Tensor) -> Tensor:
        features = torch.cat([net.features(x[start : start + 32]) for start in range(0, len(x), 32)])
        return torch.nn.functional.normalize(features, dim=1)

    return np.asarray((unit(made) @ unit(images).T).double().numpy(), np.float64)


def invert_memoriser(
    record: RunRecord, members: Images, effort: Effort, rng: np.random.Generator
) -> list[Inversion]:
    """Each of a few images is a class of its own; a pair of every image is held out, from the same class."""
    inside: list[int] = []
    outside: list[int] = []
    for position in range(len(record.classes)):
        rows = rng.permutation(np.flatnonzero(members.labels == position))
        each = min(len(rows) // 2, max(1, effort.memorised // len(record.classes)))
        inside += rows[:each].tolist()
        outside += rows[each : 2 * each].tolist()
    if len(inside) < 2:
        return []
    known, held = (shrink(members.images[rows], SMALL) for rows in (inside, outside))
    net = inversion.memoriser(known, effort.memorised_steps)
    own, rest, shown = [], [], []
    with progress("inversion: a network that knows images by heart", len(inside)) as advance:
        for place in range(len(inside)):
            made = inversion.invert(_margin(net, place), SMALL, restarts=1, steps=max(effort.steps, 80))
            own.append(inversion.similarity(made, known[place : place + 1]))
            rest.append(inversion.similarity(made, held[place : place + 1]))
            shown.append(
                (
                    record.classes[int(members.labels[inside[place]])].name,
                    _display(made[0, 0]),
                    members.images[inside[place]],
                )
            )
            advance("")
    subject = f"small network without DP, each of {len(inside)} images by heart"
    reading = inversion.read(own, rest, rng)
    return [Inversion(subject, reading, None, tuple(shown[:: max(1, len(shown) // 9)]))]


def _margin(net: nn.Module, place: int) -> Callable[[Tensor], Tensor]:
    def value(image: Tensor) -> Tensor:
        logits: Tensor = net(image)
        return logits.log_softmax(1)[:, place] + 0.1 * logits[:, place]

    return value


def _display(image: Tensor) -> NDArray[np.uint8]:
    return np.asarray((128 + 50 * image).clamp(0, 255).numpy().astype(np.uint8))
