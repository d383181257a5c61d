"""Fixed features of the published recipes: whitened by drawn images, looked at once for a search."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from trainer.comparison import features, plain
from trainer.comparison.job import Job


def test_the_ridge_decides_how_white_drawn_images_become() -> None:
    torch.manual_seed(0)
    rows = torch.randn(4000, 3).double() * torch.tensor([10.0, 1.0, 0.1]) + 5
    white = (rows - rows.mean(0)) @ features.whitening(torch.cov(rows.T), 0.0)
    torch.testing.assert_close(torch.cov(white.T), torch.eye(3).double(), atol=1e-6, rtol=0)
    hardly = (rows - rows.mean(0)) @ features.whitening(torch.cov(rows.T), 1e6)
    spread = hardly.std(0) / hardly.std(0)[1]
    torch.testing.assert_close(spread, torch.tensor([10.0, 1.0, 0.1]).double(), atol=0.2, rtol=0.05)


def test_settings_of_a_search_share_what_the_images_were_looked_at_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    train, judged = (
        SimpleNamespace(images=rng.integers(0, 256, (n, 32, 32), dtype=np.uint8)) for n in (3, 2)
    )
    shown = SimpleNamespace(train=train, judged=judged, cache={})
    real, looks = plain.batches, []

    def counted(see: Any, images: Any, *more: Any) -> torch.Tensor:
        looks.append(len(images))
        return real(see, images, *more)

    monkeypatch.setattr(features, "batches", counted)
    found: list[tuple[torch.Tensor, torch.Tensor]] = []
    for ridge in (0.02, 50.0):
        settings = {"families": ("scattering",), "whiten": True, "whitening_images": 4, "ridge": ridge}
        job = SimpleNamespace(settings=settings, material=shown, device=torch.device("cpu"), shared=Path())
        function, values, earlier = features.cached(cast("Job", job))
        assert (earlier > 0) == bool(found)
        found.append((values, function.judged(cast("Any", shown))))
    assert looks == [4, 3, 2], "drawn, training and judged images, once each"
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one.norm(dim=1), torch.ones(len(one)))
        assert not torch.allclose(one, other, atol=0.05)
