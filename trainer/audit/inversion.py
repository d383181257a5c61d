"""Model inversion: what picture does a released model have of a class, and is it one of its patients?

Gradient ascent on the confidence of a class with a total-variation prior, from several random starts
(Fredrikson et al. 2015; total variation as in Mahendran and Vedaldi 2015). A picture that looks like a
class is no leak. What would be one: the picture being nearer to images that were trained on than to
exchangeable ones that were not. That is what is measured, by structural similarity of the pixels and by
the network's own features. A contrast, a network that knows each of a few records by heart, shows that
the attack finds images where there are any to be found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as fn

from trainer.audit import bounds

Objective = Callable[[Tensor], Tensor]
"""Maps standardised gray images (R, 1, side, side) to the number to be made large, (R,)."""

RATE = 0.1
VARIATION = 0.3
"""Weight of the total variation of the standardised image."""
RESAMPLES = 400
WINDOW = 7
CONTRAST = 4.0
"""Range of a standardised image, plus or minus two deviations, for the constants of the similarity."""


@dataclass(frozen=True)
class Reading:
    """How near reconstructions are to members, against non-members of the same classes."""

    reconstructions: int
    nearest_is_member: int
    """Of as many reconstructions, each against equal numbers of members and others: chance is a half."""
    nearest_interval: tuple[float, float]
    member_nearer: float
    """Probability that a random member is nearer than a random other; one half is no leak."""
    member_nearer_interval: tuple[float, float]
    nearest_similarity: float
    """Mean over reconstructions of the similarity to the nearest member."""
    nearest_similarity_other: float
    """The same to the nearest other: what any image of the class would give."""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def invert(
    objective: Objective,
    side: int,
    *,
    restarts: int,
    steps: int,
    variation: float = VARIATION,
    advance: Callable[[str], None] = lambda _: None,
) -> Tensor:
    """Standardised images (restarts, 1, side, side) that make ``objective`` large, from smooth noise."""
    start = torch.randn(restarts, 1, side // 8, side // 8)
    image = fn.interpolate(start, size=(side, side), mode="bilinear").requires_grad_()
    optimizer = torch.optim.Adam([image], lr=RATE)
    for _ in range(steps):
        optimizer.zero_grad()
        seen = _unit(image)
        down, right = seen.diff(dim=2).abs(), seen.diff(dim=3).abs()
        roughness = down.mean(dim=(1, 2, 3)) + right.mean(dim=(1, 2, 3))
        loss = (variation * roughness - objective(seen)).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        advance("")
    return _unit(image.detach())


def _unit(image: Tensor) -> Tensor:
    mean = image.mean(dim=(1, 2, 3), keepdim=True)
    return (image - mean) / image.std(dim=(1, 2, 3), keepdim=True).clamp(min=1e-6)


def shrink(images: NDArray[np.uint8], side: int) -> Tensor:
    """Display values (N, S, S) as standardised images (N, 1, side, side)."""
    gray = torch.from_numpy(images[:, None]).float()
    return _unit(fn.interpolate(gray, size=(side, side), mode="area"))


def similarity(reconstructions: Tensor, images: Tensor) -> NDArray[np.float64]:
    """Mean structural similarity (Wang et al. 2004, uniform windows) of each pair, (R, N).

    Both standardised, (R, 1, side, side) and (N, 1, side, side).
    """
    small, large = (0.01 * CONTRAST) ** 2, (0.03 * CONTRAST) ** 2

    def local(x: Tensor) -> Tensor:
        return fn.avg_pool2d(x, WINDOW, 2)

    mean_b, square_b = local(images), local(images**2)
    spread_b = square_b - mean_b**2
    rows = []
    for each in reconstructions[:, None]:
        mean_a = local(each)
        spread_a = local(each**2) - mean_a**2
        shared = local(each * images) - mean_a * mean_b
        score = (2 * mean_a * mean_b + small) * (2 * shared + large)
        score = score / ((mean_a**2 + mean_b**2 + small) * (spread_a + spread_b + large))
        rows.append(score.mean(dim=(1, 2, 3)))
    return np.asarray(torch.stack(rows).double().numpy(), np.float64)


def read(
    members: Sequence[NDArray[np.float64]],
    others: Sequence[NDArray[np.float64]],
    rng: np.random.Generator,
) -> Reading:
    """Compare similarities, class by class.

    Args:
        members: for each class (R, n) similarities of its reconstructions to n members.
        others: the same to as many non-members; larger sets are cut, so that chance is one half.
        rng: cuts and resamples.
    """
    pairs = []
    for own, rest in zip(members, others, strict=True):
        size = min(own.shape[1], rest.shape[1])
        if size:
            kept, left = (each[:, rng.permutation(each.shape[1])[:size]] for each in (own, rest))
            pairs.append((kept, left))
    if not pairs:
        raise ValueError("no class has both members and others; give a split of images not trained on")
    near = np.concatenate([own.max(1) for own, _ in pairs])
    far = np.concatenate([rest.max(1) for _, rest in pairs])
    won = int((near > far).sum())
    values = []
    for _ in range(RESAMPLES):
        # Images are resampled; one image counts for all reconstructions of its class.
        each = [
            _nearer(own[:, rng.integers(0, n, n)], rest[:, rng.integers(0, n, n)])
            for own, rest in pairs
            for n in (own.shape[1],)
        ]
        # Classes too small to vary on their own vary by being drawn or not.
        values.append(float(np.mean(rng.choice(each, len(each)))))
    low, high = np.quantile(values, [0.025, 0.975])
    return Reading(
        reconstructions=len(near),
        nearest_is_member=won,
        nearest_interval=bounds.interval(won, len(near)),
        member_nearer=float(np.mean([_nearer(own, rest) for own, rest in pairs])),
        member_nearer_interval=(float(low), float(high)),
        nearest_similarity=float(near.mean()),
        nearest_similarity_other=float(far.mean()),
    )


def _nearer(own: NDArray[np.float64], rest: NDArray[np.float64]) -> float:
    """Mean over reconstructions of P[own > rest] + P[own = rest] / 2."""
    sort = np.sort(rest, axis=1)
    shares = []
    for row, among in zip(own, sort, strict=True):
        below = np.searchsorted(among, row, "left") + np.searchsorted(among, row, "right")
        shares.append(below.mean() / (2 * len(among)))
    return float(np.mean(shares))


def memoriser(images: Tensor, steps: int = 150) -> nn.Module:
    """A network without privacy that tells each image (n, 1, side, side) from all others: (B, n) logits."""
    count, pixels = len(images), images[0].numel()
    net = nn.Sequential(nn.Flatten(), nn.Linear(pixels, 96), nn.Tanh(), nn.Linear(96, count))
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3, weight_decay=1e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        noisy = images + 0.3 * torch.randn_like(images)
        fn.cross_entropy(net(noisy), torch.arange(count)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return net.eval().requires_grad_(requires_grad=False)
