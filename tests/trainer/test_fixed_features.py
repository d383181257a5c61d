"""The engine of fixed features as a whole: what one unit can move, and what it spends."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from edge.imaging.bundle import ClassInfo, IntendedUse
from trainer.network.edge_net import FEATURES, EdgeNet
from trainer.privacy.spend import Release
from trainer.privacy.units import Units
from trainer.training import fixed_features
from trainer.training.fixed_features import FixedFeatures
from trainer.training.task import Task

IMAGES = 12
CLIP = 1e-3
QUIET = (Release("mean features", 0.0), Release("steps", 0.0))
"""Without noise the sensitivity can be seen; a real run would be refused."""


def task(rows: slice, units: Units) -> Task:
    """The images of ``rows``; the first eight are alike and of one class."""
    classes = (ClassInfo(name="a", group="g"), ClassInfo(name="b", group="g"))
    images = np.random.default_rng(0).integers(0, 256, (IMAGES, 224, 224), np.uint8)
    images[1:8] = images[0]
    made = object.__new__(Task)
    for name, value in {
        "records": range(IMAGES)[rows],
        "images": images[rows],
        "classes": classes,
        "intended_use": (IntendedUse(group="g", modalities=("MR",), body_parts=("BRAIN",)),),
        "units": units,
        "labels": np.array([0] * 8 + [0, 1, 0, 1])[rows],
        "mask": torch.zeros(IMAGES, 2)[rows],
    }.items():
        object.__setattr__(made, name, value)
    return made


def gradients(task: Task) -> torch.Tensor:
    """Sum of the clipped gradients of one step, as the head shows it."""
    engine = dataclasses.replace(FixedFeatures(), views=1, clip=CLIP, rate=1.0, steps=1)
    net = EdgeNet(2)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net.trunks.load_state_dict(EdgeNet(2).trunks.state_dict())
    engine.train(net, task, QUIET)
    return net.head.weight.detach() * task.units.count


def test_one_unit_moves_a_step_by_no_more_than_the_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    """A patient of eight like images; clipped image by image he would move it eight times as far."""
    monkeypatch.setattr(fixed_features, "private_means", lambda *_: torch.zeros(1, FEATURES))
    patients = Units(np.repeat(np.arange(5), [8, 1, 1, 1, 1]), 5, "patient", 8)
    alone = Units(np.arange(4), 4, "patient", 8)
    without = gradients(task(slice(8, None), alone))
    moved = float((gradients(task(slice(None), patients)) - without).norm())
    assert moved == pytest.approx(CLIP, rel=1e-3)
    # The control: the same images, each a unit of its own.
    each = float((gradients(task(slice(None), Units.images(IMAGES))) - without).norm())
    assert each == pytest.approx(8 * CLIP, rel=1e-3)


def test_its_releases_compose_to_the_target_and_take_every_record() -> None:
    from trainer.privacy import accounting

    means, steps = FixedFeatures().spend(2.0, 1e-5)
    assert (means.sampling_rate, steps.sampling_rate, steps.steps) == (1.0, 1.0, 40)
    assert accounting.epsilon((means, steps), 1e-5) == pytest.approx(2.0, abs=0.01)
    assert accounting.epsilon((means, steps), 1e-5) <= 2.0


def test_the_mean_image_of_a_group_is_like_it_whatever_the_noise() -> None:
    """What noise adds to a mean's length is taken off, so that the scale does not depend on the budget."""
    rng = np.random.default_rng(0)
    true = rng.normal(size=(2, FEATURES)) / FEATURES**0.5 * 0.6
    groups = np.repeat([0, 1], [1000, 400])
    sizes = fixed_features.units_by_group(Units.images(len(groups)), groups, 2)
    assert sizes.tolist() == [1000, 400]
    scores = []
    for _ in range(50):
        noisy = true + rng.normal(size=true.shape) * 8 / sizes[:, None]
        direction = fixed_features.likeness(torch.from_numpy(noisy).float(), 8.0, sizes)
        scores.append((direction.numpy() * true).sum(1))
    assert np.mean(scores, axis=0) == pytest.approx([1.0, 1.0], abs=0.05)
