"""The learning rate of the head: by the noise alone, and what is on record is what was trained with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trainer.privacy.spend import Release
from trainer.training.fixed_features import FixedFeatures
from trainer.training.step_size import LEAST, learning_rate


def rate(units: int, epsilon: float = 2.0) -> float:
    engine = FixedFeatures()
    found = engine.settled(engine.spend(epsilon, 1e-5), units).rate
    assert found is not None
    return found


def test_at_the_benchmark_it_is_what_was_chosen_there() -> None:
    assert rate(4200) == 25


def test_more_noise_makes_smaller_steps() -> None:
    assert rate(2100) == pytest.approx(rate(4200) / 2**0.8, rel=0.05)
    assert rate(500) < rate(1000) < rate(4200)
    assert rate(4200, epsilon=1.0) < rate(4200) < rate(4200, epsilon=8.0)


def test_the_same_noise_on_fewer_images_is_more_noise_on_their_mean() -> None:
    means = Release("mean features", 8.0)
    half, whole = (
        FixedFeatures().settled((means, Release("steps", 13.0, rate, 40)), 4200).rate for rate in (0.5, 1.0)
    )
    assert half == pytest.approx((whole or 0) / 2**0.8, rel=0.05)


def test_little_noise_does_not_make_steps_without_end() -> None:
    assert learning_rate(0.0) == learning_rate(LEAST) < 100


def test_a_rate_that_was_given_stays() -> None:
    engine = replace(FixedFeatures(), rate=7.0)
    assert engine.settled(engine.spend(2.0, 1e-5), 10) == engine
