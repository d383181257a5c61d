"""The known traps of private training, one by one; docs/privacy.md names their tests."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from edge.imaging.bundle import ClassInfo, Privacy
from trainer import cli
from trainer.data import sources, uses
from trainer.data.record import Record
from trainer.network.edge_net import EdgeNet
from trainer.prior.weights import load_prior, save_prior
from trainer.privacy import accounting, choices, marker, noise, statement
from trainer.privacy.accounting import calibrate, epsilon, gaussian_mu
from trainer.privacy.batch_check import BatchDependenceError, refuse_batch_dependence
from trainer.privacy.ledger import Budget, LedgerError, Ledgers, Mode
from trainer.privacy.spend import Release, Spend, SpendError
from trainer.privacy.units import Units
from trainer.release.model_card import model_card
from trainer.training import fit, run_record
from trainer.training.dp_sgd import DpSgd
from trainer.training.fixed_features import FixedFeatures
from trainer.training.task import Task

ROOT = Path(__file__).parents[2]
DELTA = 1e-5
COUNT = 12


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    """Twelve images of noise, in four classes of two groups."""
    folder = tmp_path_factory.mktemp("noise")
    records = []
    for number in range(COUNT):
        file = folder / f"{number}.png"
        file.write_bytes(bytes([number]))
        modality = ("MRI", "XR")[number % 2]
        records.append(Record(file, f"{modality}{number % 4}", modality, "train", f"g{number}", "", ""))
    groups = {"MRI": "mri_brain", "XR": "xr_chest"}
    names = sorted({(groups[record.modality], record.label) for record in records})
    return Task(
        records,
        np.random.default_rng(0).integers(0, 256, (COUNT, 224, 224), np.uint8),
        tuple(ClassInfo(name=name, group=group) for group, name in names),
        (uses.KNOWN["MRI"], uses.KNOWN["XR"]),
        Units.images(COUNT),
    )


@dataclass(frozen=True)
class Fake:
    """An engine that spends one release and does what the test says."""

    name: ClassVar[str] = "fake"
    needs_prior: ClassVar[bool] = False
    chosen: ClassVar[str] = "settings of a test"
    beside: ClassVar[frozenset[str]] = frozenset({"crash"})
    clip: float = 1.0
    rate: float = 1.0
    crash: bool = False
    seen: ClassVar[list[str]] = []

    def spend(self, target: float, delta: float) -> Spend:
        return (Release("all", 1.0005 / gaussian_mu(target, delta)),)

    def settled(self, spend: Spend, units: int) -> Fake:
        del spend, units
        return self

    def check(self, net: EdgeNet, task: Task) -> None:
        del net, task

    def train(self, net: EdgeNet, task: Task, spend: Spend) -> None:
        assert len(spend) == 1
        self.seen.append("trained")
        if self.crash:
            raise RuntimeError("power")


def make(
    task: Task, engine: Fake, folder: Path, mode: str = "release", **more: float
) -> run_record.RunRecord:
    terms = fit.Terms(mode=mode, ledgers=folder / "ledgers", data="noise", public="p" * (mode == "research"))  # type: ignore[arg-type]
    asked = {"epsilon": 2.0, "delta": DELTA, **more}
    before = len(list(folder.glob("run*")))
    out = folder / f"run{before or ''}"
    return fit.fit(task, engine, prior=None, out=out, data_note={}, terms=terms, **asked)


# 1. Sampling matches accounting.


@pytest.mark.parametrize("engine", [FixedFeatures(steps=3, views=1), DpSgd(depth="head", steps=3)])
def test_every_step_draws_a_poisson_sample_at_the_accounted_rate(task: Task, engine, monkeypatch) -> None:
    drawn = []
    true = noise.poisson_sample

    def spy(count: int, rate: float):
        drawn.append((count, rate))
        return true(count, rate)

    monkeypatch.setattr(noise, "poisson_sample", spy)
    spend = engine.spend(2.0, DELTA)
    engine.train(EdgeNet(4), task, spend)
    (steps,) = [release for release in spend if release.steps == 3]
    assert drawn == [(COUNT, steps.sampling_rate)] * 3


@pytest.mark.parametrize("engine", [FixedFeatures(steps=1, views=1, rate=25.0), DpSgd(depth="head", steps=1)])
def test_an_engine_draws_and_clips_whole_patients(task: Task, engine, monkeypatch) -> None:
    """All images of one patient, so loud that each alone would fill the clip, move a step by one clip."""
    units = Units(np.arange(COUNT) // 4, 3, "patient", 4, "", tuple("abc"))
    drawn = []

    def everyone(count: int, rate: float):
        drawn.append((count, rate))
        return np.arange(count)

    monkeypatch.setattr(noise, "poisson_sample", everyone)
    engine = replace(engine, clip=1e-6)
    spend = tuple(replace(release, noise=0.0) for release in engine.spend(2.0, DELTA))
    net = EdgeNet(4)
    load_prior(ROOT / "trainer/prior/prior.npz", net)
    head = [each.detach().clone() for each in (net.head.weight, net.head.bias)]
    engine.train(net, replace(task, units=units), spend)
    rate = spend[-1].sampling_rate
    assert drawn == [(3, rate)]
    moved = [net.head.weight.detach() - head[0]]
    if engine.name == "dp-sgd":
        moved.append(net.head.bias.detach() - head[1])
    length = math.sqrt(sum(float((each**2).sum()) for each in moved))
    # Three patients, each of whom gives a vector as long as the clip, over rate x 3.
    assert length <= engine.rate * 3 * engine.clip / (rate * 3) * 1.001
    assert length > 0


# 2. Adjacency is stated, and another one costs more.


def test_replacing_one_costs_about_twice_of_adding_or_removing_one(task: Task, tmp_path: Path) -> None:
    (release,) = Fake().spend(2.0, DELTA)
    assert epsilon((replace(release, noise=release.noise / 2),), DELTA) == pytest.approx(4.39, abs=0.02)
    assert make(task, Fake(), tmp_path).privacy.adjacency == "add or remove one image"


# 3. Accountants.


def test_accountants_that_disagree_stop_the_run(task: Task, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(accounting, "epsilon_prv", lambda spend, delta: 2.5)
    Fake.seen.clear()
    with pytest.raises(SpendError, match="accountants disagree"):
        make(task, Fake(), tmp_path)
    assert not Fake.seen
    assert Ledgers(tmp_path / "ledgers").accounts() == []


def test_the_renyi_accountant_would_state_more() -> None:
    from opacus.accountants import RDPAccountant

    (steps,) = calibrate(lambda noise: (Release("steps", noise, 0.1, 50),), 2.0, DELTA)
    renyi = RDPAccountant()
    renyi.history.append((steps.noise, steps.sampling_rate, steps.steps))
    assert renyi.get_epsilon(DELTA) > 2.1


# 4. Unit of privacy.


def test_a_folder_without_patients_cannot_be_trained_per_patient(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "1.png").write_bytes(b"")
    words = f"fit --data {tmp_path}/data --modality MRI --epsilon 2 --delta 1e-5 --unit patient --no-test"
    assert cli.main([*words.split(), "--out", str(tmp_path / "run")]) == 2
    assert "patient_id, or group_id, in every row; 2 of 2 rows" in capsys.readouterr().err


def test_the_statement_names_the_unit_and_what_it_does_not_cover(task: Task, tmp_path: Path) -> None:
    image = make(task, Fake(), tmp_path / "image").privacy
    assert (image.unit, image.records) == ("image", COUNT)
    assert "for 2 together epsilon is 4.4, for 5 together epsilon is 13.3" in image.not_covered
    twice = "A picture that is in the training set twice, for example mirrored, is protected less: as for 2"
    assert f"{twice} together." in image.not_covered
    units = Units(np.arange(COUNT) // 3, 4, "patient", 3, "surrogate ids: 4 of 4 are a guess", tuple("abcd"))
    patient = make(replace(task, units=units), Fake(), tmp_path / "patient").privacy
    assert "in the training set twice under two names, for example mirrored" in patient.not_covered
    assert patient.unit == "patient (surrogate ids: 4 of 4 are a guess)"
    assert patient.adjacency == "add or remove one patient, with all its images"
    assert patient.records == 4
    assert patient.model_extra is not None
    assert patient.model_extra["records_per_unit"] == 3
    (account,) = Ledgers(tmp_path / "patient" / "ledgers").accounts()
    assert account.unit == "patient"


# 5. No layer mixes images; nothing is chosen or shown by looking at private data.


class Mixing(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x - x.mean(0)


@pytest.mark.parametrize(
    "layer", [nn.BatchNorm2d(3), nn.InstanceNorm2d(3, track_running_stats=True), Mixing()]
)
def test_a_layer_that_mixes_images_is_refused(layer: nn.Module) -> None:
    example = torch.randn(3, 3, 8, 8)
    with pytest.raises(BatchDependenceError, match="voids a guarantee"):
        refuse_batch_dependence(nn.Sequential(layer, nn.Flatten()), example)
    kept = nn.Sequential(nn.GroupNorm(1, 3), nn.Dropout(0.5), nn.Flatten())
    refuse_batch_dependence(kept, example)
    assert all(each.training for each in kept.modules())


def test_batch_norm_is_refused_before_anything_is_spent(task: Task, tmp_path: Path, monkeypatch) -> None:
    class Normed(EdgeNet):
        def __init__(self, classes: int) -> None:
            super().__init__(classes)
            self.extra = nn.BatchNorm2d(3)

    monkeypatch.setattr(fit, "EdgeNet", Normed)
    with pytest.raises(BatchDependenceError, match="extra"):
        make(task, Fake(), tmp_path)
    assert Ledgers(tmp_path / "ledgers").accounts() == []


def test_progress_shows_the_budget_and_nothing_of_the_images(
    task: Task, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    engine = FixedFeatures(steps=10, views=1)
    terms = fit.Terms(ledgers=tmp_path / "ledgers")
    fit.fit(
        task, engine, epsilon=2.0, delta=DELTA, prior=ROOT / "trainer/prior/prior.npz", out=tmp_path / "run",
        data_note={}, terms=terms,
    )  # fmt: skip
    note, *lines = capsys.readouterr().err.splitlines()
    assert note.startswith(f"NOTE: {terms.ledgers} is a new directory of ledgers")
    allowed = re.compile(r"[\w\- ]+: \d+/\d+, \d+ s left ?(epsilon (\d\.\d\d) of 2\.00 spent)?")
    assert all(allowed.fullmatch(line) for line in lines), lines
    spent = [float(found[2]) for line in lines if (found := allowed.fullmatch(line)) and found[1]]
    assert spent == sorted(spent)
    assert spent[-1] == pytest.approx(2.0, abs=0.01)
    assert len(spent) == 10


# 6. Randomness and expected batch: tests/trainer/test_private_step.py.


def test_no_seed_is_written_and_the_source_of_noise_is_named(task: Task, tmp_path: Path) -> None:
    assert "os.urandom" in make(task, Fake(), tmp_path).privacy.noise_source
    for file in [tmp_path / "run" / "run.json", *(tmp_path / "ledgers").glob("*.jsonl")]:
        assert "seed" not in file.read_text().lower()


# 7. Search for settings is a query, too.


def test_research_on_the_same_images_is_told_by_the_statement(task: Task, tmp_path: Path) -> None:
    for _ in range(2):
        research = make(task, Fake(), tmp_path, "research").privacy
        assert research.mode == "research"
    privacy = make(task, Fake(), tmp_path).privacy
    assert privacy.mode == "release"
    assert "2 research runs saw some of these images, as a public benchmark (p)" in privacy.tuned
    assert privacy.tuning_cost == "not in epsilon: see tuned"


def test_research_leaves_the_same_note_beside_the_index(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a release charged to another directory cannot miss that there was research."""
    monkeypatch.setattr(marker, "beside", lambda path: path.with_name(path.name + ".ledger"))
    index = marker.Index(tmp_path / "index.csv")

    def run(name: str, mode: Mode, index: marker.Index) -> Privacy:
        terms = fit.Terms(mode=mode, ledgers=tmp_path / name, data="noise", public="p", index=index)
        made = fit.fit(
            task, Fake(), epsilon=2.0, delta=DELTA, prior=None, out=tmp_path / f"run {name}", data_note={},
            terms=terms,
        )  # fmt: skip
        return made.privacy

    run("one", "research", index)
    with pytest.raises(LedgerError, match="--another-ledger"):
        run("two", "release", index)
    told = run("two", "release", replace(index, another="another laboratory")).model_extra
    assert told is not None
    assert told["ledger"]["other_ledgers"] == ["another laboratory"]


