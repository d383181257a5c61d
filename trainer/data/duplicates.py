"""Identical and nearly identical images, within and across splits.

Exact copies have one digest. For near copies each image meets its ten nearest by two coarse measures: the
Hamming distance of a 256-bit difference hash (N. Krawetz, "Kind of like that", 2013), and the correlation of
24 x 24 thumbnails, both computed for all pairs in blocks of one matrix product. Coarse measures cannot tell a
copy from another patient's film of the same view, so each candidate is then judged by the correlation of its
fine structure at 64 x 64, at the best of the small shifts. All of it is done with the image as it is,
mirrored, upside down, and both: public sets are known to hold such copies under other names.

What counts as a near copy: re-encoded, rescaled, brightened, flipped, shifted by up to 6 pixels of 224,
turned by 2 degrees. What escapes: quarter turns, crops of more than 2 %, and neighbouring slices that differ
as slices do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.progress import quietly

Images = NDArray[np.uint8]
Floats = NDArray[np.float32]
THRESHOLD = 0.8
"""Correlation of fine structure from which on two images count as copies. On public brain MRI, chest
X-ray and chest CT nine in ten copies of each kind above reach 0.82 or more; of the candidates from two
patients one in a thousand reaches 0.69 (X-ray) to 0.80 (MRI)."""
NEIGHBOURS = 10
_BLOCK = 1024
_CONTROL = 400
"""Images among which `control` plants its copies."""
_LIKELY = (0.6, 72)
"""Least correlation or most differing bits of a candidate whose fine structure is looked at."""
_FINE = 64
_SHIFT = 4
"""Cells of `_FINE` by which two images are shifted against each other: 14 pixels of 224."""


FLIPS: dict[str, tuple[int, int]] = {
    "": (1, 1),
    "mirrored": (1, -1),
    "upside down": (-1, 1),
    "turned by 180": (-1, -1),
}
"""How one image of a pair is flipped: steps along rows and columns."""


@dataclass(frozen=True)
class Pair:
    """Two positions, ``first < second``, and how alike the images are."""

    first: int
    second: int
    flip: str
    """Key of `FLIPS`: how one must be flipped to look like the other."""
    hamming: int
    """Differing bits of 256."""
    correlation: float
    """Of the thumbnails."""
    fine: float
    """Of the fine structure, at the best shift; what decides."""


@dataclass(frozen=True, eq=False)
class Descriptors:
    """What is compared instead of the images."""

    bits: Floats
    """(N, 256) of -1 and 1: the difference hash."""
    thumbnails: Floats
    """(N, 576) of mean 0 and length 1."""
    fine: Floats
    """(N, 64, 64): the image without its slow changes."""


def exact(digests: Sequence[str]) -> list[tuple[int, ...]]:
    """Positions that share a digest, each set of two or more once, in order."""
    places: dict[str, list[int]] = defaultdict(list)
    for position, digest in enumerate(digests):
        places[digest].append(position)
    return [tuple(each) for each in places.values() if len(each) > 1]


def describe(images: Images) -> Descriptors:
    """Descriptors of (N, H, W) uint8 images, one after the other."""
    bits = np.empty((len(images), 256), np.float32)
    thumbnails = np.empty((len(images), 576), np.float32)
    fine = np.empty((len(images), _FINE, _FINE), np.float32)
    for row, image in enumerate(images):
        steps = cv2.resize(image, (17, 16), interpolation=cv2.INTER_AREA).astype(np.int16)
        bits[row] = np.where(steps[:, 1:] > steps[:, :-1], 1, -1).ravel()
        small = cv2.resize(image, (24, 24), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
        small -= small.mean()
        thumbnails[row] = small / max(float(np.linalg.norm(small)), 1e-6)
        large = cv2.resize(image, (_FINE, _FINE), interpolation=cv2.INTER_AREA).astype(np.float32)
        large = cv2.GaussianBlur(large, (0, 0), 0.5)
        fine[row] = large - cv2.GaussianBlur(large, (0, 0), 2.5)
    return Descriptors(bits, thumbnails, fine)


def near(images: Images, threshold: float = THRESHOLD) -> list[Pair]:
    """Pairs of (N, 224, 224) images that are copies of each other or nearly so, most alike first."""
    about = describe(images)
    found: dict[tuple[int, int], Pair] = {}
    for flip, (down, right) in FLIPS.items():
        flipped = about if not flip else describe(np.ascontiguousarray(images[:, ::down, ::right]))
        for pair in _compare(about, flipped, flip, threshold):
            # A flip undone is the same flip, so both orders say the same; and of two flips the better counts.
            key = (min(pair.first, pair.second), max(pair.first, pair.second))
            if key[0] != key[1] and (key not in found or pair.fine > found[key].fine):
                found[key] = replace(pair, first=key[0], second=key[1])
    return sorted(found.values(), key=lambda pair: (-pair.fine, pair.first, pair.second))


def copied(images: Images, among: Images, threshold: float = THRESHOLD) -> NDArray[np.bool_]:
    """Which of (N, 224, 224) images have a copy or nearly so among (M, 224, 224) others, (N,).

    As `near` on all of them together, but images of one side are not compared with each other.
    """
    found = np.zeros(len(images), np.bool_)
    theirs = describe(among)
    for flip, (down, right) in FLIPS.items():
        ours = describe(np.ascontiguousarray(images[:, ::down, ::right]))
        # Both ways round: one image may be among the nearest of another that has many nearer ones itself.
        found[[pair.first for pair in _compare(ours, theirs, flip, threshold)]] = True
        found[[pair.second for pair in _compare(theirs, ours, flip, threshold)]] = True
    return found


def control(images: Images, count: int = 10, seed: int = 0) -> dict[str, tuple[int, int]]:
    """Plant copies of the images themselves and look for them: kind -> (found, planted).

    Without it, "no near copy found" could mean that the search does not work on these images.
    """
    rng = np.random.default_rng(seed)
    sample = images[rng.choice(len(images), min(_CONTROL, len(images)), replace=False)]
    chosen = rng.choice(len(sample), min(count, len(sample)), replace=False)
    planted = [
        make(np.ascontiguousarray(sample[row][:: FLIPS[flip][0], :: FLIPS[flip][1]]))
        for make, flip in PLANTED.values()
        for row in chosen
    ]
    pairs = {(pair.first, pair.second) for pair in near(np.concatenate([sample, np.stack(planted)]))}
    return {
        kind: (
            sum((int(row), len(sample) + at * len(chosen) + n) in pairs for n, row in enumerate(chosen)),
            len(chosen),
        )
        for at, kind in enumerate(PLANTED)
    }


def _compare(ours: Descriptors, theirs: Descriptors, flip: str, threshold: float) -> list[Pair]:
    """Pairs (position in ours, position in theirs). Positions that are equal are compared, too."""
    rows = len(ours.bits)
    pairs = []
    with quietly(f"comparing images {flip}".strip(), -(-rows // _BLOCK), rows) as advance:
        for start in range(0, rows, _BLOCK):
            block = slice(start, start + _BLOCK)
            hamming = (256 - ours.bits[block] @ theirs.bits.T) / 2
            correlation = ours.thumbnails[block] @ theirs.thumbnails.T
            nearest = np.concatenate([_smallest(hamming), _smallest(-correlation)], axis=1)
            row = np.repeat(np.arange(len(nearest)), nearest.shape[1])
            column = nearest.ravel()
            likely = (correlation[row, column] >= _LIKELY[0]) | (hamming[row, column] <= _LIKELY[1])
            for at, other in np.unique(np.stack([row[likely], column[likely]], axis=1), axis=0).tolist():
                fine = _alike(ours.fine[start + at], theirs.fine[other])
                if fine >= threshold:
                    bits, coarse = int(hamming[at, other]), float(correlation[at, other])
                    pairs.append(Pair(start + at, other, flip, bits, coarse, fine))
            advance("")
    return pairs


def _smallest(values: NDArray[np.floating[Any]]) -> NDArray[np.intp]:
    # One more than wanted: where images meet themselves, each is its own nearest.
    count = min(NEIGHBOURS + 1, values.shape[1])
    return np.argpartition(values, count - 1, axis=1)[:, :count]


def _alike(a: Floats, b: Floats) -> float:
    """Correlation of the middle of one with the other, at the best shift; 0 if either shows nothing."""
    inner = a[_SHIFT:-_SHIFT, _SHIFT:-_SHIFT]
    if inner.std() < 0.1 or b.std() < 0.1:  # gray levels; a flat image correlates with anything
        return 0.0
    return float(cv2.matchTemplate(b, inner, cv2.TM_CCOEFF_NORMED).max())


def _jpeg(image: Images) -> Images:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 40])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)


def _rescale(image: Images) -> Images:
    small = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, image.shape[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)


def _shift(image: Images) -> Images:
    move = np.array([[1, 0, 4], [0, 1, -3]], np.float32)
    return np.asarray(
        cv2.warpAffine(image, move, image.shape[::-1], borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def _brighten(image: Images) -> Images:
    return np.asarray(np.clip(image * 0.7 + 40, 0, 255), np.uint8)


PLANTED: dict[str, tuple[Callable[[Images], Images], str]] = {
    "re-encoded (JPEG quality 40)": (_jpeg, ""),
    "rescaled (to half and back)": (_rescale, ""),
    "shifted (4 and 3 pixels)": (_shift, ""),
    "brightened": (_brighten, ""),
    "mirrored and re-encoded": (_jpeg, "mirrored"),
    "upside down and brightened": (_brighten, "upside down"),
}
"""The copies that `control` plants: what is done, and the flip before it."""
