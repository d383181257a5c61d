"""From images to a judged bundle, by the commands that a user types."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from edge.imaging.bundle import Bundle, BundleError
from trainer import cli
from trainer.data import dataset, uses
from trainer.evaluation import evaluate, fold_training
from trainer.evaluation.reads import split_digest
from trainer.network.edge_net import EdgeNet
from trainer.prior import SHIPPED
from trainer.prior.weights import load_prior
from trainer.privacy.spend import Release
from trainer.release import likeness
from trainer.release.model_card import model_card
from trainer.training import dp_sgd, fixed_features, run_record
from trainer.training.fixed_features import FixedFeatures


def command(*words: object) -> int:
    return cli.main([str(word) for word in words])


@pytest.fixture(scope="module", params=["head", "all"])
def run(request: pytest.FixtureRequest, index: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp(request.param) / "run"
    more = ["--views", 2] if request.param == "head" else ["--prior", "none", "--sampling-rate", 1]
    code = command(
        "fit",
        "--data",
        index,
        "--epsilon",
        2,
        "--delta",
        1e-5,
        "--unit",
        "image",
        "--out",
        out,
        "--depth",
        request.param,
        "--steps",
        4,
        "--ledger",
        out.parent / "ledgers",
        *more,
    )
    assert code == 0
    return out


def ledger(run: Path) -> tuple[object, ...]:
    return "--ledger", run.parent / "ledgers"


def test_record_states_the_guarantee_and_no_seed(run: Path) -> None:
    record, _ = run_record.load(run)
    privacy = record.privacy
    assert privacy.epsilon is not None
    assert 1.9 < privacy.epsilon <= 2.0
    assert privacy.epsilon_cross_check == pytest.approx(privacy.epsilon, abs=0.05)
    assert (privacy.delta, privacy.unit, privacy.steps, privacy.records) == (1e-5, "image", 4, 40)
    assert privacy.adjacency == "add or remove one image"
    assert privacy.sampling
    of_the_phantoms = load_prior(SHIPPED, EdgeNet(classes=1)).words  # tells theirs, which is nobody's secret
    text = (run / "run.json").read_text()
    assert "seed" not in text.replace(of_the_phantoms, "").lower()
    assert {each.group for each in record.classes} == {"mri_brain", "xr_chest"}
    assert not any("new" in each.name for each in record.classes)


def test_a_bundle_tells_what_else_was_made_of_its_images_by_now(run: Path, tmp_path: Path) -> None:
    ledgers, keys, out = tmp_path / "ledgers", tmp_path / "keys", tmp_path / "bundle"
    shutil.copytree(run.parent / "ledgers", ledgers)
    export = ("export", "--run", run, "--keys", keys, "--out", out, "--ledger", ledgers)
    assert command(*export) == 0
    said = json.loads((out / "targets" / "privacy.json").read_text())["ledger"]
    assert (said["release_runs"], said["recorded_afterwards"]) == (1, [])
    words = ("ledger", "record", said["id"], "--release", "13:1:40", "--reason", "a first try")
    assert command(*words, "--ledger", ledgers) == 0
    assert command(*export) == 0
    later = json.loads((out / "targets" / "privacy.json").read_text())["ledger"]
    assert (later["release_runs"], later["recorded_afterwards"]) == (2, ["a first try"])
    assert later["epsilon_spent"] > said["epsilon_spent"]
    assert "2 release run(s)" in (out / "targets" / "MODEL_CARD.md").read_text()


def test_export_and_evaluate(
    run: Path, index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys, out, figures = tmp_path / "keys", tmp_path / "bundle", tmp_path / "e.json"
    words = ["export", "--run", run, "--keys", keys, "--out", out, *ledger(run)]
    assert command(*words) == 0
    for key in keys.glob("*.pem"):
        assert key.stat().st_mode & 0o077 == 0
    first = Bundle.load(out, keys / "root.json", None)
    assert first.version == 1
    assert "Not evaluated" in (out / "targets" / "MODEL_CARD.md").read_text()
    judge = ["evaluate", "--bundle", out, "--data", index, "--split", "test", "--json", figures]
    assert command(*judge, "--skip", "degraded,faithfulness") == 0
    result = json.loads(figures.read_text())
    assert result["images"] == 16
    assert result["left_out"] == 4
    for part, name in (
        (result, "accuracy"),
        (result, "mean_within_modality_balanced_accuracy"),
        (result["per_modality"]["MRI"], "balanced_accuracy"),
        (result["per_modality"]["XR"], "balanced_accuracy"),
    ):
        low, high = part[f"{name}_interval"]
        assert 0 <= low <= part[name] <= high <= 1
    assert command(*words, "--figures", figures) == 2
    assert "--data INDEX" in capsys.readouterr().err
    words += ["--data", index]
    assert command(*words, "--figures", figures) == 0
    second = Bundle.load(out, keys / "root.json", None)
    assert second.version == 2
    assert second.model_digest("fp32") == first.model_digest("fp32")
    card = (out / "targets" / "MODEL_CARD.md").read_text()
    assert "epsilon" in card
    assert "balanced accuracy" in card
    assert "research use, not for diagnosis" in card.lower()
    figures.write_text(json.dumps({**result, "model_sha256": "00"}))
    assert command(*words, "--figures", figures) == 2
    assert "another network" in capsys.readouterr().err
    # Figures of training images: by the name of their split, and where the name was changed, by content.
    figures.write_text(json.dumps({**result, "split": "train"}))
    assert command(*words, "--figures", figures) == 2
    assert "trained on" in capsys.readouterr().err
    renamed = tmp_path / "renamed.csv"
    shutil.copytree(index.parent / "phantoms", tmp_path / "phantoms")
    renamed.write_text(index.read_text().replace(",train,", ",held_out,"))
    trained = [each for each in dataset.read(renamed) if each.split == "held_out"]
    assert len(trained) == 40
    own = {"split": "held_out", "split_sha256": split_digest(trained)}
    figures.write_text(json.dumps({**result, **own}))
    assert command(*words, "--figures", figures) == 2
    assert "not what" in capsys.readouterr().err
    words[-1] = renamed
    assert command(*words, "--figures", figures) == 2
    assert "40 images of split 'held_out' are in the data set" in capsys.readouterr().err


def test_an_export_can_judge_what_it_signs(
    run: Path, index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledgers, keys, out = tmp_path / "ledgers", tmp_path / "keys", tmp_path / "bundle"
    shutil.copytree(run.parent / "ledgers", ledgers)
    words = ["export", "--run", run, "--keys", keys, "--out", out, "--ledger", ledgers]
    # Trained images, by the name of their split and by content; neither is read.
    assert command(*words, "--data", index, "--split", "train") == 2
    assert "was trained on split 'train'" in capsys.readouterr().err
    renamed = tmp_path / "renamed.csv"
    shutil.copytree(index.parent / "phantoms", tmp_path / "phantoms")
    renamed.write_text(index.read_text().replace(",train,", ",held_out,"))
    assert command(*words, "--data", renamed, "--split", "held_out") == 2
    assert "40 images of split 'held_out' are in the data set" in capsys.readouterr().err
    assert command(*words, "--data", index, "--split", "tset") == 2
    assert "the data has test, train" in capsys.readouterr().err
    assert not out.exists()
    assert command(*words, "--data", index) == 0
    told = capsys.readouterr()
    assert "this is read number 1 of this split" in told.out
    assert "no figures" not in told.err
    bundle = Bundle.load(out, keys / "root.json", None)
    assert bundle.version == 1
    card = (out / "targets" / "MODEL_CARD.md").read_text()
    assert "Not evaluated" not in card
    assert "16 images" in card
    assert "This was read number 1 of the split." in card
    # The same figures as those of trainer evaluate.
    figures = tmp_path / "e.json"
    judge = ["evaluate", "--bundle", out, "--data", index, "--json", figures, "--ledger", ledgers]
    assert command(*judge, "--skip", "degraded,faithfulness,precision") == 0
    found = json.loads(figures.read_text())
    assert found["split_reads"] == 2
    low, high = found["accuracy_interval"]
    assert f"| accuracy | {found['accuracy']:.3f} ({low:.3f} to {high:.3f}) |" in card


def test_the_card_says_what_is_held_back_as_unlike_its_kind(run: Path, tmp_path: Path) -> None:
    words = ["export", "--run", run, "--keys", tmp_path / "keys", "--out", tmp_path / "bundle", *ledger(run)]
    card = tmp_path / "bundle" / "targets" / "MODEL_CARD.md"
    assert command(*words) == 0
    if not Bundle.load(tmp_path / "bundle", tmp_path / "keys" / "root.json", None).likeness:
        assert "this training released no means to know them by" in card.read_text()
        return
    assert "a number chosen on the public benchmark's validation split" in card.read_text()
    assert command(*words, "--least-likeness", 0.2) == 0
    bundle = Bundle.load(tmp_path / "bundle", tmp_path / "keys" / "root.json", None)
    assert {each.least for each in bundle.likeness.values()} == {0.2}
    assert "given by hand" in card.read_text()
    # The statement, which is signed with it, says the same.
    privacy = json.loads((tmp_path / "bundle" / "targets" / "privacy.json").read_text())
    assert "threshold of likeness given by hand" in privacy["tuned"]
    assert privacy["tuning_cost"] == "not in epsilon: see tuned"


@pytest.mark.parametrize("share", ["nan", "-1", "0", "1"])
def test_a_threshold_of_likeness_that_says_nothing_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], share: str
) -> None:
    words = ["export", "--run", run, "--keys", tmp_path / "keys", "--out", tmp_path / "bundle", *ledger(run)]
    assert command(*words, f"--least-likeness={share}") == 2
    assert "expected a share between 0 and 1" in capsys.readouterr().err
    assert not (tmp_path / "bundle").exists()


def test_the_threshold_that_comes_along_was_chosen_for_the_prior_that_does() -> None:
    assert hashlib.sha256(SHIPPED.read_bytes()).hexdigest() == likeness.PRIOR


def test_a_run_of_an_earlier_network_is_called_that(run: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(run, old)
    with np.load(old / "network.npz") as arrays:
        earlier = {name.replace("trunks.0.", "trunk."): arrays[name] for name in arrays.files}
    np.savez(old / "network.npz", **earlier)
    with pytest.raises(run_record.RunError, match="of an earlier version"):
        run_record.read(old)
    (old / "network.npz").write_bytes((old / "network.npz").read_bytes()[:1000])
    with pytest.raises(run_record.RunError, match="no run directory"):
        run_record.read(old)


def test_a_second_run_on_the_same_images_is_refused(
    run: Path, index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledgers = run.parent / "ledgers"
    words = ["fit", "--data", index, "--epsilon", 2, "--delta", 1e-5, "--out", tmp_path / "again"]
    words += ["--unit", "image"]
    assert command(*words, "--prior", "none", "--depth", "all", "--steps", 4, "--ledger", ledgers) == 2
    assert "would be spent" in capsys.readouterr().err
    assert not (tmp_path / "again").exists()
    assert command("ledger", "show", "--ledger", ledgers) == 0
    out = capsys.readouterr().out
    assert "finished" in out
    assert "split train" in out
    record, _ = run_record.load(run)
    assert record.privacy.model_extra is not None
    assert record.privacy.model_extra["ledger"]["run"] in out


def test_a_research_run_is_exported_marked_or_not_at_all(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, net = run_record.load(run)
    research = record.privacy.model_copy(update={"mode": "research"})
    run_record.save(tmp_path / "run", record.model_copy(update={"privacy": research}), net)
    words = ["export", "--run", tmp_path / "run", "--keys", tmp_path / "keys", "--out", tmp_path / "bundle"]
    assert command(*words) == 2
    assert "research run" in capsys.readouterr().err
    assert not (tmp_path / "bundle").exists()
    assert command(*words, "--research") == 0
    with pytest.raises(BundleError, match="research run"):
        Bundle.load(tmp_path / "bundle", tmp_path / "keys" / "root.json", None)
    card = (tmp_path / "bundle" / "targets" / "MODEL_CARD.md").read_text()
    assert "it is no release" in card
    assert "group privacy, same delta: 2 together 4." in card


def test_a_release_that_no_ledger_knows_is_not_exported(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", "--run", run, "--keys", tmp_path / "keys", "--out", tmp_path / "bundle"]
    assert command(*words, "--ledger", tmp_path / "elsewhere") == 2
    assert "--ledger" in capsys.readouterr().err
    record, net = run_record.load(run)
    extra = record.privacy.model_extra
    assert extra is not None
    quieter = [{**each, "noise": each["noise"] * 2} for each in extra["releases"]]
    for changed in ({"ledger": {**extra["ledger"], "run": "00000000"}}, {"releases": quieter}):
        edited = record.privacy.model_copy(update=changed)
        words[2] = tmp_path / f"edited {next(iter(changed))}"
        run_record.save(words[2], record.model_copy(update={"privacy": edited}), net)
        assert command(*words, *ledger(run)) == 2
        assert "was edited" in capsys.readouterr().err
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(("given", "by_rule"), [((), ["rate"]), (("--rate", 7), [])])
def test_the_learning_rate_on_record_is_the_one_trained_with(
    given: tuple[object, ...],
    by_rule: list[str],
    index: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, used = fixed_features.run_steps, []

    def spy(*words: object, **settings: object) -> None:
        used.append(settings["rate"])
        real(*words, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(fixed_features, "run_steps", spy)
    words = ("--data", index, "--epsilon", 2, "--delta", 1e-5, "--unit", "image", "--views", 1, "--steps", 4)
    out = tmp_path / "run"
    assert command("fit", *words, "--out", out, "--ledger", tmp_path / "ledgers", *given) == 0
    record, _ = run_record.load(out)
    assert record.training["rate"] == used[0] != FixedFeatures().rate
    assert record.training[run_record.BY_RULE] == by_rule
    assert used[0] == 7 or used[0] < 5  # 40 images: there is much noise
    assert ("follows from the noise" in model_card(record, None)) == bool(by_rule)
    # Folds of the run have noise of their own, and keep what a person gave.
    assert fold_training.of_run(out).engine.rate == (None if by_rule else 7)


def test_two_runs_differ_though_torch_is_seeded() -> None:
    import torch

    weights = []
    for _ in range(2):
        torch.manual_seed(0)
        head = torch.nn.Linear(8, 2, bias=False)
        dp_sgd.run_steps(
            head,
            lambda model, rows: model(torch.ones(len(rows), 8)).sum(1),
            20,
            Release("steps", 1.0, 0.5, 2),
            rate=8.0,
            clip=0.5,
            averaging=0.97,
        )
        weights.append(head.weight.detach().clone())
    assert not torch.allclose(*weights)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--delta", "0.03"], "1/n"),
        (["--epsilon", "-1"], "--epsilon -1: expected a number above 0"),
        (["--only", "chest_ct"], "procedural"),
        (["--split", "nowhere"], "nowhere"),
    ],
)
def test_what_makes_no_sense_is_refused(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    basic = {
        "--data": str(index),
        "--epsilon": "2",
        "--delta": "1e-5",
        "--unit": "image",
        "--out": str(tmp_path / "run"),
        "--steps": "2",
    }
    basic.update(dict(zip(words[::2], words[1::2], strict=True)))
    assert command("fit", *(part for pair in basic.items() for part in pair)) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_means_have_the_stated_noise_and_bounded_influence() -> None:
    import torch

    features = torch.zeros(200, 2, 256)
    groups = np.arange(200) % 2
    means = fixed_features.private_means(features, groups, 2, 8.0)
    assert float(means.std()) * 100 == pytest.approx(8.0, rel=0.15)
    features[7] = 1e9
    quiet = fixed_features.private_means(features, groups, 2, 0.0)
    assert float(quiet.norm()) * 100 == pytest.approx(1.0, rel=1e-3)


def test_folder_per_class(index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(6):
        folder = tmp_path / ("yes", "no")[number % 2]
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.png").write_bytes((index.parent / f"phantoms/{number}.png").read_bytes())
    records = dataset.read(tmp_path, modality="MRI")
    assert {record.label for record in records} == {"yes", "no"}
    assert len(records) == 6
    with pytest.raises(dataset.DataError, match="--modality"):
        dataset.read(tmp_path)


def test_unreadable_images_are_listed_and_stop_the_run(index: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with index.open() as file:
        rows = list(csv.DictReader(file))[:1]
    rows[0]["file"] = "bad.png"
    with (tmp_path / "i.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(dataset.DataError, match=r"bad\.png"):
        dataset.load_all(dataset.read(tmp_path / "i.csv"))


def test_an_index_without_columns_says_which(tmp_path: Path) -> None:
    (tmp_path / "i.csv").write_text("file,label\na.png,x\n")
    with pytest.raises(dataset.DataError, match="modality"):
        dataset.read(tmp_path / "i.csv")


def test_an_unknown_modality_needs_its_use(tmp_path: Path) -> None:
    with pytest.raises(uses.UseError, match="--uses"):
        uses.use_of("US", uses.read_uses(None))
    described = {
        "US": {"group": "us_thyroid", "modalities": ["US"], "body_parts": ["THYROID"], "views": [""]}
    }
    (tmp_path / "u.json").write_text(json.dumps(described))
    assert uses.use_of("US", uses.read_uses(tmp_path / "u.json")).group == "us_thyroid"
    (tmp_path / "u.json").write_text("[]")
    with pytest.raises(uses.UseError, match="JSON object"):
        uses.read_uses(tmp_path / "u.json")


def test_figures_are_right_on_known_answers() -> None:
    """Two modalities, known hits: the figures worked out by hand."""
    names = [("a", "m"), ("b", "m"), ("c", "x"), ("d", "x")]
    bundle = type("B", (), {})()
    bundle.classes = [type("C", (), {"name": n, "group": g})() for n, g in names]
    bundle.min_probability = {"m": 0.5, "x": 0.9}
    truth = ["a", "a", "a", "b", "c", "d"]
    guess = [0, 0, 1, 1, 2, 2]
    records = [
        dataset.Record(Path("f"), label, "MRI" if label in "ab" else "XR", "test", f"g{i}", "s", "")
        for i, label in enumerate(truth)
    ]
    probability = np.full((6, 4), 0.0)
    probability[np.arange(6), guess] = 0.8
    result = evaluate.judge(probability, records, bundle)
    assert result["accuracy"] == pytest.approx(4 / 6, abs=1e-4)
    assert result["per_modality"]["MRI"]["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2, abs=1e-4)
    assert result["per_modality"]["XR"]["balanced_accuracy"] == 0.5
    assert result["mean_within_modality_balanced_accuracy"] == pytest.approx((5 / 6 + 0.5) / 2, abs=1e-4)
    assert result["abstained"] == pytest.approx(2 / 6, abs=1e-4)
    assert result["accuracy_where_labelled"] == pytest.approx(3 / 4)


def test_the_real_index_is_read_by_set(edge_data: Path) -> None:
    records = dataset.read(edge_data / "index.csv", ["brain_mri", "chest_xray"])
    assert {record.folder for record in records} == {"brain_mri", "chest_xray"}
    groups = {split: {r.group for r in records if r.split == split} for split in ("train", "val", "test")}
    assert not groups["train"] & groups["test"]
    assert not groups["train"] & groups["val"]
