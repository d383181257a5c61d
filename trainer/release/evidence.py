"""Whether figures may leave with a model: of this very network, and of images that it was not trained on.

Figures have no noise. Of training images they would be a release that no epsilon covers, so they are refused
in two ways. By name: the split is the one that was trained on. And by content, since a name can be changed:
the images of the judged split are hashed again, from the index that is given here, and looked up in the
ledger of the run. Nothing that the file of figures says is believed for that but ``split_sha256``, which
shows that the index given is the one judged. The digests live in the ledger under its key alone, so neither
the figures nor the bundle tell of any image; a list of digests in the figures would tell whoever has an image
that it was used.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from trainer.data.record import Record
from trainer.evaluation.reads import split_digest
from trainer.privacy.account import Account
from trainer.privacy.on_record import held


class EvidenceError(ValueError):
    """The figures must not be published; the message says why."""


@dataclass(frozen=True)
class Trained:
    """What a network was trained on."""

    splits: tuple[str, ...]
    """Names of its splits."""
    account: Account | None
    """The ledger that knows the images; None for a research run, whose images need no protection."""
    ledgers: Path
    """Directory of the ledgers."""


def figures(path: Path, fp32: bytes, trained: Trained, judged: Sequence[Record] | None) -> dict[str, Any]:
    """Read an evaluation and make sure that it may be published.

    Args:
        path: JSON of ``trainer evaluate``.
        fp32: the network.
        trained: what it was trained on.
        judged: all records of the index that was judged on. Needed for a release.

    Raises:
        EvidenceError: it judged another network, other images than those given, or training images.
        DataError: an image cannot be read.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise EvidenceError(f"{path} is no JSON of trainer evaluate: {error}") from None
    if not isinstance(found, dict) or found.get("model_sha256") != sha256(fp32).hexdigest():
        raise EvidenceError(f"{path} judged another network; run trainer evaluate on a bundle of this one")
    split = str(found.get("split"))
    _refuse_by_name(str(path), split, trained)
    if trained.account is None:
        return found
    if judged is None:
        raise EvidenceError(
            "--figures needs --data INDEX, the index that they were read from: its images are compared with "
            "those that the network was trained on"
        )
    there = [record for record in judged if record.split == split]
    if split_digest(there) != found.get("split_sha256"):
        raise EvidenceError(
            f"split {split!r} of the index is not what {path} judged; give the index that was judged on, or "
            "run trainer evaluate again"
        )
    refuse_trained(str(path), split, there, trained)
    return found


def refuse_trained(what: str, split: str, there: Sequence[Record], trained: Trained) -> None:
    """Refuse figures of images that the network was trained on, by the split's name and by content.

    Args:
        what: where the figures come from, for the message.
        split: name of the judged split.
        there: its records.
        trained: what the network was trained on.

    Raises:
        EvidenceError: the split, or an image of it, was trained on.
        DataError: an image cannot be read.
    """
    _refuse_by_name(what, split, trained)
    both = sum(held(trained.account, trained.ledgers, there)) if trained.account is not None else 0
    if both:
        raise EvidenceError(
            f"{both} images of split {split!r} are in the data set that the network was trained on: figures "
            "of them have no noise, and no epsilon covers them. Judge other images"
        )


def _refuse_by_name(what: str, split: str, trained: Trained) -> None:
    if split in trained.splits:
        raise EvidenceError(
            f"{what}: the network was trained on split {split!r}; figures of it have no noise, and no "
            "epsilon covers them. Judge another split"
        )
