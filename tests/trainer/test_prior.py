"""Phantoms and pretraining: what is drawn is labelled, drawn again alike, and a broken run goes on."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from trainer import cli
from trainer.network.edge_net import EdgeNet
from trainer.phantoms import procedural
from trainer.phantoms.drawing import PARTS
from trainer.prior import chunks, pretrain, weights
from trainer.prior.pretrain import Plan, PretrainError
from trainer.prior.views import another_view
from trainer.prior.weights import load_prior

TINY = Plan(images=128, epochs=2, whitening=20)


@pytest.mark.parametrize("style", procedural.STYLES)
@pytest.mark.parametrize("family", range(procedural.FAMILIES))
def test_each_family_draws_labelled_pictures(family: int, style: str) -> None:
    rng = np.random.default_rng(family)
    for _ in range(12):
        image, labels, parts = procedural.draw(rng, family, style)
        assert (image.shape, image.dtype) == ((224, 224), np.uint8)
        assert image.std() > 3
        assert labels["family"] == family
        assert all(0 <= value < procedural.TASKS[name] for name, value in labels.items())
        assert parts.shape == (len(PARTS), 28, 28)
        assert bool(parts.any()) == (family < procedural.ANATOMY)


def test_a_mass_at_the_border_has_a_small_mask() -> None:
    """A mass has a mask, and it is small."""
    from trainer.phantoms.head.phantom import head

    found = 0
    for seed in range(60):
        drawn = head(np.random.default_rng(seed))
        if drawn.labels["head_lesion"] == 3:
            found += 1
            maps = drawn.part_maps()[PARTS.index("mass_at_the_border")]
            assert 0 < (maps > 128).mean() < 0.2
    assert found > 5


def test_a_chunk_depends_on_seed_and_number_alone(tmp_path: Path) -> None:
    first, again, other = (chunks.draw("detailed", 1, number, 3) for number in (7, 7, 8))
    assert np.array_equal(first.images, again.images)
    assert np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.images, other.images)
    (path,) = chunks.ensure(tmp_path, "schematic", 1, 3)
    assert np.array_equal(chunks.load(path).images, chunks.draw("schematic", 1, 0, 3).images)
    # What is there is not drawn again, what a broken run left half is.
    before = path.stat().st_mtime_ns
    chunks.ensure(tmp_path, "schematic", 1, 3)
    assert path.stat().st_mtime_ns == before
    path.unlink()
    path.with_suffix(".partial").write_bytes(b"half")
    assert chunks.load(chunks.ensure(tmp_path, "schematic", 1, 3)[0]).images.shape == (3, 224, 224)


@pytest.mark.parametrize("broken", [3, 6], ids=["in the first trunk", "in the second"])
def test_a_run_that_breaks_off_ends_as_one_that_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: int
) -> None:
    monkeypatch.setattr(pretrain, "CHECKPOINT_STEPS", 1)
    said = pretrain.pretrain(tmp_path / "whole.npz", tmp_path / "a", TINY)
    true, steps = torch.optim.AdamW.step, []

    def dies(self: torch.optim.AdamW, *args: object) -> object:
        steps.append(1)
        if len(steps) == broken:
            raise KeyboardInterrupt
        return true(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", dies)
        with pytest.raises(KeyboardInterrupt):
            pretrain.pretrain(tmp_path / "parts.npz", tmp_path / "b", TINY)
    assert not (tmp_path / "parts.npz").exists()
    again = pretrain.pretrain(tmp_path / "parts.npz", tmp_path / "b", TINY)
    assert {style: set(each) for style, each in again["right"].items()} == {
        style: set(each) for style, each in said["right"].items()
    }
    whole, parts = EdgeNet(2), EdgeNet(2)
    load_prior(tmp_path / "whole.npz", whole)
    load_prior(tmp_path / "parts.npz", parts)
    for a, b in zip(whole.state_dict().values(), parts.state_dict().values(), strict=True):
        assert torch.allclose(a, b, atol=2e-3)
    # Said before anything is drawn, and of both files at once.
    monkeypatch.setattr(chunks, "ensure", lambda *_: pytest.fail("phantoms were drawn"))
    with pytest.raises(PretrainError, match=r"checkpoint-detailed.*checkpoint-schematic.*delete"):
        pretrain.pretrain(tmp_path / "parts.npz", tmp_path / "b", Plan(images=256, epochs=3, whitening=20))
    monkeypatch.setattr(weights, "code_digest", lambda: "another" * 9)
    with pytest.raises(PretrainError, match="code"):
        pretrain.pretrain(tmp_path / "parts.npz", tmp_path / "b", TINY)
    with pytest.raises(PretrainError, match="--images"):
        pretrain.pretrain(tmp_path / "few.npz", tmp_path / "c", Plan(images=10))


def test_a_disk_that_is_too_small_is_said_before_anything_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = chunks.to_draw(tmp_path, "detailed", 1, 3)
    (drawn,) = chunks.ensure(tmp_path, "detailed", 1, 3)
    # Nothing is compressed, so what is announced is what is written, but for the names within a file.
    assert drawn.stat().st_size == pytest.approx(wanted, rel=0.01)
    assert chunks.to_draw(tmp_path, "detailed", 1, 3) == 0
    monkeypatch.setattr(chunks, "ensure", lambda *_: pytest.fail("phantoms were drawn"))
    wanted = sum(chunks.to_draw(tmp_path, style, TINY.seed, TINY.images) for style in procedural.STYLES)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=wanted - 1))
    with pytest.raises(PretrainError, match=r"GB are free; choose another --cache"):
        pretrain.pretrain(tmp_path / "prior.npz", tmp_path, TINY)


def test_the_committed_prior_is_read_and_another_file_is_not(tmp_path: Path) -> None:
    from trainer.prior import SHIPPED

    net = EdgeNet(2)
    # It says what it was made of: the statement of every model repeats it.
    assert load_prior(SHIPPED, net).words.startswith("procedural images only (")
    assert float(net.project.abs().sum()) > 0
    np.savez(tmp_path / "other.npz", stem=np.zeros(3))
    with pytest.raises(ValueError, match="trainer pretrain"):
        load_prior(tmp_path / "other.npz", net)


def test_a_prior_says_where_it_comes_from(tmp_path: Path) -> None:
    path, net = tmp_path / "prior.npz", EdgeNet(2)
    weights.save_prior(path, net)
    assert load_prior(path, net).words == ""
    weights.save_prior(path, net, weights.provenance(TINY))
    said = load_prior(path, net)
    assert said.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert "phantoms of version" in said.words
    assert "images 128" in said.words


def test_pretraining_overwrites_nothing_unasked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrain, "pretrain", lambda out, cache, plan: out.write_text("new") and {})
    monkeypatch.chdir(tmp_path)
    assert cli.main(["pretrain"]) == 0
    assert (tmp_path / "prior.npz").read_text() == "new"
    (tmp_path / "prior.npz").write_text("old")
    assert cli.main(["pretrain"]) == 2
    assert "--force" in capsys.readouterr().err
    assert (tmp_path / "prior.npz").read_text() == "old"
    assert cli.main(["pretrain", "--force"]) == 0
    assert (tmp_path / "prior.npz").read_text() == "new"


def test_a_view_takes_masks_and_sides_along() -> None:
    """An effusion's side is where its mask lies, before and after an image is mirrored and turned."""
    task, rng = list(procedural.TASKS).index("ct_side"), np.random.default_rng(3)
    drawn = [procedural.draw(rng, 2, "detailed") for _ in range(40)]
    labels = np.array([[each[1].get(name, -1) for name in procedural.TASKS] for each in drawn])
    images = torch.from_numpy(np.stack([each[0] for each in drawn])[:, None]).float()
    parts = torch.from_numpy(np.stack([each[2] for each in drawn])).float() / 255
    seen, told, masks = another_view(images, torch.from_numpy(labels).long(), parts, np.random.default_rng(1))
    assert seen.shape == images.shape
    assert 0 <= float(seen.min()) <= float(seen.max()) <= 255
    findings = [PARTS.index(name) for name in ("dense_opacity", "hazy_opacity", "effusion", "nodule")]

    def left_share(maps: torch.Tensor, row: int) -> float:
        lung = maps[row, PARTS.index("lung")].sum(0)
        middle = int((lung * torch.arange(28)).sum() / lung.sum().clamp(min=1e-6))
        found = maps[row, findings].sum((0, 1))
        return float(found[:middle].sum() / found.sum().clamp(min=1e-6))

    one_sided = [row for row in range(40) if labels[row, task] in (0, 1) and masks[row, findings].sum() > 3]
    assert len(one_sided) >= 5
    moved = sum(int(told[row, task]) != labels[row, task] for row in one_sided)
    assert 0 < moved < len(one_sided)
    right = [(left_share(masks, row) > 0.5) == (int(told[row, task]) == 0) for row in one_sided]
    assert np.mean(right) > 0.8
    # The control: with the labels of before, those that were mirrored are wrong.
    stale = [(left_share(masks, row) > 0.5) == (labels[row, task] == 0) for row in one_sided]
    assert np.mean(stale) < np.mean(right)
    # What resampling changes is not asked any more.
    assert all((told[:, list(procedural.TASKS).index(name)] == -1).all() for name in ("blur", "grain"))
