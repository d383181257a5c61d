"""Two sets of strangers without one in common: one to choose a threshold with, one to judge it with.

The threshold of likeness (`trainer.release.likeness`) is chosen on the split ``val``. Were the same strangers
shown with every split, it would be judged on the very images that it was chosen by. Drawn strangers come from
other seeds, files are divided by their content, and valid images in the wrong place are of the split itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

CHOOSING = "val"
"""The split on which thresholds are chosen."""
SEEDS = {False: 90210, True: 90220}
"""Of drawn strangers: to choose with, and held out."""


def held_out(split: str) -> bool:
    """Whether the strangers shown with a split are held out from the choice of the threshold."""
    return split != CHOOSING


def own_half(files: Sequence[Path], held: bool) -> list[Path]:
    """Those files of one kind that belong to a half, by the last bit of the SHA-256 of their content.

    So each file, and a copy of it, stays in its half whatever it is called and whatever is laid beside it. A
    kind with one file is held out: nothing is chosen by it. A file that cannot be read is in no half.

    Args:
        files: of one kind.
        held: True for the half that is held out.
    """
    known = [(file, digest) for file in files if (digest := _digest(file))]
    if len(known) == 1:
        return [file for file, _ in known if held]
    return [file for file, digest in known if bool(digest[-1] & 1) == held]


def _digest(file: Path) -> bytes:
    try:
        return hashlib.sha256(file.read_bytes()).digest()
    except OSError:
        return b""
