"""The probe sees brightness and sharpness, nothing else, and says how sure it is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from trainer.data import shortcuts
from trainer.data.shortcuts import Figure, cross_validated, global_statistics, probe, transferred


@pytest.fixture(autouse=True)
def _few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortcuts, "TREES", 50)


def textures(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 1, (count, 224, 224)).astype(np.float32)
    smooth = np.stack([cv2.GaussianBlur(each, (0, 0), 4) for each in noise])
    return np.clip(110 + 250 * smooth, 0, 255).astype(np.uint8)


def labels(count: int) -> list[str]:
    return ["ab"[n % 2] for n in range(count)]


def groups(count: int) -> list[str]:
    return [f"g{n // 2}" for n in range(count)]


def test_statistics_do_not_see_where_things_lie() -> None:
    images = textures(6)
    turned = np.ascontiguousarray(images[:, ::-1, ::-1])
    np.testing.assert_allclose(global_statistics(images), global_statistics(turned), rtol=1e-4, atol=1e-4)
    assert global_statistics(images).shape == (6, 39)
    assert np.isfinite(global_statistics(np.zeros((1, 224, 224), np.uint8))).all()


def test_statistics_by_hand() -> None:
    image = np.zeros((1, 224, 224), np.uint8)
    image[0, 16:-16, 16:-16] = 200
    (row,) = global_statistics(image)
    inner = 192**2 / 224**2
    assert row[0] == pytest.approx(200 * inner)
    assert (row[2], row[3], row[4]) == pytest.approx((0, 0, -200))
    assert row[7] == pytest.approx(1 - inner)
    assert row[7 + 200 // 8] == pytest.approx(inner)
    assert row[7:].sum() == pytest.approx(1)


@pytest.mark.parametrize(
    "change",
    [
        lambda image: np.clip(image * 0.8, 0, 255).astype(np.uint8),
        lambda image: cv2.GaussianBlur(image, (0, 0), 1.5),
        lambda image: cv2.copyMakeBorder(image[8:-8, 8:-8], 8, 8, 8, 8, cv2.BORDER_CONSTANT),
    ],
)
def test_brightness_sharpness_and_border_are_shortcuts(change) -> None:
    images = textures(60)
    images[1::2] = [change(image) for image in images[1::2]]
    figure = cross_validated(global_statistics(images), labels(60), groups(60))
    assert figure is not None
    assert figure.value > 0.95
    assert figure.strength == "strong"


def test_what_lies_elsewhere_is_no_shortcut() -> None:
    """A disc on the left or on the right: a network tells them apart, global statistics cannot."""
    images = textures(80)
    for n, image in enumerate(images):
        cv2.circle(image, (60 if n % 2 else 164, 112), 25, 220, -1)
    figure = cross_validated(global_statistics(images), labels(80), groups(80))
    assert figure is not None
    assert figure.low <= 0.5 <= figure.high
    assert figure.strength == "none"


def test_the_probe_repeats_and_gives_probabilities() -> None:
    statistics = global_statistics(textures(40))
    y = np.array(labels(40))
    first = probe(statistics[:30], y[:30], statistics[30:])
    assert first.shape == (10, 2)
    np.testing.assert_allclose(first.sum(1), 1)
    assert np.array_equal(first, probe(statistics[:30], y[:30], statistics[30:]))


def test_the_probe_is_stronger_than_a_forest_alone() -> None:
    """What many statistics say together, each of them little, a forest sees badly."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(600, 39))
    y = np.where(x[:, :12].sum(1) > 0, "a", "b")
    forest = RandomForestClassifier(50, class_weight="balanced", random_state=0).fit(x[:300], y[:300])
    alone = float((forest.predict(x[300:]) == y[300:]).mean())
    together = float((np.unique(y)[probe(x[:300], y[:300], x[300:]).argmax(1)] == y[300:]).mean())
    assert together > alone + 0.03


def test_a_single_label_is_always_right() -> None:
    statistics = global_statistics(textures(4))
    assert probe(statistics, np.array(["a"] * 4), statistics).tolist() == [[1.0]] * 4


def test_a_group_is_never_learnt_and_judged_at_once() -> None:
    """Each group has a brightness of its own and labels by chance: only a leak could be right."""
    rng = np.random.default_rng(3)
    level = np.repeat(np.linspace(20, 230, 24), 4)
    statistics = np.stack([level, level], 1) + rng.normal(0, 0.1, (96, 2))
    y = np.repeat(rng.permutation(["a", "b"] * 12), 4).tolist()
    group = np.repeat(np.arange(24), 4).astype(str).tolist()
    kept = cross_validated(statistics, y, group)
    torn = cross_validated(statistics, y, [str(n) for n in range(96)])
    assert kept is not None
    assert torn is not None
    assert torn.value > 0.95
    assert kept.value < 0.75


def test_intervals_are_of_groups_not_of_images() -> None:
    images = textures(48)
    images[1::2] = np.clip(images[1::2] * 0.93, 0, 255).astype(np.uint8)
    statistics = global_statistics(images)
    few = [f"{n % 2}{n // 16}" for n in range(48)]
    a = cross_validated(statistics, labels(48), few)
    assert a is not None
    assert a.groups == 6
    assert a.low <= a.value <= a.high


def test_nothing_to_tell_apart_is_no_figure() -> None:
    statistics = global_statistics(textures(8))
    assert cross_validated(statistics, ["a"] * 8, groups(8)) is None
    assert cross_validated(statistics, ["a"] * 7 + ["b"], groups(8)) is None
    assert transferred(statistics, labels(8), groups(8), np.ones(8, bool), "") is None


def test_transfer_judges_the_other_split() -> None:
    images = textures(60)
    images[1::2] = np.clip(images[1::2] * 0.8, 0, 255).astype(np.uint8)
    train = np.arange(60) < 40
    wrong = [{"a": "b", "b": "a"}[y] if n >= 40 else y for n, y in enumerate(labels(60))]
    good = transferred(global_statistics(images), labels(60), groups(60), train, "on val")
    bad = transferred(global_statistics(images), wrong, groups(60), train, "on val")
    assert good is not None
    assert bad is not None
    assert (good.images, good.how) == (20, "on val")
    assert good.value > 0.9
    assert bad.value < 0.1


@pytest.mark.parametrize(
    ("low", "classes", "strength"),
    [
        (0.5, "ab", "none"),
        (0.6, "ab", "some"),
        (0.75, "ab", "strong"),
        (0.3, "abcd", "some"),
        (0.63, "abcd", "strong"),
    ],
)
def test_strength(low: float, classes: str, strength: str) -> None:
    assert Figure(10, 5, tuple(classes), 0.8, low, 0.9, "").strength == strength
