"""Phantoms and pretraining: what is drawn is labelled, drawn again alike, and a broken run goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from trainer.network.edge_net import EdgeNet
from trainer.prior import chunks, pretrain, procedural
from trainer.prior.drawing import PARTS
from trainer.prior.pretrain import Plan, PretrainError
from trainer.prior.weights import load_prior

TINY = Plan(images=128, epochs=2, whitening=20)


@pytest.mark.parametrize("family", range(len(procedural.GENERATORS)))
def test_each_family_draws_labelled_pictures(family: int) -> None:
    rng = np.random.default_rng(family)
    for _ in range(12):
        image, labels, parts = procedural.draw(rng, family)
        assert (image.shape, image.dtype) == ((224, 224), np.uint8)
        assert image.std() > 3
        assert labels["family"] == family
        assert all(0 <= value < procedural.TASKS[name] for name, value in labels.items())
        assert parts.shape == (len(PARTS), 28, 28)
        assert bool(parts.any()) == (family < procedural.ANATOMY)


def test_a_mass_at_the_border_has_a_small_mask() -> None:
    """A mass has a mask, and it is small."""
    from trainer.prior import head

    found = 0
    for seed in range(60):
        drawn = head.head(np.random.default_rng(seed))
        if drawn.labels["head_lesion"] == 3:
            found += 1
            maps = drawn.part_maps()[PARTS.index("mass_at_the_border")]
            assert 0 < (maps > 128).mean() < 0.2
    assert found > 5


def test_a_chunk_depends_on_seed_and_number_alone(tmp_path: Path) -> None:
    first, again, other = chunks.draw(1, 7, 3), chunks.draw(1, 7, 3), chunks.draw(1, 8, 3)
    assert np.array_equal(first.images, again.images)
    assert np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.images, other.images)
    (path,) = chunks.ensure(tmp_path, 1, 3)
    assert np.array_equal(chunks.load(path).images, chunks.draw(1, 0, 3).images)
    # What is there is not drawn again, what a broken run left half is.
    before = path.stat().st_mtime_ns
    chunks.ensure(tmp_path, 1, 3)
    assert path.stat().st_mtime_ns == before
    path.unlink()
    path.with_suffix(".partial").write_bytes(b"half")
    assert chunks.load(chunks.ensure(tmp_path, 1, 3)[0]).images.shape == (3, 224, 224)


def test_a_run_that_breaks_off_ends_as_one_that_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrain, "CHECKPOINT_STEPS", 1)
    pretrain.pretrain(tmp_path / "whole.npz", tmp_path / "a", TINY)
    true, steps = torch.optim.AdamW.step, []

    def dies(self: torch.optim.AdamW, *args: object) -> object:
        steps.append(1)
        if len(steps) == 3:
            raise KeyboardInterrupt
        return true(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", dies)
        with pytest.raises(KeyboardInterrupt):
            pretrain.pretrain(tmp_path / "parts.npz", tmp_path / "b", TINY)
    assert not (tmp_path / "parts.npz").exists()
    pretrain.pretrain(tmp_path / "parts.npz", tmp_path / "b", TINY)
    whole, parts = EdgeNet(2), EdgeNet(2)
    load_prior(tmp_path / "whole.npz", whole)
    load_prior(tmp_path / "parts.npz", parts)
    for a, b in zip(whole.state_dict().values(), parts.state_dict().values(), strict=True):
        assert torch.allclose(a, b, atol=2e-3)
    with pytest.raises(PretrainError, match="delete it"):
        pretrain.pretrain(tmp_path / "parts.npz", tmp_path / "b", Plan(images=128, epochs=3, whitening=20))
    with pytest.raises(PretrainError, match="--images"):
        pretrain.pretrain(tmp_path / "few.npz", tmp_path / "c", Plan(images=10))


def test_the_committed_prior_is_read_and_another_file_is_not(tmp_path: Path) -> None:
    from trainer.prior.cli import PRIOR

    net = EdgeNet(2)
    load_prior(PRIOR, net)
    assert float(net.project.abs().sum()) > 0
    np.savez(tmp_path / "other.npz", stem=np.zeros(3))
    with pytest.raises(ValueError, match="trainer pretrain"):
        load_prior(tmp_path / "other.npz", net)
