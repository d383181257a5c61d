"""Attacks find what is there, find nothing where nothing is, and catch mechanisms broken on purpose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from trainer.audit import inversion, lira, one_run, roc
from trainer.audit.result import refutes
from trainer.audit.subjects import Cached, PlainHead, PrivateHead, SmallNetTrainer, confidence, scorer
from trainer.privacy import accounting
from trainer.privacy.spend import Release
from trainer.training.fixed_features import FixedFeatures

DELTA = 1e-5
CLAIM = 2.0
ENGINE = FixedFeatures(steps=30, physical=512, rate=25.0)


@pytest.fixture(scope="module")
def records() -> Cached:
    """Two groups of classes with much noise, so that a head without privacy learns its members by heart."""
    made = torch.Generator().manual_seed(0)
    of_class = torch.tensor([0, 0, 0, 1, 1])
    labels = torch.randint(0, 5, (300,), generator=made)
    centres = torch.randn(5, 96, generator=made) * 0.3
    features = torch.nn.functional.normalize(centres[labels] + torch.randn(300, 96, generator=made), dim=1)
    return Cached(features[:, None], labels, of_class, np.arange(300))


@pytest.fixture(scope="module")
def spend() -> tuple[Release, ...]:
    return ENGINE.spend(CLAIM, DELTA)


def attack(train: lira.ShadowTrainer, count: int, shadows: int = 16, targets: int = 8) -> lira.Audited:
    rng = np.random.default_rng(1)
    return lira.attack(train, count, shadows=shadows, targets=targets, delta=DELTA, rng=rng, title="test")


def test_shadow_models_calibrate_the_score_of_each_record() -> None:
    """Records differ in difficulty by far more than membership moves a score: only LiRA sees it."""
    rng = np.random.default_rng(0)
    difficulty = rng.normal(size=400) * 10
    found = attack(lambda mask: difficulty + mask + 0.5 * rng.normal(size=400), 400).attacks
    # Two unit-distance Gaussians of spread a half overlap so that the best AUC is Phi(sqrt 2) = 0.921.
    assert found["online"].auc == pytest.approx(0.921, abs=0.02)
    assert found["offline"].auc > 0.88
    assert found["threshold"].auc < 0.6
    low, high = found["online"].auc_interval
    assert low < found["online"].auc < high < low + 0.06
    bounds = found["online"].bounds
    assert bounds is not None
    assert bounds.indicated > 1.5
    # Records of one model are not independent: right guesses prove less, and error rates nothing.
    assert 0.5 < bounds.proved == bounds.guesses < bounds.indicated
    for rate in found["online"].rates:
        assert rate.tpr_interval[0] <= rate.tpr <= rate.tpr_interval[1]
        assert rate.fpr < 5 * rate.wanted_fpr


def test_nothing_is_found_where_nothing_is() -> None:
    rng = np.random.default_rng(0)
    found = attack(lambda mask: rng.normal(size=mask.size), 300).attacks
    for each in found.values():
        assert each.auc == pytest.approx(0.5, abs=0.05)
        assert each.strict is not None
        assert each.strict.indicated < 0.3


def test_two_strangers_among_many_are_parted_fairly_every_time() -> None:
    """One to choose thresholds by and one to judge: an audit of minutes may not end by bad luck."""
    rng = np.random.default_rng(5)
    members = np.arange(60) < 58
    trials = {lira.attack_released(rng.normal(size=60), members, None, rng).trials for _ in range(50)}
    assert trials == {44 + 1}


def test_thresholds_are_not_judged_where_they_were_chosen() -> None:
    """On the choosing half scores tell all, on the judged half nothing: nothing may be claimed."""
    rng = np.random.default_rng(2)
    members = rng.random((2, 4000)) < 0.5
    told, blank = members[0] * 10 + rng.normal(size=4000), rng.normal(size=4000)
    made = roc.judge((told, members[0]), (blank, members[1]), DELTA)
    assert made.bounds is not None
    assert made.bounds.indicated < 0.3
    assert made.auc == pytest.approx(0.5, abs=0.05)


def test_the_private_head_tells_little_and_the_one_without_privacy_much(
    records: Cached, spend: tuple[Release, ...]
) -> None:
    private = attack(scorer(PrivateHead(ENGINE, spend), records), records.count, 8, 4).attacks["online"]
    plain = attack(scorer(PlainHead(), records), records.count, 8, 4).attacks["online"]
    assert plain.auc > 0.8
    assert private.auc < plain.auc - 0.15
    assert private.strict is not None
    assert plain.bounds is not None
    assert private.strict.proved < CLAIM < plain.bounds.indicated


def test_a_small_network_learns_its_images_by_heart() -> None:
    made = torch.Generator().manual_seed(3)
    images = torch.randn(24, 1, 32, 32, generator=made)
    labels = torch.randint(0, 3, (24,), generator=made)
    small = SmallNetTrainer(images, labels, torch.zeros(3, dtype=torch.long), steps=25)
    assert attack(small, 24, shadows=4, targets=4).attacks["threshold"].auc > 0.8


def test_coins_are_thrown_for_patients_where_they_are_the_unit(
    records: Cached, spend: tuple[Release, ...]
) -> None:
    """All images of a patient come and go together, and have one score."""
    patients = replace(records, units=np.arange(300) // 3)
    seen: list[np.ndarray] = []

    def train(given: Cached) -> object:
        seen.append(given.units)
        return PrivateHead(ENGINE, spend)(given)

    members = np.arange(100) < 30
    assert scorer(train, patients)(members).shape == (100,)  # type: ignore[arg-type]
    assert np.array_equal(np.unique(seen[0], return_counts=True)[1], np.full(30, 3))


def audited(target: one_run.Target, canaries: int = 4000) -> roc.Attack:
    return one_run.audit(target, canaries, DELTA)


def found(attack: roc.Attack, *, strict: bool) -> float:
    bounds = attack.strict if strict else attack.bounds
    assert bounds is not None
    return bounds.proved


@pytest.mark.parametrize("part", ["means", "steps", "head"])
def test_the_mechanism_keeps_its_claim_and_sabotage_is_caught(
    part: str, records: Cached, spend: tuple[Release, ...]
) -> None:
    """The point of the audit: the real code stays under epsilon, broken it does not."""
    means = Release("means", 1 / accounting.gaussian_mu(CLAIM, DELTA))
    steps = spend[1]
    makers = {
        "means": (CLAIM, lambda way: one_run.MeansTarget(means, way)),
        "steps": (accounting.epsilon((steps,), DELTA), lambda way: one_run.StepsTarget(steps, 0.5, way)),
        "head": (CLAIM, lambda way: one_run.HeadTarget(PrivateHead(ENGINE, spend), records, way)),
    }
    claim, make = makers[part]
    intact = audited(make(one_run.INTACT))
    assert found(intact, strict=True) < claim
    assert intact.auc > 0.55  # It is not blind either.
    for way in one_run.HEAD_CONTROLS if part == "head" else one_run.CONTROLS:
        assert found(audited(make(way)), strict=True) > claim, way.name


def test_a_rare_event_that_tells_all_at_once_refutes_nothing() -> None:
    """(0, 0.05)-DP: with that probability every coin is told. All trials then are right for one reason."""
    rng = np.random.default_rng(3)
    coins = rng.random(4000) < 0.5
    scores = coins + 0.01 * rng.normal(size=4000)
    made = roc.judge((scores[:1000], coins[:1000]), (scores[1000:], coins[1000:]), 0.05, gaussian=False)
    assert made.strict is not None
    assert made.strict.indicated > 5
    assert made.strict.proved == 0
    assert not refutes(made, 1.0)
    assert made.to_json()["strict"]["proved"] == 0


def test_a_gaussian_curve_decides_only_where_there_is_one(spend: tuple[Release, ...]) -> None:
    rng = np.random.default_rng(4)
    coins = rng.random(4000) < 0.5
    scores = rng.normal(size=4000) + 2 * coins
    trials = (scores[:1000], coins[:1000]), (scores[1000:], coins[1000:])
    with_curve, without = (roc.judge(*trials, DELTA, gaussian=each).strict for each in (True, False))
    assert with_curve is not None
    assert without is not None
    assert without.proved == without.guesses < with_curve.proved == with_curve.guesses_gaussian
    sampled = replace(spend[1], sampling_rate=0.5)
    assert one_run.StepsTarget(spend[1], 0.5).gaussian
    assert not one_run.StepsTarget(sampled, 0.5).gaussian


def test_black_box_canaries_are_seen_without_privacy_alone(
    records: Cached, spend: tuple[Release, ...]
) -> None:
    made = torch.Generator().manual_seed(5)
    canaries = Cached(
        torch.nn.functional.normalize(torch.randn(200, 1, 96, generator=made), dim=2),
        torch.randint(0, 5, (200,), generator=made),
        records.group_of_class,
        np.arange(200),
    )
    plain = audited(one_run.ImageTarget(PlainHead(), records, canaries), 200)
    private = audited(one_run.ImageTarget(PrivateHead(ENGINE, spend), records, canaries), 200)
    # 0.80 and 0.57, each with a standard deviation of 0.04.
    assert plain.auc > 0.62
    assert private.auc < plain.auc
    assert found(private, strict=True) < CLAIM


def test_confidence_is_the_log_odds_within_the_group() -> None:
    logits = torch.tensor([[1.0, 3.0, 50.0], [200.0, 0.0, 1.0]])
    mask = torch.tensor([[0.0, 0.0, -torch.inf], [0.0, 0.0, -torch.inf]])
    made = confidence(logits, mask, torch.tensor([1, 0]))
    assert made.tolist() == pytest.approx([2.0, 200.0])


def pictures(count: int) -> torch.Tensor:
    """Smooth random pictures."""
    made = torch.randn(count, 1, 5, 5, generator=torch.Generator().manual_seed(7))
    return torch.nn.functional.interpolate(made, size=(32, 32), mode="bicubic")


def test_similarity_is_one_of_a_picture_with_itself() -> None:
    same = inversion.similarity(pictures(3), pictures(3))
    assert np.diag(same) == pytest.approx(1.0)
    assert same[~np.eye(3, dtype=bool)].max() < 0.7


def test_inversion_finds_images_that_a_network_knows_by_heart() -> None:
    torch.manual_seed(0)
    images = pictures(24)
    images = (images - images.mean((1, 2, 3), keepdim=True)) / images.std((1, 2, 3), keepdim=True)
    known, held = images[:12], images[12:]
    net = inversion.memoriser(known, 80)
    own, rest = [], []
    for place in range(12):
        goal = lambda x, place=place: net(x).log_softmax(1)[:, place] + 0.1 * net(x)[:, place]  # noqa: E731
        made = inversion.invert(goal, 32, restarts=1, steps=60)
        own.append(inversion.similarity(made, known[place : place + 1]))
        rest.append(inversion.similarity(made, held[place : place + 1]))
    reading = inversion.read(own, rest, np.random.default_rng(0))
    assert reading.nearest_is_member >= 10
    assert reading.member_nearer_interval[0] > 0.5
    assert reading.nearest_similarity > reading.nearest_similarity_other + 0.1


def test_pictures_that_know_no_member_read_as_chance() -> None:
    rng = np.random.default_rng(4)
    own, rest = ([rng.normal(size=(3, 60)) for _ in range(6)] for _ in range(2))
    reading = inversion.read(own, rest, rng)
    low, high = reading.member_nearer_interval
    assert low < 0.5 < high
    with pytest.raises(ValueError, match="not trained on"):
        inversion.read([np.zeros((1, 0))], [np.zeros((1, 3))], rng)
