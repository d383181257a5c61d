"""Two sets of strangers without one in common: one to choose a threshold with, one to judge it with.

The threshold of likeness (`trainer.release.likeness`) is chosen on the split ``val``. Were the same strangers
shown with every split, it would be judged on the very images that it was chosen by. Drawn strangers come from
other seeds, files are divided by their content, and valid images in the wrong place are of the split itself.

The threshold in use is older than the division: when it was chosen, every file was shown. The seeds of what
is drawn are new since then. `about` says so wherever a share is told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path

CHOOSING = "val"
"""The split on which thresholds are chosen."""
SEEDS = {False: 90210, True: 90220}
"""Of drawn strangers: to choose with, and held out."""


def held_out(split: str) -> bool:
    """Whether the strangers shown with a split are held out from the choice of the threshold."""
    return split != CHOOSING


def about(held: bool) -> str:
    """What of the strangers was seen when the threshold was chosen, as a sentence."""
    if not held:
        return "The threshold for that was chosen on these very images, so the share is too good."
    return (
        "The drawn pictures were never seen when the threshold for that was chosen, though others of their "
        "kinds were; the files, photographs and scans, all were."
    )


def own_half(files: Sequence[Path], held: bool, judged: Collection[str] = ()) -> list[Path]:
    """Those files of one kind that belong to a half, by the last bit of the SHA-256 of their content.

    So each file, and a copy of it, stays in its half whatever it is called and whatever is laid beside it. A
    kind with one file is held out: a kind that is not judged would be a gap. A file that cannot be read is in
    no half.

    Args:
        files: of one kind.
        held: True for the half that is held out.
        judged: names of files that belong to that half whatever is in them.
    """
    known = [(file, digest) for file in files if (digest := _digest(file))]
    if len(known) == 1:
        return [file for file, _ in known if held]
    return [file for file, digest in known if (file.name in judged or bool(digest[-1] & 1)) == held]


def _digest(file: Path) -> bytes:
    try:
        return hashlib.sha256(file.read_bytes()).digest()
    except OSError:
        return b""
