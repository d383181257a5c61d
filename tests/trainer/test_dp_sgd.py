"""The engine of DP-SGD at each depth: what is trained, what is kept, what is drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edge.imaging.bundle import ClassInfo, IntendedUse
from trainer.data.dataset import Record
from trainer.network.augment import multiply, network_input
from trainer.network.edge_net import EdgeNet
from trainer.privacy import private_step
from trainer.privacy.spend import Release
from trainer.privacy.units import Units
from trainer.training.average import Average
from trainer.training.depth import Depth, split
from trainer.training.dp_sgd import DpSgd, Kept
from trainer.training.steps import rate_factor
from trainer.training.task import Task

COUNT = 12


def task(units: Units | None = None) -> Task:
    """Stripes lying or standing, three records to a patient."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (COUNT, 224, 224), np.uint8)
    stripes = np.where(np.arange(224) % 12 < 6, 150, 0).astype(np.uint8)
    for row in range(COUNT):
        images[row] += stripes if row % 2 else stripes[:, None]
    from pathlib import Path

    records = [
        Record(Path(f"{row}.png"), ("lying", "standing")[row % 2], "MRI", "train", f"p{row // 3}", "", "")
        for row in range(COUNT)
    ]
    use = IntendedUse(group="mri_brain", modalities=("MR",), body_parts=("BRAIN",), views=("",))
    classes = tuple(ClassInfo(name=name, group="mri_brain") for name in ("lying", "standing"))
    return Task(records, images, classes, (use,), units or Units.images(COUNT))


def network() -> EdgeNet:
    torch.manual_seed(0)
    net = EdgeNet(2)
    torch.nn.init.normal_(net.head.weight, std=0.3)
    return net


@pytest.mark.parametrize("depth", ["head", "last", "all"])
def test_the_parts_of_a_network_are_the_network(depth: Depth) -> None:
    net = network()
    x = network_input(torch.rand(3, 1, 224, 224) * 255)
    with torch.no_grad():
        wanted = net(x)
        parts = split(net, depth)
        assert torch.allclose(parts.upper(parts.lower(x)), wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("depth", "moved"),
    [
        ("head", {"head"}),
        ("last", {"head", "trunks.0.stage3", "trunks.1.stage3"}),
        ("all", {"head", "trunks"}),
    ],
)
@pytest.mark.parametrize("method", ["ghost", "samples"])
def test_a_depth_trains_its_layers_and_no_others(
    depth: Depth, moved: set[str], method: private_step.Method
) -> None:
    net = network()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    engine = DpSgd(depth=depth, physical=5, method=method, views=2)
    engine.train(net, task(), (Release("steps", 0.5, 0.9, 2),))
    for name, value in net.state_dict().items():
        wanted = any(name.startswith(part + ".") for part in moved)
        assert torch.equal(value, before[name]) is not wanted, name
    assert all(p.requires_grad for p in net.parameters())
    assert not any(module._forward_hooks for module in net.modules())


def test_without_noise_the_task_is_learnt_and_the_loss_of_fixed_views_is_that_of_the_network() -> None:
    net, data = network(), task()
    engine = DpSgd(
        depth="last", fixed_views=2, views=2, physical=6, rate=0.5, momentum=0.5, averaging=0.5, clip=5.0
    )
    engine.train(net, data, (Release("steps", 0.0, 1.0, 12),))
    with torch.no_grad():
        logits = net(network_input(torch.from_numpy(data.images[:, None]).float()))
    assert float(torch.from_numpy(data.labels).eq(logits.argmax(1)).double().mean()) == 1.0