def test_what_was_recorded_afterwards_is_told_by_statement_and_card(task: Task, tmp_path: Path) -> None:
    ledgers = Ledgers(tmp_path / "ledgers")
    make(task, Fake(), tmp_path, epsilon=0.5)
    (account,) = ledgers.accounts()
    ledgers.raise_budget(account.id, Budget(2.0, DELTA), "a pilot came to light")
    ledgers.record(account.id, (Release("x", 10.0),), "the pilot of 2023")
    record = make(task, Fake(), tmp_path, epsilon=0.5)
    told = (record.privacy.model_extra or {})["ledger"]
    assert told["recorded_afterwards"] == ["the pilot of 2023"]
    assert told["release_runs"] == 3
    card = model_card(record, None)
    assert "; recorded afterwards: the pilot of 2023" in card
    assert "; the budget was raised: a pilot came to light" in card


def test_group_privacy_is_computed_before_the_run_is_on_record(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It takes seconds where units are sampled; a run that is stopped then costs nothing."""

    def stopped(spend: Spend, delta: float) -> dict[int, float]:
        raise KeyboardInterrupt

    monkeypatch.setattr(fit, "group_epsilons", stopped)
    with pytest.raises(KeyboardInterrupt):
        make(task, Fake(), tmp_path)
    assert Ledgers(tmp_path / "ledgers").accounts() == []
    assert statement.group_epsilons((Release("x", 20.0),), DELTA)[2] > 0
    assert not capsys.readouterr().err
    found = statement.group_epsilons((Release("x", 5.0, 0.1, 10),), DELTA)
    assert found.keys() == {2, 5}
    assert "group privacy: 2/2" in capsys.readouterr().err


def test_the_statement_says_how_these_settings_came_to_be(task: Task, tmp_path: Path, monkeypatch) -> None:
    """No more and no less: of the recipe that ships, of another depth, of what a person gave."""

    def told(engine, prior: Path | None, name: str):
        monkeypatch.setattr(type(engine), "train", lambda *_: None)
        monkeypatch.setattr(type(engine), "check", lambda *_: None)
        terms = fit.Terms(ledgers=tmp_path / name)
        made = fit.fit(
            task, engine, epsilon=2.0, delta=DELTA, prior=prior, out=tmp_path / f"run {name}", data_note={},
            terms=terms,
        )  # fmt: skip
        return made.privacy.tuned, made.privacy.tuning_cost, made.training

    prior = ROOT / "trainer/prior/prior.npz"
    tuned, cost, training = told(FixedFeatures(device="cpu"), prior, "usual")
    assert cost == "none"
    assert f"about {choices.HEADS} settings, by cross-validation on the train and val splits" in tuned
    assert (
        f"shape of the network: of about {choices.NETWORKS} networks and priors, by cross-validation" in tuned
    )
    assert "threshold of likeness: chosen on the validation split" in tuned
    assert "procedural images only" in tuned
    assert training["prior_sha256"] in tuned
    assert training["prior_sha256"] == hashlib.sha256(prior.read_bytes()).hexdigest()
    assert "seconds" not in training
    tuned, cost, _ = told(FixedFeatures(steps=100), prior, "given")
    assert "given by hand: steps 100; how they were found is not in epsilon" in tuned
    assert cost == "not in epsilon: see tuned"
    tuned, cost, training = told(DpSgd(rate=0.1), None, "all")
    assert f"{choices.HEADS} settings" not in tuned
    assert "phantoms" not in tuned
    assert "no prior" in tuned
    assert "engine dp-sgd, depth all, rate 0.1, prior none" in tuned
    assert training["prior"] == "none"
    # Images of the benchmark that settings were chosen on: nothing was free.
    monkeypatch.setattr(sources, "sets_of", lambda records: ["", *["brain_mri"] * (len(records) - 1)])
    tuned, cost, _ = told(FixedFeatures(), prior, "benchmark")
    assert cost == "not in epsilon: see tuned"
    assert "of the public benchmark (brain_mri)" in tuned


def test_a_prior_that_says_nothing_needs_a_persons_word(task: Task, tmp_path: Path) -> None:
    silent = tmp_path / "silent.npz"
    save_prior(silent, EdgeNet(1))
    asked = {"epsilon": 2.0, "delta": DELTA, "prior": silent, "out": tmp_path / "run", "data_note": {}}
    terms = fit.Terms(ledgers=tmp_path / "ledgers")
    with pytest.raises(fit.FitError, match="--prior-origin"):
        fit.fit(task, Fake(), terms=terms, **asked)
    assert Ledgers(tmp_path / "ledgers").accounts() == []
    said = fit.fit(task, Fake(), terms=replace(terms, prior_origin="photographs of cats"), **asked).privacy
    assert "a person says: photographs of cats" in said.tuned
    assert "procedural" not in said.tuned
    assert "phantoms" not in said.tuned


def test_research_needs_a_public_benchmark(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = f"fit --data {index} --mode research --unit image --epsilon 2 --delta 1e-5 --out {tmp_path}/run"
    assert cli.main(words.split()) == 2
    assert "--public NAME" in capsys.readouterr().err


# 8. Retraining composes: tests/trainer/test_ledger.py, and here from the side of a run.


def test_a_crash_counts_and_a_refused_run_trains_nothing(task: Task, tmp_path: Path) -> None:
    Fake.seen.clear()
    with pytest.raises(RuntimeError, match="power"):
        make(task, Fake(crash=True), tmp_path)
    assert Fake.seen == ["trained"]
    with pytest.raises(LedgerError, match="Nothing is left"):
        make(task, Fake(), tmp_path)
    assert Fake.seen == ["trained"]
    assert not (tmp_path / "run").exists()


# 9. delta, settings.


def test_delta_must_be_below_one_over_the_units(task: Task, tmp_path: Path) -> None:
    with pytest.raises(fit.FitError, match=r"1/n = 0\.083 \(12 images\)"):
        make(task, Fake(), tmp_path, delta=1 / 12)
    four = replace(task, units=Units(np.arange(COUNT) // 3, 4, "patient", 3, "", tuple("abcd")))
    with pytest.raises(fit.FitError, match=r"1/n = 0\.25 \(4 patients\)"):
        make(four, Fake(), tmp_path, delta=0.25)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_settings_that_are_not_finite_are_refused(task: Task, tmp_path: Path, bad: float) -> None:
    with pytest.raises(fit.FitError, match="finite settings, got clip, rate"):
        make(task, Fake(clip=bad, rate=bad), tmp_path)
    with pytest.raises(ValueError, match="epsilon > 0"):
        make(task, Fake(), tmp_path, epsilon=bad)


def test_an_engine_that_spends_more_than_it_was_asked_to_is_refused(task: Task, tmp_path: Path) -> None:
    class Greedy(Fake):
        def spend(self, target: float, delta: float) -> Spend:
            return super().spend(1.1 * target, delta)

    with pytest.raises(fit.FitError, match=r"would spend epsilon 2\.\d+, and 2 was asked for"):
        make(task, Greedy(), tmp_path)


# 10. Baselines.


def test_the_baseline_without_privacy_stands_still_on_the_unclipped_loss(task: Task) -> None:
    """Where it stops the whole gradients add up to nothing; clipped ones would still move it."""
    from trainer.comparison import plain

    ridge = 1e-2
    features = torch.from_numpy(np.random.default_rng(0).normal(size=(COUNT, 1, 5))).float() * 20
    weight, bias = plain.convex_head(features, task, ridge, iterations=500)
    means = torch.stack([features[k::2, 0].mean(0) for k in range(2)])
    own = torch.tensor([["mri_brain", "xr_chest"].index(each.group) for each in task.classes])
    assert torch.allclose(bias, -(weight * means[own]).sum(1), atol=1e-4)
    centred = features[:, 0] - means.repeat(COUNT // 2, 1)
    single = []
    for row in range(COUNT):
        at = weight.clone().requires_grad_(True)
        loss = task.loss(centred[row : row + 1] @ at.T, np.array([row])).sum()
        single.append(torch.autograd.grad(loss, at)[0])
    pull = 2 * ridge * weight
    assert float((torch.stack(single).mean(0) + pull).norm()) < 1e-3
    clip = 0.1 * max(float(each.norm()) for each in single)
    clipped = [each * min(1.0, clip / float(each.norm())) for each in single]
    assert float((torch.stack(clipped).mean(0) + pull).norm()) > 1e-2


# 11. The exact scale of the noise, through the engines.

SCALE = 100.0
"""The noise of each release is made so much larger that nothing else is seen."""


def loud(engine, count: int) -> Spend:
    return tuple(replace(each, noise=SCALE * each.noise) for each in engine.spend(2.0, DELTA))


def head_noise(task: Task) -> tuple[float, float]:
    """Deviation of the head after one step of the fixed-features engine, and what it must be."""
    engine, net = FixedFeatures(steps=1, sampling_rate=1.0, views=1, rate=25.0), EdgeNet(4)
    spend = loud(engine, COUNT)
    engine.train(net, task, spend)
    return float(net.head.weight.detach().std()), engine.rate * spend[-1].noise * engine.clip / COUNT


def test_the_head_has_noise_of_exactly_the_accounted_scale(task: Task) -> None:
    found, wanted = head_noise(task)
    assert found == pytest.approx(wanted, rel=0.1)  # known to 1 / sqrt(2 x weights): 2.2 % or less


def test_that_a_factor_of_root_two_would_be_found(task: Task, monkeypatch) -> None:
    true = noise.normal
    monkeypatch.setattr(noise, "normal", lambda count: true(count) / math.sqrt(2))
    found, wanted = head_noise(task)
    assert found != pytest.approx(wanted, rel=0.1)


def test_full_depth_has_noise_of_exactly_the_accounted_scale(task: Task) -> None:
    engine, net = DpSgd(steps=1, sampling_rate=1.0), EdgeNet(4)
    before = [each.detach().clone() for each in net.parameters()]
    (spend,) = loud(engine, COUNT)
    engine.train(net, task, (spend,))
    moved = torch.cat([(a.detach() - b).flatten() for a, b in zip(net.parameters(), before, strict=True)])
    assert float(moved.std()) == pytest.approx(engine.rate * spend.noise * engine.clip / COUNT, rel=0.02)


@pytest.mark.parametrize("engine", [FixedFeatures(steps=4, views=1), DpSgd(depth="head", steps=4)])
def test_each_release_is_made_as_often_as_accounted(task: Task, engine, monkeypatch) -> None:
    """No noise is drawn that was not accounted, and none is missing, whatever an engine releases."""
    drawn = []
    true = noise.normal

    def spy(count: int) -> np.ndarray:
        drawn.append(count)
        return true(count)

    monkeypatch.setattr(noise, "normal", spy)
    spend = engine.spend(2.0, DELTA)
    net = EdgeNet(4)
    engine.train(net, task, spend)
    trained = net.head.weight.numel() + (net.head.bias.numel() if engine.name == "dp-sgd" else 0)
    groups = len(task.intended_use)
    wanted = [trained if release.steps == 4 else groups * net.head.in_features for release in spend]
    assert drawn == [size for size, release in zip(wanted, spend, strict=True) for _ in range(release.steps)]
