"""Ghost clipping, Opacus' per-record gradients, Opacus' own ghost clipping and a plain loop: one sum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as fn

from trainer.network.edge_net import EdgeNet
from trainer.privacy import paired
from trainer.privacy.batch_check import BatchDependenceError
from trainer.privacy.ghost import GhostError
from trainer.privacy.instantiated import Instantiated, samples_of
from trainer.privacy.layer_gradients import layer_gradient
from trainer.privacy.paired import Paired
from trainer.privacy.parts import Cutter, Part
from trainer.privacy.private_step import Method, PrivateStepper, StepError

METHODS: tuple[Method, ...] = ("ghost", "samples")


class StandardisedConv(nn.Conv2d):
    """Weight-standardised convolution: a layer that nobody has a sampler for."""

    def forward(self, x: Tensor) -> Tensor:
        mean = self.weight.mean((1, 2, 3), keepdim=True)
        spread = self.weight.std((1, 2, 3), keepdim=True)
        return fn.conv2d(x, (self.weight - mean) / (spread + 1e-4), self.bias, self.stride, self.padding)


def small_net() -> nn.Sequential:
    """Layers of both kinds: large maps with few channels, small maps with many, groups, affine norms."""
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 5, stride=2, padding=2),
        nn.GroupNorm(2, 4),
        nn.ReLU(),
        StandardisedConv(4, 8, 3, stride=2, padding=1),
        nn.GroupNorm(4, 8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1, groups=4, bias=False),
        nn.Conv2d(8, 6, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(6, 24, 3, stride=2, padding=1),
        nn.GroupNorm(3, 24),
        nn.ReLU(),
        nn.Conv2d(24, 32, 1, bias=False),
        nn.Flatten(),
        nn.Linear(32 * 4, 3),
    )
    for layer in net:
        if isinstance(layer, nn.GroupNorm):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
    return net.double()


RECORDS, VIEWS, CLIP = 11, 3, 0.3
IMAGES = torch.randn(
    RECORDS, VIEWS, 1, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(2)
)
LABELS = torch.arange(RECORDS) % 3


def loss_of(views: int) -> Callable[[nn.Module, np.ndarray], Tensor]:
    def loss(model: nn.Module, rows: np.ndarray) -> Tensor:
        logits = model(IMAGES[rows, :views].flatten(0, 1))
        return (
            fn.cross_entropy(logits, LABELS[rows].repeat_interleave(views), reduction="none")
            .view(-1, views)
            .mean(1)
        )

    return loss


def by_hand(net: nn.Module, views: int, units: Sequence[int]) -> list[Tensor]:
    """Autograd, one record and view at a time; views averaged, units added up, clipped, added up."""
    trained = [p for p in net.parameters() if p.requires_grad]
    total = [torch.zeros_like(p) for p in trained]
    for unit in sorted(set(units)):
        own = [torch.zeros_like(p) for p in trained]
        for row in np.flatnonzero(np.array(units) == unit):
            for view in range(views):
                logits = net(IMAGES[row, view : view + 1])
                gradients = torch.autograd.grad(fn.cross_entropy(logits, LABELS[row : row + 1]), trained)
                own = [a + g / views for a, g in zip(own, gradients, strict=True)]
        length = torch.cat([each.flatten() for each in own]).norm()
        factor = min(1.0, CLIP / float(length + 1e-6))
        total = [t + factor * o for t, o in zip(total, own, strict=True)]
    return total


def sums(
    net: nn.Module, method: Method, *, views: int, physical: int, units: Sequence[int] | None = None
) -> list[Tensor]:
    trained = [p for p in net.parameters() if p.requires_grad]
    before = [p.detach().clone() for p in trained]
    count = RECORDS if units is None else len(set(units))
    stepper = PrivateStepper(
        net,
        torch.optim.SGD(trained, lr=float(count)),
        loss_of(views),
        noise_multiplier=0.0,
        clip=CLIP,
        records=RECORDS,
        rate=1.0,
        physical=physical,
        units=None if units is None else np.array(units),
        views=views,
        method=method,
    )
    stepper.step()
    stepper.close()
    found = [b - p.detach() for b, p in zip(before, trained, strict=True)]
    with torch.no_grad():
        for p, b in zip(trained, before, strict=True):
            p.copy_(b)
    return found


def freeze(net: nn.Sequential, start: int) -> None:
    for layer in net[:start]:
        layer.requires_grad_(False)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("views", "physical", "frozen", "units"),
    [
        (1, 100, 0, None),
        (1, 4, 0, None),
        (3, 4, 0, None),
        (1, 4, 8, None),
        (2, 100, 13, None),
        (1, 1, 0, None),
        (1, 4, 0, [7, 7, 3, 3, 3, 3, 3, 3, 1, 0, 7]),
        (2, 5, 8, [7, 7, 3, 3, 3, 3, 3, 3, 1, 0, 7]),
    ],
)
def test_clipped_sums_equal_a_plain_loop(
    method: Method, views: int, physical: int, frozen: int, units: list[int] | None
) -> None:
    net = small_net()
    freeze(net, frozen)
    wanted = by_hand(net, views, units or range(RECORDS))
    found = sums(net, method, views=views, physical=physical, units=units)
    for name, a, b in zip(
        [n for n, p in net.named_parameters() if p.requires_grad], wanted, found, strict=True
    ):
        # What is not zero here is the rounding of weights near one, of which a difference was taken.
        assert torch.allclose(a, b, atol=1e-12), name
    assert any(float(each.abs().max()) > 1e-3 for each in found)


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
def test_the_sums_are_those_of_opacus_own_ghost_clipping() -> None:
    from opacus.grad_sample import GradSampleModuleFastGradientClipping
    from opacus.optimizers.optimizer_fast_gradient_clipping import DPOptimizerFastGradientClipping
    from opacus.utils.fast_gradient_clipping_utils import DPTensorFastGradientClipping

    net = small_net()
    freeze(
        net, 8
    )  # The one before: Opacus' sampler for convolutions pads with zeros whatever the layer says.
    ours = sums(net, "ghost", views=1, physical=100)
    trained = [p for p in net.parameters() if p.requires_grad]
    module = GradSampleModuleFastGradientClipping(net, max_grad_norm=CLIP, loss_reduction="sum")
    optimizer = DPOptimizerFastGradientClipping(
        torch.optim.SGD(trained, lr=1.0),
        noise_multiplier=0.0,
        max_grad_norm=CLIP,
        expected_batch_size=None,
        loss_reduction="sum",
    )
    losses = loss_of(1)(module, np.arange(RECORDS))
    DPTensorFastGradientClipping(module, optimizer, losses, "sum").backward()
    for a, p in zip(ours, trained, strict=True):
        assert p.grad is not None
        assert torch.allclose(a, p.grad, atol=1e-12)


def test_the_shipped_network_trains_at_full_depth() -> None:
    torch.manual_seed(0)
    net = EdgeNet(3).double()
    nn.init.normal_(net.head.weight)
    images = torch.randn(5, 1, 224, 224, dtype=torch.float64)

    def loss(model: nn.Module, rows: np.ndarray) -> Tensor:
        return fn.cross_entropy(model(images[rows]), LABELS[:5][rows], reduction="none")

    found = []
    for method in METHODS:
        start = [p.detach().clone() for p in net.parameters()]
        optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
        stepper = PrivateStepper(
            net,
            optimizer,
            loss,
            noise_multiplier=0.0,
            clip=0.1,
            records=5,
            rate=1.0,
            physical=3,
            method=method,
        )
        stepper.step()
        stepper.close()
        found.append([p.detach() - s for p, s in zip(net.parameters(), start, strict=True)])
        with torch.no_grad():
            for p, s in zip(net.parameters(), start, strict=True):
                p.copy_(s)
    for (name, _), a, b in zip(net.named_parameters(), *found, strict=True):
        assert float(a.abs().max()) > 0, name
        assert torch.allclose(a, b, atol=1e-12), name


def test_both_ways_are_taken_and_agree() -> None:
    """A convolution on a small map is paired, on a large one instantiated; forced, each gives the other's."""
    generator = torch.Generator().manual_seed(3)
    layer = nn.Conv2d(24, 32, 3, padding=1).double()
    for side, kind in ((2, Paired), (24, Instantiated)):
        x, g = (torch.randn(6, c, side, side, dtype=torch.float64, generator=generator) for c in (24, 32))
        assert type(layer_gradient(layer, x, g, Part(np.arange(6), None, 6), 1)) is kind
        one = Paired(layer, x, g, 3)
        # Units of two records each are never paired.
        two = layer_gradient(layer, x, g, Part(np.arange(6), np.repeat(np.arange(3), 2), 3), 1)
        assert isinstance(two, Instantiated)
        assert torch.allclose(one.squares, two.squares, rtol=1e-9)
        factors = torch.tensor([0.5, 0.0, 2.0], dtype=torch.float64)
        first, second = dict(one.weighted(factors)), dict(two.weighted(factors))
        assert first.keys() == second.keys() == {layer.weight, layer.bias}
        assert all(torch.allclose(first[key], second[key]) for key in first)