@pytest.mark.parametrize("depth", ["head", "last"])
def test_what_is_kept_of_fixed_views_is_computed_once_and_belongs_to_the_record(depth: Depth) -> None:
    net, data = network(), task()
    parts = split(net, depth)
    seen: list[int] = []

    def gray(rows: np.ndarray) -> torch.Tensor:
        seen.extend(rows.tolist())
        return torch.from_numpy(data.images[rows][:, None]).float()

    kept = Kept(parts, gray, COUNT, 3, 100)
    # No image before the run is on record.
    assert seen == []
    rows = np.array([2, 5, 7])
    first = kept.some(rows, 3).view(3, 3, -1).sort(1).values
    again = kept.some(rows[::-1].copy(), 3).view(3, 3, -1).flip(0).sort(1).values
    assert torch.equal(first, again)
    assert seen == [2, 5, 7]
    with torch.no_grad():
        plain = parts.lower(network_input(gray(rows))).flatten(1)
    found = kept.some(rows, 3).view(3, 3, -1)
    nearest = (found - plain[:, None]).abs().amax(2).amin(1)
    assert float(nearest.max()) < 0.01 * float(plain.abs().max())


def test_views_of_an_image_stand_together() -> None:
    gray = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 1, 224, 224) * 100 + 20
    made = multiply(gray, 4, plain=True)
    assert made.shape == (12, 1, 224, 224)
    # Contrast changes a constant image by at most 255^(1 - 1.28); its neighbours are further away.
    assert made.view(3, 4, -1).mean(2).diff(dim=0).min() > 0
    assert torch.equal(made[::4], gray)


def test_a_patient_is_drawn_as_a_whole_and_clipped_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    patients = np.arange(COUNT) // 3
    data = task(Units(patients, 4, "patient"))
    parts: list[private_step.Part] = []
    original = private_step.Cutter.parts

    def spied(self: private_step.Cutter, drawn: np.ndarray) -> list[private_step.Part]:
        found = list(original(self, drawn))
        parts.extend(found)
        return found

    monkeypatch.setattr(private_step.Cutter, "parts", spied)
    DpSgd(depth="head", physical=7).train(network(), data, (Release("steps", 1.0, 0.5, 8),))
    assert parts
    for part in parts:
        counts = np.bincount(patients[part.rows], minlength=4)
        assert set(counts) <= {0, 3}
        assert part.count == (counts > 0).sum()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"depth": "all", "fixed_views": 2}, "full depth"),
        ({"depth": "head", "fixed_views": 1, "views": 2}, "cannot be drawn"),
        ({"depth": "last", "fixed_views": 8, "cache_mib": 1}, "MiB"),
        ({"device": "cuda:7"}, "GPU"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(change: dict[str, object], said: str) -> None:
    if "device" in change and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ValueError, match=said):
        replace(DpSgd(), **change).train(network(), task(), (Release("steps", 1.0, 0.5, 1),))


def test_half_precision_passes_give_nearly_the_same_step() -> None:
    steps = []
    for precision in ("float32", "bfloat16"):
        net = network()
        before = torch.nn.utils.parameters_to_vector(net.parameters()).detach()
        engine = DpSgd(
            depth="last", precision=precision, rate=1.0, momentum=0.0, averaging=0.0, fixed_views=1, clip=0.01
        )
        engine.train(net, task(), (Release("steps", 0.0, 1.0, 1),))
        steps.append(torch.nn.utils.parameters_to_vector(net.parameters()).detach() - before)
    assert all(float(each.norm()) <= 0.01 * (1 + 1e-4) for each in steps)
    assert 0 < float((steps[0] - steps[1]).norm()) < 0.1 * float(steps[0].norm())


@given(st.integers(1, 400), st.integers(0, 50), st.sampled_from(["constant", "cosine"]))
def test_a_schedule_stays_between_zero_and_one(steps: int, warmup: int, schedule: str) -> None:
    factors = [rate_factor(schedule, step, steps, warmup) for step in range(steps)]
    assert all(0 < each <= 1 for each in factors)
    assert factors[: min(warmup, steps)] == sorted(factors[: min(warmup, steps)])
    rest = factors[warmup:]
    assert rest == sorted(rest, reverse=True)


def test_the_moving_average_of_a_constant_is_the_constant() -> None:
    layer = torch.nn.Linear(2, 1)
    wanted = layer.weight.detach().clone()
    average = Average(layer, 0.9)
    for _ in range(3):
        average.update()
    with torch.no_grad():
        layer.weight.zero_()
    average.install()
    assert torch.allclose(layer.weight, wanted)
