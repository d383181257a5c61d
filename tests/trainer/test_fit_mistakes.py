"""A mistake of a user costs no budget, and what was paid for is not lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from edge.imaging.bundle import Bundle
from edge.imaging.preprocess import Preprocessing
from trainer import cli
from trainer.data import dataset
from trainer.network.edge_net import EdgeNet
from trainer.privacy.chain import ChainError
from trainer.privacy.ledger import Ledgers
from trainer.training import run_record
from trainer.training.fixed_features import FixedFeatures


@pytest.fixture
def index(index: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of its own for each test: what was charged is noted beside it."""
    folder = tmp_path_factory.mktemp("index")
    shutil.copytree(index.parent / "phantoms", folder / "phantoms")
    return Path(shutil.copy2(index, folder))


def command(*words: object) -> int:
    return cli.main([str(word) for word in words])


def fit(index: Path, folder: Path, *more: object, out: Path | None = None) -> int:
    basic = ("--data", index, "--epsilon", 2, "--delta", 1e-5, "--ledger", folder / "ledgers")
    return command("fit", *basic, "--unit", "image", "--out", out or folder / "run", "--device", "cpu", *more)


def spent(folder: Path) -> int:
    return sum(len(each.runs) for each in Ledgers(folder / "ledgers").accounts())


NO_GPU = pytest.param(
    ["--device", "cuda"], "no GPU", marks=pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--views", 0], "--views: expected at least 1"),
        (["--physical", 0], "--physical: expected at least 1"),
        (["--rate", -1], "--rate: expected"),
        (["--clip", 0], "--clip: expected"),
        (["--views", 10**9], "MiB of memory"),
        NO_GPU,
        (["--device", "quantum"], "quantum"),
        (["--depth", "all", "--views", 0], "--views: expected at least 1"),
        (["--depth", "all", "--physical", 0], "--physical: expected at least 1"),
        (["--depth", "all", "--rate", -1], "--rate: expected"),
        (["--depth", "all", "--fixed-views", 4], "at full depth"),
        (["--depth", "last", "--fixed-views", -1], "--fixed-views: expected at least 0"),
        (["--depth", "last", "--fixed-views", 2, "--views", 3], "3 views of 2"),
        (["--depth", "last", "--fixed-views", 10_000], "allow more with --cache-mib"),
        (["--depth", "last", "--fixed-views", 4, "--cache-mib", 1], "1 are allowed"),
        (["--per-patient", 3], "--per-patient protects nobody without --unit patient"),
        (["--public", "x"], "--public is for research runs"),
        (["--epsilon", 0], "--epsilon 0: expected a number above 0"),
        (["--delta", 1], "--delta 1: expected a number between 0 and 1"),
        (["--split", "tset"], "the data has test, train. Name one of these, or make"),
        (["--data", "nowhere.csv"], "nowhere.csv does not exist; give a CSV index"),
        (["--prior", "nowhere.npz"], "nowhere.npz does not exist"),
    ],
)
def test_a_setting_that_makes_no_sense_spends_nothing(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[object], said: str
) -> None:
    assert fit(index, tmp_path, *words) == 2
    assert said in capsys.readouterr().err
    assert spent(tmp_path) == 0
    assert not (tmp_path / "run").exists()