@pytest.mark.parametrize("forced", [(0, 1), (1, 0)], ids=["by pixels", "by taps"])
@pytest.mark.parametrize("views", [1, 3])
@pytest.mark.parametrize(
    "shape",  # Kernel, stride, padding, dilation.
    [(3, 1, 1, 1), (3, 2, 1, 1), (1, 1, 0, 1), ((3, 1), (1, 2), (1, 0), 2)],
)
def test_pairs_by_pixels_and_by_taps_agree(
    monkeypatch: pytest.MonkeyPatch, forced: tuple[int, int], views: int, shape: tuple[Any, ...]
) -> None:
    layer = nn.Conv2d(5, 7, *shape).double()
    x = torch.randn(6, 5, 8, 7, dtype=torch.float64)
    g = torch.randn_like(layer(x))
    monkeypatch.setattr(paired, "_pair_costs", lambda *_: forced)
    count = 6 // views
    samples = Instantiated(
        {p: each.view(count, views, *each.shape[1:]).sum(1) for p, each in samples_of(layer, x, g).items()}
    )
    assert torch.allclose(Paired(layer, x, g, count).squares, samples.squares, rtol=1e-10)


def test_a_length_is_never_underestimated_where_products_cancel() -> None:
    """Inputs that are nearly one large constant, and gradients that sum to zero: float32 cancels."""
    generator = torch.Generator().manual_seed(4)
    layer = nn.Conv2d(64, 64, 3, bias=False)  # Without a border, so that the constant cancels entirely.
    x = 1000 + torch.randn(40, 64, 5, 5, generator=generator)
    g = torch.randn(40, 64, 3, 3, generator=generator)
    g = g - g.mean((2, 3), keepdim=True)
    exact = Paired(layer.double(), x.double(), g.double(), 40).squares
    rounded = Paired(layer.float(), x, g, 40).squares
    assert bool((rounded >= exact * (1 - 1e-6)).all())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_record_without_finite_gradients_leaves_the_others_alone(method: Method, bad: float) -> None:
    net = small_net()
    wanted = by_hand_without(net, 4)
    kept = IMAGES[4, 0, 0, 3, 3].clone()
    IMAGES[4, 0, 0, 3, 3] = bad
    try:
        found = sums(net, method, views=1, physical=100)
    finally:
        IMAGES[4, 0, 0, 3, 3] = kept
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(wanted, found, strict=True))


