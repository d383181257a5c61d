"""Make the list of public images again: ``python -m trainer.data.public_list INDEX.csv [FOLDER]``.

The list holds the first 8 bytes of the SHA-256 of each file and nothing else of an image. A file that is
not of a public set meets one of n entries with a chance of n / 2**64. INDEX.csv names the public sets: the
first folder of each file is the name of its set. FOLDER holds DICOM objects with invented names.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from trainer.data import dataset, sources


def write(digests_of: Iterable[tuple[str, str]], out: Path) -> int:
    """Write a list and return how many files are on it; the same bytes for the same files.

    Args:
        digests_of: name of the set and SHA-256, in hex, of each file.
        out: npz, one sorted array (N,) of unsigned 64-bit numbers for each set.
    """
    found: defaultdict[str, set[int]] = defaultdict(set)
    for name, digest in digests_of:
        found[name].add(int(digest[:16], 16))
    arrays = {name: np.array(sorted(found[name]), np.uint64) for name in sorted(found)}
    np.savez(out, allow_pickle=False, **arrays)
    return sum(map(len, arrays.values()))


def main(words: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m trainer.data.public_list", description=__doc__)
    parser.add_argument("index", type=Path, help="CSV index of the public sets, a folder for each")
    parser.add_argument("strangers", type=Path, nargs="?", help="folder of DICOM objects with invented names")
    parser.add_argument("--out", type=Path, default=sources.LIST)
    args = parser.parse_args(words)
    records = dataset.read(args.index)
    unknown = sorted({record.folder for record in records} - set(sources.KNOWN))
    if unknown:
        parser.error(f"{', '.join(unknown)}: say origin, licence and limits in trainer.data.sources first")
    pairs = list(zip((record.folder for record in records), dataset.digests(records), strict=True))
    if args.strangers:
        files = [file for file in sorted(args.strangers.glob("*.dcm")) if file.is_file()]
        others = [dataset.Record(file, "", "", "", "", "", "") for file in files]
        pairs += [(sources.STRANGERS, digest) for digest in dataset.digests(others)]
    print(f"{write(pairs, args.out)} files: {args.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
