"""The head of the fixed-features path without privacy: exact means, no clip, no noise, until it stands still.

It is the contrast of both the comparison and the audit, so that they speak of the same thing.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as fn


def plain_head(
    features: Tensor, labels: Tensor, group_of_class: Tensor, ridge: float, iterations: int
) -> tuple[Tensor, Tensor]:
    """A linear head by L-BFGS on the cross-entropy among the classes of each record's own group.

    Args:
        features: (N, V, D), V views of each record.
        labels: (N,) positions of classes.
        group_of_class: (classes,) positions of groups.
        ridge: factor of the squared length of the weights.
        iterations: of L-BFGS, at most.

    Returns:
        Weight (classes, D), bias (classes,); the bias takes the mean of the class's group away.
    """
    views, groups = features.shape[1], group_of_class[labels]
    means = group_means(features, groups, int(group_of_class.max()) + 1)
    centred = features - means[groups][:, None]
    mask = torch.where(groups[:, None] == group_of_class, 0.0, -torch.inf)[:, None]
    target = labels.repeat_interleave(views)
    weight = torch.zeros(len(group_of_class), features.shape[2], requires_grad=True)
    optimizer = torch.optim.LBFGS([weight], max_iter=iterations, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        logits = (centred @ weight.T + mask).flatten(0, 1)
        loss = fn.cross_entropy(logits, target) + ridge * (weight**2).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    final = weight.detach()
    return final, -(final * means[group_of_class]).sum(1)


def group_means(features: Tensor, groups: Tensor, count: int) -> Tensor:
    """Exact mean feature of each of ``count`` groups, (count, D); zero for a group without a record.

    Args:
        features: (N, V, D).
        groups: (N,) group of each record.
        count: of groups.
    """
    mean, zero = features.mean(1), torch.zeros(features.shape[2])
    own = [groups == group for group in range(count)]
    return torch.stack([mean[rows].mean(0) if bool(rows.any()) else zero for rows in own])
