"""The whole audit of one run: which attacks, on what, at which size; and what may be concluded.

Nothing here is covered by the run's epsilon: shadow models, scores and pictures are made from private
images, so the results stay on the workstation.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from trainer.audit import lira, one_run, pictures
from trainer.audit.inversion import shrink
from trainer.audit.material import Images, Size, canary_images
from trainer.audit.result import MEANS, Canaries, Membership, Result
from trainer.audit.subjects import Cached, Head, HeadTrainer, PlainHead, PrivateHead, SmallNetTrainer, scorer
from trainer.network.augment import network_input
from trainer.network.edge_net import EdgeNet
from trainer.privacy import accounting
from trainer.privacy.composition import takes_all
from trainer.privacy.spend import Release, Spend, from_json
from trainer.progress import progress
from trainer.training import run_record
from trainer.training.fixed_features import FixedFeatures

ENOUGH = 2
"""Units that were not trained on: one to choose thresholds by and one to judge."""
FEW = 40
"""Below this the interval of an area is too narrow: of 20, it held the true one in 91 of 100 trials."""


class AuditError(ValueError):
    """The run or the data cannot be audited; the message says why."""


@dataclass(frozen=True)
class _Run:
    record: run_record.RunRecord
    net: EdgeNet
    members: Images
    others: Images
    size: Size
    delta: float
    spend: Spend
    rng: np.random.Generator

    @property
    def group_of_class(self) -> torch.Tensor:
        groups = sorted({each.group for each in self.record.classes})
        return torch.tensor([groups.index(each.group) for each in self.record.classes])

    def cached(self, images: Images) -> Cached:
        features = plain_features(self.net, images)
        return Cached(features, torch.from_numpy(images.labels), self.group_of_class, images.units)


@torch.no_grad()
def plain_features(net: EdgeNet, images: Images) -> torch.Tensor:
    """Features of the images themselves, (N, 1, D). Without augmentation a record is told best."""
    chunks = [torch.zeros(0, net.head.in_features)]
    size = 32
    starts = range(0, len(images.labels), size)
    if starts:
        with progress("features", len(starts)) as advance:
            for start in starts:
                gray = torch.from_numpy(images.images[start : start + size, None]).float()
                chunks.append(net.features(network_input(gray)))
                advance("")
    return torch.cat(chunks)[:, None]


def audit(record: run_record.RunRecord, net: EdgeNet, members: Images, others: Images, size: Size) -> Result:
    """Audit a run.

    Args:
        record: of the run.
        net: what it released.
        members: the images it was trained on.
        others: images of the same classes that it was not trained on; may be empty.
        size: how much to do.

    Raises:
        AuditError: the run claims nothing, or says too little to be audited.
    """
    started = time.monotonic()
    privacy = record.privacy
    releases = (privacy.model_extra or {}).get("releases")
    if privacy.epsilon is None or privacy.delta is None or not releases:
        raise AuditError("the run states no epsilon or not its releases; there is no claim to audit")
    net = net.requires_grad_(requires_grad=False)
    run = _Run(
        record, net, members, others, size, privacy.delta, from_json(releases), np.random.default_rng()
    )
    notes = _notes(run)
    engine = _engine(record, run.spend)
    known, unseen = run.cached(members), run.cached(others)
    membership: list[Membership] = []
    canaries = _mechanisms(run)
    shadows: lira.Models | None = None
    private: PrivateHead | None = None
    if engine is not None:
        private = PrivateHead(engine, run.spend)
        audited = _heads(run, private, known, unseen)
        shadows = audited.shadows
        membership += [
            Membership("private head", privacy.epsilon, audited.attacks),
            Membership("same head without DP", None, _heads(run, PlainHead(), known, unseen).attacks),
        ]
        canaries += _head_canaries(run, private, known)
    else:
        notes.append("Shadow models need the engine of fixed features: left out here.")
    membership.append(_small(run))
    if unseen.count >= ENOUGH:
        membership.append(_released(run, known, unseen, shadows))
    inversions = _inversions(run, known, private)
    return Result(
        record,
        size,
        len(members.labels),
        len(others.labels),
        tuple(membership),
        tuple(canaries),
        tuple(inversions),
        tuple(notes),
        time.monotonic() - started,
    )


def _notes(run: _Run) -> list[str]:
    notes, privacy = [], run.record.privacy
    units = len(np.unique(run.members.units))
    if units != privacy.records:
        notes.append(
            f"The run was trained on {privacy.records} units ({privacy.unit}), the data given here has "
            f"{units}: the attack on the released model is on other data than its own."
        )
    others = len(np.unique(run.others.units))
    if others < ENOUGH:
        notes.append("Hardly any images that were not trained on: no attack on the released model itself.")
    elif others < FEW:
        notes.append(
            f"Only {others} units that were not trained on: intervals of the attack on the released model "
            "are too narrow."
        )
    return notes


def _engine(record: run_record.RunRecord, spend: Spend) -> FixedFeatures | None:
    """The engine of the run with its settings, if it is the one with fixed features.

    Raises:
        AuditError: it releases other things than `PrivateHead` does; auditing that would say nothing of it.
    """
    if record.training.get("engine") != FixedFeatures.name:
        return None
    if [each.steps > 1 for each in spend] != [False, True]:
        released = ", ".join(each.what for each in spend)
        raise AuditError(f"the audit knows a release of means, then steps of a head; the run has: {released}")
    fields = FixedFeatures.__dataclass_fields__
    settings = {name: value for name, value in record.training.items() if name in fields}
    # Features are computed once for all attacks, here; wherever the run computed its own.
    return FixedFeatures(**{**settings, "device": "cpu"})


def _heads(run: _Run, train: Any, known: Cached, unseen: Cached) -> lira.Audited:
    return lira.attack(
        scorer(train, known.join(unseen)),
        known.count,
        never=unseen.count,
        shadows=run.size.shadows,
        targets=run.size.targets,
        delta=run.delta,
        rng=run.rng,
        title="private head" if isinstance(train, PrivateHead) else "head without DP",
        gaussian=isinstance(train, PrivateHead) and takes_all(run.spend),
    )


def _small(run: _Run) -> Membership:
    """The contrast: a network that learns few images by heart."""
    picked = run.rng.permutation(len(run.members.labels))[: run.size.small_images]
    small = SmallNetTrainer(
        shrink(run.members.images[picked], 32),
        torch.from_numpy(run.members.labels[picked]),
        run.group_of_class,
        run.size.small_steps,
    )
    audited = lira.attack(
        small,
        len(picked),
        shadows=run.size.small_shadows,
        targets=run.size.small_targets,
        delta=run.delta,
        rng=run.rng,
        title="small network without DP",
    )
    return Membership(f"small network without DP, {len(picked) // 2} images", None, audited.attacks)


def _released(run: _Run, known: Cached, unseen: Cached, shadows: lira.Models | None) -> Membership:
    """The released weights themselves: members against images of another split."""
    head = Head(run.net.head.weight.detach(), run.net.head.bias.detach())
    every = known.join(unseen)
    scores = every.per_unit(head.score(every))
    members = np.arange(len(scores)) < known.count
    attacks = {"threshold": lira.attack_released(scores, members, None, run.rng)}
    if shadows is not None:
        attacks["offline"] = lira.attack_released(scores, members, shadows, run.rng)
    return Membership("the released model itself", run.record.privacy.epsilon, attacks)


def _mechanisms(run: _Run) -> list[Canaries]:
    """Steps on their own, and means where the run released some; intact and broken."""
    steps = max(run.spend, key=lambda each: each.steps)
    whole = run.record.privacy.epsilon
    assert whole is not None
    # The run gave its means a part of the budget, too small to be seen.
    means = Release("mean features", 1 / accounting.gaussian_mu(whole, run.delta))
    claim = accounting.epsilon((steps,), run.delta)
    kind, ways = "white box, Dirac canaries", (one_run.INTACT, *one_run.CONTROLS)
    found = []
    released = run.record.training.get("engine") == FixedFeatures.name
    with progress("canaries in means and steps", len(ways)) as advance:
        for way in ways:
            if released:
                attack = one_run.audit(one_run.MeansTarget(means, way), run.size.canaries, run.delta)
                found.append(Canaries(MEANS, kind, way.name, whole, attack))
            target = one_run.StepsTarget(steps, run.record.privacy.clip, way)
            attack = one_run.audit(target, run.size.canaries, run.delta)
            found.append(Canaries("steps of DP-SGD", kind, way.name, claim, attack))
            advance(way.name)
    return found


def _head_canaries(run: _Run, private: PrivateHead, known: Cached) -> list[Canaries]:
    """The whole head among the real records: Dirac canaries, then images."""
    name, claim = "whole private head", run.record.privacy.epsilon
    ways = (one_run.INTACT, *one_run.HEAD_CONTROLS)
    images = run.cached(canary_images(run.size.image_canaries, len(run.record.classes), run.rng))
    count, found = len(images.labels), []
    with progress("canaries in the head", len(ways) + 2) as advance:
        for way in ways:
            target = one_run.HeadTarget(private, known, way)
            attack = one_run.audit(target, run.size.head_canaries, run.delta)
            found.append(Canaries(name, "final weights, feature canaries", way.name, claim, attack))
            advance(way.name)
        black, intact = "black box, procedural images", one_run.INTACT.name
        attack = one_run.audit(one_run.ImageTarget(private, known, images), count, run.delta)
        found.append(Canaries(name, black, intact, claim, attack))
        advance("images")
        attack = one_run.audit(one_run.ImageTarget(PlainHead(), known, images), count, run.delta)
        found.append(Canaries("same head without DP", black, intact, None, attack))
        advance("images, without DP")
    return found


def _inversions(run: _Run, known: Cached, private: PrivateHead | None) -> list[pictures.Inversion]:
    """The released model against other patients; then heads trained on a random half, against the other."""
    found = []
    effort, record = run.size.inversion, run.record
    if len(run.others.labels):
        found += pictures.invert_network(
            "the released model", run.net, record, run.members, run.others, effort, run.rng
        )
    order = run.rng.permutation(len(run.members.labels))
    inside, outside = np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
    trainers: list[tuple[str, HeadTrainer]] = [("same head without DP, on a random half", PlainHead())]
    if private is not None:
        trainers.insert(0, ("private head on a random half", private))
    for subject, train in trainers:
        head = train(known.take(inside))
        net = EdgeNet(len(record.classes))
        net.load_state_dict(run.net.state_dict())
        net.head.load_state_dict({"weight": head.weight, "bias": head.bias})
        net.eval().requires_grad_(requires_grad=False)
        sides = run.members.take(inside), run.members.take(outside)
        found += pictures.invert_network(subject, net, record, *sides, effort, run.rng)
    return [*found, *pictures.invert_memoriser(record, run.members, effort, run.rng)]
