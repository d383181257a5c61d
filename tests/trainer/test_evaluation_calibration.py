"""Temperature and threshold from what may be looked at."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.evaluation import calibration
from trainer.evaluation.calibration import CalibrationError


def overconfident(count: int, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are right once divided by the temperature."""
    rng = np.random.default_rng(0)
    true = rng.normal(0, 1.5, (count, 4))
    true[:, 3] = -np.inf
    p = np.exp(true) / np.exp(true).sum(1, keepdims=True)
    labels = np.array([rng.choice(4, p=row) for row in p])
    return true * temperature, labels


def test_the_temperature_is_found_group_by_group() -> None:
    hot, y1 = overconfident(3000, 2.0)
    cold, y2 = overconfident(3000, 0.5)
    found = calibration.fit_temperature(
        np.concatenate([hot, cold]), np.concatenate([y1, y2]), ["a"] * 3000 + ["b"] * 3000, origin="public"
    )
    assert found["a"] == pytest.approx(2.0, rel=0.1)
    assert found["b"] == pytest.approx(0.5, rel=0.1)


def test_private_images_are_not_looked_at_for_nothing() -> None:
    logits, labels = overconfident(10, 1.0)
    with pytest.raises(CalibrationError, match="public or procedural"):
        calibration.fit_temperature(logits, labels, ["a"] * 10, origin="private")
    with pytest.raises(CalibrationError, match="public or procedural"):
        calibration.threshold_for_coverage(np.ones(10), 0.9, origin="private")
    with pytest.raises(CalibrationError, match="noise"):
        calibration.private_quantile(np.ones(10), 0.1, noise=0.0)
    with pytest.raises(CalibrationError, match="noise"):
        calibration.private_temperature(logits, labels, noise=float("nan"))


def test_a_public_threshold_answers_the_wanted_share() -> None:
    values = np.random.default_rng(0).uniform(size=1000)
    cut = calibration.threshold_for_coverage(values, 0.9, origin="public")
    assert (values >= cut).mean() == pytest.approx(0.9, abs=0.002)


def test_a_paid_quantile_is_near_the_true_one() -> None:
    values = np.random.default_rng(0).beta(5, 2, 4000)
    found = [calibration.private_quantile(values, 0.2, noise=5.0) for _ in range(20)]
    assert np.median(found) == pytest.approx(np.quantile(values, 0.2), abs=0.04)
    assert 0 <= calibration.private_quantile(np.array([]), 1.0, noise=5.0) <= 1


def test_the_quantiles_noise_has_the_stated_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    """One record moves one count by one; the noise on each count has the deviation that was paid for."""
    drawn: list[np.ndarray] = []
    seen: list[np.ndarray] = []
    real, cumulate = calibration.draw.normal, np.cumsum

    def normal(count: int) -> np.ndarray:
        drawn.append(real(count))
        return drawn[-1]

    def cumsum(values: np.ndarray) -> np.ndarray:
        seen.append(values)
        return cumulate(values)

    monkeypatch.setattr(calibration.draw, "normal", normal)
    monkeypatch.setattr(calibration.np, "cumsum", cumsum)
    values = np.full(1000, 0.51)
    calibration.private_quantile(values, 0.5, noise=7.0, bins=2)
    assert seen[0] == pytest.approx(np.maximum([0 + 7 * drawn[0][0], 1000 + 7 * drawn[0][1]], 0))


def test_a_paid_temperature_is_near_the_true_one_and_bounded() -> None:
    logits, labels = overconfident(4000, 2.0)
    found = [calibration.private_temperature(logits, labels, noise=4.0) for _ in range(10)]
    assert 1.3 < np.median(found) < 3
    # One record, however strange, changes each released number by no more than the clip.
    strange = logits.copy()
    strange[0] = [1e6, -1e6, np.nan, -np.inf]
    change = []
    for x in (logits, strange):
        base = calibration.loss(x, labels, 1.0)
        parts = np.stack([calibration.loss(x, labels, t) - base for t in calibration.GRID])
        change.append(np.clip(np.nan_to_num(parts, nan=0.0), -calibration.CLIP, calibration.CLIP).sum(1))
    assert np.abs(change[0] - change[1]).max() <= 2 * calibration.CLIP + 1e-9
    assert calibration.private_temperature(strange, labels, noise=4.0) in {1.0, *calibration.GRID}