def test_what_the_guarantee_protects_is_never_assumed(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    promise = ("--epsilon", 2, "--delta", 1e-5, "--ledger", tmp_path / "ledgers")
    for words in (
        ("fit", "--data", index, "--out", tmp_path / "run", *promise),
        ("ledger", "open", index, *promise),
    ):
        assert command(*words) == 2
        told = capsys.readouterr().err
        assert "say with --unit what the guarantee protects" in told
        assert "take image where each patient has one image" in told
    assert spent(tmp_path) == 0


@pytest.mark.parametrize("mode", [(), ("--mode", "research", "--public", "drawn")])
def test_an_index_that_would_leave_nothing_to_judge_by_spends_nothing(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: tuple[str, ...]
) -> None:
    whole = index.with_name("whole.csv")
    whole.write_text(index.read_text().replace(",test,", ",train,"))
    assert fit(whole, tmp_path, *mode) == 2
    told = capsys.readouterr().err
    assert "none would be left to judge the network on" in told
    assert "trainer split" in told
    assert spent(tmp_path) == 0


@pytest.mark.usefixtures("quick")
def test_whoever_keeps_test_images_elsewhere_may_train_on_all(index: Path, tmp_path: Path) -> None:
    whole = index.with_name("whole.csv")
    whole.write_text(index.read_text().replace(",test,", ",train,"))
    assert fit(whole, tmp_path, "--no-test") == 0
    assert spent(tmp_path) == 1


def test_a_class_name_of_two_groups_is_named(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index.write_text(index.read_text().replace("head_even", "even").replace("chest_even", "even"))
    assert fit(index, tmp_path) == 2
    assert "a class name stands in two groups: even in mri_brain and xr_chest" in capsys.readouterr().err
    assert spent(tmp_path) == 0


def test_what_is_not_there_is_told_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = tmp_path / "gone"
    for words, remedy in (
        (("evaluate", "--bundle", gone, "--data", gone), "trainer export"),
        (("audit", "--run", gone, "--data", gone), "trainer fit --out"),
        (("export", "--run", gone, "--keys", gone, "--out", tmp_path / "bundle"), "trainer fit --out"),
        (("split", gone, "--out", tmp_path / "new.csv"), "give a CSV index"),
        (("fit", "--data", gone, "--unit", "image", "--epsilon", 2, "--delta", 1e-5, "--out", gone), "CSV"),
    ):
        assert command(*words) == 2
        told = capsys.readouterr().err
        assert "does not exist" in told
        assert remedy in told
        assert "Errno" not in told


def test_a_place_that_cannot_be_written_or_is_taken_spends_nothing(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "run.json").write_text("paid for")
    for out, said in (
        (Path("/proc/nowhere/run"), "nothing can be kept"),
        (tmp_path / "file" / "run", "nothing can be kept"),
        (tmp_path / "file", "no directory"),
        (tmp_path / "full", "not overwritten"),
    ):
        assert fit(index, tmp_path, out=out) == 2
        assert said in capsys.readouterr().err
    assert spent(tmp_path) == 0
    assert (tmp_path / "full" / "run.json").read_text() == "paid for"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "full"]


def test_a_trial_leaves_network_and_disk_as_they_were(tmp_path: Path) -> None:
    net = EdgeNet(2)
    (tmp_path / "empty").mkdir()
    for out in (tmp_path / "new", tmp_path / "empty"):
        run_record.prepare(out, net)
    assert [each.name for each in tmp_path.iterdir()] == ["empty"]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The head's training is not what these tests are about."""

    def train(self: FixedFeatures, net: EdgeNet, *_: object) -> None:
        torch.nn.init.normal_(net.head.weight, std=0.01)

    monkeypatch.setattr(FixedFeatures, "train", train)


def export(folder: Path, run: str = "run", *more: object) -> int:
    words = ("--run", folder / run, "--keys", folder / "keys", "--out", folder / "bundle")
    return command("export", *words, "--ledger", folder / "ledgers", *more)


@pytest.mark.usefixtures("quick")
def test_the_ledger_binds_a_release_to_every_byte_of_its_run(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(index, tmp_path) == 0
    text = (tmp_path / "run" / "run.json").read_text()
    weights = (tmp_path / "run" / "network.npz").read_bytes()
    record = json.loads(text)
    for name, value in {"epsilon": 0.1, "delta": 1e-9, "unit": "patient", "records": 1, "tuned": ""}.items():
        edited = {**record, "privacy": {**record["privacy"], name: value}}
        (tmp_path / "run" / "run.json").write_text(json.dumps(edited, indent=2) + "\n")
        assert export(tmp_path) == 2
        assert "was edited" in capsys.readouterr().err
    (tmp_path / "run" / "run.json").write_text(text)
    run_record.save(tmp_path / "other", run_record.load(tmp_path / "run")[0], EdgeNet(4))
    (tmp_path / "run" / "network.npz").write_bytes((tmp_path / "other" / "network.npz").read_bytes())
    assert export(tmp_path) == 2
    assert "network.npz" in capsys.readouterr().err
    assert not (tmp_path / "bundle").exists()
    (tmp_path / "run" / "network.npz").write_bytes(weights)
    assert export(tmp_path) == 0


@pytest.mark.usefixtures("quick")
def test_a_model_outlives_a_ledger_that_cannot_note_its_end(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise ChainError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(Ledgers, "finish", full)
        assert fit(index, tmp_path) == 0
    assert "trainer export notes it" in capsys.readouterr().err
    voucher = tmp_path / "run" / run_record.VOUCHER
    kept = voucher.read_text()
    # Without its voucher, or with one that was edited, nobody knows whose files these are.
    voucher.unlink()
    assert export(tmp_path) == 2
    assert "does not say which files" in capsys.readouterr().err
    voucher.write_text(json.dumps({**json.loads(kept), "files": {"run.json": "0", "network.npz": "0"}}))
    assert export(tmp_path) == 2
    assert "voucher" in capsys.readouterr().err
    voucher.write_text(kept)
    assert export(tmp_path) == 0
    voucher.unlink()
    assert export(tmp_path) == 0


@pytest.mark.usefixtures("quick")
def test_a_model_outlives_a_directory_that_goes_away(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    train = FixedFeatures.train

    def and_block(self: FixedFeatures, *words: object) -> None:
        train(self, *words)  # type: ignore[arg-type]
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "taken").write_text("meanwhile")

    monkeypatch.setattr(FixedFeatures, "train", and_block)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert fit(index, tmp_path) == 0
    assert "move it" in capsys.readouterr().err
    (rescued,) = tmp_path.glob("trainer-run-*/run")
    assert export(tmp_path, str(rescued.relative_to(tmp_path))) == 0


@pytest.mark.usefixtures("quick")
def test_export_replaces_a_bundle_alone_and_only_by_a_signed_one(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(index, tmp_path) == 0
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "thesis.tex").write_text("years")
    assert export(tmp_path) == 2
    assert "no bundle" in capsys.readouterr().err
    assert (tmp_path / "bundle" / "thesis.tex").read_text() == "years"
    (tmp_path / "bundle" / "thesis.tex").unlink()
    assert export(tmp_path) == 0
    # Signing fails: one of the keys is lost. The bundle of before is still there, and nothing else.
    before = Bundle.load(tmp_path / "bundle", tmp_path / "keys" / "root.json", None).digest
    (tmp_path / "keys" / "snapshot.pem").rename(tmp_path / "away.pem")
    assert export(tmp_path) == 2
    assert Bundle.load(tmp_path / "bundle", tmp_path / "keys" / "root.json", None).digest == before
    (tmp_path / "away.pem").rename(tmp_path / "keys" / "snapshot.pem")
    assert export(tmp_path) == 0
    assert Bundle.load(tmp_path / "bundle", tmp_path / "keys" / "root.json", None).digest != before
    assert not [each for each in tmp_path.iterdir() if each.name.startswith(".bundle")]


def test_preprocessing_that_is_asked_for_reaches_training_audit_bundle_and_judge(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np

    from trainer.audit import material
    from trainer.evaluation.runner import Runner

    seen: list[np.ndarray] = []
    monkeypatch.setattr(FixedFeatures, "train", lambda _, net, task, spend: seen.append(task.images))
    monkeypatch.setattr(FixedFeatures, "check", lambda *_: None)
    assert fit(index, tmp_path, "--denoise", "--perspective") == 0
    how = Preprocessing(perspective=True, denoise=True)
    records = [each for each in dataset.read(index) if each.split == "train"]
    wanted = dataset.load_all(records, how)
    assert np.array_equal(seen[0], wanted)
    assert not np.array_equal(seen[0], dataset.load_all(records))
    record, _ = run_record.load(tmp_path / "run")
    assert record.preprocess == how.name
    assert "preprocessing perspective-1" in record.privacy.tuned
    assert np.array_equal(material.load(records, record).images, wanted)
    assert export(tmp_path) == 0
    bundle = Bundle.load(tmp_path / "bundle", tmp_path / "keys" / "root.json", None)
    assert bundle.preprocessing == how
    plain = dataset.load_all(records[:2], Preprocessing(perspective=True))
    features = Runner.of(bundle).run(plain, ("features",))["features"]
    bare = Runner(bundle.read_model("fp32")).run(wanted[:2], ("features",))["features"]
    assert np.allclose(features, bare, atol=1e-4)
    without = Runner(bundle.read_model("fp32")).run(plain, ("features",))["features"]
    assert not np.allclose(features, without, atol=1e-3)
