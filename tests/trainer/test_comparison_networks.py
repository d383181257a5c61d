"""The networks of the comparison: sizes as in the papers, images kept apart, features that mean something."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from trainer.comparison.networks import ResNet50, Vgg16
from trainer.comparison.scattering import Scattering
from trainer.comparison.small_networks import PRIOR_WIDTHS, Residual, SmallCnn, StandardConv, wide
from trainer.privacy.batch_check import refuse_batch_dependence


def count(net: torch.nn.Module) -> int:
    return sum(each.numel() for each in net.parameters())


def test_large_networks_have_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        assert count(ResNet50(1000, 224, channels=3)) == 25_557_032
        assert count(Vgg16(1000, 224, channels=3, batch_norm=False)) == 138_357_544


@pytest.mark.parametrize("make", [ResNet50, Vgg16])
def test_large_networks_take_images_of_any_size(make: type[torch.nn.Module]) -> None:
    with torch.device("meta"):
        assert make(5, 32)(torch.randn(2, 1, 224, 224)).shape == (2, 5)


def test_vgg_refuses_a_side_that_five_poolings_do_not_divide() -> None:
    with pytest.raises(ValueError, match="32 divides, got 50"):
        Vgg16(5, 50)


@pytest.mark.parametrize(
    "net", [SmallCnn(4), wide(4, 1), Residual(4, PRIOR_WIDTHS, side=None)], ids=["small", "wide", "prior"]
)
def test_small_networks_keep_each_image_to_itself(net: torch.nn.Module) -> None:
    refuse_batch_dependence(net, torch.randn(3, 1, 112, 112))
    with torch.no_grad():
        gray = torch.randn(2, 1, 112, 112)
        torch.testing.assert_close(net(gray.expand(-1, 3, -1, -1)), net(gray), atol=1e-5, rtol=1e-4)


def test_standardised_filters_do_not_feel_a_shift_or_a_scale_of_their_weights() -> None:
    layer, x = StandardConv(3, 4, 3, 1, 1, bias=False), torch.randn(1, 3, 8, 8)
    before = layer(x)
    with torch.no_grad():
        layer.weight.mul_(7).add_(1)
    torch.testing.assert_close(layer(x), before, atol=1e-2, rtol=1e-2)


def test_scattering_sees_the_direction_of_a_grating_in_the_channel_of_that_direction() -> None:
    axis = torch.arange(128.0)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    net = Scattering(grid=1, orientations=8)
    assert net(torch.randn(1, 1, 128, 128)).shape == (1, net.channels)
    for direction in (0, 3, 6):
        angle = math.pi * direction / 8
        wave = torch.cos((x * math.cos(angle) + y * math.sin(angle)) * math.pi / 2)
        first_order = net(wave[None, None])[0, 1:9]
        assert int(first_order.argmax()) == direction


def test_scattering_hardly_feels_a_small_shift() -> None:
    rng = np.random.default_rng(0)
    smooth = torch.nn.functional.avg_pool2d(
        torch.from_numpy(rng.normal(size=(2, 1, 160, 160))).float(), 5, 1, 2
    )
    net, image = Scattering(grid=1), smooth[:, :, 16:144, 16:144]
    own, moved = net(image), net(smooth[:, :, 18:146, 17:145])
    assert float((own[0] - moved[0]).norm()) < 0.2 * float((own[0] - own[1]).norm())