def by_hand_without(net: nn.Module, row: int) -> list[Tensor]:
    every = by_hand(net, 1, range(RECORDS))
    trained = [p for p in net.parameters() if p.requires_grad]
    own = torch.autograd.grad(fn.cross_entropy(net(IMAGES[row, :1]), LABELS[row : row + 1]), trained)
    factor = min(1.0, CLIP / float(torch.cat([each.flatten() for each in own]).norm() + 1e-6))
    return [total - factor * o for total, o in zip(every, own, strict=True)]


def test_physical_batches_never_split_a_unit() -> None:
    units = np.array([5, 5, 5, 9, 9, 2, 2, 2, 2, 2, 2, 7])
    cutter = Cutter(12, units, 4)
    assert cutter.units == 4
    parts = list(cutter.parts(np.array([0, 1, 2, 3])))
    assert [len(set(units[part.rows])) for part in parts] == [part.count for part in parts]
    assert sorted(np.concatenate([part.rows for part in parts])) == list(range(12))
    where = [set(units[part.rows]) for part in parts]
    assert all(a.isdisjoint(b) for i, a in enumerate(where) for b in where[i + 1 :])
    assert max(len(part.rows) for part in parts if part.count > 1) <= 4


def test_what_mixes_records_is_refused() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))
    with pytest.raises(BatchDependenceError, match=r"BatchNorm2d.*GroupNorm"):
        sums(net, "ghost", views=1, physical=4)


class Odd(nn.Module):
    """One layer that is used ``times`` times, and one that is not."""

    def __init__(self, times: int, spare: bool) -> None:
        super().__init__()
        self.layer = nn.Linear(256, 256, dtype=torch.float64)
        self.spare = nn.Linear(3, 3) if spare else None
        self.times = times

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        for _ in range(self.times):
            x = self.layer(x)
        return x


@pytest.mark.parametrize(("times", "spare", "message"), [(2, False, "used twice"), (1, True, "spare")])
def test_what_ghost_clipping_would_get_wrong_is_refused(times: int, spare: bool, message: str) -> None:
    with pytest.raises(GhostError, match=message):
        sums(Odd(times, spare), "ghost", views=1, physical=4)


def test_the_optimizer_must_step_what_is_trained() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    optimizer = torch.optim.SGD(net[0].parameters(), lr=1.0)
    with pytest.raises(StepError, match="exactly the parameters"):
        PrivateStepper(net, optimizer, loss_of(1), noise_multiplier=1, clip=1, records=2, rate=1, physical=1)
