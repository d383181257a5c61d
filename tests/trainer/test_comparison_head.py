"""The private head on fixed features: what it spends, and noise of exactly the scale that is accounted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trainer.comparison import feature_head
from trainer.comparison.feature_head import FeatureHead
from trainer.privacy import accounting


@pytest.mark.parametrize("private_whiten", [False, True])
def test_all_releases_together_meet_the_target(private_whiten: bool) -> None:
    spend = FeatureHead(private_whiten=private_whiten).spend(2.0, 1e-5)
    assert len(spend) == 2 + private_whiten
    assert 1.99 < accounting.epsilon_gaussian(spend, 1e-5) <= 2.0
    before = sum(1 / each.noise**2 for each in spend[:-1])
    assert before == pytest.approx(0.2 * accounting.gaussian_mu(2.0, 1e-5) ** 2)


def test_noise_of_the_mean_has_the_accounted_scale() -> None:
    rows = torch.zeros(10, 20_000)
    noise = feature_head._noisy_mean(rows, 3.0).double() * 10
    assert float(noise.std()) == pytest.approx(3.0, rel=0.03)


def test_noise_of_the_second_moment_has_the_accounted_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = torch.linalg.eigh
    monkeypatch.setattr(torch.linalg, "eigh", lambda m: (seen.append(m), real(m))[1])
    feature_head._private_whitening(torch.zeros(10, 150), 5.0)
    noisy = seen[0] * 10
    assert torch.equal(noisy, noisy.T)
    upper = noisy[np.triu_indices(150)]
    assert float(upper.std()) == pytest.approx(5.0, rel=0.05)


def test_no_row_counts_for_more_than_one_in_mean_and_moment() -> None:
    rows = torch.tensor([[3.0, 4.0], [0.3, 0.4], [float("nan"), 1.0]])
    clipped = feature_head._clipped(rows)
    torch.testing.assert_close(clipped, torch.tensor([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0]]))


def test_a_released_head_does_with_new_features_what_was_trained() -> None:
    torch.manual_seed(0)
    features = torch.nn.functional.normalize(torch.randn(6, 4), dim=1)
    head = feature_head.Head(torch.zeros(4), None, torch.eye(4)[:2], torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(head(features), features[:, :2] + torch.tensor([0.0, 1.0]))
    turned = feature_head.Head(torch.zeros(4), 2 * torch.eye(4), torch.eye(4)[:2], torch.zeros(2))
    # Whitened features have length one again.
    torch.testing.assert_close(turned(features), features[:, :2])
